import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Liveness, type Verdict } from "../../src/page/liveness.ts";

/** Runs the timer as an event loop would, `late` ms behind; gives what it said and when, but for "fine". */
function run(liveness: Liveness, from: number, to: number, late = 0): [at: number, verdict: Verdict][] {
  const said: [number, Verdict][] = [];
  for (let now = from; ; ) {
    now = Math.max(now, liveness.due + late);
    if (now > to) return said;
    const verdict = liveness.handle(now);
    if (verdict !== "fine") said.push([now, verdict]);
    if (verdict === "down") return said;
  }
}

/** One whose round trip is known. */
function measured(): Liveness {
  const liveness = new Liveness(0);
  liveness.onRoundTrip(10);
  return liveness;
}

describe("liveness", () => {
  test("idle: asks every 5 s and has patience", () => {
    assert.deepEqual(run(new Liveness(0), 0, 20_000), [[5_000, "ask"], [6_000, "ask-all"], [7_000, "down"]]);
  });

  test("busy: asks after 300 ms, on the other channels too, and gives up after 400 more", () => {
    const liveness = measured();
    liveness.setBusy(true, 1_000);
    assert.deepEqual(run(liveness, 1_000, 9_000), [[1_300, "ask"], [1_500, "ask-all"], [1_700, "down"]]);
  });

  test("a long round trip gets 4 of them", () => {
    const liveness = new Liveness(0);
    liveness.onRoundTrip(200);
    liveness.setBusy(true, 0);
    assert.deepEqual(run(liveness, 0, 9_000), [[800, "ask"], [1_200, "ask-all"], [1_600, "down"]]);
  });

  test("one that was slow once is forgotten slowly", () => {
    const liveness = new Liveness(0);
    liveness.onRoundTrip(400);
    for (let times = 0; times < 20; times++) liveness.onRoundTrip(10);
    assert.ok(liveness.roundTrip! < 15);
  });

  test("before a round trip is known there is time for a long one", () => {
    const liveness = new Liveness(0);
    liveness.setBusy(true, 0);
    assert.deepEqual(run(liveness, 0, 9_000), [[300, "ask"], [800, "ask-all"], [1_300, "down"]]);
  });

  test("however long round trips are, silence ends within 3 s", () => {
    const liveness = new Liveness(0);
    liveness.onRoundTrip(20_000);
    liveness.setBusy(true, 0);
    assert.deepEqual(run(liveness, 0, 9_000).at(-1), [3_000, "down"]);
  });

  test("after an outage the network may be another one: round trips are learned anew", () => {
    const liveness = measured();
    liveness.restart();
    liveness.setBusy(true, 0);
    assert.deepEqual(run(liveness, 0, 400), [[300, "ask"]]);
    liveness.onHeard(900);
    liveness.onRoundTrip(600);
    assert.equal(liveness.roundTrip, 600);
    assert.deepEqual(run(liveness, 900, 9_000).at(-1), [3_900, "down"]);
  });

  test("an answer is life, and the next question comes only after the next silence", () => {
    const liveness = new Liveness(0);
    liveness.setBusy(true, 0);
    assert.deepEqual(run(liveness, 0, 350), [[300, "ask"]]);
    liveness.onHeard(350);
    assert.deepEqual(run(liveness, 350, 700), [[650, "ask"]]);
    liveness.onHeard(700);
    assert.equal(liveness.heard, 700);
  });

  test("a slow origin behind a living host is never down", () => {
    const liveness = new Liveness(0);
    liveness.setBusy(true, 0);
    for (let now = 0; now < 60_000; now += 10) {
      if (now < liveness.due) continue;
      const verdict = liveness.handle(now);
      assert.notEqual(verdict, "down");
      if (verdict === "ask") liveness.onHeard(now + 5);
    }
  });

  test("of an exchange that has just begun nothing can have been heard", () => {
    const liveness = new Liveness(0);
    liveness.onHeard(100);
    liveness.setBusy(true, 4_900);
    assert.equal(liveness.due, 5_200);
  });

  test("one that begins while an idle question is out gets the whole time", () => {
    const liveness = measured();
    assert.equal(liveness.handle(5_000), "ask");
    liveness.setBusy(true, 5_900);
    assert.deepEqual(run(liveness, 5_900, 9_000), [[6_100, "ask-all"], [6_300, "down"]]);
  });

  test("idle again: the silence is no longer urgent", () => {
    const liveness = new Liveness(0);
    liveness.setBusy(true, 0);
    liveness.setBusy(false, 200);
    assert.equal(liveness.due, 5_000);
  });

  test("busy twice is busy since the first", () => {
    const liveness = new Liveness(0);
    liveness.setBusy(true, 0);
    liveness.setBusy(true, 250);
    assert.equal(liveness.due, 300);
  });

  test("a page that slept asks again before it judges, once", () => {
    const liveness = measured();
    liveness.setBusy(true, 0);
    assert.equal(liveness.handle(300), "ask");
    // The laptop was closed.
    assert.equal(liveness.handle(3_600_000), "ask");
    assert.deepEqual(run(liveness, 3_600_000, 3_700_000), [[3_600_200, "ask-all"], [3_600_400, "down"]]);
  });

  test("a page that slept and hears of the host stays up", () => {
    const liveness = new Liveness(0);
    liveness.setBusy(true, 0);
    assert.equal(liveness.handle(300), "ask");
    assert.equal(liveness.handle(90_000), "ask");
    liveness.onHeard(90_010);
    assert.deepEqual(run(liveness, 90_010, 90_300), []);
  });

  test("a throttled tab, where each timer is a second late, still finds out", () => {
    const liveness = new Liveness(0);
    liveness.setBusy(true, 0);
    const said = run(liveness, 0, 60_000, 1_000);
    assert.deepEqual(said.map(([, verdict]) => verdict), ["ask", "ask", "ask-all", "down"]);
    assert.ok(said.at(-1)![0] < 6_000);
  });

  test("too early is fine", () => {
    assert.equal(new Liveness(0).handle(4_999), "fine");
  });

  test("asked by hand: the same deadlines", () => {
    const liveness = measured();
    liveness.setBusy(true, 0);
    assert.equal(liveness.ask(100), "ask");
    assert.deepEqual(run(liveness, 100, 9_000), [[300, "ask-all"], [500, "down"]]);
  });
});
