/** The sending half of a stream: what waits for its turn, and how much more may be queued. */

import { type Bytes, NONE, type Writer } from "../wire/buffer.ts";
import type { ResetCode } from "../wire/code.ts";
import { Flags, FrameType, HEADER_LEN, MAX_PAYLOAD, MAX_TRAILERS, putFrame } from "../wire/frame.ts";
import { type Config, INITIAL_CREDIT } from "./config.ts";
import { StreamError } from "./error.ts";

type Piece =
  | { type: typeof FrameType.open | typeof FrameType.head; bytes: Bytes; flags: number }
  | { type: typeof FrameType.data | typeof FrameType.finish; bytes: Bytes }
  /** The end of the stream, after everything queued before it. */
  | { type: typeof FrameType.reset; bytes: Bytes; code: ResetCode };

/** Before the final head, after it, the end is queued, the end was transmitted, reset by either end. */
type State = "head" | "content" | "ending" | "ended" | "reset";

/** What a turn did: something is left, the message has no room even for the next piece, nothing is left. */
export type Turn = "more" | "full" | "empty";

export class Send {
  /** Bytes of heads and content that wait. */
  queued = 0;
  /** Bytes handed to the carrier. */
  transmitted = 0;
  /** In one of the rounds of the schedule. */
  scheduled = false;
  /** Why it was reset. */
  code: ResetCode | undefined;
  private readonly config: Config;
  private state: State = "head";
  private queue: Piece[] = [];
  /** Content bytes that the peer still takes; those in `queue` are already taken off. */
  private credit = INITIAL_CREDIT;
  /** Content bytes accepted from the user. */
  private accepted = 0;
  /** The user was told to wait. */
  private blocked = false;

  constructor(config: Config) {
    this.config = config;
  }

  head(type: typeof FrameType.open | typeof FrameType.head, head: Bytes, flags: number): void {
    this.expect("head");
    const interim = flags & Flags.interim;
    checkSize(head, interim ? MAX_PAYLOAD : this.config.maxHead);
    this.queued += head.length;
    this.queue.push({ type, bytes: head, flags });
    if (!interim) {
      this.state = flags & Flags.end ? "ending" : "content";
    }
  }

  /** Takes as much off the front of `content` as credit and bounds allow; 0 means: wait. */
  data(content: Bytes, queuedByAll: number): number {
    this.expect("content");
    const bound = queuedByAll < this.config.sendBound ? this.config.streamSendBound : MAX_PAYLOAD;
    const taken = Math.min(content.length, Math.max(bound - this.queued, 0), this.credit);
    if (taken) {
      this.queue.push({ type: FrameType.data, bytes: content.subarray(0, taken) });
      this.queued += taken;
      this.credit -= taken;
      this.accepted += taken;
    }
    this.blocked = taken < content.length;
    return taken;
  }

  finish(trailers: Bytes): void {
    this.expect("content");
    checkSize(trailers, MAX_TRAILERS);
    this.queue.push({ type: FrameType.finish, bytes: trailers });
    this.state = "ending";
  }

  /** Ends the stream behind everything queued. */
  resetBehind(code: ResetCode): void {
    if (this.state !== "reset" && this.queue.at(-1)?.type !== FrameType.reset) {
      this.queue.push({ type: FrameType.reset, bytes: NONE, code });
      this.state = "ending";
      this.blocked = false;
    }
  }

  reset(code: ResetCode): void {
    if (this.state !== "reset") {
      this.state = "reset";
      this.code = code;
    }
    this.queue = [];
    this.queued = 0;
    this.blocked = false;
  }

  /** Its OPEN still waits: the peer has never heard of the stream, and a RESET would be a violation. */
  get isUnopened(): boolean {
    return !this.transmitted && this.queue[0]?.type === FrameType.open;
  }

  /** Adds credit; `false` when the sum cannot be right. */
  addCredit(bytes: number): boolean {
    this.credit += bytes;
    return this.credit < 2 ** 32;
  }

  /**
   * Whether a user that was told to wait may try again: half of its bound is free, so that it is not woken for
   * crumbs.
   */
  takeWakeup(): boolean {
    const may = this.blocked && this.credit > 0 && this.queued <= this.config.streamSendBound / 2;
    if (may) {
      this.blocked = false;
    }
    return may;
  }

  /** Writes frames up to one payload's worth, while `out` has at most `limit` bytes. */
  transmit(stream: number, out: Writer, limit: number): Turn {
    let quantum = MAX_PAYLOAD;
    for (let piece; (piece = this.queue[0]); ) {
      const { bytes } = piece;
      const room = limit - out.length - HEADER_LEN;
      if (quantum <= 0) {
        return "more";
      }
      let length = 0;
      let whole = true;
      switch (piece.type) {
        case FrameType.open:
        case FrameType.head: {
          length = Math.min(bytes.length, MAX_PAYLOAD);
          if (length > room) {
            return "full";
          }
          whole = length === bytes.length;
          const flags = whole ? piece.flags : (piece.flags & ~Flags.end) | Flags.more;
          putFrame(out, { type: piece.type, stream, flags, head: bytes.subarray(0, length) });
          if (whole && flags & Flags.end) {
            this.state = "ended";
          }
          break;
        }
        case FrameType.data: {
          const wanted = Math.min(bytes.length, quantum);
          length = Math.min(wanted, room);
          // A cut for want of room must be worth its header.
          if (room < 0 || (length < wanted && length < 1024)) {
            return "full";
          }
          whole = length === bytes.length;
          putFrame(out, { type: FrameType.data, stream, content: bytes.subarray(0, length) });
          break;
        }
        case FrameType.finish:
          if (bytes.length + 8 > room) {
            return "full";
          }
          putFrame(out, { type: FrameType.finish, stream, total: this.accepted, trailers: bytes });
          this.state = "ended";
          break;
        case FrameType.reset:
          if (room < 2) {
            return "full";
          }
          putFrame(out, { type: FrameType.reset, stream, code: piece.code });
          this.state = "reset";
          this.code = piece.code;
      }
      if (whole) {
        this.queue.shift();
      } else {
        piece.bytes = bytes.subarray(length);
      }
      this.queued -= length;
      this.transmitted += length;
      quantum -= length || 1;
    }
    return "empty";
  }

  get hasOutput(): boolean {
    return this.queue.length > 0;
  }

  /** Nothing more will be sent. */
  get isClosed(): boolean {
    return (this.state === "ended" || this.state === "reset") && !this.queue.length;
  }

  /** The end is queued or sent: the user has said all it has to say. */
  get isEnding(): boolean {
    return this.state === "ending" || this.state === "ended";
  }

  private expect(state: State): void {
    if (this.state !== state) {
      throw new StreamError(this.state === "reset" ? "reset" : "state", this.code);
    }
  }
}

function checkSize(bytes: Bytes, limit: number): void {
  if (bytes.length > limit) {
    throw new StreamError("too-large");
  }
}
