// Keeps the page current: the server sends the parts of it that have changed.
"use strict";

(() => {
  const liveness = document.getElementById("liveness");
  const pause = document.getElementById("pause");
  const parts = new Map();
  for (const part of document.querySelectorAll("[data-live]")) parts.set(part.dataset.live, part);

  // Longer than this without an event, and what is shown may be wrong.
  const staleAfter = 5000;
  const againAfter = 5000;
  let source = null;
  let paused = false;
  let stale = 0;
  let again = 0;

  const say = (text) => { if (liveness.textContent !== text) liveness.textContent = text; };

  const heard = () => {
    say("");
    clearTimeout(stale);
    stale = setTimeout(() => say("Out of date: the server has sent nothing for a while."), staleAfter);
  };

  const show = (event) => {
    for (const [name, html] of Object.entries(JSON.parse(event.data))) {
      const part = parts.get(name);
      if (part) part.innerHTML = html;
    }
    heard();
  };

  const stop = () => {
    clearTimeout(stale);
    clearTimeout(again);
    if (source) source.close();
    source = null;
  };

  const start = () => {
    stop();
    if (paused || document.hidden) return;
    source = new EventSource("events");
    source.addEventListener("message", show);
    source.addEventListener("error", () => {
      // A browser tries again by itself, but not after an answer such as 503.
      say("Out of date: the server can't be reached, or has too many visitors.");
      stop();
      again = setTimeout(start, againAfter);
    });
  };

  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Resume" : "Pause";
    say(paused ? "Paused." : "");
    start();
  });
  document.addEventListener("visibilitychange", start);
  start();
})();
