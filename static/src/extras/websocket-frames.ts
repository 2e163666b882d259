/**
 * Frames of a WebSocket, the browser's side (RFC 6455 §5): bytes in, messages out, and messages to masked frames.
 * No extensions, so no reserved bits.
 */

export const Opcode = { Continuation: 0, Text: 1, Binary: 2, Close: 8, Ping: 9, Pong: 10 } as const;
export type Opcode = (typeof Opcode)[keyof typeof Opcode];

/** What arrived. After `close` and `broken` there is nothing more. */
export type Received =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "binary"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "ping"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "close"; readonly code: number; readonly reason: string }
  | { readonly kind: "broken"; readonly code: Broken };

/** Protocol error, invalid UTF-8, too large. */
export type Broken = 1002 | 1007 | 1009;

/** No status code was in the close frame. */
export const NO_STATUS = 1005;

const MAX_MESSAGE = 64 * 1024 * 1024;
const MAX_CONTROL = 125;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** One whole message in one frame. `payload` is not kept. */
export function encodeFrame(opcode: Opcode, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const length = payload.length;
  const head = length < 126 ? 2 : length < 0x1_0000 ? 4 : 10;
  const frame = new Uint8Array(head + 4 + length);
  const view = new DataView(frame.buffer);
  frame[0] = 0x80 | opcode;
  frame[1] = 0x80 | (head === 2 ? length : head === 4 ? 126 : 127);
  if (head === 4) view.setUint16(2, length);
  else if (head === 10) view.setBigUint64(2, BigInt(length));
  const mask = crypto.getRandomValues(frame.subarray(head, head + 4)).slice();
  frame.set(payload, head + 4);
  for (let at = 0, to = head + 4; at < length; at++, to++) {
    frame[to] = (frame[to] ?? 0) ^ (mask[at & 3] ?? 0);
  }
  return frame;
}

interface Frame {
  readonly opcode: number;
  readonly last: boolean;
  /** Payload bytes that have not come. */
  left: number;
}

interface Message {
  readonly opcode: number;
  readonly parts: Uint8Array[];
  length: number;
}

/** Takes the bytes as they come. */
export class FrameReader {
  #head: number[] = [];
  #frame: Frame | undefined;
  /** The data message that is under way. */
  #message: Message | undefined;
  #control: Message | undefined;
  #over = false;

  *read(bytes: Uint8Array): Generator<Received, void, undefined> {
    let at = 0;
    while (!this.#over) {
      if (this.#frame === undefined) {
        while (this.#head.length < headLength(this.#head)) {
          const byte = bytes[at++];
          if (byte === undefined) return;
          this.#head.push(byte);
        }
        const broken = this.#begin();
        if (broken !== undefined) return yield this.#end({ kind: "broken", code: broken });
        continue;
      }
      const frame: Frame = this.#frame;
      const part = bytes.subarray(at, at + frame.left);
      at += part.length;
      frame.left -= part.length;
      const message = this.#control ?? this.#message;
      if (message === undefined) return;
      message.parts.push(part);
      message.length += part.length;
      if (frame.left > 0) return;
      this.#frame = undefined;
      if (!frame.last) continue;
      if (this.#control === undefined) this.#message = undefined;
      else this.#control = undefined;
      const received = deliver(message);
      if (received === undefined) continue;
      yield received.kind === "close" || received.kind === "broken" ? this.#end(received) : received;
    }
  }

  #end(received: Received): Received {
    this.#over = true;
    return received;
  }

  /** Takes the whole head of a frame. */
  #begin(): Broken | undefined {
    const [first = 0, second = 0, ...extended] = this.#head;
    this.#head = [];
    const opcode = first & 0x0f;
    const last = first >= 0x80;
    const length = extended.length === 0 ? second : extended.reduce((length, byte) => length * 256 + byte, 0);
    // Reserved bits, or a mask, which only clients have.
    if ((first & 0x70) !== 0 || second >= 0x80) return 1002;
    if (opcode >= Opcode.Close) {
      if (opcode > Opcode.Pong || !last || length > MAX_CONTROL) return 1002;
      this.#control = { opcode, parts: [], length: 0 };
    } else if (opcode > Opcode.Binary || (opcode === Opcode.Continuation) === (this.#message === undefined)) {
      return 1002;
    } else {
      this.#message ??= { opcode, parts: [], length: 0 };
      if (this.#message.length + length > MAX_MESSAGE) return 1009;
    }
    this.#frame = { opcode, last, left: length };
    return undefined;
  }
}

function headLength([, second]: number[]): number {
  if (second === undefined) return 2;
  const length = second & 0x7f;
  return length === 127 ? 10 : length === 126 ? 4 : 2;
}

function deliver({ opcode, parts, length }: Message): Received | undefined {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  try {
    switch (opcode) {
      case Opcode.Text:
        return { kind: "text", text: decoder.decode(bytes) };
      case Opcode.Binary:
        return { kind: "binary", bytes };
      case Opcode.Ping:
        return { kind: "ping", bytes };
      case Opcode.Close: {
        if (length === 0) return { kind: "close", code: NO_STATUS, reason: "" };
        const code = new DataView(bytes.buffer).getUint16(0);
        if (!mayBeSent(code)) return { kind: "broken", code: 1002 };
        return { kind: "close", code, reason: decoder.decode(bytes.subarray(2)) };
      }
      default:
        return undefined;
    }
  } catch {
    // One byte is no status code; everything else that throws is no UTF-8.
    return { kind: "broken", code: opcode === Opcode.Close && length === 1 ? 1002 : 1007 };
  }
}

/** RFC 6455 §7.4: not those that only describe what an end has seen. */
function mayBeSent(code: number): boolean {
  return (code >= 3000 && code < 5000) || (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006));
}
