import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FrameReader, Opcode, type Received, encodeFrame } from "../../src/extras/websocket-frames.ts";

const text = (words: string): number[] => [...new TextEncoder().encode(words)];

/** A server's frame: no mask, the length as given. */
function frame(first: number, payload: readonly number[]): number[] {
  const { length } = payload;
  const size =
    length < 126 ? [length]
    : length < 65_536 ? [126, length >> 8, length & 255]
    : [127, 0, 0, 0, 0, length >> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255];
  return [first, ...size, ...payload];
}

/** What is read of `bytes` in pieces of `size`. */
function read(bytes: readonly number[], size = Infinity): Received[] {
  const reader = new FrameReader();
  const received: Received[] = [];
  for (let at = 0; at < bytes.length; at += size) received.push(...reader.read(new Uint8Array(bytes.slice(at, at + size))));
  return received;
}

const close = (code: number, reason: string | number[] = ""): number[] =>
  frame(0x88, [code >> 8, code & 255, ...(typeof reason === "string" ? text(reason) : reason)]);

describe("frames of a server", () => {
  const cases: Record<string, [bytes: number[], received: Received[]]> = {
    text: [frame(0x81, text("hällo")), [{ kind: "text", text: "hällo" }]],
    "empty text": [frame(0x81, []), [{ kind: "text", text: "" }]],
    "a byte order mark stays": [frame(0x81, text("\ufeffx")), [{ kind: "text", text: "\ufeffx" }]],
    binary: [frame(0x82, [0, 255, 7]), [{ kind: "binary", bytes: new Uint8Array([0, 255, 7]) }]],
    ping: [frame(0x89, [1, 2]), [{ kind: "ping", bytes: new Uint8Array([1, 2]) }]],
    pong: [frame(0x8a, [1]), []],
    fragments: [
      [...frame(0x01, text("a")), ...frame(0x00, []), ...frame(0x80, text("b"))],
      [{ kind: "text", text: "ab" }],
    ],
    "a ping between fragments": [
      [...frame(0x01, text("a")), ...frame(0x89, []), ...frame(0x80, text("b"))],
      [{ kind: "ping", bytes: new Uint8Array() }, { kind: "text", text: "ab" }],
    ],
    "a character in two fragments": [
      [...frame(0x01, [0xc3]), ...frame(0x80, [0xa4])],
      [{ kind: "text", text: "ä" }],
    ],
    "close without a code": [frame(0x88, []), [{ kind: "close", code: 1005, reason: "" }]],
    close: [close(1000, "bye"), [{ kind: "close", code: 1000, reason: "bye" }]],
    "close of an app": [close(4999), [{ kind: "close", code: 4999, reason: "" }]],
    "nothing after a close": [[...close(1001), ...frame(0x81, text("x"))], [{ kind: "close", code: 1001, reason: "" }]],
    "close with one byte": [frame(0x88, [3]), [{ kind: "broken", code: 1002 }]],
    "close with no UTF-8": [close(1000, [0xff]), [{ kind: "broken", code: 1007 }]],
    "no UTF-8": [frame(0x81, [0xc3, 0x28]), [{ kind: "broken", code: 1007 }]],
    "half a character": [frame(0x81, [0xc3]), [{ kind: "broken", code: 1007 }]],
    "a surrogate": [frame(0x81, [0xed, 0xa0, 0x80]), [{ kind: "broken", code: 1007 }]],
    "a reserved bit": [frame(0xc1, []), [{ kind: "broken", code: 1002 }]],
    "an unknown opcode": [frame(0x83, []), [{ kind: "broken", code: 1002 }]],
    "an unknown control opcode": [frame(0x8b, []), [{ kind: "broken", code: 1002 }]],
    "a mask": [[0x81, 0x80, 1, 2, 3, 4], [{ kind: "broken", code: 1002 }]],
    "a continuation of nothing": [frame(0x80, []), [{ kind: "broken", code: 1002 }]],
    "a message in a message": [[...frame(0x01, []), ...frame(0x81, [])], [{ kind: "broken", code: 1002 }]],
    "a ping in fragments": [frame(0x09, []), [{ kind: "broken", code: 1002 }]],
    "a long ping": [frame(0x89, Array<number>(126).fill(0)), [{ kind: "broken", code: 1002 }]],
    "more than 64 MiB": [[0x82, 127, 0, 0, 0, 0, 4, 0, 0, 1], [{ kind: "broken", code: 1009 }]],
    "a length beyond numbers": [[0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255], [{ kind: "broken", code: 1009 }]],
    "fragments of more than 64 MiB": [
      [...frame(0x02, [1]), 0x00, 127, 0, 0, 0, 0, 4, 0, 0, 0],
      [{ kind: "broken", code: 1009 }],
    ],
    "nothing after what is broken": [[...frame(0x83, []), ...frame(0x81, text("x"))], [{ kind: "broken", code: 1002 }]],
  };
  for (const [name, [bytes, received]] of Object.entries(cases)) {
    test(name, () => {
      assert.deepEqual(read(bytes), received);
      assert.deepEqual(read(bytes, 1), received, "byte by byte");
    });
  }

  for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535]) {
    test(`close code ${code} is for nobody to send`, () => {
      assert.deepEqual(read(close(code)), [{ kind: "broken", code: 1002 }]);
    });
  }
  for (const code of [1000, 1003, 1007, 1011, 1014, 3000, 4000]) {
    test(`close code ${code} may be sent`, () => {
      assert.deepEqual(read(close(code)), [{ kind: "close", code, reason: "" }]);
    });
  }
});

describe("frames of the page", () => {
  for (const length of [0, 1, 3, 4, 125, 126, 65_535, 65_536, 200_000]) {
    test(`${length} bytes`, () => {
      const payload = Uint8Array.from({ length }, (_, at) => at % 251);
      const [first, second, ...rest] = encodeFrame(Opcode.Binary, payload);
      assert.equal(first, 0x82);
      assert.equal(second! & 0x80, 0x80, "masked");
      const short = second! & 0x7f;
      const extended = short === 127 ? 8 : short === 126 ? 2 : 0;
      const told = extended ? rest.slice(0, extended).reduce((sum, byte) => sum * 256 + byte, 0) : short;
      assert.equal(told, length);
      assert.equal(extended, length < 126 ? 0 : length < 65_536 ? 2 : 8, "the shortest form");
      const mask = rest.slice(extended, extended + 4);
      const masked = rest.slice(extended + 4);
      assert.equal(masked.length, length);
      assert.ok(masked.every((byte, at) => (byte ^ mask[at % 4]!) === payload[at]));
    });
  }

  test("masks are random and the payload is left alone", () => {
    const payload = new Uint8Array(64);
    const masks = new Set(Array.from({ length: 20 }, () => encodeFrame(Opcode.Text, payload).slice(2, 6).join()));
    assert.ok(masks.size > 15);
    assert.ok(payload.every((byte) => byte === 0));
  });
});
