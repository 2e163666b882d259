// Visitors that mean ill hurt only themselves: while one attacks the host on its data channels, another one's requests
// go directly and take no longer than they may, new pages connect, and the host's memory stays within bounds.
//
// Attacking is hard work for a browser, and here all of them share two processors: what the good page measures is theirs
// as well. How long the host itself keeps others waiting is measured by what Prometheus asks: its one thread answers.

import assert from "node:assert/strict";
import { setPriority } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { build } from "../../static/node_modules/esbuild/lib/main.js";
import { browsers, family, freePort, gauges, launch, peak, resources, sleep, startRelay, startSampleApp, until } from "./harness.mjs";

const MS = Number(process.env.HOSTILE_SECONDS ?? 3) * 1_000;
/** As many as a visitor may have. */
const PEERS = 8;
const MB = 1_000_000;
const mb = (bytes) => `${(bytes / MB).toFixed(1)} MB`;

/** How each attack ends for who tries it: the peer is ended, for this reason; or it goes on, throttled. */
const fates = {
  "floods frames": undefined,
  // Or the browser is too busy to be that fast.
  "opens endless streams": /protocol|closed|^$/,
  "opens and cancels": /protocol|closed|^$/,
  "never grants credit": undefined,
  "takes all that it can get": undefined,
  "never ends what it sends": undefined,
  "floods control messages on a lane": /protocol|closed/,
  "floods control messages": /protocol|closed/,
  "opens channels": /protocol|closed/,
  "sends what is no frame": /protocol|closed/,
  "floods signaling": undefined,
};

/** Our script finds no way to connect, and the hostile one does. */
const prelude = () => {
  window.NativeConnection = window.RTCPeerConnection;
  delete window.RTCPeerConnection;
};

const percentile = (values, part) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))];

for (const name of browsers) {
  describe(`hostile visitors in ${name}`, { concurrency: 1 }, () => {
    let app, relay, share, metricsPort, good, bad, page, script;
    before(async () => {
      const bundled = await build({
        absWorkingDir: join(import.meta.dirname, "../../static"),
        entryPoints: ["test/page/lab/hostile.ts"],
        bundle: true,
        format: "iife",
        write: false,
        tsconfigRaw: {},
      });
      script = bundled.outputFiles[0].text;
      [app, relay, metricsPort] = await Promise.all([startSampleApp(), startRelay(), freePort()]);
      share = await relay.share(app.ready.port, ["--metrics", `127.0.0.1:${metricsPort}`]);
      [good, bad] = await Promise.all([launch(name), launch(name)]);
      page = await (await good.visitor()).open(`${share.url}/second`);
      await isDirect(page);
    });
    after(async () => {
      await Promise.all([good?.close(), bad?.close()]);
      await relay?.stop();
      await app?.stop();
    });

    const isDirect = (page) => until(20_000, "direct", () => page.evaluate(() => window.__wingman?.state === "direct" && !!navigator.serviceWorker.controller));
    /** A hostile visitor, who has done nothing so far. */
    const comes = async () => {
      const visitor = await bad.visitor();
      const hostile = await visitor.open(`${share.url}/second`, prelude);
      await hostile.evaluate(script);
      // It has a machine of its own; on this one it shall not take the processors from the others.
      for (const pid of family(bad.pid)) {
        try {
          setPriority(pid, 19);
        } catch (error) {
          // It has just ended.
          if (error.code !== "ERR_SYSTEM_ERROR") throw error;
        }
      }
      return { hostile, visitor };
    };
    const peers = async () => (await gauges(metricsPort)).wingman_host_peers;

    /** Asks again and again for so long; how long each took, milliseconds. */
    const ask = (ms) =>
      page.evaluate(async (ms) => {
        const end = performance.now() + ms;
        const times = [];
        for (let count = 0; performance.now() < end; count++) {
          const began = performance.now();
          const response = await fetch(count % 4 ? "/api/todos" : "/upload", count % 4 ? {} : { method: "POST", body: "x".repeat(1_000) });
          if (response.status !== 200 || (await response.text()).length < 2) throw new Error(`status ${response.status}`);
          times.push(performance.now() - began);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        return times;
      }, ms);

    test("nobody attacks", async (t) => {
      const times = await ask(1_500);
      t.diagnostic(`alone: p50 ${percentile(times, 0.5).toFixed(1)} ms, p99 ${percentile(times, 0.99).toFixed(1)} ms`);
      const { hostile, visitor } = await comes();
      assert.deepEqual((await hostile.evaluate(() => hostile.attacks)).toSorted(), Object.keys(fates).toSorted());
      await visitor.leave();
    });

    for (const [attack, fate] of Object.entries(fates)) {
      test(`one ${attack}`, { timeout: 120_000 }, async (t) => {
        await until(30_000, "only the good peer is left", async () => (await peers()) === 1);
        await isDirect(page);
        const { hostile, visitor } = await comes();
        const before = await page.evaluate(() => structuredClone(__wingman.stats));
        const memory = resources(share.pid).memory;
        const most = peak(() => resources(share.pid).memory, 50);
        const session = new URL(share.url).hostname.split(".")[0];
        await hostile.evaluate((session, count) => hostile.connect(session, count), session, PEERS);
        const attacked = hostile.evaluate((attack, ms) => hostile.attack(attack, ms), attack, MS);
        const { cpu } = resources(share.pid);
        const scrapes = [];
        const timer = setInterval(() => {
          const began = performance.now();
          scrapes.push(gauges(metricsPort).then(() => performance.now() - began, () => Infinity));
        }, 50);
        const times = await ask(MS).finally(() => clearInterval(timer));
        const waits = await Promise.all(scrapes);
        const busy = (resources(share.pid).cpu - cpu) / (MS / 1_000);
        // Somebody comes who was not there before.
        const began = performance.now();
        const another = await (await good.visitor()).open(`${share.url}/second`);
        await isDirect(another);
        const came = performance.now() - began;
        await another.close();
        const fared = await attacked;
        const grown = most() - memory;
        await hostile.evaluate(() => hostile.close());
        await visitor.leave();
        const after = await page.evaluate(() => structuredClone(__wingman.stats));

        const [p50, p99] = [percentile(times, 0.5), percentile(times, 0.99)];
        const [wait50, wait95] = [percentile(waits, 0.5), percentile(waits, 0.95)];
        const said = fared.reduce((sum, { said }) => sum + said, 0);
        const heard = fared.reduce((sum, { heard }) => sum + heard, 0);
        t.diagnostic(
          `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms of ${times.length}; a new page is direct after ${Math.round(came)} ms; the host's thread p50 ${wait50.toFixed(1)} ms, p95 ${wait95.toFixed(1)} ms; ` +
            `host grew by ${mb(grown)}, was busy for ${Math.round(busy * 100)} %; said ${mb(said)}, heard ${mb(heard)}; ${fared.map(({ over }) => over || "goes on").join(", ")}`,
        );
        // A browser that gets no processor for as long as the worker waits sends a request by relay: one, not many.
        const direct = after.exchanges.direct - before.exchanges.direct;
        assert.ok(direct >= times.length - 1, `${direct} of ${times.length} went directly`);
        assert.equal(after.fallbacks, before.fallbacks);
        // Two browsers, two programs and the attack share two cores; what hurts others costs them seconds, or their path.
        assert.ok(p50 < 300 && p99 < 3_000, `p50 ${p50} ms, p99 ${p99} ms`);
        assert.ok(wait50 < 50 && wait95 < 300, `the host's thread: p50 ${wait50} ms, p95 ${wait95} ms`);
        assert.ok(grown < 150 * MB, `the host grew by ${mb(grown)}`);
        for (const { over } of fared) assert.match(over, fate ?? /^$/);
        await until(30_000, "the hostile peers are gone", async () => (await peers()) === 1);
      });
    }

    test("nothing is left of it", async (t) => {
      await sleep(1_000);
      const { sockets, threads } = resources(share.pid);
      t.diagnostic(`${sockets} sockets, ${threads} threads, ${mb(resources(share.pid).memory)}`);
      assert.ok(sockets < 30, `${sockets} sockets`);
    });
  });
}
