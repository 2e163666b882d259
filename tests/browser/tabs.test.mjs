// Tabs that come and go, and share one worker.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { browsers, launch, startDocuments, startRelay, until } from "./harness.mjs";
import { isDirect, moved, watchPath } from "./lib/path.mjs";

const page = (title) => `<!doctype html><meta charset="utf-8"><title>${title}</title><link rel="icon" href="data:,"><a href="/second">second</a>`;

describe("tabs", () => {
  let relay, origin, url;
  before(async () => {
    origin = await startDocuments({ "/": page("first"), "/second": page("second") });
    relay = await startRelay();
    ({ url } = await relay.share(origin.port));
  });
  after(async () => {
    await relay?.stop();
    await origin?.stop();
  });

  for (const name of browsers) {
    describe(name, () => {
      let browser, visitor;
      before(async () => {
        browser = await launch(name);
        visitor = await browser.visitor();
      });
      after(() => browser?.close());

      const open = async () => {
        const tab = await visitor.open(url, watchPath);
        await isDirect(tab, "/api");
        return tab;
      };
      const ask = (tab) => tab.evaluate(() => fetch("/api").then(({ status }) => status));
      const worksDirectly = async (tab) => {
        const { result, ...paths } = await moved(tab, () => ask(tab));
        assert.equal(result, 200);
        assert.deepEqual(paths, { direct: 1, relay: 0, native: 0, fallbacks: 0 });
      };

      test("there and back again", async (t) => {
        const tab = await open();
        const mark = () => {
          window.kept = false;
          addEventListener("pageshow", ({ persisted }) => (window.kept = persisted));
        };
        await tab.evaluate(mark);
        await Promise.all([tab.waitForNavigation(), tab.click("a")]);
        await isDirect(tab, "/api");
        await worksDirectly(tab);
        await tab.evaluate(mark);
        for (const [title, go] of [["first", () => history.back()], ["second", () => history.forward()]]) {
          await tab.evaluate(go);
          await until(10_000, title, async () => (await tab.title()) === title);
          await isDirect(tab, "/api");
          await worksDirectly(tab);
          const kept = await tab.evaluate(() => window.kept === true);
          t.diagnostic(`${name}, ${title}: ${kept ? "from the back/forward cache" : "loaded anew"}`);
          // Firefox keeps no document that had a peer or a lock.
          if (name === "chromium") assert.ok(kept, "the document was not in the way");
        }
        await tab.close();
      });

      test("closed and opened again", async () => {
        await (await open()).close();
        // No page of ours is left now; the worker is.
        const tab = await open();
        await worksDirectly(tab);
        await tab.close();
      });

      test("a tab that is closed takes nothing from another", async () => {
        const [first, second] = [await open(), await open()];
        await worksDirectly(first);
        await second.close();
        await worksDirectly(first);
        await first.close();
      });

      test("a request that another tab carries survives it, and is executed once", async () => {
        const carrier = await open();
        const tab = await visitor.open(url, () => {
          window.nativeSockets = [];
          window.RTCPeerConnection = class {
            constructor() {
              throw new Error("not here");
            }
          };
        });
        await until(10_000, "relay", () => tab.evaluate(() => __wingman.state === "relay" && !!navigator.serviceWorker.controller));
        await carrier.bringToFront();
        await until(5_000, "in front", () => carrier.evaluate(() => document.visibilityState === "visible"));
        const carried = await moved(carrier, () => ask(tab));
        assert.deepEqual([carried.result, carried.direct, carried.relay], [200, 1, 0]);

        await tab.evaluate(() => {
          window.slow = fetch("/slow").then((response) => response.text());
        });
        await until(5_000, "it is at the origin", async () => origin.slow === 1);
        await carrier.close();
        // What was begun directly is not known to be lost before the relay has its copy at the host.
        await until(10_000, "it goes by relay", () => tab.evaluate(() => __wingman.stats.exchanges.relay >= 1));
        origin.release();
        assert.equal(await tab.evaluate(() => window.slow), "slow");
        assert.equal(origin.slow, 1);
        origin.slow = 0;
        assert.equal(await ask(tab), 200);
        await tab.close();
      });

      test("nothing went wrong on any page", () => {
        assert.deepEqual(visitor.problems.filter((problem) => !/ERR_ABORTED|NS_BINDING_ABORTED/.test(problem)), []);
      });
    });
  }
});
