/** The receiving half of a stream: order, credit, and what waits to be read. */

import { type Bytes, NONE, join } from "../wire/buffer.ts";
import type { ResetCode } from "../wire/code.ts";
import { Flags, MAX_PAYLOAD } from "../wire/frame.ts";
import { type Config, INITIAL_CREDIT } from "./config.ts";
import { rule } from "./error.ts";

/** Interim heads that may wait unread; more is a peer that floods. */
const MAX_UNREAD_INTERIM = 8;

/**
 * The least window of a stream that has the carrier to itself: room enough that neither end waits for the other's turn
 * on the processor. Nobody is there who would have to wait behind it.
 */
const LONE_WINDOW = 1024 * 1024;

/** Content read without a frame of another stream in between, after which a stream has the carrier to itself. */
const LONE_AFTER = 1024 * 1024;

/** What windows are judged by. */
export interface Traffic {
  readonly now: number;
  /** The shortest one measured. */
  readonly roundTrip: number | undefined;
  /** Frames that have arrived on all streams. */
  readonly frames: number;
}

/**
 * What arrived on a stream, in order: heads (the final one once, interim ones before it), content (never empty), and
 * one end. `finish` comes only after every byte was read, `reset` after what came before it.
 */
export type Incoming =
  | { type: "head"; head: Bytes; interim: boolean }
  | { type: "data"; content: Bytes }
  | { type: "finish"; trailers: Bytes }
  | { type: "reset"; code: ResetCode };

/**
 * The final head has not come, content may come, FINISH has come (the queue may still hold content), RESET has come or
 * was sent.
 */
type State = "head" | "content" | "finished" | "reset";

export class Receive {
  /** A wake-up was handed out and nothing has been read since. */
  notified = false;
  /** Frames that have arrived on this stream. */
  frames = 0;
  private readonly config: Config;
  private state: State = "head";
  private partialHead: Bytes = NONE;
  private queue: Incoming[] = [];
  /** Where the content last queued may go on: memory of our own, filled up to the length of that content. */
  private joint: Bytes | undefined;
  /** Content bytes in `queue`. */
  private queued = 0;
  /** Content bytes received since the stream began. */
  private received = 0;
  private interimUnread = 0;
  /** `allowance + queued + unreturned === window` while content may come. */
  private window = INITIAL_CREDIT;
  /** Bytes that the peer may still send. */
  private allowance = INITIAL_CREDIT;
  /** Bytes read by the user and not yet given back as credit. */
  private unreturned = 0;
  /** When credit was given last. */
  private credited: number | undefined;
  /** Frames that had arrived on other streams when credit was given last. */
  private others = 0;
  /** Content read since then, and since others were seen to be active. */
  private alone = 0;

  constructor(config: Config) {
    this.config = config;
  }

  /** Takes a part of a head; returns whether a whole one is now readable. */
  onHead(flags: number, part: Bytes): boolean {
    if (this.state === "reset") {
      // It was under way when this end reset the stream.
      return false;
    }
    rule(this.state === "head", "second-head");
    rule(this.partialHead.length + part.length <= this.config.maxHead, "head-too-large");
    const interim = (flags & Flags.interim) > 0;
    rule(!interim || !(flags & Flags.end), "ended-interim");
    const head = this.partialHead.length ? new Uint8Array(join([this.partialHead, part])) : part;
    if (flags & Flags.more) {
      // Several interim ones may wait: one frame each bounds what they hold.
      rule(!interim, "head-too-large");
      this.partialHead = head;
      return false;
    }
    this.partialHead = NONE;
    if (interim) {
      rule(this.interimUnread < MAX_UNREAD_INTERIM, "interim-flood");
      this.interimUnread++;
    } else {
      this.state = "content";
    }
    this.queue.push({ type: "head", head, interim });
    if (flags & Flags.end) {
      this.finish(NONE);
    }
    return true;
  }

  onData(content: Bytes): void {
    if (!this.takesContent()) {
      return;
    }
    const { length } = content;
    rule(length <= this.allowance, "beyond-credit");
    this.allowance -= length;
    this.received += length;
    this.queued += length;
    const last = this.queue.at(-1);
    if (last?.type === "data" && length < MAX_PAYLOAD) {
      // The reader lags: own the bytes, for a small slice would keep its whole message alive and a peer that mixes
      // streams could pin many times the credit.
      const before = last.content.length;
      if (before + length <= MAX_PAYLOAD) {
        if (!this.joint) {
          this.joint = new Uint8Array(MAX_PAYLOAD);
          this.joint.set(last.content);
        }
        this.joint.set(content, before);
        last.content = this.joint.subarray(0, before + length);
        return;
      }
      content = content.slice();
    }
    this.joint = undefined;
    this.queue.push({ type: "data", content });
  }

  onFinish(total: number, trailers: Bytes): void {
    if (this.takesContent()) {
      rule(total === this.received, "wrong-total");
      this.finish(trailers);
    }
  }

  /** Whether content may come; not, but no violation either, after a reset that it crossed. */
  private takesContent(): boolean {
    rule(this.state !== "head", "data-before-head");
    rule(this.state !== "finished", "after-finish");
    return this.state === "content";
  }

  private finish(trailers: Bytes): void {
    this.state = "finished";
    this.queue.push({ type: "finish", trailers });
  }

  /**
   * The peer ends the stream. What came before stays readable, and a direction that was finished has nothing to add.
   */
  onReset(code: ResetCode): void {
    if (!this.isClosed) {
      this.state = "reset";
      this.partialHead = NONE;
      this.queue.push({ type: "reset", code });
    }
  }

  /** The user takes no more: nothing stays queued. */
  abandon(): void {
    this.queue = [];
    this.queued = 0;
    this.partialHead = NONE;
    this.joint = undefined;
    if (this.state !== "finished") {
      this.state = "reset";
    }
  }

  /** The next item. */
  read(): Incoming | undefined {
    const item = this.queue.shift();
    if (!item) {
      this.notified = false;
    } else if (item.type === "data") {
      this.queued -= item.content.length;
      this.unreturned += item.content.length;
      if (!this.queued) {
        // The last content is the reader's now.
        this.joint = undefined;
      }
    } else if (item.type === "head" && item.interim) {
      this.interimUnread--;
    }
    return item;
  }

  /** Whether enough was read to tell the peer. */
  get creditIsDue(): boolean {
    return this.state === "content" && this.unreturned >= this.window >> 1;
  }

  /**
   * The credit to give back, 0 for none, and what it takes from `budget`, which may be below 0. The window is widened
   * when the reader keeps up with the carrier and the window, not the reader, is what holds the content back: it should
   * cover two round trips of what was read. A wider one would only fill queues on the way, ahead of small exchanges; a
   * stream that has the carrier to itself may do so, until another one is active.
   */
  takeCredit(budget: number, traffic: Traffic): [credit: number, growth: number] {
    const read = this.unreturned;
    if (this.state !== "content" || !read) {
      return [0, 0];
    }
    const { maxWindow } = this.config;
    const needed = Math.min(this.needed(traffic), Math.max(maxWindow, INITIAL_CREDIT));
    let growth = 0;
    if (this.window < needed && !this.queue.length) {
      const wanted = Math.min(this.window, maxWindow - this.window);
      growth = wanted <= budget ? wanted : 0;
    } else if (!this.alone) {
      // Others are active: the excess goes, but not all at once, for measurements vary.
      growth = -Math.min(Math.max(this.window - needed, 0), read >> 1);
    }
    this.unreturned = 0;
    this.window += growth;
    this.allowance += read + growth;
    return [read + growth, growth];
  }

  /** The window that does not hold content back, given what was read since this was asked last. */
  private needed({ now, roundTrip, frames }: Traffic): number {
    const others = frames - this.frames;
    this.alone = this.others === others ? this.alone + this.unreturned : 0;
    this.others = others;
    const since = this.credited;
    this.credited = now;
    if (since === undefined || roundTrip === undefined) {
      return this.window * 2;
    }
    // At a clock that did not move the reader is as fast as can be.
    const bytes = Math.floor((this.unreturned * 2 * roundTrip) / Math.max(now - since, 1e-6));
    return Math.max(bytes, this.alone >= LONE_AFTER ? LONE_WINDOW : INITIAL_CREDIT);
  }

  /** What the window took from the growth budget; given back when the stream ends. */
  get grown(): number {
    return this.window - INITIAL_CREDIT;
  }

  /** Nothing more can arrive. */
  get isClosed(): boolean {
    return this.state === "finished" || this.state === "reset";
  }

  get hasUnread(): boolean {
    return this.queue.length > 0;
  }
}
