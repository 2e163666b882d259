// A real Vite dev server: hot module replacement keeps the page's state.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { browsers, launch, startRelay, startViteApp, until } from "./harness.mjs";

/** Notes native sockets of the app: Vite's client falls back to the origin's own port if the URL's one fails. */
function noteSockets() {
  window.sockets = [];
  window.WebSocket = new Proxy(WebSocket, {
    construct(target, parameters, newTarget) {
      const socket = Reflect.construct(target, parameters, newTarget);
      const { host, pathname } = new URL(socket.url);
      if (!pathname.startsWith("/_wingman/")) window.sockets.push(host);
      return socket;
    },
  });
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

      test("its hot-update socket goes through the URL, natively or directly", async () => {
        const hosts = await page.evaluate(() => window.sockets);
        assert.deepEqual(hosts.filter((host) => host !== new URL(url).host), []);
        const direct = await page.evaluate(() => window.__wingman?.stats.exchanges.direct ?? 0);
        assert.ok(hosts.length === 1 || direct > 0, "there is one");
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
