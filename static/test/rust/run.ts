/** A scenario on a pair of ends, told in the words of `crates/mux/examples/peer.rs`. */

import { Acceptor } from "../../src/mux/acceptor.ts";
import type { Config } from "../../src/mux/config.ts";
import { CarrierError, StreamError } from "../../src/mux/error.ts";
import { type Event, Mux } from "../../src/mux/mux.ts";
import type { Incoming } from "../../src/mux/receive.ts";
import type { Bytes } from "../../src/wire/buffer.ts";
import { resetCode } from "../../src/wire/code.ts";
import { digest, fromHex, pattern } from "../mux/bytes.ts";
import { checkInvariants } from "../mux/invariants.ts";

/** 0 is the opener, 1 the acceptor. */
export type End = 0 | 1;

export type Operation =
  | { do: "open"; length: number; last: boolean }
  | { do: "send-head"; id: number; length: number; interim: boolean; last: boolean }
  | { do: "send-data" | "finish"; end: End; id: number; length: number }
  | { do: "read"; end: End; id: number; items: number }
  | { do: "reset" | "release"; end: End; id: number; code: number }
  | { do: "abort"; id: number; code: number }
  | { do: "control"; end: End; length: number }
  | { do: "drain" | "deliver"; end: End }
  | { do: "max-streams"; end: End; max: number }
  | { do: "transmit"; end: End; limit: number }
  | { do: "hostile"; end: End; hex: string }
  | { do: "pass"; ms: number };

export type Limits = Pick<
  Config,
  "maxStreams" | "maxHead" | "maxWindow" | "growthBudget" | "streamSendBound" | "sendBound"
>;

export class Run {
  now = 0;
  readonly opener: Mux;
  readonly acceptor: Acceptor;
  /** Messages under way to an end. */
  readonly wires: [Bytes[], Bytes[]] = [[], []];
  /** Whether the end has found the carrier to be of no use. */
  readonly closed: [boolean, boolean] = [false, false];
  private readonly sent = new Map<string, number>();

  constructor(ends: [Limits, Limits]) {
    this.opener = new Mux(0, ends[0]);
    this.acceptor = new Acceptor(0, ends[1]);
  }

  end(end: End): Mux {
    return end ? this.acceptor : this.opener;
  }

  /** What was seen: the operation's own result, then the events of both ends and their state. */
  step(operation: Operation): string {
    let seen = this.act(operation);
    for (const end of [0, 1] as const) {
      if (this.closed[end]) {
        continue;
      }
      const mux = this.end(end);
      checkInvariants(mux);
      for (let event; (event = mux.pollEvent()); ) {
        seen += ` | ${end} ${eventName(event)}`;
      }
      seen += ` | ${end}: ${mux.size} ${mux.hasOutput} ${mux.pollTimeout()}`;
    }
    return seen;
  }

  private act(operation: Operation): string {
    switch (operation.do) {
      case "open":
        return this.with(0, (mux) => String(mux.open(pattern(0, operation.length), operation.last)));
      case "send-head": {
        const { id, length, interim, last } = operation;
        return this.with(1, () => {
          this.acceptor.sendHead(id, pattern(id, length), interim, last);
        });
      }
      case "send-data": {
        const { end, id, length } = operation;
        const offset = this.sent.get(`${end} ${id}`) ?? 0;
        return this.with(end, (mux) => {
          const taken = mux.sendData(id, pattern(end + id + offset, length));
          this.sent.set(`${end} ${id}`, offset + taken);
          return String(taken);
        });
      }
      case "finish":
        return this.with(operation.end, (mux) => {
          mux.finish(operation.id, pattern(operation.end, operation.length));
        });
      case "read":
        return this.with(operation.end, (mux) => {
          const items = [];
          for (let item; items.length < operation.items && (item = mux.read(operation.id)); ) {
            items.push(itemName(item));
          }
          return items.join(", ");
        });
      case "reset":
      case "release":
        return this.with(operation.end, (mux) => {
          mux[operation.do](operation.id, resetCode(operation.code));
          return String(mux.resetCode(operation.id) ?? "open");
        });
      case "abort":
        return this.with(1, (mux) => {
          this.acceptor.abort(operation.id, resetCode(operation.code));
          return String(mux.resetCode(operation.id) ?? "open");
        });
      case "control":
        return this.with(operation.end, (mux) => {
          mux.sendControl(pattern(operation.end, operation.length));
          return "";
        });
      case "drain":
        return this.with(operation.end, (mux) => {
          mux.drain();
          return "";
        });
      case "max-streams":
        return this.with(operation.end, (mux) => {
          mux.maxStreams = operation.max;
          return "";
        });
      case "transmit":
        return this.with(operation.end, (mux) => {
          const message = mux.pollTransmit(this.now, operation.limit);
          if (message) {
            this.wires[1 - operation.end]!.push(message);
          }
          return digest(message ?? new Uint8Array());
        });
      case "deliver": {
        const message = this.wires[operation.end].shift();
        return message ? this.receive(operation.end, message) : "none";
      }
      case "hostile":
        return this.receive(operation.end, fromHex(operation.hex));
      case "pass":
        this.now += operation.ms;
        return ([0, 1] as const)
          .map((end) =>
            this.carry(end, (mux) => {
              mux.handleTimeout(this.now);
            }),
          )
          .join(" ");
    }
  }

  private receive(end: End, message: Bytes): string {
    return this.carry(end, (mux) => {
      mux.handleMessage(this.now, message);
    });
  }

  private with(end: End, act: (mux: Mux) => unknown): string {
    if (this.closed[end]) {
      return "closed";
    }
    try {
      const result = act(this.end(end));
      return typeof result === "string" ? result : "ok";
    } catch (error) {
      if (!(error instanceof StreamError)) {
        throw error;
      }
      return error.fault === "reset" ? `reset ${error.code}` : error.fault;
    }
  }

  /** Closes the end when its carrier is of no use any more. */
  private carry(end: End, act: (mux: Mux) => void): string {
    if (this.closed[end]) {
      return "closed";
    }
    try {
      act(this.end(end));
      return "ok";
    } catch (error) {
      if (!(error instanceof CarrierError)) {
        throw error;
      }
      this.closed[end] = true;
      return error.fault;
    }
  }
}

function eventName(event: Event): string {
  switch (event.type) {
    case "control":
      return `control ${digest(event.json)}`;
    case "drained":
      return "drained";
    case "round-trip":
      return `round-trip ${event.ms}`;
    default:
      return `${event.type} ${event.stream}`;
  }
}

function itemName(item: Incoming): string {
  switch (item.type) {
    case "head":
      return `head ${digest(item.head)} ${item.interim}`;
    case "data":
      return `data ${digest(item.content)}`;
    case "finish":
      return `finish ${digest(item.trailers)}`;
    case "reset":
      return `reset ${item.code}`;
  }
}
