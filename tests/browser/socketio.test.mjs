// socket.io: both transports, the upgrade between them, and a server that restarts.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { Server } from "socket.io";
import { browsers, freePort, launch, startRelay, until } from "./harness.mjs";

const PAGE = '<!doctype html><meta charset="utf-8"><title>socket.io</title><link rel="icon" href="data:,"><script src="/socket.io/socket.io.js"></script>';
const ECHOES = 200;

/** A socket.io server that serves its own client and echoes what it gets. */
async function startServer(port) {
  const http = createServer((request, response) => {
    response.setHeader("content-type", "text/html").end(PAGE);
  });
  const io = new Server(http);
  io.on("connection", (socket) => socket.on("echo", (value, reply) => reply(value)));
  http.listen(port, "127.0.0.1");
  await once(http, "listening");
  return {
    stop: async () => {
      http.closeAllConnections();
      await io.close();
    },
  };
}

/** In the page: connects, and tells how it went. */
async function echoes(options, count) {
  const socket = window.io({ ...options, reconnectionDelay: 200, reconnectionDelayMax: 500, forceNew: true });
  window.socket = socket;
  await new Promise((resolve, reject) => {
    socket.on("connect", resolve);
    socket.on("connect_error", reject);
  });
  if (!options.transports) {
    await new Promise((resolve) => {
      if (socket.io.engine.transport.name === "websocket") resolve();
      else socket.io.engine.on("upgrade", resolve);
    });
  }
  const wrong = [];
  const lane = async (first) => {
    for (let n = first; n < count; n += 10) {
      const sent = { n, text: "grüße ".repeat(n % 50), bytes: new Uint8Array(n).fill(n) };
      const back = await socket.timeout(15_000).emitWithAck("echo", sent);
      const bytes = new Uint8Array(back.bytes);
      if (back.n !== n || back.text !== sent.text || bytes.length !== n || bytes.some((byte) => byte !== n % 256)) wrong.push(n);
    }
  };
  await Promise.all(Array.from({ length: 10 }, (_, first) => lane(first)));
  return { transport: socket.io.engine.transport.name, wrong };
}

describe("socket.io", () => {
  let relay, port, server, url;
  before(async () => {
    port = await freePort();
    server = await startServer(port);
    relay = await startRelay();
    ({ url } = await relay.share(port));
  });
  after(async () => {
    await server?.stop();
    await relay?.stop();
  });

  for (const name of browsers) {
    describe(name, () => {
      let browser, page;
      before(async () => {
        browser = await launch(name);
        page = await (await browser.visitor()).open(url);
      });
      after(() => browser?.close());

      for (const [title, options, transport] of [
        ["by WebSocket only", { transports: ["websocket"] }, "websocket"],
        ["by polling only", { transports: ["polling"] }, "polling"],
        ["by polling, then upgraded", {}, "websocket"],
      ]) {
        test(title, async (t) => {
          const started = performance.now();
          const seen = await page.evaluate(echoes, options, ECHOES);
          assert.deepEqual(seen, { transport, wrong: [] });
          t.diagnostic(`${name} ${title}: ${ECHOES} echoes in ${(performance.now() - started).toFixed(0)} ms`);
          if (transport === "polling") await page.evaluate(() => window.socket.close());
        });
      }

      test("comes back when the server restarts", async (t) => {
        const first = await page.evaluate(() => window.socket.id);
        await server.stop();
        await until(10_000, "disconnected", () => page.evaluate(() => !window.socket.connected));
        server = await startServer(port);
        const started = performance.now();
        await until(15_000, "connected again", () => page.evaluate(() => window.socket.connected));
        t.diagnostic(`${name}: back after ${(performance.now() - started).toFixed(0)} ms`);
        assert.notEqual(await page.evaluate(() => window.socket.id), first);
        assert.equal(await page.evaluate(() => window.socket.timeout(5_000).emitWithAck("echo", "still here?")), "still here?");
      });
    });
  }
});
