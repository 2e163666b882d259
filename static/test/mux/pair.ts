/** Two ends and the carrier between them, in virtual time. */

import assert from "node:assert/strict";
import { Acceptor } from "../../src/mux/acceptor.ts";
import { type Config, DEFAULTS } from "../../src/mux/config.ts";
import { type Event, Mux } from "../../src/mux/mux.ts";
import type { Incoming } from "../../src/mux/receive.ts";
import { type Bytes, NONE, Reader } from "../../src/wire/buffer.ts";
import { type Frame, HEADER_LEN, MAX_MESSAGE, takeFrame } from "../../src/wire/frame.ts";
import { ascii } from "./bytes.ts";
import { checkInvariants } from "./invariants.ts";

/** 0 is the opener, 1 the acceptor. */
export type Side = 0 | 1;

export const SIDES = [0, 1] as const;

export const other = (side: Side): Side => (side ? 0 : 1);

export class Pair {
  now = 0;
  /** Ms that a message to a side is under way. */
  readonly delay: [number, number] = [0, 0];
  readonly opener: Mux;
  readonly acceptor: Acceptor;
  readonly configs: readonly [Config, Config];
  private readonly wires: [{ at: number; message: Bytes }[], { at: number; message: Bytes }[]] = [[], []];

  constructor(opener: Partial<Config> = {}, acceptor: Partial<Config> = {}) {
    this.configs = [
      { ...DEFAULTS, ...opener },
      { ...DEFAULTS, ...acceptor },
    ];
    this.opener = new Mux(0, opener);
    this.acceptor = new Acceptor(0, acceptor);
  }

  mux(side: Side): Mux {
    return side ? this.acceptor : this.opener;
  }

  /** Sends one message and returns its frames; nothing: there is nothing to send. */
  transmit(from: Side, limit = MAX_MESSAGE): Frame[] | undefined {
    const mux = this.mux(from);
    const had = mux.hasOutput;
    const message = mux.pollTransmit(this.now, limit);
    checkInvariants(mux);
    if (!message) {
      assert(!mux.hasOutput, "what has output writes");
      return undefined;
    }
    assert(had, "what writes has output");
    // Heartbeat and DRAIN come first and are not held back by a limit.
    assert(message.length <= Math.max(limit, 3 * (HEADER_LEN + 8)), `${message.length} of ${limit}`);
    const to = other(from);
    this.wires[to].push({ at: this.now + this.delay[to], message });
    return framesOf(message);
  }

  /** Hands the next message to a side if one has arrived. */
  deliver(to: Side): boolean {
    const first = this.wires[to][0];
    if (!first || first.at > this.now) {
      return false;
    }
    this.wires[to].shift();
    this.mux(to).handleMessage(this.now, first.message);
    checkInvariants(this.mux(to));
    return true;
  }

  /** Sends and delivers until nothing is left to do at this moment. */
  settle(): void {
    for (let busy = true; busy; ) {
      busy = false;
      for (const side of SIDES) {
        while (this.transmit(side) ?? this.deliver(side)) {
          busy = true;
        }
      }
    }
  }

  /** When the next message arrives, unless nothing is under way. */
  get nextArrival(): number | undefined {
    const arrivals = this.wires.flatMap((wire) => wire.slice(0, 1).map(({ at }) => at));
    return arrivals.length ? Math.min(...arrivals) : undefined;
  }

  /** Lets time pass: messages first, then timers, as the documentation asks. */
  advance(by: number): void {
    const end = this.now + by;
    while (true) {
      this.settle();
      for (const side of SIDES) {
        this.mux(side).handleTimeout(this.now);
      }
      this.settle();
      if (this.now >= end) {
        return;
      }
      const timeouts = SIDES.map((side) => this.mux(side).pollTimeout());
      const next = Math.min(this.nextArrival ?? Infinity, ...timeouts);
      assert(next > this.now, "what is due is done");
      this.now = Math.min(next, end);
    }
  }

  /** What waits to be handed out. */
  events(side: Side): Event[] {
    const events = [];
    for (let event; (event = this.mux(side).pollEvent()); ) {
      events.push(event);
    }
    return events;
  }

  /** Everything that can be read now. */
  read(side: Side, id: number): Incoming[] {
    const items = [];
    for (let item; (item = this.mux(side).read(id)); ) {
      items.push(item);
    }
    checkInvariants(this.mux(side));
    return items;
  }

  /** Opens a stream that both ends know. */
  open(end: boolean): number {
    const id = this.opener.open(ascii("request"), end);
    this.settle();
    assert(this.events(1).some((event) => event.type === "accepted" && event.stream === id));
    return id;
  }

  /** No stream is left anywhere and nothing waits. */
  assertQuiet(): void {
    this.settle();
    for (const side of SIDES) {
      const mux = this.mux(side);
      assert.equal(mux.size, 0, `${side} has forgotten every stream`);
      assert(!mux.hasOutput, `${side} has nothing to send`);
    }
  }
}

export function framesOf(message: Bytes): Frame[] {
  const input = new Reader(message);
  const frames = [];
  for (let frame; (frame = takeFrame(input)); ) {
    frames.push(frame);
  }
  return frames;
}

/** A whole head, as it is read. */
export const head = (text: string, interim = false): Incoming => ({ type: "head", head: ascii(text), interim });

/** Content, as it is read. */
export const data = (text: string): Incoming => ({ type: "data", content: ascii(text) });

/** A clean end, as it is read. */
export const finish = (trailers = NONE): Incoming => ({ type: "finish", trailers });

/** Content bytes in what was read. */
export const contentLength = (items: Incoming[]): number =>
  items.reduce((sum, item) => sum + (item.type === "data" ? item.content.length : 0), 0);
