// What the tests run against: a real `scopegate serve` with its page, in front of a development intake or a broken one.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

const binary = process.env.SCOPEGATE;
assert.ok(binary, "SCOPEGATE is not set: run `make browser`");

const patience = 30_000;

/** A process whose stdout is read line by line. */
class Child {
  constructor(args, stdio) {
    this.process = spawn(binary, args, { stdio });
    this.ended = once(this.process, "exit");
    this.errors = "";
    this.process.stderr.on("data", (text) => { this.errors = (this.errors + text).slice(-4000); });
    this.lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
  }

  /** The rest of the next line, which must begin like that. */
  async line(begin) {
    const { value } = await this.lines.next();
    assert.ok(value?.startsWith(begin), `want ${begin}…, got ${value}: ${this.errors}`);
    return value.slice(begin.length);
  }

  /** What the expression finds in what is printed to stderr. */
  async logged(expression) {
    for (;;) {
      const found = expression.exec(this.errors);
      if (found) return found[1];
      await once(this.process.stderr, "data", { signal: AbortSignal.timeout(patience) });
    }
  }

  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill("SIGTERM");
    const forced = setTimeout(() => this.process.kill("SIGKILL"), patience);
    await this.ended;
    clearTimeout(forced);
  }
}

/** An intake that takes nothing: it answers everything with that status and text. */
async function brokenIntake(status, text) {
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => response.writeHead(status).end(text));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}/symdb/v1/input`,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function developmentIntake() {
  const intake = new Child(["intake", "--listen", "127.0.0.1:0"], ["ignore", "pipe", "pipe"]);
  const address = await intake.line("listening on ");
  return { url: `http://${address}/symdb/v1/input`, stop: () => intake.stop() };
}

/** Starts a server; broken is the status and the text that its intake answers with. The flags are the server's. */
export async function startStack({ broken, flags = [] } = {}) {
  const intake = broken ? await brokenIntake(...broken) : await developmentIntake();
  const server = new Child(
    ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--shutdown-grace", "1s", "--intake-url", intake.url,
      ...flags],
    ["ignore", "pipe", "pipe"],
  );
  const address = await server.line("listening on ");
  const page = `http://${await server.logged(/msg="admin port" address=(\S+)/)}/`;
  const uploads = [];
  return {
    page,
    stopServer: () => server.stop(),
    async stop() {
      for (const upload of uploads) await upload.stop();
      await server.stop();
      await intake.stop();
    },
    /** Begins an upload that goes on until it is ended; send sends a number of scopes. */
    upload(service, { version = "1.0", language = "ruby" } = {}) {
      const child = new Child(
        ["upload", "--server", address, "--service", service, "--service-version", version, "--language", language,
          "--max-attempts", "1", "-"],
        ["pipe", "pipe", "pipe"],
      );
      child.process.stdin.on("error", () => {}); // it may be gone before all is sent
      uploads.push(child);
      let sent = 0;
      return {
        send(count, symbols = 20) {
          let lines = "";
          for (let i = 0; i < count; i++) lines += scope(sent++, symbols) + "\n";
          child.process.stdin.write(lines);
        },
        /** Ends the scopes, and waits until the upload has succeeded. */
        end: async () => {
          child.process.stdin.end();
          const [code] = await child.ended;
          assert.equal(code, 0, `upload of ${service.slice(0, 80)}: ${child.errors}`);
        },
      };
    },
  };
}

function scope(number, symbols) {
  return JSON.stringify({
    scope_type: "FILE", name: `app/models/order_${number}.rb`, start_line: 0, end_line: 2147483647,
    symbols: Array.from({ length: symbols }, (_, i) => ({
      name: `field_${number}_${i}_${(number * 7919 + i * 104729).toString(36)}`, type: null, symbol_type: "FIELD", line: i,
    })),
  });
}
