import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeControl, encodeControl } from "../../src/wire/control.ts";
import { CHANNEL_LABEL, CHANNELS, CONTROL_CHANNEL, field, hostToPage, pageToHost, VERSION } from "../../src/wire/direct.ts";
import * as direct from "../../src/wire/direct.ts";
import { MAX_PAYLOAD } from "../../src/wire/frame.ts";
import { JsonError, parse } from "../../src/wire/json.ts";
import { signal } from "../../src/wire/signal.ts";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Direction, type Messages, READERS } from "./readers.ts";
import { load } from "./vectors.ts";

const decode = (direction: Direction, json: string): object =>
  decodeControl(READERS[direction], new TextEncoder().encode(json));

for (const file of ["control.json", "signals.json"]) {
  test(`messages are those of ${file}`, () => {
    const messages = load(file) as Messages;
    for (const { name, direction, json, value, decodeOnly } of messages.valid) {
      const decoded = decode(direction, json);
      assert.deepEqual(decoded, value, name);
      const encoded = encodeControl(decoded);
      assert.equal(new TextDecoder().decode(encoded) === json, !decodeOnly, name);
      assert.deepEqual(decodeControl(READERS[direction], encoded), value, `${name}: stable`);
      for (let cut = 0; cut < json.trimEnd().length; cut++) {
        assert.throws(() => decode(direction, json.slice(0, cut)), JsonError, `${name} cut to ${cut}`);
      }
    }
    for (const { name, direction, json, error } of messages.invalid) {
      assert.equal(error, "json", name);
      assert.throws(() => decode(direction, json), JsonError, name);
    }
  });
}

test("every message is of one direction only", () => {
  const messages = [load("control.json"), load("signals.json")].flatMap((file) => (file as Messages).valid);
  for (const { name, direction, json } of messages) {
    for (const other of Object.keys(READERS) as Direction[]) {
      // The two that both sides may say in the same words.
      if (other !== direction && !/hello|bye|signaling/.test(name)) {
        assert.throws(() => decode(other, json), JsonError, `${name} as ${other}`);
      }
    }
  }
});

test("a message fits one frame or is refused", () => {
  const overhead = encodeControl({ text: "" }).length;
  assert.equal(encodeControl({ text: "a".repeat(MAX_PAYLOAD - overhead) }).length, MAX_PAYLOAD);
  assert.throws(() => encodeControl({ text: "a".repeat(MAX_PAYLOAD - overhead + 1) }), JsonError);
  assert.throws(() => encodeControl({ text: "ä".repeat(MAX_PAYLOAD / 2) }), JsonError, "bytes, not characters");
});

test("what is no UTF-8 is refused", () => {
  const json = Uint8Array.from(Buffer.from('{"type":"bye","x":"\xff"}', "latin1"));
  assert.throws(() => decodeControl(pageToHost, json), JsonError);
});

test("a key of every object is not a key of the message", () => {
  assert.throws(() => parse(signal, '{"sessionId":"s","from":"client","type":"constructor","data":{}}'), JsonError);
  assert.throws(() => parse(hostToPage, '{"__proto__":{"type":"bye","reason":"ice"}}'), JsonError);
  const bye = parse(hostToPage, '{"type":"bye","reason":"ice","__proto__":{"polluted":1}}');
  assert.deepEqual(bye, { type: "bye", reason: "ice" });
  assert.equal("polluted" in bye, false);
});

test("names and numbers are those of Rust", () => {
  const rust = readFileSync(join(import.meta.dirname, "../../../crates/wire/src/direct.rs"), "utf8");
  const ours: Record<string, unknown> = { ...direct, ...field };
  const named = [...rust.matchAll(/pub const (\w+): &str = "([^"]+)"/g)];
  assert(named.length > 8);
  for (const [, name = "", value = ""] of named) {
    const camel = name.toLowerCase().replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
    assert.equal(ours[camel] ?? ours[name], value, name);
  }
  assert.match(rust, new RegExp(`CHANNELS: u16 = ${CHANNELS};`));
  assert.match(rust, new RegExp(`CONTROL_CHANNEL: u16 = ${CONTROL_CHANNEL};`));
  const lib = readFileSync(join(import.meta.dirname, "../../../crates/wire/src/lib.rs"), "utf8");
  assert.match(lib, new RegExp(`SUBPROTOCOL: &str = "${CHANNEL_LABEL}";`));
  assert.match(lib, new RegExp(`VERSION: u16 = ${VERSION};`));
  assert.match(lib, new RegExp(`RESERVED_PREFIX: &str = "${direct.RESERVED_PREFIX}";`));
});
