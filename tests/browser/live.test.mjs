// The page script with a real edge, host and app: up, used, broken, back.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { browsers, launch, startRelay, startSampleApp, until } from "./harness.mjs";
import { collectConnections } from "./lib/connections.mjs";

for (const name of browsers) {
  describe(`page script with a real host in ${name}`, () => {
    let app, relay, share, browser, visitor;

    before(async () => {
      [app, relay] = await Promise.all([startSampleApp(), startRelay()]);
      share = await relay.share(app.ready.port);
      browser = await launch(name);
      visitor = await browser.visitor();
    });
    after(async () => {
      await browser?.close();
      await Promise.all([relay?.stop(), app?.stop()]);
    });

    const state = (page) => page.evaluate(() => ({ state: __wingman.state, why: __wingman.why, stats: __wingman.stats }));
    const isDirect = (page) => until(15_000, "direct", async () => (await state(page)).state === "direct");
    const open = async () => {
      const page = await visitor.open(share.url, collectConnections);
      await isDirect(page);
      // It comes with the second script, and so do direct sockets.
      await until(5_000, "extras", () => page.evaluate(() => document.querySelector("wingman-badge") !== null));
      return page;
    };

    test("comes up soon", async () => {
      const times = [];
      for (let run = 0; run < 5; run++) {
        const page = await open();
        times.push((await state(page)).stats.timeToDirectMs);
        await page.close();
      }
      console.log(name, "time to direct", times.map(Math.round));
      assert.ok(Math.min(...times) < 1_000, `${times}`);
    });

    test("requests and the chat go directly, and come back after the channel was closed", async () => {
      const page = await open();
      const fetched = () => page.evaluate(async () => {
        const before = __wingman.stats.exchanges.direct;
        const response = await fetch("/api/todos");
        return [response.status, __wingman.stats.exchanges.direct - before];
      });
      assert.equal((await fetched())[1], 1);
      const chat = () => page.evaluate(async () => {
        const before = __wingman.stats.exchanges.direct;
        window.socket = new WebSocket("/ws/chat");
        window.ended = undefined;
        socket.onclose = ({ code }) => (window.ended = code);
        const got = new Promise((resolve, reject) => {
          socket.onmessage = ({ data }) => String(data).includes("hello from the test") && resolve(data);
          socket.onerror = reject;
        });
        socket.onopen = () => socket.send(JSON.stringify({ from: "test", text: "hello from the test" }));
        await Promise.race([got, new Promise((_, reject) => setTimeout(reject, 5000, new Error("no chat")))]);
        return __wingman.stats.exchanges.direct - before;
      });
      assert.equal(await chat(), 1);
      await page.evaluate(() => connections.at(-1).channels[1].close());
      await until(3_000, "socket closed", () => page.evaluate(() => window.ended === 1006));
      const [status] = await fetched();
      assert.equal(status, 200);
      const start = performance.now();
      await isDirect(page);
      console.log(name, "back after", Math.round(performance.now() - start), "ms");
      assert.equal((await fetched())[1], 1);
      assert.equal(await chat(), 1);
      await page.close();
    });
  });
}
