import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";

import { startStack } from "./stack.mjs";

const hostile = {
  script: `<script>window.owned = "script"</script><img src=x onerror="window.owned = 'img'">`,
  attribute: `" autofocus onfocus="window.owned = 'attribute'" x="`,
  long: "w".repeat(256),
  direction: "\u202Egnp.exe \u05E9\u05DC\u05D5\u05DD \u0645\u0631\u062D\u0628\u0627",
  lines: "one\ntwo\r\nthree\tfour\u2028five\u0007",
  marks: "z" + "\u0300".repeat(127),
};

let browser;
before(async () => {
  const executablePath = process.env.CHROMIUM;
  assert.ok(executablePath, "CHROMIUM is not set: run `make browser`");
  browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
});
after(async () => { await browser?.close(); });

/** Opens the page; what the browser complains of is in page.complaints. */
async function open(t, url, { waits = ".tile", ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  t.after(() => context.close());
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  page.complaints = [];
  page.requested = [];
  page.on("console", (message) => { if (message.type() === "error") page.complaints.push(message.text()); });
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  page.on("request", (request) => page.requested.push(request.url()));
  await page.goto(url);
  await page.locator(waits).first().waitFor();
  return page;
}

/** Resolves when the expression holds in the page. */
const becomes = (page, expression) => page.waitForFunction(expression);

const uploadRow = (page, service) => page.locator('[data-live="uploads"] tbody tr', { hasText: service });

const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

/** Texts whose contrast with their ground is below 4.5 (WCAG 2.2, 1.4.3). */
const faintTexts = (page) => page.evaluate(() => {
  const parse = (text) => text.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const linear = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest("script, noscript, .unseen")) continue;
    const [text, back] = [luminance(parse(getComputedStyle(element).color)), luminance(ground(element))];
    const ratio = (Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05);
    if (ratio < 4.5) faint.push(`${element.className || element.tagName}: ${ratio.toFixed(2)}`);
  }
  return faint;
});

describe("with an intake that works", () => {
  let stack;
  before(async () => { stack = await startStack({ flags: ["--flush-threshold", "8KiB"] }); });
  after(() => stack?.stop());

  test("the page loads, and asks nobody else for anything", async (t) => {
    const page = await open(t, stack.page);
    assert.equal(await page.title(), "scopegate");
    assert.equal(await page.locator(".pill").innerText(), "All is well");
    assert.equal(await page.locator(".problem").count(), 0);
    await becomes(page, () => document.querySelector("#pause").hidden === false);
    for (const url of page.requested) assert.ok(url.startsWith(stack.page), url);
    assert.deepEqual(page.complaints, []);
  });

  test("scripts and styles that are not the page's own are not run", async (t) => {
    const page = await open(t, stack.page);
    await page.evaluate(() => {
      const script = document.createElement("script");
      script.textContent = "window.owned = 1";
      document.body.append(script);
      const styled = document.createElement("div");
      styled.innerHTML = '<p id="styled" style="color: rgb(1, 2, 3)">x</p><img src="data:image/png;base64,AAAA" onerror="window.owned = 2">';
      document.body.append(styled);
    });
    assert.equal(await page.evaluate(() => window.owned), undefined);
    assert.notEqual(await page.evaluate(() => getComputedStyle(document.querySelector("#styled")).color), "rgb(1, 2, 3)");
    assert.ok(page.complaints.length > 0, "the policy was not applied");
  });

  test("it shows an upload while that runs, without being loaded again", async (t) => {
    const page = await open(t, stack.page);
    const upload = stack.upload("live-shop", { version: "2.7", language: "ruby" });
    upload.send(3);
    const row = uploadRow(page, "live-shop");
    await row.waitFor();
    assert.match(await row.innerText(), /2\.7/);
    assert.match(await row.innerText(), /ruby/);
    await becomes(page, () => document.querySelector(".tile.uploads .value").textContent === "1");
    upload.send(1234);
    // One scope is held back until the next one is there, yet all are received.
    await page.locator('[data-live="uploads"] td[data-label="Scopes"]', { hasText: /^1.237$/ }).waitFor();
    await becomes(page, () => /[1-9]\d* accepted/.test(document.querySelector('[data-live="uploads"] td[data-label="Batch"]').textContent));
    await becomes(page, () => document.querySelector(".plot.received path.area") !== null);
    await upload.end();
    await page.locator('[data-live="finished"] tbody tr.good', { hasText: "live-shop" }).waitFor();
    await row.waitFor({ state: "detached" });
    assert.equal(page.requested.filter((url) => url === stack.page).length, 1);
    assert.deepEqual(page.complaints, []);
  });

  test("it can be paused", async (t) => {
    const page = await open(t, stack.page);
    const pause = page.getByRole("button", { name: "Pause" });
    await pause.click();
    await becomes(page, () => document.querySelector("#liveness").textContent === "Paused.");
    const upload = stack.upload("paused-shop");
    upload.send(2);
    const other = await open(t, stack.page);
    await uploadRow(other, "paused-shop").waitFor();
    assert.equal(await uploadRow(page, "paused-shop").count(), 0);
    await page.getByRole("button", { name: "Resume" }).click();
    await uploadRow(page, "paused-shop").waitFor();
    await upload.end();
  });

  test("it works without JavaScript", async (t) => {
    const upload = stack.upload("plain-shop");
    upload.send(5);
    const watching = await open(t, stack.page);
    await uploadRow(watching, "plain-shop").waitFor();
    const page = await open(t, stack.page, { javaScriptEnabled: false });
    await uploadRow(page, "plain-shop").waitFor();
    assert.ok(await page.locator("noscript p").isVisible());
    assert.equal(await page.getByRole("button").count(), 0);
    assert.ok((await page.locator(".plot svg path").count()) > 0);
    await upload.end();
    await watching.locator('[data-live="finished"] tbody tr', { hasText: "plain-shop" }).waitFor();
    await page.reload();
    await page.locator('[data-live="finished"] tbody tr', { hasText: "plain-shop" }).waitFor();
    assert.equal(await uploadRow(page, "plain-shop").count(), 0);
  });

  test("names are shown as text, whatever is in them", async (t) => {
    const uploads = Object.values(hostile).map((name) => stack.upload(name, { version: name, language: name }));
    for (const upload of uploads) upload.send(2);
    for (const width of [1280, 360]) {
      const page = await open(t, stack.page, { viewport: { width, height: 800 } });
      const rows = page.locator('[data-live="uploads"] tbody tr');
      await rows.nth(uploads.length - 1).waitFor();
      assert.equal(await rows.count(), uploads.length);
      assert.ok(await page.getByText("<script>window.owned").first().isVisible());
      assert.match(await page.locator('[data-live="uploads"]').innerText(), /one\\ntwo\\r\\nthree\\tfour\\u2028five\\a/);
      assert.match(await page.locator('[data-live="uploads"]').innerText(), /\\u202e/);
      assert.equal(await page.locator('[data-live="uploads"] :is(script, img)').count(), 0);
      assert.equal(await page.evaluate(() => window.owned), undefined);
      assert.equal(await overflow(page), 0, `at ${width} px`);
      const tallest = await rows.evaluateAll((all) => Math.max(...all.map((row) => row.getBoundingClientRect().height)));
      assert.ok(tallest < (width === 360 ? 500 : 80), `a row is ${tallest} px high at ${width} px`);
      assert.deepEqual(page.complaints, []);
    }
    await Promise.all(uploads.map((upload) => upload.end()));
    const page = await open(t, stack.page, { viewport: { width: 360, height: 800 } });
    await page.locator('[data-live="finished"] tbody tr', { hasText: "<script>" }).waitFor();
    assert.equal(await overflow(page), 0);
    assert.equal(await page.evaluate(() => window.owned), undefined);
  });

  test("what it shows has names and roles", async (t) => {
    const upload = stack.upload("named-shop");
    upload.send(2);
    const page = await open(t, stack.page, { reducedMotion: "reduce" });
    await uploadRow(page, "named-shop").waitFor();
    assert.equal(await page.locator("h1").count(), 1);
    for (const name of ["Uploads in flight", "Recently finished"]) {
      assert.ok(await page.getByRole("table", { name: new RegExp(name) }).isVisible(), name);
    }
    assert.equal(await page.locator("th:not([scope])").count(), 0);
    assert.equal(await page.locator('svg:not([aria-hidden]):not([role="img"][aria-label])').count(), 0);
    assert.equal(await page.evaluate(() => document.documentElement.lang), "en");
    assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector("#pause")).transitionDuration), "0s");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the uploads");
    // On a phone rows are cards, and still rows of a table.
    await page.setViewportSize({ width: 360, height: 800 });
    assert.ok((await page.getByRole("table", { name: /Uploads in flight/ }).getByRole("row").count()) >= 2);
    await upload.end();
  });

  test("it has a dark and a light ground, and texts that stand out on both", async (t) => {
    const grounds = [];
    for (const colorScheme of ["light", "dark"]) {
      const page = await open(t, stack.page, { colorScheme });
      await page.locator('[data-live="finished"] tbody tr').first().waitFor();
      assert.deepEqual(await faintTexts(page), [], colorScheme);
      grounds.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
    }
    assert.deepEqual(grounds, ["rgb(245, 246, 248)", "rgb(16, 19, 24)"]);
  });
});

describe("with an intake that fails", () => {
  let stack;
  before(async () => { stack = await startStack({ broken: [503, "the <b>backend</b> is away"] }); });
  after(() => stack?.stop());

  test("it says so at once", async (t) => {
    const page = await open(t, stack.page);
    assert.equal(await page.locator(".problem").count(), 0);
    for (let i = 1; i <= 6; i++) { // so many that the breaker opens soon
      const upload = stack.upload(`unlucky-shop-${i}`);
      upload.send(3);
      upload.end().catch(() => {});
    }
    const problem = page.locator(".problem.failing");
    await problem.waitFor();
    assert.match(await problem.innerText(), /The intake is failing since \d\d:\d\d:\d\d UTC/);
    assert.match(await problem.innerText(), /HTTP 503: the <b>backend<\/b> is away/);
    assert.equal(await page.locator(".pill").innerText(), "The intake is failing");
    await page.locator(".failures li", { hasText: /HTTP 503.*\d+ times since/s }).waitFor();
    await page.locator('.outcomes tr.bad', { hasText: "unavailable" }).waitFor();
    await page.locator(".plot.attempts path.bad").waitFor({ state: "attached" });
    // Once the breaker has opened, the upload waits.
    await page.locator(".tile.intake", { hasText: "down" }).waitFor();
    await uploadRow(page, "unlucky-shop-1").locator("td.phase", { hasText: "waiting for the intake to accept batch 1" }).waitFor();
    assert.deepEqual(page.complaints, []);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await faintTexts(page), [], colorScheme);
    }
    await page.setViewportSize({ width: 360, height: 800 });
    assert.equal(await overflow(page), 0);
  });

  test("it says that it is out of date when the server is gone", async (t) => {
    const page = await open(t, stack.page);
    await becomes(page, () => document.querySelector("#pause").hidden === false);
    await stack.stopServer();
    await becomes(page, () => document.querySelector("#liveness").textContent.startsWith("Out of date"));
  });
});

// A story to be told in pictures; takes a minute.
test("pictures for the docs", { skip: process.env.SCREENSHOTS ? false : "only with SCREENSHOTS=DIR" }, async (t) => {
  const dir = process.env.SCREENSHOTS;
  mkdirSync(dir, { recursive: true });
  const shops = [["checkout-api", "2026.11.3", "go"], ["payments", "8.14.0", "JAVA"], ["catalogue", "5.2.1", "python"],
    ["storefront", "131", "dotnet"], ["invoices", "0.9.7", "ruby"]];
  const tell = async (stack, rounds) => {
    const going = shops.map(([service, version, language]) => stack.upload(service, { version, language }));
    for (let round = 0; round < rounds; round++) {
      for (const [i, upload] of going.entries()) upload.send(60 + ((round * 37 + i * 53) % 240), 10 + ((round * 13) % 40));
      if (round % 6 === 5) {
        const i = (round / 6 | 0) % shops.length;
        going[i].end().catch(() => {});
        going[i] = stack.upload(shops[i][0], { version: shops[i][1], language: shops[i][2] });
        going[i].send(40);
      }
      await new Promise((resolve) => { setTimeout(resolve, 1000); });
    }
  };
  const shoot = async (stack, name, options) => {
    const page = await open(t, stack.page, options);
    await becomes(page, () => document.querySelector("#pause").hidden === false);
    const path = `${dir}/admin-${name}.png`;
    await page.screenshot({ path });
    spawnSync("pngquant", ["--force", "--output", path, path]); // a quarter of the size, where there is pngquant
  };
  const well = await startStack({ flags: ["--flush-threshold", "96KiB"] });
  t.after(() => well.stop());
  await tell(well, 50);
  const desktop = { viewport: { width: 1200, height: 1000 } };
  await shoot(well, "light", { ...desktop, colorScheme: "light" });
  await shoot(well, "dark", { ...desktop, colorScheme: "dark" });
  await shoot(well, "phone", { viewport: { width: 360, height: 1100 }, colorScheme: "light" });
  const ill = await startStack({ broken: [503, "backend is down for maintenance"], flags: ["--flush-threshold", "96KiB"] });
  t.after(() => ill.stop());
  await tell(ill, 25);
  await shoot(ill, "failing", { viewport: { width: 1200, height: 1500 }, colorScheme: "light" });
});
