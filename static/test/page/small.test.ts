import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { backoff } from "../../src/page/backoff.ts";
import { parseConfig } from "../../src/page/config.ts";
import { Reports } from "../../src/page/report.ts";
import { PageState } from "../../src/page/state.ts";

test("back-off doubles from 1 s to 60 s and is spread over its upper half", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 6, 7, 1_000].map((attempt) => backoff(attempt, 1)), [1, 2, 4, 8, 16, 32, 60, 60, 60].map((s) => s * 1_000));
  assert.deepEqual([0, 9].map((attempt) => backoff(attempt, 0)), [500, 30_000]);
});

describe("configuration", () => {
  const whole = { session: "s", direct: true, badge: true, timeoutMs: 500, stun: ["stun:h:1"], relayOnlyPaths: ["/a"], why: "x" };

  test("is read whole", () => {
    assert.deepEqual(parseConfig(JSON.stringify(whole)), whole);
  });
  for (const bad of [undefined, "", "null", "[]", "5", '"s"', "{}", '{"session":5}', '{"session":"s"']) {
    test(`nothing of ${bad}`, () => {
      let config: unknown;
      try {
        config = parseConfig(bad);
      } catch {
        // No JSON.
      }
      assert.equal(config, undefined);
    });
  }
});

describe("state", () => {
  test("tells of changes, and only of changes", () => {
    const page = new PageState();
    const seen: string[] = [];
    page.surface.addEventListener("change", () => seen.push(`${page.surface.state} ${page.surface.why}`.trim()));
    page.set("connecting");
    page.set("direct");
    page.set("direct");
    page.set("relay", "why");
    page.set("relay", "other");
    assert.deepEqual(seen, ["direct", "relay why", "relay other"]);
  });

  test("the surface takes nothing", () => {
    const page = new PageState();
    const surface = page.surface as unknown as { state: string; more: number; stats: { fallbacks: number } };
    assert.throws(() => (surface.state = "direct"), TypeError);
    assert.throws(() => (surface.more = 1), TypeError);
    surface.stats.fallbacks = 7;
    assert.equal(page.stats.fallbacks, 0);
  });
});

describe("reports", () => {
  test("have what is new since the last one", () => {
    const { stats } = new PageState();
    const reports = new Reports(stats);
    assert.equal(reports.take(), undefined);
    stats.timeToDirectMs = 80;
    stats.roundTrip.direct = 3;
    reports.setNetwork({ candidate: "host", protocol: "udp", family: "v4" });
    assert.deepEqual(reports.take(), {
      timeToDirectMs: 80,
      directRoundTripMs: 3,
      directExchanges: 0,
      directBytesSent: 0,
      directBytesReceived: 0,
      network: { candidate: "host", protocol: "udp", family: "v4" },
    });
    assert.equal(reports.take(), undefined);
    stats.exchanges.direct = 5;
    stats.bytes.direct.received = 100;
    assert.deepEqual(reports.take(), { directRoundTripMs: 3, directExchanges: 5, directBytesSent: 0, directBytesReceived: 100 });
    stats.exchanges.direct = 6;
    reports.addFallback("silent", 700);
    const report = reports.take();
    assert.equal(report?.directExchanges, 1);
    assert.equal(report.directBytesReceived, 0);
    assert.deepEqual(report.fallbacks, [{ cause: "silent", durationMs: 700 }]);
    assert.equal(reports.take(), undefined);
  });

  test("are bounded", () => {
    const reports = new Reports(new PageState().stats);
    for (let times = 0; times < 1_000; times++) reports.addFallback("ice", times);
    assert.equal(reports.take()?.fallbacks?.length, 32);
  });
});
