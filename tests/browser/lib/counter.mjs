// An origin that counts how often it executed each request.

import { once } from "node:events";
import { createServer } from "node:http";

export async function startCounter() {
  const counter = new Counter();
  await counter.listen();
  return counter;
}

class Counter {
  /** Executions by id. */
  executed = new Map();
  #server = createServer((request, response) => this.#answer(request, response));

  async listen() {
    this.#server.keepAliveTimeout = 60_000;
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = this.#server.address().port;
  }

  async stop() {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #answer(request, response) {
    const url = new URL(request.url, "http://origin");
    if (url.pathname === "/page") {
      response.writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" });
      return response.end(`<!doctype html><html><head><title>load</title></head><body><script>(${load})()</script></body></html>`);
    }
    const id = url.searchParams.get("id");
    if (!id) return response.writeHead(404).end();
    let length = 0;
    try {
      for await (const piece of request) length += piece.length;
    } catch {
      return;
    }
    this.executed.set(id, (this.executed.get(id) ?? 0) + 1);
    // Some are always amid something when the path breaks.
    const wait = Number(url.searchParams.get("wait") ?? 0);
    setTimeout(() => {
      response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" });
      response.end(JSON.stringify({ id, length }));
    }, wait);
  }
}

/** Runs in the page: 10 GETs and 2 POSTs a second, each with an id of its own. */
function load() {
  let run = 0;
  const sent = [];
  const ask = async (method, id, wait) => {
    const entry = { id, method, began: performance.now() };
    sent.push(entry);
    try {
      const body = method === "POST" ? "x".repeat(2000) : undefined;
      const response = await fetch(`/item?id=${id}&wait=${wait}`, { method, body });
      const { id: got, length } = await response.json();
      if (response.status !== 200 || got !== id || length !== (body?.length ?? 0)) throw new Error(`wrong answer ${response.status}`);
    } catch (error) {
      entry.error = String(error);
    }
    entry.ended = performance.now();
  };
  let timers = [];
  window.load = {
    start(prefix) {
      run += 1;
      sent.length = 0;
      let count = 0;
      const one = (method) => ask(method, `${prefix}-${run}-${method}-${count++}`, [0, 5, 40][count % 3]);
      timers = [setInterval(one, 100, "GET"), setInterval(one, 500, "POST")];
      one("POST");
    },
    /** Stops and gives what came of each request, times in ms since `fault`. */
    async stop(fault) {
      timers.forEach(clearInterval);
      const end = performance.now() + 15_000;
      while (sent.some((entry) => entry.ended === undefined) && performance.now() < end) await new Promise((r) => setTimeout(r, 20));
      return sent.map((entry) => ({ ...entry, began: entry.began - fault, ended: (entry.ended ?? Infinity) - fault }));
    },
  };
}
