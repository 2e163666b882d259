/** The end of a carrier that accepts streams. Hosts are written in Rust: this one is for tests, and not bundled. */

import type { Bytes } from "../wire/buffer.ts";
import { ResetCode } from "../wire/code.ts";
import { Flags, FrameType } from "../wire/frame.ts";
import { CarrierError, rule } from "./error.ts";
import { Mux } from "./mux.ts";

export class Acceptor extends Mux {
  /** Sends an encoded response head; `interim` for 1xx but 101; `end`: there is no content. Throws `StreamError`. */
  sendHead(id: number, head: Bytes, interim: boolean, end: boolean): void {
    const flags = (interim ? Flags.interim : 0) | (end ? Flags.end : 0);
    this.withSend(id, (send) => {
      send.head(FrameType.head, head, flags);
    });
  }

  /** Ends both directions; what was queued is still sent, then the peer learns `code`. */
  abort(id: number, code: ResetCode): void {
    const stream = this.streams.get(id);
    if (!stream || (stream.receive.isClosed && stream.send.isClosed)) {
      return;
    }
    stream.receive.abandon();
    stream.send.resetBehind(code);
    this.scheduleIfReady(id, stream.send);
  }

  /** A response that is complete is still sent whole. */
  override release(id: number, code: ResetCode = ResetCode.cancelled): void {
    const stream = this.streams.get(id);
    if (stream && !stream.receive.isClosed && stream.send.isEnding) {
      stream.released = true;
      this.abort(id, ResetCode.enough);
      this.removeIfOver(id);
    } else {
      super.release(id, code);
    }
  }

  protected override onHead(): void {
    rule(false, "wrong-side");
  }

  protected override onOpen(id: number, flags: number, head: Bytes): void {
    rule(id % 2, "wrong-side");
    this.frames++;
    if (id < this.nextId) {
      this.onMoreHead(id, flags, head);
      return;
    }
    // The last id has no successor; an opener never uses it.
    rule(id + 2 < 2 ** 32, "id-not-rising");
    this.nextId = id + 2;
    if (this.size >= this.maxStreams || this.drained !== "no") {
      this.waiting.push({ type: FrameType.reset, stream: id, code: ResetCode.refused });
      return;
    }
    const stream = this.newStream();
    const whole = stream.receive.onHead(flags, head);
    stream.receive.notified = whole;
    stream.released = !whole;
    this.streams.set(id, stream);
    if (whole) {
      this.events.push({ type: "accepted", stream: id });
    }
  }

  /** The rest of a head in several frames, or of one that was refused. */
  private onMoreHead(id: number, flags: number, head: Bytes): void {
    const stream = this.streams.get(id);
    try {
      if (stream?.receive.onHead(flags, head)) {
        stream.released = false;
        stream.receive.notified = true;
        this.events.push({ type: "accepted", stream: id });
      }
    } catch (error) {
      throw error instanceof CarrierError && error.fault === "second-head" ? new CarrierError("id-not-rising") : error;
    }
  }
}
