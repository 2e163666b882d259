/** Variable-length integers of RFC 9000 §16: the two top bits of the first byte give the length. */

import type { Reader, Writer } from "./buffer.ts";

/** The largest value that is written. 2^62 - 1 would be the largest on the wire, but is no number of JavaScript. */
export const MAX = 2 ** 62 - 512;

/** Appends `value` in its shortest form; values above {@link MAX} saturate. */
export function putVarint(out: Writer, value: number): void {
  if (value < 0x40) {
    out.uint(value, 1);
  } else if (value < 0x4000) {
    out.uint(value + 0x4000, 2);
  } else if (value < 0x4000_0000) {
    out.uint(value + 0x8000_0000, 4);
  } else {
    value = Math.min(value, MAX);
    out.uint(Math.floor(value / 2 ** 32) + 0xc000_0000, 4);
    out.uint(value % 2 ** 32, 4);
  }
}

/**
 * Takes one integer off the front; throws `Short` when the input ends inside it. Above 2^53 the nearest number: no
 * length that we compare it with is so large.
 */
export function takeVarint(input: Reader): number {
  const first = input.uint(1);
  const value = first & 0x3f;
  switch (first >> 6) {
    case 0:
      return value;
    case 1:
      return value * 256 + input.uint(1);
    case 2:
      return value * 2 ** 24 + input.uint(3);
    default:
      return (value * 2 ** 24 + input.uint(3)) * 2 ** 32 + input.uint(4);
  }
}
