/** The multiplexer itself: streams of one carrier and what belongs to the carrier. Mirrors `crates/mux`. */

import { type Bytes, NONE, Reader, Writer } from "../wire/buffer.ts";
import { ResetCode } from "../wire/code.ts";
import { Flags, type Frame, FrameError, FrameType, HEADER_LEN, putFrame, takeFrame } from "../wire/frame.ts";
import { type Config, DEFAULTS } from "./config.ts";
import { CarrierError, rule, StreamError } from "./error.ts";
import { Heartbeat } from "./heartbeat.ts";
import { type Incoming, Receive } from "./receive.ts";
import { Schedule } from "./schedule.ts";
import { Send } from "./send.ts";

/** Frames of the carrier that may wait; more is a peer that makes us answer faster than it reads. */
const MAX_WAITING = 4096;

/** What the owner of a {@link Mux} must pass on. */
export type Event =
  /** The peer opened a stream; its head can be read. */
  | { type: "accepted"; stream: number }
  /** There is something to read. Not repeated until {@link Mux.read} has returned nothing. */
  | { type: "readable"; stream: number }
  /** A user that was told to wait may send. */
  | { type: "writable"; stream: number }
  /** The peer reset the stream: whatever waits on it is to look again. */
  | { type: "reset"; stream: number }
  /** A control message. */
  | { type: "control"; json: Bytes }
  /** The peer takes no more streams. */
  | { type: "drained" }
  /** A measured round trip. */
  | { type: "round-trip"; ms: number };

/** Both halves of a stream. */
export interface Stream {
  readonly receive: Receive;
  readonly send: Send;
  /**
   * Nobody uses it: the user let go of it (it lingers until its end is transmitted), or its head has not come in full
   * and it was not yet handed out.
   */
  released: boolean;
  /** In `creditDue`. */
  creditDue: boolean;
}

/**
 * One end of a carrier, the one that opens streams (`acceptor.ts` has the other). Its owner
 * 1. gives it every received message ({@link handleMessage}),
 * 2. asks for messages to send until there are none ({@link pollTransmit}),
 * 3. hands out its events ({@link pollEvent}),
 * 4. wakes it at {@link pollTimeout} by {@link handleTimeout}.
 *
 * Bytes are kept, not copied: what was given stays as it is until it was transmitted, what was received belongs to the
 * mux. `now` is in ms and never goes back.
 */
export class Mux {
  /** May be changed at any time: the host says how many it takes. */
  maxStreams: number;
  /** Whether the peer has said that it takes no more streams. */
  peerDrains = false;
  protected readonly config: Config;
  protected readonly streams = new Map<number, Stream>();
  /** Opener: the next id to use. Acceptor: the lowest id the peer may use. */
  protected nextId = 1;
  /** Frames of the carrier. */
  protected readonly waiting: Frame[] = [];
  protected readonly events: Event[] = [];
  protected drained: "no" | "due" | "sent" = "no";
  private readonly schedule = new Schedule();
  /** Bytes of all streams that wait for a turn. */
  private queued = 0;
  private readonly creditDue: number[] = [];
  private readonly heartbeat: Heartbeat;
  private growthLeft: number;
  /** Frames that have arrived on all streams. */
  protected frames = 0;
  /** The shortest one measured: later ones may have waited in queues. */
  private roundTrip: number | undefined;
  private readonly out = new Writer();

  constructor(now: number, config: Partial<Config> = {}) {
    this.config = { ...DEFAULTS, ...config };
    this.maxStreams = this.config.maxStreams;
    this.growthLeft = this.config.growthBudget;
    this.heartbeat = new Heartbeat(this.config, now);
  }

  /** How many streams are not over. */
  get size(): number {
    return this.streams.size;
  }

  /** When the last message came. */
  get lastHeard(): number {
    return this.heartbeat.heard;
  }

  /** Opens a stream by an encoded request head; `end`: there is no content. Throws {@link StreamError}. */
  open(head: Bytes, end: boolean): number {
    const id = this.nextId;
    const stream = this.newStream();
    if (this.peerDrains || this.drained !== "no") {
      throw new StreamError("draining");
    }
    if (this.size >= this.maxStreams) {
      throw new StreamError("too-many");
    }
    if (id + 2 >= 2 ** 32) {
      throw new StreamError("exhausted");
    }
    stream.send.head(FrameType.open, head, end ? Flags.end : 0);
    this.nextId = id + 2;
    this.streams.set(id, stream);
    this.queued += stream.send.queued;
    this.scheduleIfReady(id, stream.send);
    return id;
  }

  /**
   * Queues content from the front of `content` and returns how much was taken. If some is left, an event `writable`
   * will come. Throws {@link StreamError}.
   */
  sendData(id: number, content: Bytes): number {
    return this.withSend(id, (send) => send.data(content, this.queued));
  }

  /** Ends this direction cleanly; `trailers` are encoded field lines. Throws {@link StreamError}. */
  finish(id: number, trailers = NONE): void {
    this.withSend(id, (send) => {
      send.finish(trailers);
    });
  }

  protected withSend<T>(id: number, act: (send: Send) => T): T {
    const send = this.streams.get(id)?.send;
    if (!send) {
      throw new StreamError("unknown");
    }
    const before = send.queued;
    const done = act(send);
    this.queued += send.queued - before;
    this.scheduleIfReady(id, send);
    return done;
  }

  protected scheduleIfReady(id: number, send: Send): void {
    if (send.hasOutput && !send.scheduled) {
      send.scheduled = true;
      this.schedule.push(id, send.transmitted);
    }
  }

  /** Reads the next item; nothing: wait for an event `readable`. Reading is what gives credit to the peer. */
  read(id: number): Incoming | undefined {
    const stream = this.streams.get(id);
    const item = stream?.receive.read();
    if (stream?.receive.creditIsDue && !stream.creditDue) {
      stream.creditDue = true;
      this.creditDue.push(id);
    }
    return item;
  }

  /** Whether the peer has not heard of the stream: its OPEN waits. */
  isUnopened(id: number): boolean {
    return this.streams.get(id)?.send.isUnopened ?? false;
  }

  /** Why the stream was reset, by either end; `internal` when it is gone. */
  resetCode(id: number): ResetCode | undefined {
    const stream = this.streams.get(id);
    return stream ? stream.send.code : ResetCode.internal;
  }

  /** Ends both directions abruptly; what was queued is dropped. The stream stays until {@link release}. */
  reset(id: number, code: ResetCode): void {
    const stream = this.streams.get(id);
    if (!stream || (stream.receive.isClosed && stream.send.isClosed)) {
      return;
    }
    this.queued -= stream.send.queued;
    const knownToPeer = !stream.send.isUnopened;
    stream.send.reset(code);
    stream.receive.abandon();
    if (knownToPeer) {
      this.waiting.push({ type: FrameType.reset, stream: id, code });
    }
  }

  /** The user lets go. What is left open is cancelled. */
  release(id: number, code: ResetCode = ResetCode.cancelled): void {
    const stream = this.streams.get(id);
    if (!stream) {
      return;
    }
    stream.released = true;
    if (stream.receive.isClosed && stream.send.isEnding) {
      stream.receive.abandon();
    } else {
      this.reset(id, code);
    }
    this.removeIfOver(id);
  }

  /** Queues a control message, which must fit one frame. */
  sendControl(json: Bytes): void {
    this.waiting.push({ type: FrameType.control, json });
  }

  /** Tells the peer to open no more streams; running ones go on. */
  drain(): void {
    if (this.drained === "no") {
      this.drained = "due";
    }
  }

  /** Sends a PING at once; an event `round-trip` tells of its answer. */
  ping(now: number): void {
    this.heartbeat.ping(now);
  }

  /** Takes one carrier message. Throws {@link CarrierError}. */
  handleMessage(now: number, message: Bytes): void {
    this.heartbeat.heard = now;
    const input = new Reader(message);
    try {
      for (let frame; (frame = takeFrame(input)); ) {
        this.handleFrame(now, frame);
      }
    } catch (error) {
      throw error instanceof FrameError ? new CarrierError(error.fault) : error;
    }
    rule(this.waiting.length <= MAX_WAITING, "flood");
  }

  private handleFrame(now: number, frame: Frame): void {
    switch (frame.type) {
      case FrameType.open:
        this.onOpen(frame.stream, frame.flags, frame.head);
        break;
      case FrameType.head:
        this.onHead(frame.stream, frame.flags, frame.head);
        break;
      case FrameType.data:
        this.withReceive(frame.stream, (receive) => {
          receive.onData(frame.content);
        });
        break;
      case FrameType.finish:
        this.withReceive(frame.stream, (receive) => {
          receive.onFinish(frame.total, frame.trailers);
        });
        break;
      case FrameType.reset:
        this.onReset(frame.stream, frame.code);
        break;
      case FrameType.credit: {
        const send = this.known(frame.stream)?.send;
        if (send) {
          rule(send.addCredit(frame.bytes), "credit-overflow");
          this.wakeWriter(frame.stream, send);
        }
        break;
      }
      case FrameType.ping:
        this.heartbeat.pongDue = frame.token;
        break;
      case FrameType.pong: {
        const ms = this.heartbeat.onPong(frame.token, now);
        if (ms !== undefined) {
          this.roundTrip = Math.min(this.roundTrip ?? ms, ms);
          this.events.push({ type: "round-trip", ms });
        }
        break;
      }
      case FrameType.drain:
        this.peerDrains = true;
        this.events.push({ type: "drained" });
        break;
      case FrameType.control:
        this.events.push({ type: "control", json: frame.json });
    }
  }

  protected onOpen(_id: number, _flags: number, _head: Bytes): void {
    rule(false, "wrong-side");
  }

  protected onHead(id: number, flags: number, head: Bytes): void {
    this.withReceive(id, (receive) => receive.onHead(flags, head));
  }

  private onReset(id: number, code: ResetCode): void {
    const stream = this.known(id);
    if (!stream) {
      return;
    }
    this.queued -= stream.send.queued;
    stream.send.reset(code);
    stream.receive.onReset(code);
    stream.receive.notified = true;
    if (!stream.released) {
      this.events.push({ type: "reset", stream: id });
    }
    this.removeIfOver(id);
  }

  /** Hands something to a stream and tells its reader. `false`: nothing can be read yet. */
  // eslint-disable-next-line @typescript-eslint/no-invalid-void-type
  private withReceive(id: number, act: (receive: Receive) => boolean | void): void {
    this.frames++;
    const receive = this.known(id)?.receive;
    if (!receive) {
      return;
    }
    receive.frames++;
    if (act(receive) !== false && receive.hasUnread && !receive.notified) {
      receive.notified = true;
      this.events.push({ type: "readable", stream: id });
    }
    this.removeIfOver(id);
  }

  /** The stream; nothing when it is over, a violation when it never was. */
  private known(id: number): Stream | undefined {
    rule(id % 2, "wrong-side");
    rule(id < this.nextId, "never-opened");
    return this.streams.get(id);
  }

  protected newStream(): Stream {
    return { receive: new Receive(this.config), send: new Send(this.config), released: false, creditDue: false };
  }

  private wakeWriter(id: number, send: Send): void {
    if (send.takeWakeup()) {
      this.events.push({ type: "writable", stream: id });
    }
  }

  protected removeIfOver(id: number): void {
    const stream = this.streams.get(id);
    if (stream?.released && stream.receive.isClosed && stream.send.isClosed) {
      this.growthLeft += stream.receive.grown;
      this.streams.delete(id);
      if (this.schedule.length > this.size * 2 + 64) {
        this.schedule.retain((id) => this.streams.has(id));
      }
    }
  }

  /** Whether {@link pollTransmit} would give something. */
  get hasOutput(): boolean {
    return (
      this.schedule.length + this.waiting.length + this.creditDue.length > 0 ||
      this.heartbeat.pingDue ||
      this.heartbeat.pongDue !== undefined ||
      this.drained === "due"
    );
  }

  /**
   * The next message, of at most `limit` bytes (which must hold at least one largest frame). Call again until there is
   * none.
   */
  pollTransmit(now: number, limit: number): Bytes | undefined {
    const { out } = this;
    this.transmitCarrier(now, limit);
    for (let id; (id = this.schedule.pop()) !== undefined; ) {
      const send = this.streams.get(id)?.send;
      if (!send) {
        continue;
      }
      const { queued } = send;
      const { length } = out;
      const turn = send.transmit(id, out, limit);
      this.queued += send.queued - queued;
      this.wakeWriter(id, send);
      if (turn === "empty") {
        send.scheduled = false;
        this.removeIfOver(id);
      } else if (turn === "more" || out.length > length) {
        // A turn that the end of the message cut short is a turn; with the first one of the next message on top, a
        // stream could have twice its share.
        this.schedule.push(id, send.transmitted);
      } else {
        this.schedule.unpop(id, send.transmitted);
      }
      if (turn === "full") {
        break;
      }
    }
    return out.length ? out.flush() : undefined;
  }

  private transmitCarrier(now: number, limit: number): void {
    const { out, heartbeat } = this;
    if (heartbeat.pongDue !== undefined) {
      putFrame(out, { type: FrameType.pong, token: heartbeat.pongDue });
      heartbeat.pongDue = undefined;
    }
    if (heartbeat.pingDue) {
      putFrame(out, { type: FrameType.ping, token: heartbeat.takePing(now) });
    }
    if (this.drained === "due") {
      putFrame(out, { type: FrameType.drain });
      this.drained = "sent";
    }
    for (let frame; (frame = this.waiting[0]); this.waiting.shift()) {
      const length = frame.type === FrameType.control ? frame.json.length : 8;
      if (out.length + HEADER_LEN + length > limit) {
        return;
      }
      putFrame(out, frame);
    }
    const traffic = { now, roundTrip: this.roundTrip, frames: this.frames };
    while (out.length + HEADER_LEN + 8 <= limit) {
      const id = this.creditDue.pop();
      if (id === undefined) {
        return;
      }
      const stream = this.streams.get(id);
      if (stream) {
        stream.creditDue = false;
        const [bytes, growth] = stream.receive.takeCredit(this.growthLeft, traffic);
        this.growthLeft -= growth;
        if (bytes) {
          putFrame(out, { type: FrameType.credit, stream: id, bytes });
        }
      }
    }
  }

  /** The next event. */
  pollEvent(): Event | undefined {
    return this.events.shift();
  }

  /**
   * To be called at {@link pollTimeout}; earlier or later does no harm. Give it the messages that have arrived first: a
   * page that was stopped for a while must not blame its peer. Throws {@link CarrierError} when that is silent.
   */
  handleTimeout(now: number): void {
    if (!this.heartbeat.onTimeout(now)) {
      throw new CarrierError("silent");
    }
  }

  /** When {@link handleTimeout} has something to do. */
  pollTimeout(): number {
    return this.heartbeat.timeout;
  }
}
