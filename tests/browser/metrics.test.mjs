// What Prometheus knows when a page connects directly, loses the direct path and regains it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { freePort, launch, startCounter, startPrometheus, startRelay, until } from "./harness.mjs";

/** Keeps the page's connections, so that the test can close them. */
const prelude = () => {
  const made = [];
  Object.defineProperty(window, "__made", { value: made });
  const Connection = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Connection {
    constructor(...args) {
      super(...args);
      made.push(this);
    }
  };
};

describe("metrics", () => {
  let relay, counter, share, browser, prometheus, tab;
  before(async () => {
    counter = await startCounter();
    relay = await startRelay();
    const port = await freePort();
    share = await relay.share(counter.port, ["--metrics", `127.0.0.1:${port}`]);
    prometheus = await startPrometheus({ edge: relay.metricsPort, host: port });
    browser = await launch("chromium");
  });
  after(async () => {
    await browser?.close();
    await prometheus?.stop();
    await relay?.stop();
    await counter?.stop();
  });

  const isDirect = () => until(60_000, "direct", () => tab.evaluate(() => window.__wingman?.state === "direct" && !!navigator.serviceWorker.controller));
  const stats = () => tab.evaluate(() => structuredClone(window.__wingman.stats));
  const ask = (prefix, count) =>
    tab.evaluate(
      async (prefix, count) => {
        for (let at = 0; at < count; at += 1) {
          const response = await fetch(`/item?id=${prefix}-${at}`, { method: at % 5 ? "GET" : "POST", body: at % 5 ? undefined : "x".repeat(1_000) });
          if (response.status !== 200) throw new Error(`${response.status}`);
          await response.text();
        }
      },
      prefix,
      count,
    );

  test("a page connects, loses the direct path and regains it", { timeout: 180_000 }, async (t) => {
    const visitor = await browser.visitor();
    tab = await visitor.open(`${share.url}/page`, prelude);
    await isDirect();
    await ask("first", 20);
    await prometheus.holds(15_000, "wingman_edge_direct_attempts_total == 1");
    await prometheus.holds(15_000, "wingman_edge_direct_successes_total == 1");
    await prometheus.holds(15_000, "wingman_edge_time_to_direct_seconds_count == 1");
    await prometheus.holds(15_000, "wingman_host_peers == 1 and wingman_host_peers_connected_total == 1");
    assert.equal(await prometheus.value("sum(wingman_edge_fallbacks_total)"), 0);

    await tab.evaluate(() => window.__made.at(-1).close());
    await ask("between", 5);
    await isDirect();
    await ask("second", 20);
    await prometheus.holds(15_000, "wingman_edge_direct_successes_total == 2");
    await prometheus.holds(15_000, "wingman_host_peers_connected_total == 2");

    // Pages report every 15 seconds.
    const page = await stats();
    assert.ok(page.exchanges.direct >= 35, JSON.stringify(page));
    await prometheus.holds(30_000, `wingman_edge_direct_exchanges_total == ${page.exchanges.direct}`);
    const equal = async (expression, expected) => assert.equal(await prometheus.value(expression), expected, expression);
    await equal("wingman_edge_direct_attempts_total - on () wingman_edge_direct_successes_total - on () sum(wingman_edge_direct_failures_total)", 0);
    await equal("wingman_edge_time_to_direct_seconds_count", 1);
    const time = await prometheus.value("wingman_edge_time_to_direct_seconds_sum");
    assert.ok(Math.abs(time * 1_000 - page.timeToDirectMs) < 1, `${time} s, but the page says ${page.timeToDirectMs} ms`);

    await equal("sum(wingman_edge_fallbacks_total)", page.fallbacks);
    const causes = await prometheus.query("wingman_edge_fallbacks_total > 0");
    assert.deepEqual(causes.map(({ labels, value }) => [labels.cause, value]), [["channel-closed", 1]]);
    await equal("wingman_edge_fallback_duration_seconds_count", 1);
    await equal("sum(wingman_edge_direct_networks_total)", 2);
    await equal('sum(wingman_edge_direct_networks_total{transport=~"udp4|udp6"})', 2);

    await equal('wingman_edge_direct_content_bytes_total{direction="request"}', page.bytes.direct.sent);
    await equal('wingman_edge_direct_content_bytes_total{direction="response"}', page.bytes.direct.received);
    for (const path of ["direct", "relay"]) {
      const count = await prometheus.value(`wingman_edge_${path}_round_trip_seconds_count`);
      assert.ok(count > 0, `${path}: no round trip`);
      const mean = await prometheus.value(`wingman_edge_${path}_round_trip_seconds_sum / wingman_edge_${path}_round_trip_seconds_count`);
      t.diagnostic(`${path} round trip: ${(mean * 1_000).toFixed(2)} ms, ${count} measured`);
      assert.ok(mean > 0 && mean < 1, `${path}: ${mean} s`);
    }

    // The host has counted the same by itself. It says less about the one that was cut.
    await equal('sum(wingman_host_exchanges_total{path="direct",status="2xx"})', page.exchanges.direct);
    await equal('sum(wingman_host_content_bytes_total{path="direct",direction="response"})', page.bytes.direct.received);
    await equal('sum(wingman_host_exchanges_total{path="relay"}) - on () sum(wingman_edge_exchanges_total{status="2xx"})', 0);
    await prometheus.holds(20_000, "wingman_host_peer_round_trip_seconds_count > 0");
    // It learns of the first one's end from the page, or by its silence.
    await prometheus.holds(30_000, "wingman_host_peers == 1 and on () sum(wingman_host_peers_closed_total) == 1");
    await equal("wingman_host_peers_opened_total", 2);

    // What a page has not told when it goes away, it tells then.
    await ask("last", 3);
    const last = (await stats()).exchanges.direct;
    assert.ok(last > page.exchanges.direct);
    await tab.close();
    await prometheus.holds(10_000, `wingman_edge_direct_exchanges_total == ${last}`);
    await prometheus.holds(30_000, 'wingman_host_peers == 0 and on () sum(wingman_host_peers_closed_total{reason=~"page-gone|channel-closed"}) == 2');
    await prometheus.holds(30_000, "wingman_edge_signaling_sockets == 0");
    t.diagnostic(`time to direct ${Math.round(time * 1_000)} ms, fallback ${await prometheus.value("wingman_edge_fallback_duration_seconds_sum * 1000")} ms`);
  });

  test("a page loses the direct path for ever", { timeout: 90_000 }, async () => {
    const known = await prometheus.value("sum(wingman_edge_fallbacks_total)");
    const visitor = await browser.visitor();
    tab = await visitor.open(`${share.url}/page`, prelude);
    await isDirect();
    await tab.evaluate(() => {
      const [connection] = window.__made;
      window.RTCPeerConnection = class {
        constructor() {
          throw new Error("not allowed");
        }
      };
      connection.close();
    });
    await prometheus.holds(10_000, `sum(wingman_edge_fallbacks_total) == ${known + 1}`);
  });

  test("its rules can be evaluated, and nobody is alarmed", async () => {
    const { groups } = await prometheus.get("rules");
    const rules = groups.flatMap(({ rules }) => rules);
    assert.ok(rules.length >= 5, `${rules.length} rules`);
    for (const { name, health, lastError } of rules) assert.notEqual(health, "err", `${name}: ${lastError}`);
    const { alerts } = await prometheus.get("alerts");
    assert.deepEqual(alerts, []);
  });

  test("the dashboard's panels can be drawn", async () => {
    const dashboard = JSON.parse(await readFile(join(import.meta.dirname, "../../conf/grafana/wingman.json"), "utf8"));
    const drawn = new Map();
    for (const { title, targets = [] } of dashboard.panels) {
      for (const { expr } of targets) {
        const query = expr.replaceAll("$__rate_interval", "15s").replaceAll("$__range", "5m").replaceAll(/\$(edge|host)/g, ".*");
        drawn.set(title, [...(drawn.get(title) ?? []), ...(await prometheus.query(query))]);
      }
    }
    const empty = [...drawn].filter(([, values]) => values.length === 0).map(([title]) => title);
    assert.deepEqual(empty, []);
    const [{ value: saved }] = drawn.get("Edge bandwidth saved");
    assert.ok(saved > 0.3 && saved < 1, `${saved} of the edge's bandwidth saved`);
    assert.ok(Number.isFinite(drawn.get("Latency gained")[0].value));
  });
});
