/**
 * Frames: `stream id (u32) | type (u8) | flags (u8) | length (u16) | payload`, big endian.
 *
 * A carrier message holds one or more whole frames. Rules that need memory (who may open, order, credit) live in
 * `../mux`.
 */

import { type Bytes, NONE, Reader, Short, Writer } from "./buffer.ts";
import { type ResetCode, resetCode } from "./code.ts";
import { putVarint, takeVarint } from "./varint.ts";

/** Bytes before each payload. */
export const HEADER_LEN = 8;

/** The largest payload; a longer head is cut into several frames with `Flags.more`. */
export const MAX_PAYLOAD = 16 * 1024;

/** The largest carrier message on a data channel (RFC 8841 §6.1: what every end takes). */
export const MAX_MESSAGE = 64 * 1024;

/** The largest trailer section: FINISH is one frame. */
export const MAX_TRAILERS = MAX_PAYLOAD - 8;

/** Frame types; `crates/wire/src/frame.rs` says what each is for. */
export const FrameType = {
  open: 1,
  head: 2,
  data: 3,
  finish: 4,
  reset: 5,
  credit: 6,
  ping: 7,
  pong: 8,
  drain: 9,
  control: 10,
} as const;

/** Flag bits of OPEN and HEAD. */
export const Flags = { end: 1, more: 2, interim: 4 } as const;

type Type = typeof FrameType;

/** One decoded frame. Payloads are slices of the message. */
export type Frame =
  | { type: Type["open"] | Type["head"]; stream: number; flags: number; head: Bytes }
  | { type: Type["data"]; stream: number; content: Bytes }
  | { type: Type["finish"]; stream: number; total: number; trailers: Bytes }
  | { type: Type["reset"]; stream: number; code: ResetCode }
  | { type: Type["credit"]; stream: number; bytes: number }
  | { type: Type["ping"] | Type["pong"]; token: bigint }
  | { type: Type["drain"] }
  | { type: Type["control"]; json: Bytes };

/** Why bytes are not frames. */
export type FrameFault = "truncated" | "unknown-type" | "too-large" | "unknown-flags" | "wrong-stream" | "malformed";

/** Bytes that are not frames: the carrier must be closed, nothing after them can be trusted. */
export class FrameError extends Error {
  readonly fault: FrameFault;

  constructor(fault: FrameFault) {
    super(fault);
    this.fault = fault;
  }
}

/** Takes the first frame off a message; nothing at its end. Throws {@link FrameError}. */
export function takeFrame(message: Reader): Frame | undefined {
  if (!message.left) {
    return undefined;
  }
  const [stream, type, flags, payload] = orFault("truncated", () => {
    const stream = message.uint(4);
    const type = message.uint(1);
    const flags = message.uint(1);
    const length = message.uint(2);
    check(type >= FrameType.open && type <= FrameType.control, "unknown-type");
    check(length <= MAX_PAYLOAD, "too-large");
    const allowed = type === FrameType.open ? 3 : type === FrameType.head ? 7 : 0;
    check(!(flags & ~allowed), "unknown-flags");
    check(type >= FrameType.ping === !stream, "wrong-stream");
    return [stream, type as Frame["type"], flags, message.take(length)] as const;
  });
  return orFault("malformed", () => decode(stream, type, flags, payload));
}

function decode(stream: number, type: Frame["type"], flags: number, payload: Bytes): Frame {
  const { length } = payload;
  const input = new Reader(payload);
  const exactly = (expected: number): void => {
    check(length === expected, "malformed");
  };
  switch (type) {
    case FrameType.open:
    case FrameType.head:
      return { type, stream, flags, head: payload };
    case FrameType.data:
      check(length, "malformed");
      return { type, stream, content: payload };
    case FrameType.finish: {
      const total = takeVarint(input);
      return { type, stream, total, trailers: input.take(input.left) };
    }
    case FrameType.reset:
      exactly(2);
      return { type, stream, code: resetCode(input.uint(2)) };
    case FrameType.credit: {
      exactly(4);
      const bytes = input.uint(4);
      check(bytes, "malformed");
      return { type, stream, bytes };
    }
    case FrameType.ping:
    case FrameType.pong:
      exactly(8);
      return { type, token: (BigInt(input.uint(4)) << 32n) + BigInt(input.uint(4)) };
    case FrameType.drain:
      exactly(0);
      return { type };
    case FrameType.control:
      return { type, json: payload };
  }
}

function orFault<T>(fault: FrameFault, take: () => T): T {
  try {
    return take();
  } catch (error) {
    throw error instanceof Short ? new FrameError(fault) : error;
  }
}

function check(holds: boolean | number, fault: FrameFault): asserts holds {
  if (!holds) {
    throw new FrameError(fault);
  }
}

/** Appends a frame; the inverse of {@link takeFrame}. Cutting into {@link MAX_PAYLOAD} is the caller's work. */
export function putFrame(out: Writer, frame: Frame): void {
  const { type } = frame;
  switch (type) {
    case FrameType.open:
    case FrameType.head:
      put(out, frame.stream, type, frame.head, frame.flags);
      break;
    case FrameType.data:
      put(out, frame.stream, type, frame.content);
      break;
    case FrameType.finish: {
      const total = new Writer(8);
      putVarint(total, frame.total);
      putHeader(out, frame.stream, type, 0, total.length + frame.trailers.length);
      out.put(total.flush());
      out.put(frame.trailers);
      break;
    }
    case FrameType.reset:
      putHeader(out, frame.stream, type, 0, 2);
      out.uint(frame.code, 2);
      break;
    case FrameType.credit:
      putHeader(out, frame.stream, type, 0, 4);
      out.uint(frame.bytes, 4);
      break;
    case FrameType.ping:
    case FrameType.pong:
      putHeader(out, 0, type, 0, 8);
      out.uint(Number(frame.token >> 32n), 4);
      out.uint(Number(frame.token & 0xffff_ffffn), 4);
      break;
    case FrameType.drain:
      put(out, 0, type, NONE);
      break;
    case FrameType.control:
      put(out, 0, type, frame.json);
  }
}

function put(out: Writer, stream: number, type: number, payload: Bytes, flags = 0): void {
  putHeader(out, stream, type, flags, payload.length);
  out.put(payload);
}

function putHeader(out: Writer, stream: number, type: number, flags: number, length: number): void {
  out.uint(stream, 4);
  out.uint(type, 1);
  out.uint(flags, 1);
  out.uint(length, 2);
}
