// A WebSocket that says nothing for a long time still works (SILENT_SECONDS, 90 unless told).

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { browsers, launch, sleep, startRelay, startSampleApp } from "./harness.mjs";

const SECONDS = Number(process.env.SILENT_SECONDS ?? 90);

describe(`a WebSocket silent for ${SECONDS} s`, { concurrency: true }, () => {
  let relay, app, url;
  before(async () => {
    app = await startSampleApp();
    relay = await startRelay();
    ({ url } = await relay.share(app.ready.port));
  });
  after(async () => {
    await relay?.stop();
    await app?.stop();
  });

  for (const name of browsers) {
    test(name, async (t) => {
      const browser = await launch(name);
      t.after(() => browser.close());
      const page = await (await browser.visitor()).open(`${url}/status/200`);
      await page.evaluate(async () => {
        const socket = new WebSocket(`${location.origin.replace("http", "ws")}/ws/echo`);
        window.ended = new Promise((resolve) => {
          socket.onclose = ({ code, wasClean }) => resolve({ code, wasClean });
        });
        window.echo = (text) =>
          new Promise((resolve, reject) => {
            setTimeout(reject, 5_000, new Error("no echo within 5 s"));
            window.ended.then((how) => reject(new Error(`closed: ${JSON.stringify(how)}`)));
            socket.onmessage = ({ data }) => resolve(data);
            socket.send(text);
          });
        window.leave = () => (socket.close(1000), window.ended);
        await new Promise((resolve, reject) => {
          socket.onopen = resolve;
          socket.onerror = () => reject(new Error("not opened"));
        });
      });
      assert.equal(await page.evaluate(() => window.echo("before")), "before");
      await sleep(SECONDS * 1000);
      assert.equal(await page.evaluate(() => window.echo("after")), "after");
      assert.deepEqual(await page.evaluate(() => window.leave()), { code: 1000, wasClean: true });
    });
  }
});
