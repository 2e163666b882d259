/** Reading and writing of bytes, big endian. */

/** Bytes of our own memory: never shared with another thread. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** The input ends too early; decoders turn it into their own error. */
export class Short extends Error {}

/** Takes from the front of some bytes. What it gives are slices, not copies. */
export class Reader {
  readonly bytes: Bytes;
  at = 0;

  constructor(bytes: Bytes) {
    this.bytes = bytes;
  }

  /** How many bytes are left. */
  get left(): number {
    return this.bytes.length - this.at;
  }

  /** The next bytes; throws {@link Short}. */
  take(length: number): Bytes {
    const start = this.pass(length);
    return this.bytes.subarray(start, this.at);
  }

  /** An integer of at most six bytes; throws {@link Short}. */
  uint(length: number): number {
    let value = 0;
    for (let at = this.pass(length); at < this.at; at++) {
      value = value * 256 + (this.bytes[at] ?? 0);
    }
    return value;
  }

  private pass(length: number): number {
    if (length > this.left) {
      throw new Short();
    }
    const start = this.at;
    this.at += length;
    return start;
  }
}

/** Appends to bytes that grow as needed. */
export class Writer {
  length = 0;
  private bytes: Bytes;

  constructor(capacity = 256) {
    this.bytes = new Uint8Array(capacity);
  }

  /** Appends `value` as so many bytes. */
  uint(value: number, length: number): void {
    const start = this.grow(length);
    for (let at = this.length - 1; at >= start; at--) {
      this.bytes[at] = value % 256;
      value = Math.floor(value / 256);
    }
  }

  put(bytes: Uint8Array): void {
    const start = this.grow(bytes.length);
    this.bytes.set(bytes, start);
  }

  /** A copy of what was written; the writer is empty again. */
  flush(): Bytes {
    const written = this.bytes.slice(0, this.length);
    this.length = 0;
    return written;
  }

  /** Makes room at the end and returns where it begins. */
  private grow(by: number): number {
    const start = this.length;
    this.length += by;
    if (this.length > this.bytes.length) {
      const bytes = new Uint8Array(2 * this.length);
      bytes.set(this.bytes);
      this.bytes = bytes;
    }
    return start;
  }
}

/** No bytes. */
export const NONE: Bytes = new Uint8Array();

/** Copies pieces into one buffer that may be transferred. */
export function join(pieces: readonly Uint8Array[]): ArrayBuffer {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole.buffer;
}
