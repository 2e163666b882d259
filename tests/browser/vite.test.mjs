// A real Vite dev server: hot module replacement keeps the page's state.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { browsers, launch, startRelay, startViteApp, until } from "./harness.mjs";

/** Notes every WebSocket: Vite's client falls back to the origin's own port if the URL's one fails. */
function noteSockets() {
  const Native = WebSocket;
  window.sockets = [];
  window.WebSocket = class extends Native {
    constructor(...args) {
      super(...args);
      window.sockets.push(this);
    }
  };
}

describe("Vite with React", () => {
  let relay;
  before(async () => {
    relay = await startRelay();
  });
  after(() => relay?.stop());

  for (const name of browsers) {
    describe(name, () => {
      let vite, browser, visitor, page, url;

      before(async () => {
        vite = await startViteApp();
        ({ url } = await relay.share(vite.port));
        browser = await launch(name);
        visitor = await browser.visitor();
        page = await visitor.open(url, noteSockets);
      });
      after(async () => {
        await browser?.close();
        await vite?.stop();
      });

      const text = () => page.$eval("button", (button) => button.textContent);
      const textBecomes = (expected) => until(15_000, expected, async () => (await text()) === expected);

      test("the app runs and keeps state", async () => {
        await textBecomes("first text, count 0");
        for (let clicks = 0; clicks < 3; clicks++) await page.click("button");
        await textBecomes("first text, count 3");
        await page.evaluate(() => (window.marker = "this very page"));
      });

      test("its hot-update socket goes through the URL", async () => {
        const sockets = await until(10_000, "an open socket", () =>
          page.evaluate(() => window.sockets.every((s) => s.readyState === 1) && window.sockets.map((s) => [new URL(s.url).host, s.protocol])),
        );
        assert.deepEqual(sockets, [[new URL(url).host, "vite-hmr"]]);
      });

      test("an edited component changes in place, its state kept", async (t) => {
        for (const [from, to] of [["first", "second"], ["second", "third"]]) {
          const started = performance.now();
          await vite.edit("src/Counter.jsx", `${from} text`, `${to} text`);
          await textBecomes(`${to} text, count 3`);
          t.diagnostic(`${name}: ${(performance.now() - started).toFixed(0)} ms from the edit to the DOM`);
        }
        await page.click("button");
        await textBecomes("third text, count 4");
        assert.equal(await page.evaluate(() => window.marker), "this very page");
      });

      test("an edited style changes in place", async () => {
        const color = () => page.$eval("button", (button) => getComputedStyle(button).color);
        assert.equal(await color(), "rgb(1, 2, 3)");
        await vite.edit("src/style.css", "rgb(1, 2, 3)", "rgb(4, 5, 6)");
        await until(15_000, "the new color", async () => (await color()) === "rgb(4, 5, 6)");
        assert.equal(await page.evaluate(() => window.marker), "this very page");
      });

      test("an edited index.html reloads the page", async () => {
        await vite.edit("index.html", "First title", "Second title");
        await until(15_000, "the new title", async () => (await page.title()) === "Second title");
        await textBecomes("third text, count 0");
        assert.equal(await page.evaluate(() => window.marker), undefined);
      });

      test("nothing went wrong on the page", () => {
        // A reload aborts what is still loading; that is the browser's doing.
        const problems = visitor.problems.filter((problem) => !/ERR_ABORTED|NS_BINDING_ABORTED/.test(problem));
        assert.deepEqual(problems, []);
      });
    });
  }
});
