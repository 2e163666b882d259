/** Bytes for tests, the same as in `crates/mux/examples/peer.rs`. */

import type { Bytes } from "../../src/wire/buffer.ts";

const PERIOD = 65_521;

const TABLE = (() => {
  let word = 1;
  return Uint8Array.from({ length: PERIOD }, () => {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0;
    return word >>> 24;
  });
})();

/** Bytes in which each place is recognizable: a slice of a long random period. */
export function pattern(offset: number, length: number): Bytes {
  const bytes = new Uint8Array(length);
  for (let at = 0, from = offset % PERIOD; at < length; from = 0) {
    const part = TABLE.subarray(from, from + length - at);
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Length and FNV-1a. */
export function digest(bytes: Uint8Array): string {
  let hash = 0x811c_9dc5;
  for (const byte of bytes) {
    hash = Math.imul(hash ^ byte, 0x0100_0193);
  }
  return `${bytes.length}:${(hash >>> 0).toString(16).padStart(8, "0")}`;
}

export const fromHex = (hex: string): Bytes => Uint8Array.from(Buffer.from(hex, "hex"));

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** A short text as bytes. */
export const ascii = (text: string): Bytes => Uint8Array.from(Buffer.from(text, "latin1"));
