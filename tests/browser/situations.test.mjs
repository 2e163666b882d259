// Vite's hot updates and socket.io on the direct path, whatever has happened to the page before: another tab, a hard
// reload, a worker that was stopped while nobody needed it, a time out of sight (IDLE_SECONDS each, 6 unless told).

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { browsers, launch, sleep, startRelay, startSocketIoApp, startViteApp, until } from "./harness.mjs";
import { counting, isDirect, moved, watchPath } from "./lib/path.mjs";
import { connectSocketIo, echoes } from "./lib/socketio-app.mjs";

const IDLE_SECONDS = Number(process.env.IDLE_SECONDS ?? 6);
const ECHOES = 50;

function goesDirectly({ direct, relay, native, fallbacks }, what, least = 1) {
  assert.ok(
    direct >= least && relay === 0 && native === 0 && fallbacks === 0,
    `${what}: ${direct} direct, ${relay} by relay, ${native} native sockets, ${fallbacks} fallbacks`,
  );
}

/** Each app: how it starts; a request like its own; what a new document does first; that it works directly on `pages` at once. */
const apps = {
  "Vite with React": {
    start: startViteApp,
    asks: ["/src/main.jsx", "GET"],
    async ready(page) {
      await until(15_000, "the component", () => page.$("button"));
      // Its socket is asked for while the document loads, and waits for the direct path, but not for longer than a second;
      // and what is asked for before extras.js is there has nothing to wait in.
      const { sockets, ms, lead } = await page.evaluate(() => ({
        sockets: nativeSockets,
        ms: __wingman.stats.timeToDirectMs,
        lead: extrasAt - nativeAt,
      }));
      const told = `hot updates go by relay, though the path was up after ${ms} ms and extras.js was there ${-lead} ms before`;
      assert.ok(sockets.length === 0 || ms > 900 || lead > 0, told);
    },
    edits: 0,
    async use(pages, app) {
      const text = (edits) => (edits ? `text ${edits}.` : "first text");
      const [from, to] = [text(this.edits), text(++this.edits)];
      const read = async (page) => (await page.$eval("button", (button) => button.textContent)).split(", count ");
      const ends = await Promise.all(pages.map(counting));
      const clicks = await Promise.all(
        pages.map(async (page) => {
          // Not by the mouse, which is only for the tab in front.
          await page.$eval("button", (button) => button.click());
          return (await read(page))[1];
        }),
      );
      await app.edit("src/Counter.jsx", from, to);
      for (const [at, page] of pages.entries()) {
        await until(15_000, to, async () => (await read(page))[0] === to);
        assert.equal((await read(page))[1], clicks[at], "it kept its state");
        goesDirectly(await ends[at](), "the new module");
      }
    },
  },
};
for (const transport of ["websocket", "polling"]) {
  apps[`socket.io by ${transport}`] = {
    start: startSocketIoApp,
    asks: ["/socket.io/", transport === "polling" ? "POST" : "GET"],
    // Its poll is open all the time: the page asks the browser to let the worker live.
    keepsWorker: transport === "polling",
    async ready(page) {
      const paths = await moved(page, () => page.evaluate(connectSocketIo, { transports: [transport] }));
      assert.equal(paths.result, transport);
      goesDirectly(paths, "to connect");
    },
    async use(pages) {
      for (const page of pages) {
        const id = await page.evaluate(() => socket.id);
        const paths = await moved(page, () => page.evaluate(echoes, ECHOES));
        assert.deepEqual(paths.result, []);
        assert.equal(await page.evaluate(() => socket.id), id, "the connection is the same");
        // All of a socket is one exchange, which was begun before.
        goesDirectly(paths, "echoes", transport === "polling" ? 2 : 0);
      }
    },
  };
}

describe("situations", { concurrency: 1 }, () => {
  let relay;
  before(async () => {
    relay = await startRelay();
  });
  after(() => relay?.stop());

  for (const name of browsers) {
    describe(name, () => {
      let browser;
      before(async () => {
        browser = await launch(name, { asleep: true });
      });
      after(() => browser?.close());

      for (const [title, what] of Object.entries(apps)) {
        describe(title, () => {
          let app, visitor, page, url;
          before(async () => {
            app = await what.start();
            ({ url } = await relay.share(app.port));
            visitor = await browser.visitor();
          });
          after(async () => {
            await visitor?.leave();
            await app?.stop();
          });

          const open = async () => {
            const tab = await visitor.open(url, watchPath);
            await isDirect(tab, ...what.asks);
            await what.ready(tab);
            return tab;
          };

          test("at first", async () => {
            what.edits = 0;
            page = await open();
            await what.use([page], app);
          });

          test("with two tabs", async () => {
            const tab = await open();
            await what.use([page, tab], app);
            await tab.close();
            await page.bringToFront();
          });

          test("after a hard reload", async () => {
            if (name === "chromium") await page.reload({ ignoreCache: true });
            else await page.evaluate(() => location.reload(true)).catch(() => undefined);
            await until(15_000, "reloaded", () => page.evaluate(() => window.__wingman && workerStarts === 0));
            await isDirect(page, ...what.asks);
            await what.ready(page);
            await what.use([page], app);
          });

          /** The worker was stopped. The first request starts it, and goes by relay, for it knows no page then. */
          const wake = async () => {
            await page.evaluate(() => fetch("/").then((response) => response.text()));
            await until(5_000, "the worker starts", () => page.evaluate(() => workerStarts > 0));
            await isDirect(page, ...what.asks);
            await page.evaluate(() => (window.workerStarts = 0));
          };

          test(`after ${IDLE_SECONDS} s without use`, async () => {
            const id = await page.evaluate(() => window.socket?.id);
            await sleep(IDLE_SECONDS * 1000);
            // Not even a poll that was open all the time broke.
            assert.equal(await page.evaluate(() => window.socket?.id), id);
            if (what.keepsWorker) {
              await what.use([page], app);
            } else {
              await browser.stopWorkers(page);
              await wake();
              await what.use([page], app);
            }
          });

          test(`after ${IDLE_SECONDS} s out of sight`, async () => {
            const other = await visitor.open("about:blank");
            await until(5_000, "hidden", () => page.evaluate(() => document.visibilityState === "hidden"));
            await sleep(IDLE_SECONDS * 1000);
            if (!what.keepsWorker) {
              await browser.stopWorkers(page);
              await wake();
            }
            await what.use([page], app);
            await other.close();
            await page.bringToFront();
            await until(5_000, "visible", () => page.evaluate(() => document.visibilityState === "visible"));
            await what.use([page], app);
          });
        });
      }
    });
  }
});
