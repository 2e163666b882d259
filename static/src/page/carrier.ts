/** One data channel and its mux: moves messages between them and wakes who waits on a stream. */

import type { Bytes } from "../wire/buffer.ts";
import type { ResetCode } from "../wire/code.ts";
import { MAX_MESSAGE } from "../wire/frame.ts";
import type { PageToHost } from "../wire/direct.ts";
import type { Reason } from "../wire/signal.ts";
import { Mux } from "../mux/mux.ts";
import type { Incoming } from "../mux/receive.ts";

export interface CarrierEvents {
  open(): void;
  /** A sign of life. */
  heard(): void;
  /** The answer to the newest PING. */
  roundTrip(ms: number): void;
  control(json: Bytes): void;
  /** The carrier is of no use any more. */
  lost(reason: Reason): void;
}

/** Who waits on a stream. */
export interface StreamUser {
  /** There may be something to read or room to write. */
  wake(): void;
  /** The path broke: the stream is over, once what has arrived was read. */
  fail(): void;
}

/** The browser's buffer holds what the network does not take yet; what waits in the mux can still be overtaken. */
const HIGH = 512 * 1024;
const LOW = 128 * 1024;
/** Between two reads of one reader are at most so many turns of promises. */
const READER_TURNS = 16;
/** What a host takes on a channel (`p2p-host/src/peer/peer.rs`): more would cost the peer, where a request can go by relay. */
const HOST_LIMITS = { maxStreams: 64, maxHead: 64 * 1024 };

export class Carrier {
  readonly #channel: RTCDataChannel;
  readonly #events: CarrierEvents;
  readonly #mux = new Mux(performance.now(), HOST_LIMITS);
  readonly #users = new Map<number, StreamUser>();
  #flushing = false;
  #waitsForReaders = false;
  #reads = 0;
  #sent = 0;

  constructor(channel: RTCDataChannel, events: CarrierEvents) {
    this.#channel = channel;
    this.#events = events;
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = LOW;
    channel.onopen = (): void => {
      events.open();
      this.flush();
    };
    channel.onmessage = ({ data }: MessageEvent<ArrayBuffer>): void => {
      try {
        this.#mux.handleMessage(performance.now(), new Uint8Array(data));
      } catch {
        events.lost("protocol");
        return;
      }
      events.heard();
      this.#dispatch();
      void this.#flushAfterReaders();
    };
    channel.onbufferedamountlow = (): void => {
      this.flush();
    };
    channel.onclose = (): void => {
      events.lost("channel-closed");
    };
  }

  get isOpen(): boolean {
    return this.#channel.readyState === "open";
  }

  /** Streams that are not over. */
  get size(): number {
    return this.#mux.size;
  }

  /** The network does not take all that it was given. What browsers have not looked at yet counts as well, so what a request has means nothing. */
  get isWaiting(): boolean {
    return this.#channel.bufferedAmount > LOW / 8;
  }

  /** Bytes that it has taken. While some wait it takes more only as the host acknowledges. */
  get taken(): number {
    return this.#sent - this.#channel.bufferedAmount;
  }

  /** Throws what {@link Mux.open} throws. */
  open(head: Bytes, end: boolean, user: StreamUser): number {
    const id = this.#mux.open(head, end);
    this.#users.set(id, user);
    this.#flushSoon();
    return id;
  }

  /** See {@link Mux.sendData}. */
  send(id: number, content: Bytes): number {
    const taken = this.#mux.sendData(id, content);
    this.#flushSoon();
    return taken;
  }

  finish(id: number): void {
    this.#mux.finish(id);
    this.#flushSoon();
  }

  read(id: number): Incoming | undefined {
    const item = this.#mux.read(id);
    this.#reads++;
    if (this.#mux.hasOutput) void this.#flushAfterReaders();
    return item;
  }

  /** Whether the host can have heard of the stream. */
  wasSent(id: number): boolean {
    return !this.#mux.isUnopened(id);
  }

  release(id: number, code: ResetCode): void {
    this.#users.delete(id);
    this.#mux.release(id, code);
    this.#flushSoon();
  }

  control(message: PageToHost): void {
    this.#mux.sendControl(new TextEncoder().encode(JSON.stringify(message)));
    this.flush();
  }

  ping(): void {
    this.#mux.ping(performance.now());
    this.flush();
  }

  /** Every exchange ends; the channel may be used again when it works again. */
  fail(): void {
    for (const user of [...this.#users.values()]) user.fail();
  }

  /** Sends what the browser takes. */
  flush(): void {
    const channel = this.#channel;
    try {
      while (channel.readyState === "open" && channel.bufferedAmount < HIGH) {
        const message = this.#mux.pollTransmit(performance.now(), MAX_MESSAGE);
        if (message === undefined) break;
        channel.send(message);
        this.#sent += message.length;
      }
    } catch {
      // Its buffer is full, or it is closing.
      this.#events.lost("channel-closed");
    }
    this.#dispatch();
  }

  /** What is said in one go leaves in one message. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.flush();
    });
  }

  /**
   * The mux widens a stream's window only if nothing waits to be read when credit leaves. Readers take what has arrived
   * piece by piece, in turns of promises: in between it would seem that they do not keep up.
   */
  async #flushAfterReaders(): Promise<void> {
    if (this.#waitsForReaders) return;
    this.#waitsForReaders = true;
    for (let reads; reads !== this.#reads; ) {
      reads = this.#reads;
      for (let turn = 0; turn < READER_TURNS; turn++) await Promise.resolve();
    }
    this.#waitsForReaders = false;
    this.flush();
  }

  #dispatch(): void {
    for (let event; (event = this.#mux.pollEvent()); ) {
      switch (event.type) {
        case "readable":
        case "writable":
        case "reset":
          this.#users.get(event.stream)?.wake();
          break;
        case "control":
          this.#events.control(event.json);
          break;
        case "round-trip":
          this.#events.roundTrip(event.ms);
          break;
        case "accepted":
        case "drained":
          break;
      }
    }
  }
}
