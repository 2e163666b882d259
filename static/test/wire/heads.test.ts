import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bytes, Reader } from "../../src/wire/buffer.ts";
import {
  decodeRequest,
  decodeResponse,
  encodeFields,
  encodeRequest,
  encodeResponse,
  type FieldLine,
  HeadError,
  type HeadFault,
  type Scheme,
  takeFields,
  utf8,
} from "../../src/wire/head.ts";
import { below, oneOf, type Random, seeded } from "../random.ts";
import { type ByteString, bytes, type Fields, type Hex, lines, load, text } from "./vectors.ts";

interface Invalid {
  name: string;
  hex: Hex;
  error: HeadFault;
}

const vectors = load("heads.json") as {
  requests: {
    name: string;
    hex: Hex;
    method: ByteString;
    scheme: Scheme;
    authority: ByteString;
    target: ByteString;
    fields: Fields;
    decodeOnly?: true;
  }[];
  invalidRequests: Invalid[];
  responses: { name: string; hex: Hex; status: number; fields: Fields }[];
  invalidResponses: Invalid[];
  fieldLines: { name: string; hex: Hex; fields: Fields; error?: HeadFault }[];
};

/** Rule 2 of the README: a cut head is truncated, or has fewer lines if a line ends at the cut. */
function checkCuts(
  name: string,
  head: Bytes,
  fields: readonly FieldLine[],
  decode: (head: Bytes) => { fields: readonly FieldLine[] },
): void {
  const ends = fields.map((_, count) => head.length - encodeFields(fields.slice(count)).length);
  // Where a line ends, and everywhere else as long as that is not slow.
  const step = Math.ceil(head.length / 2_000);
  const others = Array.from({ length: Math.ceil(head.length / step) }, (_, index) => index * step);
  for (const cut of new Set([...ends, ...others])) {
    const count = ends.indexOf(cut);
    if (count < 0) {
      assert.throws(() => decode(head.slice(0, cut)), new HeadError("truncated"), `${name} cut to ${cut}`);
    } else {
      assert.deepEqual(decode(head.slice(0, cut)).fields, fields.slice(0, count), `${name} cut to ${cut}`);
    }
  }
}

test("requests decode to their value and encode to their bytes", () => {
  for (const entry of vectors.requests) {
    const head = bytes(entry.hex);
    const decoded = decodeRequest(head);
    const { method, authority, target, scheme } = entry;
    const fields = lines(entry.fields);
    assert.deepEqual(
      decoded,
      { method: text(method), scheme, authority: text(authority), target: text(target), fields },
      entry.name,
    );
    assert.equal(Buffer.compare(encodeRequest(decoded), head) === 0, !entry.decodeOnly, entry.name);
    if (!entry.decodeOnly) {
      checkCuts(entry.name, head, fields, decodeRequest);
    }
  }
});

test("responses decode to their value and encode to their bytes", () => {
  for (const entry of vectors.responses) {
    const head = bytes(entry.hex);
    const fields = lines(entry.fields);
    assert.deepEqual(decodeResponse(head), { status: entry.status, fields }, entry.name);
    assert.deepEqual(encodeResponse({ status: entry.status, fields }), head, entry.name);
    checkCuts(entry.name, head, fields, decodeResponse);
  }
});

test("hostile heads have their named errors", () => {
  for (const entry of vectors.invalidRequests) {
    assert.throws(() => decodeRequest(bytes(entry.hex)), new HeadError(entry.error), entry.name);
  }
  for (const entry of vectors.invalidResponses) {
    assert.throws(() => decodeResponse(bytes(entry.hex)), new HeadError(entry.error), entry.name);
  }
});

test("field lines are read up to the first bad one", () => {
  for (const entry of vectors.fieldLines) {
    const encoded = bytes(entry.hex);
    const read: FieldLine[] = [];
    const readAll = (): void => {
      for (const line of takeFields(new Reader(encoded))) {
        read.push(line);
      }
    };
    // A request, a response and trailers share the field lines.
    const request = Uint8Array.from([...bytes("014700 00 012a"), ...encoded]);
    if (entry.error) {
      assert.throws(readAll, new HeadError(entry.error), entry.name);
      assert.throws(() => decodeRequest(request), new HeadError(entry.error), entry.name);
    } else {
      readAll();
      assert.deepEqual(encodeFields(read), encoded, entry.name);
      assert.deepEqual(decodeRequest(request).fields, read, entry.name);
    }
    assert.deepEqual(read, lines(entry.fields), entry.name);
  }
});

test("every byte is judged as RFC 9110 says, read and written alike", () => {
  for (let byte = 0; byte < 256; byte++) {
    const char = String.fromCharCode(byte);
    const token = /^[a-zA-Z0-9!#$%&'*+.^_`|~-]$/.test(char);
    const both = (expected: boolean, hex: string, encode: () => Bytes, decode: (head: Bytes) => unknown): void => {
      const head = bytes(hex.replace("..", byte.toString(16).padStart(2, "0")));
      if (expected) {
        decode(head);
        assert.deepEqual(encode(), head, hex);
      } else {
        assert.throws(() => decode(head), HeadError, `${hex} with ${byte}`);
        assert.throws(encode, HeadError, `${hex} with ${byte}`);
      }
    };
    const request = (part: { method?: string; authority?: string; target?: string }) => () =>
      encodeRequest({ method: "G", scheme: "http", authority: "", target: "/", fields: [], ...part });
    const fields = (head: Bytes): unknown => [...takeFields(new Reader(head))];
    both(token, "01.. 00 00 012f", request({ method: char }), decodeRequest);
    const graphic = byte > 0x20 && byte !== 0x7f;
    both(graphic, "0147 00 00 022f..", request({ target: `/${char}` }), decodeRequest);
    both(graphic && byte < 0x80, "0147 00 01.. 012f", request({ authority: char }), decodeRequest);
    both(token && !/[A-Z]/.test(char), "01.. 0178", () => encodeFields([[char, "x"]]), fields);
    const visible = byte === 9 || (byte >= 0x20 && byte !== 0x7f);
    both(visible, "0161 0378..79", () => encodeFields([["a", `x${char}y`]]), fields);
  }
});

test("what is no byte string is refused, not cut to bytes", () => {
  // The low byte of U+010A is a line feed.
  for (const value of ["\u010a", "\u0100", "a\u{1f600}b", "\n", "a\r\nset-cookie: b"]) {
    assert.throws(() => encodeFields([["a", value]]), new HeadError("field-value"));
    assert.throws(() => encodeFields([[value, "a"]]), new HeadError("field-name"));
    const head = { method: "G", scheme: "https", authority: "", target: "/", fields: [] } as const;
    assert.throws(() => encodeRequest({ ...head, method: value }), new HeadError("method"));
    assert.throws(() => encodeRequest({ ...head, target: value }), new HeadError("target"));
    assert.throws(() => encodeRequest({ ...head, authority: value }), new HeadError("authority"));
  }
  const value = utf8("a=ä; b=\u{1f600}");
  assert.deepEqual([...takeFields(new Reader(encodeFields([["a", value]])))], [["a", value]]);
  assert.equal(Buffer.from(value, "latin1").toString("utf8"), "a=ä; b=\u{1f600}");
});

test("random heads round trip, and cut or mangled ones do no harm", () => {
  for (let seed = 0; seed < 2_000; seed++) {
    const random = seeded(seed);
    const head = {
      method: word(random, "AZaz09!-", 1),
      scheme: oneOf(random, ["http", "https"] as const),
      authority: word(random, "a.:9[]", 0),
      target: `/${word(random, "/?%a\x80\xff", 0)}`,
      fields: Array.from({ length: below(random, 8) }, (): FieldLine => [
        word(random, "az09-_", 1),
        word(random, "aZ \t\x80\xff\xfe,;", 0),
      ]),
    };
    const encoded = encodeRequest(head);
    assert.deepEqual(decodeRequest(encoded), head, `seed ${seed}`);
    encoded[below(random, encoded.length)]! ^= 1 << below(random, 8);
    try {
      const again = decodeRequest(encoded.slice(0, encoded.length - below(random, 3)));
      assert.deepEqual(decodeRequest(encodeRequest(again)), again, `seed ${seed}`);
    } catch (error) {
      assert(error instanceof HeadError, `seed ${seed}: ${String(error)}`);
    }
  }
});

function word(random: Random, letters: string, least: number): string {
  const length = oneOf(random, [least, 1, 5, 20, 63, 64, 300]);
  return Array.from({ length }, () => letters[below(random, letters.length)]).join("");
}
