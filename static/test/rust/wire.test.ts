/** The decoders against those in Rust: the fuzz corpus, and what becomes of it when it is mangled. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Bytes, Reader } from "../../src/wire/buffer.ts";
import { decodeControl, encodeControl } from "../../src/wire/control.ts";
import { type Frame, FrameError, FrameType, takeFrame } from "../../src/wire/frame.ts";
import { decodeRequest, decodeResponse, type FieldLine, HeadError, takeFields } from "../../src/wire/head.ts";
import { JsonError } from "../../src/wire/json.ts";
import { ascii, digest, toHex } from "../mux/bytes.ts";
import { anyOf, below, seeded } from "../random.ts";
import { READERS } from "../wire/readers.ts";
import { Peer } from "./peer.ts";

type Kind = "frames" | "request" | "response" | "fields" | "control";

const peer = new Peer();
after(() => {
  peer.stop();
});

test("frames are judged alike", async () => {
  const corpus = corpusOf("frames");
  await compare("frames", [...corpus, ...mangled(corpus, 4_000)]);
});

test("heads are judged alike", async () => {
  const corpus = corpusOf("heads");
  // The first byte says what the others are, as in `fuzz/src/decode.rs`.
  const kinds = ["request", "response", "fields"] as const;
  for (const [number, kind] of kinds.entries()) {
    const heads = corpus.filter((input) => input[0]! % 3 === number).map((input) => input.slice(1));
    assert(heads.length > 5, kind);
    await compare(kind, [...heads, ...mangled(heads, 2_000)]);
  }
});

test("messages are judged alike", async () => {
  await compare("control", corpusOf("control"));
});

async function compare(kind: Kind, inputs: Bytes[]): Promise<void> {
  const hex = inputs.map(toHex);
  const there = await peer.ask({ decode: { kind, hex } });
  assert.equal(there.length, inputs.length);
  const verdicts = inputs.map((input) => verdict(kind, input));
  for (const [index, ours] of verdicts.entries()) {
    assert.equal(ours, there[index], `${kind} ${hex[index]}`);
  }
  assert(new Set(verdicts).size > 10, "not all the same");
}

function corpusOf(name: string): Bytes[] {
  const folder = join(import.meta.dirname, "../../../fuzz/corpus", name);
  const files = readdirSync(folder).map((file) => Uint8Array.from(readFileSync(join(folder, file))));
  assert(files.length > 30, name);
  return files;
}

function mangled(corpus: Bytes[], count: number): Bytes[] {
  return Array.from({ length: count }, (_, seed) => {
    const random = seeded(seed);
    let bytes = [...anyOf(random, corpus)!];
    for (let change = 1 + below(random, 3); change > 0; change--) {
      const at = below(random, bytes.length);
      switch (below(random, 5)) {
        case 0:
          bytes.splice(at, 0, below(random, 256));
          break;
        case 1:
          bytes.splice(at, 1);
          break;
        case 2:
          bytes.push(...anyOf(random, corpus)!.subarray(0, 200));
          break;
        case 3:
          bytes = bytes.slice(0, bytes.length - below(random, 4));
          break;
        default:
          bytes[at] = (bytes[at] ?? 0) ^ (1 << below(random, 8));
      }
    }
    return Uint8Array.from(bytes);
  });
}

function verdict(kind: Kind, input: Bytes): string {
  switch (kind) {
    case "frames":
      return upToError(FrameError, () => framesOf(input)).join(", ");
    case "request":
      return upToError(HeadError, function* () {
        const { method, scheme, authority, target, fields } = decodeRequest(input);
        const words = [method, authority, target].map((word) => digest(ascii(word)));
        yield `${scheme} ${words.join(" ")}, ${fields.map(line).join(", ")}`;
      }).join("");
    case "response":
      return upToError(HeadError, function* () {
        const { status, fields } = decodeResponse(input);
        yield `${status}, ${fields.map(line).join(", ")}`;
      }).join("");
    case "fields":
      return upToError(HeadError, function* () {
        for (const field of takeFields(new Reader(input))) {
          yield line(field);
        }
      }).join(", ");
    case "control":
      return Object.values(READERS)
        .map((reader) => {
          try {
            return digest(encodeControl(decodeControl(reader, input)));
          } catch (error) {
            assert(error instanceof JsonError);
            return "refused";
          }
        })
        .join(" | ");
  }
}

function* framesOf(message: Bytes): Generator<string> {
  const input = new Reader(message);
  for (let frame; (frame = takeFrame(input)); ) {
    yield frameName(frame);
  }
}

/** What was decoded, and the name of the error at which that ended. */
function upToError(
  kind: typeof FrameError | typeof HeadError,
  items: () => Iterable<string>,
): string[] {
  const seen = [];
  try {
    for (const item of items()) {
      seen.push(item);
    }
  } catch (error) {
    assert(error instanceof kind, String(error));
    seen.push(error.fault);
  }
  return seen;
}

const line = ([name, value]: FieldLine): string => `${digest(ascii(name))} ${digest(ascii(value))}`;

function frameName(frame: Frame): string {
  switch (frame.type) {
    case FrameType.open:
      return `open ${frame.stream} ${frame.flags} ${digest(frame.head)}`;
    case FrameType.head:
      return `head ${frame.stream} ${frame.flags} ${digest(frame.head)}`;
    case FrameType.data:
      return `data ${frame.stream} ${digest(frame.content)}`;
    case FrameType.finish: {
      const total = frame.total > 2 ** 53 ? "huge" : frame.total;
      return `finish ${frame.stream} ${total} ${digest(frame.trailers)}`;
    }
    case FrameType.reset:
      return `reset ${frame.stream} ${frame.code}`;
    case FrameType.credit:
      return `credit ${frame.stream} ${frame.bytes}`;
    case FrameType.ping:
      return `ping ${frame.token}`;
    case FrameType.pong:
      return `pong ${frame.token}`;
    case FrameType.drain:
      return "drain";
    case FrameType.control:
      return `control ${digest(frame.json)}`;
  }
}
