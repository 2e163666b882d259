// The direct path breaks in each way it can, under load: no request fails, none is executed twice, and the page is
// back on the direct path by itself.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { browsers, launch, sleep, startCounter, startRelay, until } from "./harness.mjs";

const RUNS = Number(process.env.FALLBACK_RUNS ?? 4);

/** Keeps what the page's script makes, so that a test can break it. */
const prelude = () => {
  const made = { connections: [], channels: [], sockets: [] };
  Object.defineProperty(window, "__made", { value: made });
  const Connection = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Connection {
    constructor(...args) {
      super(...args);
      made.connections.push(this);
    }
    createDataChannel(...args) {
      const channel = super.createDataChannel(...args);
      made.channels.push(channel);
      return channel;
    }
  };
  const Socket = window.WebSocket;
  window.WebSocket = class extends Socket {
    constructor(...args) {
      super(...args);
      made.sockets.push(this);
    }
  };
};

const nft = (...args) => execFileSync("nft", args, { stdio: ["ignore", "pipe", "pipe"] });

/** UDP ports of a process. */
function udpPorts(pid) {
  const lines = execFileSync("ss", ["-Huanp"], { encoding: "utf8" }).split("\n");
  const own = lines.filter((line) => line.includes(`pid=${pid},`));
  return [...new Set(own.map((line) => /:(\d+)$/.exec(line.trim().split(/\s+/)[3])?.[1]).filter(Boolean))];
}

const faults = {
  "the page closes a data channel": { break: (tab) => tab.evaluate(() => window.__made.channels.filter((c) => c.readyState === "open").at(-1).close()) },
  "the page closes the connection": { break: (tab) => tab.evaluate(() => window.__made.connections.at(-1).close()) },
  "all UDP of the host is dropped": {
    break: (_tab, share) => {
      const ports = udpPorts(share.pid);
      assert.ok(ports.length > 0, "the host has no UDP socket");
      const set = `{ ${ports.join(", ")} }`;
      nft(`add table inet wingman_fallback_${share.pid}`);
      for (const hook of ["input", "output"]) {
        nft(`add chain inet wingman_fallback_${share.pid} ${hook} { type filter hook ${hook} priority 0; }`);
        nft(`add rule inet wingman_fallback_${share.pid} ${hook} udp dport ${set} drop`);
        nft(`add rule inet wingman_fallback_${share.pid} ${hook} udp sport ${set} drop`);
      }
    },
    mend: (share) => nft(`delete table inet wingman_fallback_${share.pid}`),
    lasts: 3_000,
  },
  "the host is stopped for 3 s": {
    break: (_tab, share) => process.kill(share.pid, "SIGSTOP"),
    mend: (share) => process.kill(share.pid, "SIGCONT"),
    lasts: 3_000,
    // Nobody can answer while it is stopped.
    silent: 3_000,
  },
  "the signaling socket is cut": {
    break: (tab) => tab.evaluate(() => window.__made.sockets.filter((s) => s.url.includes("/_wingman/signal") && s.readyState === 1).forEach((s) => s.close())),
    staysDirect: true,
  },
};

const percentile = (values, part) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))];

describe("fallback", { concurrency: 2 }, () => {
  for (const name of browsers) {
    describe(name, { concurrency: 1 }, () => {
      let relay, counter, share, browser, visitor, tab;
      before(async () => {
        counter = await startCounter();
        relay = await startRelay();
        share = await relay.share(counter.port);
        browser = await launch(name);
        visitor = await browser.visitor();
        tab = await visitor.open(`${share.url}/page`, prelude);
      });
      after(async () => {
        await browser?.close();
        await relay?.stop();
        await counter?.stop();
      });

      const isDirect = (limit) =>
        until(limit, "direct again", () => tab.evaluate(() => window.__wingman?.state === "direct" && !!navigator.serviceWorker.controller));

      for (const [fault, { break: breakIt, mend, lasts = 0, silent = 0, staysDirect }] of Object.entries(faults)) {
        test(fault, { timeout: RUNS * 15_000 + 60_000 }, async (t) => {
          const longest = [];
          const back = [];
          let requests = 0;
          for (let run = 0; run < RUNS; run += 1) {
            await isDirect(70_000);
            const before = await tab.evaluate(() => ({ ...window.__wingman.stats.exchanges }));
            await tab.evaluate((prefix) => window.load.start(prefix), `${name}-${fault.replaceAll(/\W/g, "")}-${run}`);
            await sleep(300 + 10 * run);
            const at = await tab.evaluate(() => performance.now());
            const began = performance.now();
            try {
              await breakIt(tab, share);
              await sleep(Math.max(lasts, 1_200));
            } finally {
              await mend?.(share);
            }
            const mended = performance.now();
            if (lasts) await sleep(500);
            const sent = await tab.evaluate((at) => window.load.stop(at), at);
            const failed = sent.filter(({ error, ended }) => error || ended === null || !Number.isFinite(ended));
            assert.deepEqual(failed, [], `run ${run}: failed requests`);
            for (const { id } of sent) {
              assert.equal(counter.executed.get(id), 1, `run ${run}: how often ${id} was executed`);
            }
            requests += sent.length;
            // What was on its way at the fault, or began after it: how long did it take?
            const touched = sent.filter(({ ended }) => ended > 0);
            longest.push(Math.max(...touched.map(({ began, ended }) => ended - Math.max(began, 0))) - silent);
            if (staysDirect) {
              assert.equal(await tab.evaluate(() => window.__wingman.state), "direct", "direct goes on without signaling");
            } else {
              await isDirect(70_000);
              back.push(performance.now() - Math.max(mended, began));
            }
            const after = await tab.evaluate(() => ({ ...window.__wingman.stats.exchanges }));
            assert.ok(after.direct > before.direct, "the load used the direct path");
          }
          const [p50, p99] = [percentile(longest, 0.5), percentile(longest, 0.99)];
          const returned = back.length ? `, back on direct after p50 ${Math.round(percentile(back, 0.5))} ms, at most ${Math.round(Math.max(...back))} ms` : "";
          t.diagnostic(`${RUNS} runs, ${requests} requests, none failed, none executed twice; longest wait p50 ${Math.round(p50)} ms, p99 ${Math.round(p99)} ms${returned}`);
          assert.ok(p50 < 1_000, `p50 ${p50} ms`);
          assert.ok(p99 < 2_000, `p99 ${p99} ms`);
        });
      }
    });
  }
});
