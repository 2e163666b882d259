import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bytes, Reader, Writer } from "../../src/wire/buffer.ts";
import { ResetCode } from "../../src/wire/code.ts";
import {
  Flags,
  type Frame,
  FrameError,
  type FrameFault,
  FrameType,
  HEADER_LEN,
  MAX_PAYLOAD,
  MAX_TRAILERS,
  putFrame,
  takeFrame,
} from "../../src/wire/frame.ts";
import { below, seeded } from "../random.ts";
import { type ByteString, bytes, camel, type Hex, latin1, load } from "./vectors.ts";

interface Described {
  type: keyof typeof FrameType;
  stream: number;
  flags?: (keyof typeof Flags)[];
  payload: ByteString;
  total: string;
  code: string;
  bytes: number;
  token: string;
}

const vectors = load("frames.json") as {
  valid: { name: string; hex: Hex; frame: Described; decodeOnly?: true }[];
  invalid: { name: string; hex: Hex; error: FrameFault }[];
  messages: { name: string; hex: Hex; frames: Described[]; error?: FrameFault }[];
};

function frame({ type, stream, flags = [], payload, total, code, bytes, token }: Described): Frame {
  switch (type) {
    case "open":
    case "head": {
      const set = flags.reduce((set, flag) => set | Flags[flag], 0);
      return { type: FrameType[type], stream, flags: set, head: latin1(payload) };
    }
    case "data":
      return { type: FrameType.data, stream, content: latin1(payload) };
    case "finish":
      return { type: FrameType.finish, stream, total: Number(total), trailers: latin1(payload) };
    case "reset":
      return { type: FrameType.reset, stream, code: ResetCode[camel(code) as keyof typeof ResetCode] };
    case "credit":
      return { type: FrameType.credit, stream, bytes };
    case "ping":
    case "pong":
      return { type: FrameType[type], token: BigInt(token) };
    case "drain":
      return { type: FrameType.drain };
    case "control":
      return { type: FrameType.control, json: latin1(payload) };
  }
}

function encode(frame: Frame): Bytes {
  const out = new Writer(1);
  putFrame(out, frame);
  return out.flush();
}

const decode = (message: Bytes): Frame | undefined => takeFrame(new Reader(message));
const fails = (message: Bytes, fault: FrameFault, name: string): void => {
  assert.throws(() => decode(message), new FrameError(fault), name);
};

test("valid frames decode to their value and encode to their bytes", () => {
  for (const entry of vectors.valid) {
    const message = bytes(entry.hex);
    const reader = new Reader(message);
    const decoded = takeFrame(reader)!;
    assert.deepEqual(decoded, frame(entry.frame), entry.name);
    assert.equal(reader.left, 0, `${entry.name}: all of it is used`);
    // A total above 2^53 is no number that could be written again.
    if (decoded.type === FrameType.finish && !Number.isSafeInteger(decoded.total)) {
      continue;
    }
    const encoded = encode(decoded);
    assert.equal(Buffer.compare(encoded, message) === 0, !entry.decodeOnly, entry.name);
    assert.equal(encoded[6]! * 256 + encoded[7]! + HEADER_LEN, encoded.length, `${entry.name}: length`);
  }
  for (const [name, number] of Object.entries(FrameType)) {
    assert(
      vectors.valid.some((entry) => bytes(entry.hex)[4] === number),
      `${name} has no vector`,
    );
  }
});

test("a valid frame cut anywhere is truncated", () => {
  for (const entry of vectors.valid) {
    const message = bytes(entry.hex);
    const step = message.length > 1_000 ? 97 : 1;
    for (let cut = 1; cut < message.length; cut += step) {
      fails(message.subarray(0, cut), "truncated", `${entry.name} cut to ${cut}`);
    }
    assert.equal(decode(message.subarray(0, 0)), undefined);
  }
});

test("hostile frames have their named errors", () => {
  assert(vectors.invalid.length > 20);
  for (const entry of vectors.invalid) {
    fails(bytes(entry.hex), entry.error, entry.name);
  }
});

test("messages are runs of frames", () => {
  for (const entry of vectors.messages) {
    const reader = new Reader(bytes(entry.hex));
    for (const described of entry.frames) {
      assert.deepEqual(takeFrame(reader), frame(described), entry.name);
    }
    if (entry.error) {
      assert.throws(() => takeFrame(reader), new FrameError(entry.error), entry.name);
    } else {
      assert.equal(takeFrame(reader), undefined, entry.name);
    }
  }
});

test("decoded payloads are slices of the message", () => {
  const message = encode({ type: FrameType.data, stream: 1, content: bytes("68656c6c6f") });
  const decoded = decode(message);
  assert(decoded?.type === FrameType.data);
  assert.equal(decoded.content.buffer, message.buffer, "no copy");
});

test("totals of every length round trip", () => {
  for (const total of [0, 63, 64, 16_383, 16_384, 2 ** 30 - 1, 2 ** 30, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    for (const trailers of [new Uint8Array(), new Uint8Array(MAX_TRAILERS).fill(97)]) {
      const finish: Frame = { type: FrameType.finish, stream: 7, total, trailers };
      const encoded = encode(finish);
      assert(encoded.length <= MAX_PAYLOAD + HEADER_LEN);
      assert.deepEqual(decode(encoded), finish);
    }
  }
});

test("noise and mangled frames do no harm", () => {
  const good = vectors.valid.map((entry) => bytes(entry.hex)).filter((message) => message.length < 500);
  for (let seed = 0; seed < 5_000; seed++) {
    const random = seeded(seed);
    const message = Uint8Array.from(good[below(random, good.length)]!);
    for (let change = below(random, 4); change > 0; change--) {
      message[below(random, message.length)] = below(random, 256);
    }
    const reader = new Reader(message);
    try {
      for (let decoded; (decoded = takeFrame(reader)); ) {
        if (decoded.type !== FrameType.finish || Number.isSafeInteger(decoded.total)) {
          assert.deepEqual(decode(encode(decoded)), decoded, `seed ${seed}`);
        }
      }
    } catch (error) {
      assert(error instanceof FrameError, `seed ${seed}: ${String(error)}`);
    }
  }
});
