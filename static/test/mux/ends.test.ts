/** How streams begin and end, what limits hold, and whether the peer is alive. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { CarrierError, StreamError } from "../../src/mux/error.ts";
import { Mux } from "../../src/mux/mux.ts";
import { NONE, Writer } from "../../src/wire/buffer.ts";
import { ResetCode } from "../../src/wire/code.ts";
import { Flags, FrameType, MAX_MESSAGE, MAX_PAYLOAD, MAX_TRAILERS, putFrame } from "../../src/wire/frame.ts";
import { MAX_HEAD } from "../../src/wire/head.ts";
import { ascii, pattern } from "./bytes.ts";
import { contentLength, data, finish, framesOf, head, Pair } from "./pair.ts";

const fault = (fault: StreamError["fault"], code?: ResetCode) => (error: unknown) => {
  assert(error instanceof StreamError, String(error));
  assert.deepEqual([error.fault, error.code], [fault, code]);
  return true;
};

test("an exchange with everything", () => {
  const pair = new Pair();
  const id = pair.open(false);
  assert.equal(pair.opener.sendData(id, ascii("hello")), 5);
  pair.opener.finish(id);
  pair.settle();
  assert.deepEqual(pair.read(1, id), [head("request"), data("hello"), finish()]);
  pair.acceptor.sendHead(id, ascii("early"), true, false);
  pair.acceptor.sendHead(id, ascii("final"), false, false);
  assert.equal(pair.acceptor.sendData(id, ascii("bye")), 3);
  pair.acceptor.finish(id, ascii("trailers"));
  pair.acceptor.release(id);
  pair.settle();
  assert.deepEqual(pair.events(0), [{ type: "readable", stream: id }], "told once");
  assert.deepEqual(pair.read(0, id), [head("early", true), head("final"), data("bye"), finish(ascii("trailers"))]);
  assert.equal(pair.acceptor.size, 0, "what was released is gone when it is sent");
  assert.equal(pair.opener.size, 1, "until its user lets go");
  pair.opener.release(id);
  pair.assertQuiet();
});

test("an exchange without content is two frames", () => {
  const pair = new Pair();
  pair.opener.open(ascii("q"), true);
  assert.deepEqual(pair.transmit(0), [{ type: FrameType.open, stream: 1, flags: Flags.end, head: ascii("q") }]);
  pair.deliver(1);
  assert.deepEqual(pair.read(1, 1), [head("q"), finish()]);
  pair.acceptor.sendHead(1, ascii("a"), false, true);
  assert.deepEqual(pair.transmit(1), [{ type: FrameType.head, stream: 1, flags: Flags.end, head: ascii("a") }]);
  pair.deliver(0);
  assert.deepEqual(pair.read(0, 1), [head("a"), finish()]);
  pair.opener.release(1);
  pair.acceptor.release(1);
  pair.assertQuiet();
});

test("heads of any length up to the limit pass, in frames of a payload each", () => {
  for (const length of [0, 1, MAX_PAYLOAD, MAX_PAYLOAD + 1, 3 * MAX_PAYLOAD, MAX_HEAD]) {
    const pair = new Pair();
    const id = pair.opener.open(pattern(7, length), true);
    let frames = 0;
    for (let sent; (sent = pair.transmit(0)); ) {
      frames += sent.length;
    }
    assert.equal(frames, Math.max(Math.ceil(length / MAX_PAYLOAD), 1));
    pair.settle();
    assert.deepEqual(pair.read(1, id), [{ type: "head", head: pattern(7, length), interim: false }, finish()]);
  }
  const pair = new Pair();
  assert.throws(() => pair.opener.open(pattern(0, MAX_HEAD + 1), true), fault("too-large"));
  assert.equal(pair.opener.size, 0, "nothing was opened");
  assert.equal(pair.opener.open(NONE, true), 1);
});

test("what users may not do", () => {
  const pair = new Pair({ maxStreams: 2 });
  const { opener, acceptor } = pair;
  const id = pair.open(false);
  assert.throws(() => acceptor.sendData(id, ascii("x")), fault("state"), "no head yet");
  assert.throws(() => {
    acceptor.finish(id);
  }, fault("state"));
  assert.throws(() => {
    acceptor.sendHead(id, pattern(0, MAX_PAYLOAD + 1), true, false);
  }, fault("too-large"));
  acceptor.sendHead(id, ascii("a"), false, false);
  assert.throws(() => {
    acceptor.sendHead(id, ascii("a"), false, false);
  }, fault("state"));
  assert.throws(() => {
    opener.finish(id, pattern(0, MAX_TRAILERS + 1));
  }, fault("too-large"));
  opener.finish(id, pattern(0, MAX_TRAILERS));
  assert.throws(() => opener.sendData(id, ascii("x")), fault("state"));
  assert.throws(() => opener.sendData(99, ascii("x")), fault("unknown"));
  assert.equal(opener.resetCode(id), undefined);
  assert.equal(opener.resetCode(99), ResetCode.internal);
  opener.open(NONE, true);
  assert.throws(() => opener.open(NONE, true), fault("too-many"));
  opener.maxStreams = 3;
  opener.open(NONE, true);
  opener.reset(id, ResetCode.cancelled);
  assert.throws(() => opener.sendData(id, ascii("x")), fault("reset", ResetCode.cancelled));
});

test("ids are used up one day", () => {
  const mux = new Mux(0);
  mux["nextId"] = 2 ** 32 - 3;
  assert.equal(mux.open(NONE, true), 2 ** 32 - 3);
  assert.throws(() => mux.open(NONE, true), fault("exhausted"));
});

test("a stream that the peer never heard of is taken back in silence", () => {
  const pair = new Pair();
  const id = pair.opener.open(ascii("q"), false);
  pair.opener.sendData(id, ascii("content"));
  pair.opener.release(id);
  assert.equal(pair.transmit(0), undefined);
  pair.assertQuiet();
});

test("a reset overtakes what waits, and reaches a user that has let go of nothing", () => {
  const pair = new Pair();
  const id = pair.open(false);
  pair.opener.sendData(id, pattern(0, 50_000));
  pair.opener.release(id, ResetCode.cancelled);
  assert.deepEqual(pair.transmit(0), [{ type: FrameType.reset, stream: id, code: ResetCode.cancelled }]);
  assert.equal(pair.opener.size, 0);
  pair.settle();
  assert.deepEqual(pair.events(1), [{ type: "reset", stream: id }]);
  assert.deepEqual(pair.read(1, id), [head("request"), { type: "reset", code: ResetCode.cancelled }]);
  pair.acceptor.release(id);
  pair.assertQuiet();
});

test("the last words of a host that fails are read before its reset", () => {
  const pair = new Pair();
  const id = pair.open(false);
  pair.acceptor.sendHead(id, ascii("a"), false, false);
  pair.acceptor.sendData(id, pattern(0, 60_000));
  pair.acceptor.abort(id, ResetCode.originReset);
  pair.acceptor.release(id);
  pair.settle();
  const read = pair.read(0, id);
  assert.equal(contentLength(read), 60_000);
  assert.deepEqual(read.at(-1), { type: "reset", code: ResetCode.originReset });
  pair.opener.release(id);
  pair.assertQuiet();
});

test("a complete response that does not want the rest of the request is no error", () => {
  const pair = new Pair();
  const id = pair.open(false);
  pair.opener.sendData(id, pattern(0, 30_000));
  pair.acceptor.sendHead(id, ascii("enough"), false, true);
  pair.acceptor.release(id);
  pair.settle();
  assert.deepEqual(pair.read(0, id), [head("enough"), finish()]);
  assert.equal(pair.opener.resetCode(id), ResetCode.enough);
  pair.opener.release(id);
  pair.assertQuiet();
});

test("streams beyond the limit are refused and the others live", () => {
  const pair = new Pair({}, { maxStreams: 3 });
  const ids = Array.from({ length: 10 }, () => pair.opener.open(ascii("q"), true));
  pair.settle();
  assert.equal(pair.acceptor.size, 3);
  for (const [index, id] of ids.entries()) {
    const read = pair.read(0, id);
    assert.deepEqual(read, index < 3 ? [] : [{ type: "reset", code: ResetCode.refused }]);
    pair.opener.release(id);
  }
  pair.settle();
  for (const id of ids.slice(0, 3)) {
    pair.acceptor.release(id);
  }
  pair.assertQuiet();
});

test("drain stops new streams at both ends, and running ones go on", () => {
  const pair = new Pair();
  const id = pair.open(false);
  const crossed = pair.opener.open(ascii("crossed"), true);
  pair.acceptor.drain();
  pair.acceptor.drain();
  pair.settle();
  assert.deepEqual(pair.events(0).map((event) => event.type).sort(), ["drained", "reset"]);
  assert(pair.opener.peerDrains);
  assert.throws(() => pair.opener.open(NONE, true), fault("draining"));
  assert.equal(pair.opener.resetCode(crossed), ResetCode.refused);
  pair.opener.sendData(id, ascii("x"));
  pair.settle();
  assert.deepEqual(pair.read(1, id), [head("request"), data("x")]);
});

test("control messages pass in order and before content", () => {
  const pair = new Pair();
  const id = pair.open(false);
  pair.opener.sendData(id, pattern(0, 30_000));
  for (const text of ["one", "two", "three"]) {
    pair.opener.sendControl(ascii(text));
  }
  const types = pair.transmit(0)!.map((frame) => frame.type);
  assert.deepEqual(types.slice(0, 4), [FrameType.control, FrameType.control, FrameType.control, FrameType.data]);
  pair.settle();
  const texts = pair.events(1).flatMap((event) => (event.type === "control" ? Buffer.from(event.json).toString() : []));
  assert.deepEqual(texts, ["one", "two", "three"]);
});

test("two idle ends keep each other alive for a day, with a ping each period", () => {
  const pair = new Pair();
  pair.delay[0] = 30;
  pair.delay[1] = 40;
  pair.advance(24 * 3600 * 1000);
  const times = pair.events(0).map((event) => (event.type === "round-trip" ? event.ms : assert.fail()));
  assert(Math.abs(times.length - (24 * 3600) / 5) < 10, `${times.length} round trips`);
  assert(times.every((time) => time === 70));
});

test("silence of the deadline ends the carrier, a message of any kind puts it off", () => {
  const mux = new Mux(1_000);
  assert.equal(mux.pollTimeout(), 6_000);
  mux.handleTimeout(6_000);
  assert.deepEqual(framesOf(mux.pollTransmit(6_000, MAX_MESSAGE)!), [{ type: FrameType.ping, token: 1n }]);
  assert.equal(mux.pollTimeout(), 11_000);
  mux.handleMessage(9_000, new Uint8Array());
  assert.equal(mux.lastHeard, 9_000);
  mux.handleTimeout(18_999);
  assert.throws(
    () => {
      mux.handleTimeout(19_000);
    },
    (error) => error instanceof CarrierError && error.fault === "silent",
  );
});

test("a ping asked for goes at once and its answer is measured", () => {
  const pair = new Pair();
  pair.delay[0] = pair.delay[1] = 25;
  pair.advance(100);
  assert(!pair.opener.hasOutput);
  pair.opener.ping(pair.now);
  assert(pair.opener.hasOutput);
  pair.advance(50);
  assert.deepEqual(pair.events(0), [{ type: "round-trip", ms: 50 }]);
  assert.equal(pair.opener.lastHeard, 150);
  assert.equal(pair.opener.pollTimeout(), 100 + 5_000, "the next one is a period later");
  // Of two only the newest is measured, and an answer to nothing not at all.
  pair.opener.ping(pair.now);
  pair.transmit(0);
  pair.advance(10);
  pair.opener.ping(pair.now);
  pair.advance(100);
  assert.deepEqual(pair.events(0), [{ type: "round-trip", ms: 50 }]);
  // The answer once more, and one to a PING of tomorrow.
  for (const token of [3n, 4n]) {
    const out = new Writer();
    putFrame(out, { type: FrameType.pong, token });
    pair.opener.handleMessage(pair.now, out.flush());
  }
  assert.deepEqual(pair.events(0), []);
});
