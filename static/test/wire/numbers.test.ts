import assert from "node:assert/strict";
import { test } from "node:test";
import { Reader, Short, Writer } from "../../src/wire/buffer.ts";
import { blame, CloseCode, closeCode, ResetCode, resetCode } from "../../src/wire/code.ts";
import { isId, newId } from "../../src/wire/id.ts";
import { MAX, putVarint, takeVarint } from "../../src/wire/varint.ts";
import { below, seeded } from "../random.ts";
import { bytes, type Hex, kebab, load } from "./vectors.ts";

function encode(value: number): Uint8Array {
  const out = new Writer(0);
  putVarint(out, value);
  return out.flush();
}

test("integers are those of the vectors", () => {
  const varints = load("varints.json") as {
    valid: { hex: Hex; value: string; decodeOnly?: true }[];
    invalid: { hex: Hex; error: string }[];
  };
  for (const entry of varints.valid) {
    const encoded = bytes(entry.hex);
    const input = new Reader(encoded);
    const value = takeVarint(input);
    assert.equal(input.left, 0);
    assert.equal(value, Number(entry.value), "the nearest number");
    if (BigInt(value) === BigInt(entry.value) && value <= MAX) {
      assert.equal(Buffer.compare(encode(value), encoded) === 0, !entry.decodeOnly, entry.value);
    }
    for (let cut = 0; cut < encoded.length; cut++) {
      assert.throws(() => takeVarint(new Reader(encoded.slice(0, cut))), Short);
    }
  }
  for (const entry of varints.invalid) {
    assert.equal(entry.error, "truncated");
    assert.throws(() => takeVarint(new Reader(bytes(entry.hex))), Short);
  }
});

test("integers round trip in the shortest form, and too large ones saturate", () => {
  for (let seed = 0; seed < 3_000; seed++) {
    const random = seeded(seed);
    const value = Math.floor((random() * 2 ** 21 + random()) / 2 ** below(random, 53));
    const encoded = encode(value);
    assert.equal(takeVarint(new Reader(Uint8Array.from(encoded))), value);
    assert.equal(encoded.length, value < 2 ** 6 ? 1 : value < 2 ** 14 ? 2 : value < 2 ** 30 ? 4 : 8);
  }
  assert.equal(takeVarint(new Reader(Uint8Array.from(encode(2 ** 63)))), MAX);
  assert(BigInt(MAX) < 2n ** 62n);
});

test("what is written into a full buffer moves", () => {
  const out = new Writer(2);
  out.put(bytes("0102"));
  out.uint(0x0304_0506, 4);
  out.put(new Uint8Array(1_000));
  const written = out.flush();
  assert.deepEqual(written.subarray(0, 7), bytes("01020304050600"));
  assert.equal(written.length, 1_006);
  out.uint(7, 1);
  assert.deepEqual(out.flush(), bytes("07"), "it is empty again");
  assert.equal(written[0], 1, "what was given away is a copy");
});

test("reset codes are those of the vectors", () => {
  const codes = load("codes.json") as {
    reset: { number: number; code: string; blame: string }[];
    unknownReset: number[];
    close: { number: number; code: string }[];
    unknownClose: number[];
  };
  const named = (table: object): Map<number, string> =>
    new Map(Object.entries(table).map(([name, number]) => [number as number, kebab(name)]));
  assert.deepEqual(named(ResetCode), new Map(codes.reset.map((entry) => [entry.number, entry.code])));
  for (const entry of codes.reset) {
    assert.equal(blame(resetCode(entry.number)), entry.blame, entry.code);
    assert.equal(resetCode(entry.number), entry.number);
  }
  for (const number of codes.unknownReset) {
    assert.equal(resetCode(number), ResetCode.internal);
  }
  assert.deepEqual(named(CloseCode), new Map(codes.close.map((entry) => [entry.number, entry.code])));
  for (const entry of codes.close) {
    assert.equal(closeCode(entry.number), entry.number);
  }
  for (const number of codes.unknownClose) {
    assert.equal(closeCode(number), undefined);
  }
});

test("identifiers are those of the vectors", () => {
  const ids = load("ids.json") as { valid: string[]; invalid: string[] };
  for (const id of ids.valid) {
    assert(isId(id), id);
  }
  for (const text of ids.invalid) {
    assert(!isId(text), JSON.stringify(text));
  }
  const made = new Set(Array.from({ length: 1_000 }, newId));
  assert.equal(made.size, 1_000);
  for (const id of made) {
    assert(isId(id), id);
  }
});
