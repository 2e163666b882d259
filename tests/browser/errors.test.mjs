// What visitors see when there is nothing to see. Only the relay makes these answers.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { browsers, direct, launch, startRelay, startSampleApp, until } from "./harness.mjs";

describe("error pages", { skip: direct && "there is no relay" }, () => {
  let relay, app, shared;
  before(async () => {
    app = await startSampleApp();
    relay = await startRelay();
    shared = await relay.share(app.ready.port);
  });
  after(async () => {
    await relay?.stop();
    await app?.stop();
  });

  for (const name of browsers) {
    describe(name, () => {
      let browser;
      before(async () => {
        browser = await launch(name);
      });
      after(() => browser?.close());

      test("an unknown session", async () => {
        const visitor = await browser.visitor();
        const page = await visitor.open(relay.unknownUrl);
        assert.equal(page.answer.status(), 404);
        assert.match(page.answer.headers()["content-type"], /^text\/html/);
        assert.notEqual((await page.$eval("h1", (heading) => heading.textContent)).trim(), "");
        await visitor.screenshot(page, "error-404");
        await visitor.leave();
      });

      test("a host that is away: the page comes back by itself", async (t) => {
        const url = shared.url;
        const visitor = await browser.visitor();
        await shared.kill();
        const page = await visitor.open(`${url}/second`);
        assert.equal(page.answer.status(), 503);
        assert.match(page.answer.headers()["content-type"], /^text\/html/);
        await visitor.screenshot(page, "error-503");

        await shared.start();
        assert.equal(shared.url, url, "a host that comes back has the same session");
        const started = performance.now();
        await until(30_000, "the app", async () => (await page.title()).startsWith("Second page"));
        t.diagnostic(`${name}: the app was back ${(performance.now() - started).toFixed(0)} ms after its host`);
        assert.equal(await page.evaluate(() => location.href), `${url}/second`);
        await visitor.leave();
      });
    });
  }
});
