// Edge, host and origin in one small server, for tests of the worker alone. The same origin is asked by relay (any
// request) and directly (`POST /_wingman/host` of fixtures/worker/page.ts). Like the host it executes a request id once.

import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { build } from "../../../static/node_modules/esbuild/lib/main.js";

const root = join(import.meta.dirname, "../../..");

/**
 * Starts it. `origin(request)` gets `{via, method, target, fields, content}` and gives `{status, fields, content}`;
 * `content` may be an async iterable. `fields` are pairs, names in lower case.
 */
export async function startFakeHost(origin) {
  const host = new FakeHost(origin);
  await host.start();
  return host;
}

class FakeHost {
  url;
  /** Answers all but its own requests with 410. */
  ended = false;
  /** Relayed requests and direct ones, as the origin saw them. */
  seen = [];
  #origin;
  #server;
  #scripts;
  #kept = new Map();
  #tickets = new Map();
  #lastTicket = 0;

  constructor(origin) {
    this.#origin = origin;
  }

  async start() {
    const bundle = async (entry) => {
      const { outputFiles } = await build({
        entryPoints: [join(root, entry)],
        bundle: true,
        format: "iife",
        target: "es2022",
        write: false,
        tsconfigRaw: {},
      });
      return outputFiles[0].text;
    };
    this.#scripts = {
      "/_wingman/worker.js": await bundle("static/src/worker/main.ts"),
      "/_wingman/page.js": await bundle("tests/browser/fixtures/worker/page.ts"),
    };
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    }).listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.url = `http://worker.localhost:${this.#server.address().port}`;
  }

  async stop() {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #answer(request, response) {
    const content = await read(request);
    const { pathname } = new URL(request.url, this.url);
    if (this.ended) return response.writeHead(410, { "wingman-error": "session-ended" }).end();
    const script = this.#scripts[pathname];
    if (script) {
      response.writeHead(200, { "content-type": "text/javascript", "service-worker-allowed": "/" });
      return response.end(script);
    }
    if (pathname.startsWith("/_wingman/cookies/")) {
      const cookies = this.#tickets.get(pathname.split("/").at(-1));
      return response.writeHead(cookies ? 204 : 404, cookies ? { "set-cookie": cookies } : {}).end();
    }
    if (pathname === "/_wingman/host") {
      const head = JSON.parse(atob(request.headers.head));
      // As data channels, and unlike fetch, byte strings pass as they are.
      const answer = await this.#execute({ via: "direct", ...head, content });
      const fields = this.#withTicket(answer.fields);
      const said = btoa(JSON.stringify({ status: answer.status, fields }));
      response.writeHead(200, { head: said, "cache-control": "no-store" });
      return pour(answer.content, response);
    }
    const fields = request.rawHeaders.flatMap((name, at, all) => (at % 2 ? [] : [[name.toLowerCase(), all[at + 1]]]));
    const answer = await this.#execute({ via: "relay", method: request.method, target: request.url, fields, content });
    response.writeHead(answer.status, answer.fields.flat());
    await pour(answer.content, response);
  }

  async #execute(request) {
    const ours = request.fields.filter(([name]) => name.startsWith("wingman-"));
    const id = ours.find(([name]) => name === "wingman-request-id")?.[1];
    const run = async () => {
      const fields = request.fields.filter((line) => !ours.includes(line));
      const seen = { ...request, fields, ours: Object.fromEntries(ours) };
      this.seen.push(seen);
      return this.#origin(seen);
    };
    if (!id) return run();
    const asked = `${request.method} ${request.target}`;
    const known = this.#kept.get(id) ?? { asked, answer: run() };
    // What a copy is redirected to has the same id.
    if (known.asked !== asked) return run();
    this.#kept.set(id, known);
    return known.answer;
  }

  #withTicket(fields) {
    const cookies = fields.filter(([name]) => name === "set-cookie").map(([, value]) => value);
    if (!cookies.length) return fields;
    const ticket = String(++this.#lastTicket);
    this.#tickets.set(ticket, cookies);
    return [...fields.filter(([name]) => name !== "set-cookie"), ["wingman-ticket", ticket]];
  }

  /** Tickets that were given so far are worth nothing. */
  loseTickets() {
    this.#tickets = { get: () => undefined, set: () => undefined };
  }
}

async function read(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function pour(content, response) {
  if (content === undefined || typeof content === "string" || content instanceof Uint8Array) return response.end(content);
  response.flushHeaders();
  for await (const piece of content) {
    if (response.destroyed) return;
    if (!response.write(piece)) await Promise.race([once(response, "drain"), once(response, "close")]);
  }
  response.end();
}
