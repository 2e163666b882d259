// Downloads and uploads far larger than anything on their way may keep: right to the last byte, and nobody piles them up.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { browsers, family, hashOf, launch, peak, privateMemory, resources, sleep, startBulkOrigin, startRelay, until } from "./harness.mjs";

const MB = 1_000_000;
const DOWN = Number(process.env.BULK_DOWN_MB ?? 60) * MB;
const UP = Number(process.env.BULK_UP_MB ?? 50) * MB;
const SLOW_MS = Number(process.env.BULK_SLOW_SECONDS ?? 5) * 1_000;
const RATE = 200_000;
const MOST = 30 * MB;

const mb = (bytes) => `${(bytes / MB).toFixed(1)} MB`;
const told = (more) => Object.entries(more).map(([who, bytes]) => `${who} ${mb(bytes)}`).join(", ");

for (const name of browsers) {
  /**
   * What the browser may have by itself for a content. Firefox has such ones two to four times, whenever it likes, and
   * Chromium clears away late when it is busy: what piles up is seen by what the origin has sent ahead of the reader.
   */
  const likely = (alone, length) => (name === "firefox" ? 2 : 1) * Math.max(alone, 0) + length;

  describe(`bulk in ${name}`, { concurrency: 1 }, () => {
    let origin, relay, share, browser, page, native;
    before(async () => {
      [origin, relay] = await Promise.all([startBulkOrigin(), startRelay()]);
      share = await relay.share(origin.port);
      browser = await launch(name);
      const visitor = await browser.visitor();
      // The same without edge and host: what the browser itself needs for it.
      native = await visitor.open(`http://native.localhost:${origin.port}/page`);
      page = await visitor.open(`${share.url}/page`);
      await until(60_000, "direct", () => page.evaluate(() => window.__wingman?.state === "direct" && !!navigator.serviceWorker.controller));
      // What everybody needs once is there.
      for (const one of [native, page]) await one.evaluate(() => bulk.download(30_000_000));
    });
    after(async () => {
      await browser?.close();
      await relay?.stop();
      await origin?.stop();
    });

    /** What was is cleared away: the browser's memory is the same for a second. */
    const settled = () =>
      until(30_000, "memory settles", async () => {
        const seen = [];
        for (let count = 0; count < 5; count++) {
          seen.push(privateMemory(family(browser.pid)));
          await sleep(250);
        }
        return Math.max(...seen) - Math.min(...seen) < 2 * MB;
      });

    /** How much more than at first host, edge and browser have while `act` runs, at most. */
    async function growth(act) {
      await settled();
      // A browser starts processes ahead of need, 80 MB each; what piles up does so in those that are there.
      const processes = family(browser.pid);
      const measures = {
        host: () => resources(share.pid).memory,
        edge: () => resources(relay.pid).memory,
        browser: () => privateMemory(processes),
      };
      const running = Object.entries(measures).map(([who, measure]) => [who, measure(), peak(measure, who === "browser" ? 300 : 50)]);
      const result = await act();
      return { result, more: Object.fromEntries(running.map(([who, first, most]) => [who, most() - first])) };
    }

    /** Downloads; slowly for a while, in which all is measured, then as fast as it can. */
    async function download(page) {
      let reading;
      const { result: ahead, more } = await growth(async () => {
        reading = page.evaluate((length, rate) => bulk.download(length, rate), DOWN, RATE);
        reading.catch(() => undefined);
        let most = 0;
        const end = performance.now() + SLOW_MS;
        while (performance.now() < end) {
          await sleep(250);
          most = Math.max(most, origin.sent - (await page.evaluate(() => bulk.read)));
        }
        return most;
      });
      await page.evaluate(() => (bulk.rate = Infinity));
      return { result: await reading, ahead, more };
    }

    test("a download is right to the last byte, and who reads slowly lets nothing pile up", { timeout: 180_000 }, async (t) => {
      const before = await page.evaluate(() => bulk.paths());
      const alone = await download(native);
      const { result, ahead, more } = await download(page);
      t.diagnostic(`${mb(DOWN)}: ${mb(ahead)} ahead of the reader, ${mb(alone.ahead)} without us; more memory: ${told(more)}; without us: browser ${mb(alone.more.browser)}`);
      assert.deepEqual(result, { length: DOWN, hash: hashOf(DOWN) });
      assert.equal((await page.evaluate(() => bulk.paths())).direct, before.direct + 1);
      assert.ok(more.host < MOST && more.edge < MOST, told(more));
      assert.ok(more.browser < likely(alone.more.browser, DOWN) + MOST, `${told(more)}; without us ${mb(alone.more.browser)}`);
      // Firefox takes all of it from the network, whoever reads how fast: without us just the same.
      if (name !== "firefox") assert.ok(ahead < MOST, `${mb(ahead)} ahead; ${told(more)}`);
    });

    for (const how of ["blob", "request"]) {
      test(`an upload (${how}) to a slow origin arrives whole, and nobody keeps it`, { timeout: 180_000 }, async (t) => {
        const upload = async (page) => {
          const hash = await page.evaluate((length) => bulk.make(length), UP);
          const { result, more } = await growth(() => page.evaluate((how, slow) => bulk.upload(how, slow), how, SLOW_MS));
          assert.deepEqual(result, { length: UP, hash });
          await page.evaluate(() => delete bulk.content);
          return more;
        };
        const before = await page.evaluate(() => bulk.paths());
        const alone = await upload(native);
        const more = await upload(page);
        t.diagnostic(`${mb(UP)}; more memory: ${told(more)}; without us: browser ${mb(alone.browser)}`);
        await until(5_000, "counted", async () => (await page.evaluate(() => bulk.paths())).relay > before.relay);
        assert.ok(more.host < MOST && more.edge < MOST, told(more));
        assert.ok(more.browser < likely(alone.browser, UP) + MOST, `${told(more)}; without us ${mb(alone.browser)}`);
      });
    }
  });
}
