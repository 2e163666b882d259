/** Credit, bounds and fair turns. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { INITIAL_CREDIT } from "../../src/mux/config.ts";
import { Schedule } from "../../src/mux/schedule.ts";
import { NONE } from "../../src/wire/buffer.ts";
import { ResetCode } from "../../src/wire/code.ts";
import { FrameType, HEADER_LEN, MAX_PAYLOAD } from "../../src/wire/frame.ts";
import { ascii, pattern } from "./bytes.ts";
import { contentLength, Pair, type Side } from "./pair.ts";

/** A pair with a stream on which the acceptor may send content. */
function answering(pair: Pair): number {
  const id = pair.open(true);
  pair.acceptor.sendHead(id, ascii("a"), false, false);
  pair.settle();
  pair.read(0, id);
  return id;
}

/** Queues and moves content until nothing more is taken; how much went. */
function pour(pair: Pair, from: Side, id: number): number {
  let sent = 0;
  for (let taken; (taken = pair.mux(from).sendData(id, pattern(sent, 64 * 1024))); sent += taken) {
    pair.settle();
  }
  return sent;
}

/** What the sender may have under way when everything was read. */
function window(pair: Pair, id: number): number {
  pair.read(0, id);
  pair.settle();
  return pour(pair, 1, id);
}

test("a reader that stalls gets the first credit and no more", () => {
  const pair = new Pair();
  const id = answering(pair);
  assert.equal(pour(pair, 1, id), INITIAL_CREDIT);
  pair.settle();
  assert.equal(pour(pair, 1, id), 0);
  assert.deepEqual(pair.events(1).filter((event) => event.type === "writable"), [], "nobody may write");
  // Half of the window must be read before the peer hears of it.
  for (let read = 0; read < INITIAL_CREDIT / 2 - MAX_PAYLOAD; read += MAX_PAYLOAD) {
    assert.equal(contentLength([pair.opener.read(id)!]), MAX_PAYLOAD);
  }
  assert.equal(pair.transmit(0), undefined);
  pair.opener.read(id);
  const credit = pair.transmit(0);
  assert.deepEqual(credit, [{ type: FrameType.credit, stream: id, bytes: INITIAL_CREDIT / 2 }]);
  pair.settle();
  assert.deepEqual(pair.events(1).filter((event) => event.type === "writable").length, 1);
});

test("the window of a reader that keeps up grows to its limit, and with the budget", () => {
  for (const [maxWindow, growthBudget, expected] of [
    [4 << 20, 32 << 20, 4 << 20],
    [700_000, 32 << 20, 700_000],
    [INITIAL_CREDIT, 32 << 20, INITIAL_CREDIT],
    [4 << 20, 0, INITIAL_CREDIT],
    [4 << 20, INITIAL_CREDIT, 2 * INITIAL_CREDIT],
    // Steps are whole: a rest of the budget that does not suffice stays.
    [4 << 20, 4 * INITIAL_CREDIT, 4 * INITIAL_CREDIT],
  ] as const) {
    const pair = new Pair({ maxWindow, growthBudget });
    const id = answering(pair);
    pour(pair, 1, id);
    let last = 0;
    for (let round = 0; round < 12; round++) {
      last = window(pair, id);
    }
    assert.equal(last, expected, `${maxWindow} ${growthBudget}`);
    // The budget is given back with the stream.
    pair.opener.release(id);
    assert.equal(pair.opener["growthLeft"], growthBudget);
  }
});

test("two streams share the budget", () => {
  const pair = new Pair({ growthBudget: 3 * INITIAL_CREDIT });
  const ids = [answering(pair), answering(pair)];
  const windows = ids.map((id) => {
    pour(pair, 1, id);
    return Array.from({ length: 8 }, () => window(pair, id)).at(-1)!;
  });
  assert.deepEqual(windows, [4 * INITIAL_CREDIT, INITIAL_CREDIT]);
});

test("a window does not grow where it covers two round trips, unless it has the carrier to itself", () => {
  /** The window after reads that come this late on a path of this round trip, in company or not. */
  const after = (roundTrip: number, late: number, company: boolean): number => {
    const pair = new Pair();
    pair.delay[0] = pair.delay[1] = roundTrip / 2;
    pair.advance(6_000);
    const [id, small] = [0, 0].map(() => {
      const id = pair.opener.open(ascii("q"), true);
      pair.advance(roundTrip);
      pair.acceptor.sendHead(id, ascii("a"), false, false);
      pair.advance(roundTrip);
      pair.read(0, id);
      return id;
    }) as [number, number];
    let allowed = 0;
    for (let round = 0; round < 80; round++) {
      if (company) {
        pair.acceptor.sendData(small, ascii("x"));
      }
      allowed = pour(pair, 1, id);
      pair.advance(roundTrip / 2 + late);
      pair.read(0, id);
      pair.read(0, small);
      pair.advance(roundTrip / 2);
    }
    return allowed;
  };
  assert.equal(after(10, 90, true), INITIAL_CREDIT);
  assert.equal(after(10, 90, false), 1024 * 1024);
  assert(after(400, 10, true) > 2 * INITIAL_CREDIT);
});

test("a wide window shrinks step by step when another stream moves", () => {
  const pair = new Pair();
  pair.delay[0] = pair.delay[1] = 5;
  pair.advance(6_000);
  const [id, small] = [0, 0].map(() => {
    const id = pair.opener.open(ascii("q"), true);
    pair.advance(10);
    pair.acceptor.sendHead(id, ascii("a"), false, false);
    pair.advance(10);
    pair.read(0, id);
    return id;
  }) as [number, number];
  const windows: number[] = [];
  for (let round = 0; round < 60; round++) {
    if (round >= 30) {
      pair.acceptor.sendData(small, ascii("x"));
    }
    windows.push(pour(pair, 1, id));
    pair.advance(95);
    pair.read(0, small);
    pair.read(0, id);
    pair.advance(5);
  }
  assert.equal(windows[30], 1024 * 1024);
  const shrinking = windows.slice(31, 36);
  assert.equal(shrinking[0], 512 * 1024, "half of what was read");
  assert.equal(windows.at(-1), INITIAL_CREDIT);
  pair.opener.release(id);
  assert.equal(pair.opener["growthLeft"], 32 << 20, "the budget has it back");
});

test("what waits is bounded, and its user hears when half of it is gone", () => {
  const pair = new Pair();
  const id = pair.open(false);
  const big = pattern(0, 200_000);
  assert.equal(pair.opener.sendData(id, big), 64 * 1024);
  assert.equal(pair.opener.sendData(id, big), 0);
  for (const events of [[], [{ type: "writable", stream: id }], [], []]) {
    pair.transmit(0, MAX_PAYLOAD + HEADER_LEN);
    assert.deepEqual(pair.events(0), events);
  }
  // Many streams: beyond the bound of all of them one frame each.
  const crowd = new Pair({ sendBound: 100_000 });
  const taken = Array.from({ length: 20 }, () => crowd.opener.sendData(crowd.opener.open(NONE, false), big));
  assert.deepEqual([...new Set(taken)], [64 * 1024, MAX_PAYLOAD]);
});

test("a sender waits for credit even if there is room", () => {
  const pair = new Pair();
  const id = answering(pair);
  pour(pair, 1, id);
  pair.settle();
  pair.events(1);
  assert.equal(pair.acceptor.sendData(id, ascii("x")), 0);
  pair.read(0, id);
  pair.settle();
  assert.deepEqual(pair.events(1), [{ type: "writable", stream: id }]);
  pair.acceptor.reset(id, ResetCode.internal);
  pair.settle();
  assert.deepEqual(pair.events(0).at(-1), { type: "reset", stream: id });
});

test("each ready stream has a turn before any has two", () => {
  const pair = new Pair();
  const ids = Array.from({ length: 7 }, () => pair.open(false));
  for (const id of ids) {
    pair.opener.sendData(id, pattern(0, 60_000));
  }
  const turns: number[] = [];
  for (let frames; (frames = pair.transmit(0)); ) {
    turns.push(...frames.flatMap((frame) => (frame.type === FrameType.data ? frame.stream : [])));
  }
  // A frame that the end of a message cut in two is one turn.
  for (let round = 0; round < 3; round++) {
    const begin = turns.filter((id, at) => id !== turns[at - 1]).slice(round * 7, round * 7 + 7);
    assert.deepEqual(begin.sort((a, b) => a - b), ids, `round ${round}: ${turns.join(" ")}`);
  }
});

test("short exchanges go before bulk, and bulk has every fourth turn", () => {
  const pair = new Pair({ streamSendBound: 1 << 20, maxWindow: 4 << 20 });
  const bulk = pair.open(false);
  pair.opener.sendData(bulk, pattern(0, 200_000));
  while (pair.transmit(0)) {
    // Now it counts as bulk.
  }
  pair.settle();
  pair.read(1, bulk);
  pair.settle();
  assert(pair.opener.sendData(bulk, pattern(0, 160_000)) > 150_000);
  const short = Array.from({ length: 12 }, () => pair.opener.open(ascii("q"), true));
  const turns: string[] = [];
  for (let frames; (frames = pair.transmit(0)); ) {
    turns.push(...frames.map((frame) => (frame.type === FrameType.open ? "short" : "bulk")));
  }
  const order = turns.filter((turn, at) => turn === "short" || turns[at - 1] !== "bulk").join(" ");
  assert(order.startsWith("short short short bulk short short short bulk short short short bulk"), order);
  assert.equal(turns.filter((turn) => turn === "short").length, short.length);
});

test("schedule: a turn given back is the next one", () => {
  const schedule = new Schedule();
  for (const id of [1, 3, 5, 7, 9, 11]) {
    schedule.push(id, 0);
  }
  const BULK = 64 * 1024;
  schedule.push(13, BULK);
  schedule.push(15, BULK);
  for (const expected of [1, 3, 5, 13, 7, 9, 11, 15]) {
    for (let again = 0; again < 3; again++) {
      const id = schedule.pop()!;
      assert.equal(id, expected);
      schedule.unpop(id, expected > 11 ? BULK : 0);
    }
    schedule.pop();
  }
  assert.equal(schedule.length, 0);
  assert.equal(schedule.pop(), undefined);
});

test("a crowd that is cancelled leaves nothing behind", () => {
  const pair = new Pair({ maxStreams: 10 });
  for (let round = 0; round < 500; round++) {
    pair.opener.release(pair.opener.open(ascii("q"), true));
  }
  assert(pair.opener["schedule"].length < 100);
  pair.assertQuiet();
});
