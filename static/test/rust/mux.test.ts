/** The mux against the one in Rust: the same operations, the same bytes, events and verdicts, step by step. */

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { INITIAL_CREDIT } from "../../src/mux/config.ts";
import { Writer } from "../../src/wire/buffer.ts";
import { resetCode } from "../../src/wire/code.ts";
import { FrameType, HEADER_LEN, MAX_MESSAGE, MAX_PAYLOAD, putFrame } from "../../src/wire/frame.ts";
import { pattern, toHex } from "../mux/bytes.ts";
import { anyOf, below, onceIn, oneOf, type Random, seeded } from "../random.ts";
import { Peer } from "./peer.ts";
import { type End, type Limits, type Operation, Run } from "./run.ts";

const SCENARIOS = 240;

const peer = new Peer();
after(() => {
  peer.stop();
});

test("honest ends do the same in both languages", async () => {
  const reached = new Map<string, number>();
  for (let seed = 0; seed < SCENARIOS; seed++) {
    await compare(seed, [], 600, honest, reached);
  }
  // Scenarios that do nothing find nothing.
  for (const [what, least] of Object.entries({ finish: 200, reset: 500, writable: 300, grown: 500, "too-many": 100 })) {
    assert((reached.get(what) ?? 0) >= least, `${what}: ${reached.get(what)}`);
  }
});

test("windows follow the traffic alike in both languages", async () => {
  const reached = new Map<string, number>();
  const answered = ([1, 3] as const).map(
    (id): Operation => ({ do: "send-head", id, length: 1, interim: false, last: false }),
  );
  for (let seed = 0; seed < SCENARIOS / 5; seed++) {
    await compare(seed, [...OPENED, ...answered], 700, traffic, reached);
  }
  assert((reached.get("shrunk") ?? 0) >= 25, `shrunk: ${reached.get("shrunk")}`);
});

test("ends with hostile peers give the same verdicts in both languages", async () => {
  const reached = new Map<string, number>();
  for (let seed = 0; seed < SCENARIOS; seed++) {
    await compare(seed, OPENED, 150, hostile, reached);
  }
  const rules = ["second-head", "data-before-head", "after-finish", "wrong-total", "wrong-side", "never-opened"];
  rules.push("id-not-rising", "credit-overflow", "ended-interim", "head-too-large", "interim-flood");
  rules.push("truncated", "unknown-type", "wrong-stream", "malformed");
  const missed = rules.filter((rule) => !reached.get(rule));
  assert.deepEqual(missed, [], "verdicts that were never given");
});

/** Runs operations here, then there, and compares what was seen. */
async function compare(
  seed: number,
  first: Operation[],
  length: number,
  choose: (random: Random, run: Run) => Operation[],
  reached: Map<string, number>,
): Promise<void> {
  const random = seeded(seed);
  const ends: [Limits, Limits] = [limits(random), limits(random)];
  const run = new Run(ends);
  const operations: Operation[] = [];
  const seen: string[] = [];
  const count = (what: string): unknown => reached.set(what, (reached.get(what) ?? 0) + 1);
  let before = ends[0].growthBudget;
  while (operations.length < length && !(run.closed[0] && run.closed[1])) {
    for (const operation of operations.length ? choose(random, run) : [...first, ...choose(random, run)]) {
      operations.push(operation);
      seen.push(run.step(operation));
      seen.at(-1)!.match(/[a-z-]+/g)?.forEach(count);
    }
    const left = run.opener["growthLeft"];
    count(left < ends[0].growthBudget ? "grown" : "at first");
    count(left > before ? "shrunk" : "");
    before = left;
  }
  const there = await peer.ask({ run: { ends, operations } });
  for (const [step, operation] of operations.entries()) {
    assert.equal(seen[step], there[step], `seed ${seed}, step ${step}: ${JSON.stringify(operation)}`);
  }
}

function limits(random: Random): Limits {
  return {
    maxStreams: 1 + below(random, 8),
    maxHead: oneOf(random, [64 * 1024, 20_000]),
    maxWindow: oneOf(random, [4 * 1024 * 1024, INITIAL_CREDIT, 700_000, 700_001]),
    growthBudget: oneOf(random, [32 * 1024 * 1024, 0, 300_000, 1_000_000]),
    streamSendBound: oneOf(random, [64 * 1024, 16 * 1024, 200_000]),
    sendBound: oneOf(random, [4 * 1024 * 1024, 0, 40_000]),
  };
}

/** What users of two honest ends do, and their carrier. */
function honest(random: Random, run: Run): Operation[] {
  const end = oneOf(random, [0, 1] as const);
  const live = [...run.end(end)["streams"].keys()];
  // Mostly a stream that is there, sometimes one that was or never will be.
  const id = onceIn(random, 20) ? below(random, 30) : anyOf(random, live);
  const code = below(random, 16);
  const choice = below(random, 43);
  if (choice < 4) {
    return [{ do: "open", length: oneOf(random, [0, 30, 16_384, 16_385, 50_000, 70_000]), last: onceIn(random, 3) }];
  }
  if (choice < 20 && id !== undefined) {
    return [ofStream(random, end, id, code)];
  }
  if (choice < 28) {
    const room = MAX_MESSAGE - MAX_PAYLOAD - HEADER_LEN;
    return [{ do: "transmit", end, limit: MAX_MESSAGE - oneOf(random, [0, 0, room, room >> 1]) }];
  }
  if (choice < 36) {
    return [{ do: "deliver", end }];
  }
  if (choice < 38) {
    return [{ do: "pass", ms: onceIn(random, 10) ? below(random, 5_000) : below(random, 100) }];
  }
  if (choice < 39) {
    return [{ do: "control", end, length: below(random, 300) }];
  }
  if (choice < 41 && id !== undefined) {
    return bulk(random, end, id);
  }
  if (onceIn(random, 2)) {
    return measured(random);
  }
  return [onceIn(random, 40) ? { do: "drain", end } : { do: "max-streams", end, max: 1 + below(random, 8) }];
}

/** A PING and its answer: from now on windows are judged by the round trip. */
function measured(random: Random): Operation[] {
  const ms = oneOf(random, [0, 1, 20]);
  const both = (what: "transmit" | "deliver"): Operation[] =>
    ([0, 1] as const).map((end) => (what === "deliver" ? { do: what, end } : { do: what, end, limit: MAX_MESSAGE }));
  const round: Operation[] = [...both("transmit"), { do: "pass", ms }, ...both("deliver"), ...both("deliver")];
  return [{ do: "pass", ms: 5_000 }, ...round, ...round];
}

/** Content that flows for a while, with a reader that keeps up: windows grow. */
function bulk(random: Random, end: End, id: number): Operation[] {
  const other = end ? 0 : 1;
  const limit = MAX_MESSAGE;
  const ms = oneOf(random, [0, 1, 20, 100]);
  const round: Operation[] = [
    { do: "send-data", end, id, length: 100_000 },
    { do: "transmit", end, limit },
    { do: "transmit", end, limit },
    { do: "pass", ms },
    { do: "deliver", end: other },
    { do: "deliver", end: other },
    { do: "read", end: other, id, items: 40 },
    { do: "transmit", end: other, limit },
    { do: "pass", ms },
    { do: "deliver", end },
  ];
  return Array.from({ length: below(random, 12) }, () => round).flat();
}

/** Bulk on one stream, now and then something on the other, and the round trip measured anew. */
function traffic(random: Random): Operation[] {
  switch (below(random, 8)) {
    case 0:
      return measured(random);
    case 1:
    case 2:
      return [{ do: "send-data", end: 1, id: 3, length: 10 }];
    case 3:
      return [{ do: "read", end: 0, id: 3, items: 10 }];
    default:
      return bulk(random, 1, 1);
  }
}

function ofStream(random: Random, end: End, id: number, code: number): Operation {
  switch (below(random, 16)) {
    case 0:
    case 1:
      return end
        ? { do: "send-head", id, length: oneOf(random, [0, 10, 17_000]), interim: onceIn(random, 4), last: false }
        : { do: "send-data", end, id, length: 1 + below(random, 100_000) };
    case 2:
      return end && onceIn(random, 3)
        ? { do: "send-head", id, length: below(random, 70_000), interim: false, last: true }
        : { do: "send-data", end, id, length: 0 };
    case 3:
      return { do: "finish", end, id, length: below(random, 40) };
    case 4:
      return onceIn(random, 3) ? { do: "reset", end, id, code } : { do: "read", end, id, items: 1 };
    case 5:
      return onceIn(random, 3) && end ? { do: "abort", id, code } : { do: "read", end, id, items: 2 };
    case 6:
      return { do: "release", end, id, code };
    case 7:
    case 8:
    case 9:
    case 10:
      return { do: "read", end, id, items: 1 + below(random, 20) };
    default:
      return { do: "send-data", end, id, length: 1 + below(random, 100_000) };
  }
}

/** Two streams that both ends know, so that there is something to be hostile about. */
const OPENED: Operation[] = [
  { do: "open", length: 5, last: false },
  { do: "open", length: 5, last: true },
  { do: "transmit", end: 0, limit: MAX_MESSAGE },
  { do: "deliver", end: 1 },
];

/** The same, and frames that no honest peer sends: mostly well-formed ones, for noise does not come far. */
function hostile(random: Random, run: Run): Operation[] {
  const end = oneOf(random, [0, 1] as const);
  if (run.closed[end] || !onceIn(random, 4)) {
    return honest(random, run);
  }
  const live = anyOf(random, [...run.end(end)["streams"].keys()]) ?? 1;
  return [{ do: "hostile", end, hex: message(random, end, live) }];
}

function message(random: Random, end: End, live: number): string {
  const out = new Writer();
  for (let count = 1 + below(random, 3); count > 0; count--) {
    const anywhere = oneOf(random, [live + 2, below(random, 12), 2 ** 32 - 1, 2 ** 32 - 3]);
    const stream = onceIn(random, 8) ? anywhere : live;
    const payload = pattern(0, oneOf(random, [1, 1 + below(random, 8), MAX_PAYLOAD]));
    const head = onceIn(random, 20) === (end === 0) ? FrameType.open : FrameType.head;
    switch (below(random, 16)) {
      case 0:
      case 1:
      case 2:
      case 3:
        putFrame(out, { type: head, stream, flags: below(random, head === FrameType.open ? 4 : 8), head: payload });
        break;
      case 4:
      case 5:
      case 6:
        putFrame(out, { type: FrameType.data, stream, content: payload });
        break;
      case 7:
      case 8:
        putFrame(out, { type: FrameType.finish, stream, total: oneOf(random, [0, 0, 1]), trailers: payload.subarray(0, 8) });
        break;
      case 9:
        putFrame(out, { type: FrameType.reset, stream, code: resetCode(below(random, 20)) });
        break;
      case 10:
        putFrame(out, { type: FrameType.credit, stream, bytes: oneOf(random, [0, 1, 1, 1, 100_000, 2 ** 32 - 1]) });
        break;
      case 11:
        putFrame(out, { type: FrameType.ping, token: BigInt(below(random, 4)) });
        break;
      case 12:
        putFrame(out, { type: FrameType.pong, token: BigInt(below(random, 4)) });
        break;
      case 13:
        putFrame(out, { type: FrameType.drain });
        break;
      case 14:
        // Interim heads until there are too many.
        for (let interim = 5 + below(random, 6); interim > 0; interim--) {
          putFrame(out, { type: FrameType.head, stream, flags: 4, head: payload.subarray(0, 3) });
        }
        break;
      default:
        out.put(pattern(random(), below(random, 20)));
    }
  }
  return toHex(out.flush());
}
