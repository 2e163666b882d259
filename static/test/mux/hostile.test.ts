/** One end against a peer that breaks the rules: exact bytes, named errors. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Acceptor } from "../../src/mux/acceptor.ts";
import { INITIAL_CREDIT } from "../../src/mux/config.ts";
import { CarrierError, type Violation } from "../../src/mux/error.ts";
import { Mux } from "../../src/mux/mux.ts";
import { type Bytes, Writer } from "../../src/wire/buffer.ts";
import { ResetCode } from "../../src/wire/code.ts";
import { Flags, type FrameFault, FrameType, MAX_MESSAGE, MAX_PAYLOAD, putFrame } from "../../src/wire/frame.ts";
import { ascii, fromHex, pattern } from "./bytes.ts";
import { checkInvariants } from "./invariants.ts";
import { data, finish, head } from "./pair.ts";

const hex = (text: string): Bytes => fromHex(text.replace(/\s/g, ""));

function opener(): Mux {
  const mux = new Mux(0, { maxHead: 4, maxStreams: 2 });
  assert.deepEqual([mux.open(ascii("head"), false), mux.open(ascii("head"), false)], [1, 3]);
  transmitAll(mux);
  return mux;
}

const acceptor = (): Mux => new Acceptor(0, { maxHead: 4, maxStreams: 2 });

function transmitAll(mux: Mux): void {
  while (mux.pollTransmit(0, MAX_MESSAGE)) {
    checkInvariants(mux);
  }
}

/** Takes a message that breaks no rule. */
function takes(mux: Mux, message: string): void {
  mux.handleMessage(0, hex(message));
  checkInvariants(mux);
}

function refuses(mux: Mux, message: Bytes, fault: Violation | FrameFault, name: string = fault): void {
  assert.throws(
    () => {
      mux.handleMessage(0, message);
    },
    (error) => {
      assert(error instanceof CarrierError, String(error));
      assert.equal(error.fault, fault, name);
      return true;
    },
  );
  checkInvariants(mux);
}

const DATA_16K = Uint8Array.from([...hex("00000001 03 00 4000"), ...pattern(0, MAX_PAYLOAD)]);

test("each violation is named", () => {
  const file = join(import.meta.dirname, "../../../crates/mux/vectors/hostile.json");
  const { violations } = JSON.parse(readFileSync(file, "utf8")) as {
    violations: { name: string; role: "opener" | "acceptor"; messages: string; error: Violation }[];
  };
  assert(violations.length >= 36);
  for (const { name, role, messages, error } of violations) {
    const mux = role === "opener" ? opener() : acceptor();
    const parts = messages.split("|");
    const last = parts.pop()!;
    for (const part of parts) {
      takes(mux, part);
    }
    refuses(mux, hex(last), error, `${error} ${name}`);
  }
});

test("interim heads beyond eight unread are a flood", () => {
  const mux = opener();
  const interim = "00000001 02 04 0001 61";
  for (let count = 0; count < 8; count++) {
    takes(mux, interim);
  }
  for (let count = 0; count < 50; count++) {
    // Read ones do not count.
    assert.deepEqual(mux.read(1), head("a", true));
    takes(mux, interim);
  }
  refuses(mux, hex(interim), "interim-flood");
});

test("an interim head is one frame", () => {
  refuses(opener(), hex("00000001 02 06 0001 61"), "head-too-large");
});

test("content beyond the credit is refused to the byte", () => {
  const mux = opener();
  takes(mux, "00000001 02 00 0001 61 00000003 02 00 0001 61");
  for (let sent = 0; sent < INITIAL_CREDIT; sent += MAX_PAYLOAD) {
    mux.handleMessage(0, DATA_16K);
    checkInvariants(mux);
  }
  // The other stream has a credit of its own.
  takes(mux, "00000003 03 00 0001 61");
  refuses(mux, hex("00000001 03 00 0001 61"), "beyond-credit");
});

test("credit that was not transmitted yet does not count", () => {
  const mux = opener();
  takes(mux, "00000001 02 00 0001 61");
  for (let sent = 0; sent < INITIAL_CREDIT; sent += MAX_PAYLOAD) {
    mux.handleMessage(0, DATA_16K);
  }
  while (mux.read(1)) {
    // Reading alone gives nothing to the peer.
  }
  refuses(mux, DATA_16K, "beyond-credit");
});

test("a peer that makes us answer faster than it reads is a flood", () => {
  const opens = (from: number, to: number): Bytes => {
    const out = new Writer();
    for (let index = from; index < to; index++) {
      putFrame(out, { type: FrameType.open, stream: 2 * index + 1, flags: 0, head: ascii("h") });
    }
    return out.flush();
  };
  // Two streams are accepted, 4096 refusals may wait.
  let mux = acceptor();
  mux.handleMessage(0, opens(0, 4098));
  refuses(mux, opens(4098, 4099), "flood");
  // One that reads its refusals may go on.
  mux = acceptor();
  for (let round = 0; round < 10; round++) {
    mux.handleMessage(0, opens(round * 4000, (round + 1) * 4000));
    transmitAll(mux);
  }
  assert.equal(mux.size, 2);
});

test("pings of a flood cost one pong", () => {
  const mux = opener();
  const out = new Writer();
  for (let token = 0n; token < 4000n; token++) {
    putFrame(out, { type: FrameType.ping, token });
  }
  mux.handleMessage(0, out.flush());
  assert.deepEqual(mux.pollTransmit(0, MAX_MESSAGE), hex("00000000 08 00 0008 0000000000000f9f"), "the newest");
  assert.equal(mux.pollTransmit(0, MAX_MESSAGE), undefined);
});

test("bytes that are not frames end the carrier", () => {
  const cases: [string, FrameFault][] = [
    ["00", "truncated"],
    ["00000001 0b 00 0000", "unknown-type"],
    ["00000001 03 00 0000", "malformed"],
    ["00000001 06 00 0004 00000000", "malformed"],
    ["00000001 03 00 4001", "too-large"],
    ["00000001 07 00 0008 0000000000000001", "wrong-stream"],
    ["00000001 03 01 0001 61", "unknown-flags"],
  ];
  for (const [message, fault] of cases) {
    // What came before in the same message counts.
    const mux = opener();
    refuses(mux, hex(`00000001 02 00 0001 61 ${message}`), fault, message);
    assert.deepEqual(mux.read(1), head("a"));
  }
});

test("frames that crossed our reset are no violation", () => {
  const late = [
    "00000001 02 02 0001 61",
    "00000001 02 04 0001 61",
    "00000001 02 00 0001 61",
    "00000001 03 00 0002 6161",
    "00000001 04 00 0001 02",
    "00000001 06 00 0004 00000001",
    "00000001 05 00 0002 0001",
  ];
  for (const release of [false, true]) {
    for (let skip = 0; skip < late.length; skip++) {
      const mux = opener();
      if (release) {
        mux.release(1);
      } else {
        mux.reset(1, ResetCode.cancelled);
      }
      for (const message of late.slice(skip)) {
        takes(mux, message);
      }
      assert.equal(mux.read(1), undefined);
      mux.release(1);
      assert.equal(mux.size, 1);
    }
  }
});

test("what came before the peer's reset is read and what comes after is dropped", () => {
  const mux = opener();
  takes(mux, "00000001 02 00 0001 61 00000001 05 00 0002 0003");
  takes(mux, "00000001 03 00 0001 61 00000001 04 00 0001 01");
  assert.deepEqual(mux.read(1), head("a"));
  assert.deepEqual(mux.read(1), { type: "reset", code: ResetCode.originRefused });
  assert.equal(mux.read(1), undefined);
  assert.equal(mux.resetCode(1), ResetCode.originRefused);
});

test("a head in parts is accepted once and its content announced after a read", () => {
  const mux = acceptor();
  for (const message of ["00000001 01 02 0001 61", "00000001 01 02 0000", "00000001 01 00 0001 62"]) {
    assert.equal(mux.pollEvent(), undefined);
    takes(mux, message);
  }
  takes(mux, "00000001 03 00 0001 63 00000001 04 00 0001 01");
  assert.deepEqual(mux.pollEvent(), { type: "accepted", stream: 1 });
  assert.equal(mux.pollEvent(), undefined, "told once");
  const read = Array.from({ length: 4 }, () => mux.read(1));
  assert.deepEqual(read, [head("ab"), data("c"), finish(), undefined]);
});

test("a head that never became whole leaves nothing behind", () => {
  const mux = acceptor();
  for (let stream = 1; stream < 20; stream += 2) {
    const out = new Writer();
    putFrame(out, { type: FrameType.open, stream, flags: Flags.more, head: ascii("h") });
    mux.handleMessage(0, out.flush());
    assert.equal(mux.size, 1, "it counts while it may become whole");
    putFrame(out, { type: FrameType.reset, stream, code: ResetCode.cancelled });
    mux.handleMessage(0, out.flush());
    assert.equal(mux.size, 0, "nobody was given it, so nobody can release it");
    assert.equal(mux.pollEvent(), undefined, "and nobody hears of it");
    checkInvariants(mux);
  }
});

test("small slices do not pin their messages while the reader lags", () => {
  const mux = opener();
  takes(mux, "00000001 02 00 0001 61");
  mux.read(1);
  const buffers = new Set<ArrayBuffer>();
  let sent = 0;
  for (let round = 0; sent + MAX_PAYLOAD <= INITIAL_CREDIT; round++) {
    const length = [10, 16_383, 1, 700][round % 4]!;
    const out = new Writer();
    putFrame(out, { type: FrameType.data, stream: 1, content: pattern(sent, length) });
    while (out.length < 50_000) {
      putFrame(out, { type: FrameType.pong, token: 0n });
    }
    sent += length;
    const message = out.flush();
    buffers.add(message.buffer);
    mux.handleMessage(0, message);
    checkInvariants(mux);
  }
  const items: Bytes[] = [];
  for (let item; (item = mux.read(1)); ) {
    assert(item.type === "data" && item.content.length <= MAX_PAYLOAD);
    items.push(item.content);
  }
  assert.deepEqual(Buffer.concat(items), Buffer.from(pattern(0, sent)), "joined in order");
  const pinned = items.filter((item) => buffers.has(item.buffer)).length;
  assert(pinned <= 1, `${pinned} of ${items.length} items keep a message of 50 kB alive`);
  assert(items.length <= (2 * sent) / MAX_PAYLOAD + 2, `${items.length} items: crumbs are joined`);
});

test("what was read is not written again", () => {
  const mux = opener();
  takes(mux, "00000001 02 00 0001 61");
  mux.read(1);
  takes(mux, "00000001 03 00 0001 61");
  takes(mux, "00000001 03 00 0001 62");
  const joined = mux.read(1);
  takes(mux, "00000001 03 00 0001 63");
  assert.deepEqual(joined, data("ab"));
  assert.deepEqual(mux.read(1), data("c"));
});

test("a reader that keeps up gets slices without a copy", () => {
  const mux = opener();
  takes(mux, "00000001 02 00 0001 61");
  mux.read(1);
  for (let round = 0; round < 5; round++) {
    const message = hex("00000001 03 00 0003 616263");
    mux.handleMessage(0, message);
    const item = mux.read(1);
    assert(item?.type === "data");
    assert.equal(item.content.buffer, message.buffer);
  }
});

test("crumbs beyond number stay within the credit", () => {
  const mux = opener();
  takes(mux, "00000001 02 00 0001 61");
  const crumbs = hex("00000001 03 00 0001 61".repeat(4096));
  for (let sent = 0; sent < INITIAL_CREDIT; sent += 4096) {
    mux.handleMessage(0, crumbs);
  }
  checkInvariants(mux);
  refuses(mux, crumbs, "beyond-credit");
  let items = 0;
  while (mux.read(1)) {
    items++;
  }
  assert(items <= 18, `${items} items for 256 KiB`);
});
