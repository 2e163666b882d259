/**
 * Heads. Request: `method | scheme (u8: 0 http, 1 https) | authority | target | field lines`. Response:
 * `status (u16) | field lines`. Trailers: `field lines`. A string is a varint length and that many bytes.
 *
 * Strings here are byte strings, as `fetch` has them: each character U+0000 to U+00FF one byte.
 */

import { type Bytes, Reader, Short, Writer } from "./buffer.ts";
import { putVarint, takeVarint } from "./varint.ts";

/** A field line, name in lower case. */
export type FieldLine = readonly [name: string, value: string];

/** How the visitor came. */
export type Scheme = "http" | "https";

/** The head of a request. */
export interface RequestHead {
  readonly method: string;
  readonly scheme: Scheme;
  /** Stands for `Host`, lower case. */
  readonly authority: string;
  /** Origin-form or `*`. */
  readonly target: string;
  readonly fields: readonly FieldLine[];
}

/** The head of a response. */
export interface ResponseHead {
  readonly status: number;
  readonly fields: readonly FieldLine[];
}

/** The largest encoded head that an end must take, both ways. */
export const MAX_HEAD = 256 * 1024;

/** Why bytes are not a head, or a head cannot be encoded. */
export type HeadFault =
  "truncated" | "method" | "scheme" | "authority" | "target" | "status" | "field-name" | "field-value";

/** Not a head. */
export class HeadError extends Error {
  readonly fault: HeadFault;

  constructor(fault: HeadFault) {
    super(fault);
    this.fault = fault;
  }
}

/** Encodes a request head; throws {@link HeadError} where {@link decodeRequest} would. */
export function encodeRequest(head: RequestHead): Bytes {
  const out = new Writer();
  putString(out, head.method, METHOD, "method");
  out.uint(head.scheme === "https" ? 1 : 0, 1);
  putString(out, head.authority, AUTHORITY, "authority");
  putString(out, head.target, TARGET, "target");
  putFields(out, head.fields);
  return out.flush();
}

/** Encodes a response head; throws {@link HeadError}. */
export function encodeResponse(head: ResponseHead): Bytes {
  const out = new Writer();
  out.uint(head.status, 2);
  putFields(out, head.fields);
  return out.flush();
}

/** Encodes trailers; throws {@link HeadError}. */
export function encodeFields(fields: readonly FieldLine[]): Bytes {
  const out = new Writer();
  putFields(out, fields);
  return out.flush();
}

/** The inverse of {@link encodeRequest}; throws {@link HeadError} naming the first bad element. */
export function decodeRequest(head: Bytes): RequestHead {
  const input = new Reader(head);
  const method = takeString(input, METHOD, "method");
  const scheme = orTruncated(() => input.uint(1));
  if (scheme > 1) {
    throw new HeadError("scheme");
  }
  return {
    method,
    scheme: scheme ? "https" : "http",
    authority: takeString(input, AUTHORITY, "authority"),
    target: takeString(input, TARGET, "target"),
    fields: [...takeFields(input)],
  };
}

/** The inverse of {@link encodeResponse}; throws {@link HeadError}. */
export function decodeResponse(head: Bytes): ResponseHead {
  const input = new Reader(head);
  const status = orTruncated(() => input.uint(2));
  if (status < 100 || status > 599) {
    throw new HeadError("status");
  }
  return { status, fields: [...takeFields(input)] };
}

/** Field lines up to the first bad one, at which it throws {@link HeadError}. */
export function* takeFields(input: Reader): Generator<FieldLine, void, void> {
  while (input.left) {
    yield [takeString(input, NAME, "field-name"), takeString(input, VALUE, "field-value")];
  }
}

/** The bytes of `text` in UTF-8, as a byte string: what does not fit one byte a character has to go so. */
export const utf8 = (text: string): string =>
  Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");

// What may be in a string. None of them takes a character above U+00FF: cut to a byte it could become a line feed.
const METHOD = /^[\w!#$%&'*+.^`|~-]+$/;
const AUTHORITY = /^[!-~]*$/;
const TARGET = /^[!-~\x80-\xff]+$/;
const NAME = /^[0-9a-z!#$%&'*+.^_`|~-]+$/;
const VALUE = /^[\t -~\x80-\xff]*$/;

function putFields(out: Writer, fields: readonly FieldLine[]): void {
  for (const [name, value] of fields) {
    putString(out, name, NAME, "field-name");
    putString(out, value, VALUE, "field-value");
  }
}

function putString(out: Writer, text: string, form: RegExp, fault: HeadFault): void {
  if (!form.test(text)) {
    throw new HeadError(fault);
  }
  putVarint(out, text.length);
  out.put(Uint8Array.from(text, (char) => char.charCodeAt(0)));
}

function takeString(input: Reader, form: RegExp, fault: HeadFault): string {
  const bytes = orTruncated(() => input.take(takeVarint(input)));
  let text = "";
  for (const byte of bytes) {
    text += String.fromCharCode(byte);
  }
  if (!form.test(text)) {
    throw new HeadError(fault);
  }
  return text;
}

function orTruncated<T>(take: () => T): T {
  try {
    return take();
  } catch (error) {
    throw error instanceof Short ? new HeadError("truncated") : error;
  }
}
