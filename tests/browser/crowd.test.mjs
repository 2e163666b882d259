// Many pages: one after the other, each connects and goes away, and nothing of them is left at host and edge; and many
// at once, all of them served directly.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { browsers, freePort, gauges, launch, resources, startCounter, startRelay, until, within } from "./harness.mjs";

const LOADS = Number(process.env.CROWD_LOADS ?? 30);
const PEERS = Number(process.env.CROWD_PEERS ?? 50);
/** Tabs that load at the same time. */
const TABS = 3;
/** Loads before the first look: what everybody needs once is there then. */
const FIRST = 6;
/** A visitor may have eight peers. */
const OF_VISITOR = 8;
const MB = 1_000_000;

for (const name of browsers) {
  describe(`a crowd in ${name}`, { concurrency: 1 }, () => {
    let counter, relay, share, metricsPort;
    before(async () => {
      [counter, relay, metricsPort] = await Promise.all([startCounter(), startRelay(), freePort()]);
      share = await relay.share(counter.port, ["--metrics", `127.0.0.1:${metricsPort}`]);
    });
    after(async () => {
      await relay?.stop();
      await counter?.stop();
    });

    const isDirect = (page, ms = 30_000) =>
      until(ms, "direct", () => page.evaluate(() => window.__wingman?.state === "direct" && !!navigator.serviceWorker.controller));
    const askDirectly = (page, id) =>
      page.evaluate(async (id) => {
        const before = __wingman.stats.exchanges.direct;
        const { id: got } = await (await fetch(`/item?id=${id}`)).json();
        return got === id && __wingman.stats.exchanges.direct - before === 1;
      }, id);

    /** Until one goes directly: on a busy machine a page may be too late, and the relay is asked. */
    const servedDirectly = (page, name) => until(20_000, `${name} is served directly`, () => askDirectly(page, `${name}-${performance.now()}`));

    /** Both programs, once nobody is there. */
    async function level() {
      const none = ["wingman_host_peers", "wingman_edge_signaling_sockets", "wingman_edge_visitor_connections", "wingman_edge_exchanges_in_flight", "wingman_edge_streams", "wingman_edge_upgrades"];
      let all;
      await until(60_000, "nobody is there", async () => {
        all = { ...(await gauges(metricsPort)), ...(await gauges(relay.metricsPort)) };
        return none.every((gauge) => all[gauge] === 0);
      });
      return { host: { ...resources(share.pid), tasks: all.wingman_host_tasks }, edge: { ...resources(relay.pid), tasks: all.wingman_edge_tasks } };
    }

    /** So many loads of a page, each of which connects and asks once. */
    async function load(count) {
      // One of its own: with it go the connections that it would keep.
      const browser = await launch(name);
      const visitor = await browser.visitor();
      let left = count;
      await Promise.all(
        Array.from({ length: Math.min(TABS, count) }, async () => {
          let page = await visitor.open("about:blank");
          while (left-- > 0) {
            const number = left;
            await page.goto(`${share.url}/page?${number}`);
            // Now and then the driver of Firefox loses the frame of a page that has navigated.
            await until(30_000, "direct", async () => page.mainFrame().detached || (await isDirect(page, 500), true));
            if (page.mainFrame().detached) {
              page = await visitor.open(`${share.url}/page?${number}`);
              await isDirect(page);
            }
            await servedDirectly(page, `load-${number}`);
          }
          await page.close();
        }),
      );
      await browser.close();
    }

    test(`${LOADS} page loads leave nothing`, { timeout: 120_000 + LOADS * 5_000 }, async (t) => {
      await load(FIRST);
      assert.ok((await gauges(metricsPort)).wingman_host_tasks > 0);
      const first = await level();
      const opened = (await gauges(metricsPort)).wingman_host_peers_connected_total;
      await load(LOADS);
      const connected = (await gauges(metricsPort)).wingman_host_peers_connected_total - opened;
      assert.ok(connected >= LOADS, `${connected} of ${LOADS} connected`);
      // Connections that are kept for the next request close after a while.
      let last;
      const settled = until(120_000, "sockets as before", async () => {
        last = await level();
        return ["host", "edge"].every((who) => ["sockets", "descriptors", "threads", "tasks"].every((what) => last[who][what] <= first[who][what]));
      });
      await settled.catch((error) => assert.fail(`${error.message}: ${JSON.stringify({ first, last })}`));
      for (const who of ["host", "edge"]) {
        const more = last[who].memory - first[who].memory;
        t.diagnostic(`${who} after ${LOADS} loads: ${JSON.stringify(last[who])}, before: ${JSON.stringify(first[who])}`);
        assert.ok(more < 10 * MB, `the ${who} has ${(more / MB).toFixed(1)} MB more`);
      }
    });

    test(`${PEERS} pages at once are served directly`, { timeout: 240_000 }, async (t) => {
      const browser = await launch(name);
      t.after(() => browser.close());
      const visitors = await Promise.all(Array.from({ length: Math.ceil(PEERS / OF_VISITOR) }, () => browser.visitor()));
      const pages = [];
      const began = performance.now();
      // A few at a time: it is the host that is tested.
      const queue = Array.from({ length: PEERS }, (_, at) => at);
      await Promise.all(
        visitors.slice(0, 4).map(async () => {
          for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
            const page = await visitors[at % visitors.length].open(`${share.url}/page?${at}`);
            pages.push(page);
            await isDirect(page);
          }
        }),
      );
      const came = performance.now() - began;
      assert.equal((await gauges(metricsPort)).wingman_host_peers, PEERS);
      const asked = performance.now();
      const answered = await within(60_000, "answers", Promise.all(pages.map((page, at) => Promise.all([1, 2, 3].map((number) => page.evaluate(async (id) => (await (await fetch(`/item?id=${id}`)).json()).id === id, `crowd-${at}-${number}`))))));
      t.diagnostic(`${PEERS} pages after ${Math.round(came)} ms; ${PEERS * 3} requests at once in ${Math.round(performance.now() - asked)} ms; host ${JSON.stringify(resources(share.pid))}`);
      assert.ok(answered.flat().every(Boolean));
      await Promise.all(pages.map((page, at) => servedDirectly(page, `page-${at}`)));
      assert.equal((await gauges(metricsPort)).wingman_host_peers, PEERS);
      await browser.close();
      await level();
    });
  });
}
