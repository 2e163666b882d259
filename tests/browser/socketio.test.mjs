// socket.io: both transports, the upgrade between them, and a server that restarts.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { browsers, launch, startRelay, startSocketIoApp, until } from "./harness.mjs";
import { connectSocketIo, echoes } from "./lib/socketio-app.mjs";

const ECHOES = 200;

describe("socket.io", () => {
  let relay, server, url;
  before(async () => {
    server = await startSocketIoApp();
    relay = await startRelay();
    ({ url } = await relay.share(server.port));
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
          assert.equal(await page.evaluate(connectSocketIo, options), transport);
          assert.deepEqual(await page.evaluate(echoes, ECHOES), []);
          t.diagnostic(`${name} ${title}: ${ECHOES} echoes in ${(performance.now() - started).toFixed(0)} ms`);
          if (transport === "polling") await page.evaluate(() => window.socket.close());
        });
      }

      test("comes back when the server restarts", async (t) => {
        const first = await page.evaluate(() => window.socket.id);
        await server.stop();
        await until(10_000, "disconnected", () => page.evaluate(() => !window.socket.connected));
        await server.start();
        const started = performance.now();
        await until(15_000, "connected again", () => page.evaluate(() => window.socket.connected));
        t.diagnostic(`${name}: back after ${(performance.now() - started).toFixed(0)} ms`);
        assert.notEqual(await page.evaluate(() => window.socket.id), first);
        assert.equal(await page.evaluate(() => window.socket.timeout(5_000).emitWithAck("echo", "still here?")), "still here?");
      });
    });
  }
});
