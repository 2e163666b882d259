/** One request and its response on a carrier. */

import type { Incoming } from "../mux/receive.ts";
import type { Bytes } from "../wire/buffer.ts";
import { ResetCode } from "../wire/code.ts";
import { decodeResponse } from "../wire/head.ts";
import type { Carrier, StreamUser } from "./carrier.ts";
import { type DirectExchange, ExchangeError, type ResponseHead } from "./direct.ts";

export interface ExchangeOptions {
  /** Encoded. */
  readonly head: Bytes;
  readonly content: Bytes | undefined;
  readonly upgrade: boolean;
  /** It waits for the host no more: it is over, or upgraded to what may be silent for hours. */
  readonly onIdle: () => void;
}

interface Piece {
  bytes: Bytes;
  readonly done: () => void;
  readonly failed: (error: ExchangeError) => void;
}

/** What can be read, and where it stops when the path broke. */
type Item = Incoming | { readonly type: "broken"; readonly error: ExchangeError };

export class Exchange implements DirectExchange, StreamUser {
  readonly head: Promise<ResponseHead>;
  readonly #carrier: Carrier;
  readonly #id: number;
  readonly #options: ExchangeOptions;
  /** Of `head`, until it is settled. */
  #waiting: { readonly resolve: (head: ResponseHead) => void; readonly reject: (error: ExchangeError) => void } | undefined;
  #wakeReader: (() => void) | undefined;
  /** What waits to be written. */
  readonly #pieces: Piece[] = [];
  /** Of this direction: not yet, behind what waits, done. */
  #finish: "open" | "due" | "done";
  /** How the response ended; `null`: cleanly. */
  #end: ExchangeError | null | undefined;
  /** The stream was let go of, and this is what had arrived before. */
  #kept: Item[] | undefined;
  #isIdle = false;

  /** Throws what {@link Carrier.open} throws. */
  constructor(carrier: Carrier, options: ExchangeOptions) {
    this.#carrier = carrier;
    this.#options = options;
    this.head = new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
    // The app must not see a rejection that nobody looked at.
    this.head.catch(() => undefined);
    const { head, content, upgrade } = options;
    this.#finish = upgrade ? "open" : content === undefined ? "done" : "due";
    this.#id = carrier.open(head, this.#finish === "done", this);
    if (content !== undefined) this.#pieces.push({ bytes: content, done: () => undefined, failed: () => undefined });
    this.#write();
  }

  async read(): Promise<Bytes | null> {
    await this.head;
    while (this.#end === undefined) {
      const item = this.#take();
      switch (item?.type) {
        case undefined:
          await new Promise<void>((resolve) => (this.#wakeReader = resolve));
          break;
        case "data":
          return item.content;
        case "finish":
          this.#end = null;
          this.#letGoIfOver();
          break;
        case "reset":
          this.#endBy(wasReset(item.code));
          break;
        case "broken":
          this.#endBy(item.error);
          break;
        case "head":
          break;
      }
    }
    if (this.#end !== null) throw this.#end;
    return null;
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#kept !== undefined) {
        reject(broken(true));
        return;
      }
      // Never shared memory: those who write have made it.
      this.#pieces.push({ bytes: bytes as Bytes, done: resolve, failed: reject });
      this.#write();
    });
  }

  finish(): void {
    if (this.#finish === "open") this.#finish = "due";
    this.#write();
  }

  cancel(code: ResetCode = ResetCode.cancelled): void {
    if (this.#kept === undefined) this.#endBy(new ExchangeError("cancelled", true), code);
  }

  wake(): void {
    this.#write();
    this.#readHead();
    this.#wakeReader?.();
  }

  fail(): void {
    if (this.#kept !== undefined) return;
    const error = broken(this.#carrier.wasSent(this.#id));
    const kept: Item[] = [];
    for (let item; (item = this.#take()); ) kept.push(item);
    kept.push({ type: "broken", error });
    this.#letGo(kept, error, ResetCode.pathLost);
    this.wake();
  }

  #take(): Item | undefined {
    return this.#kept === undefined ? this.#carrier.read(this.#id) : this.#kept.shift();
  }

  #readHead(): void {
    while (this.#waiting !== undefined) {
      const item = this.#take();
      switch (item?.type) {
        case undefined:
          return;
        case "head":
          // There is no way to hand out interim responses.
          if (item.interim) continue;
          try {
            this.#waiting.resolve(decodeResponse(item.head));
          } catch {
            this.#endBy(new ExchangeError("malformed head", true));
            return;
          }
          this.#waiting = undefined;
          if (this.#options.upgrade) this.#becomeIdle();
          break;
        case "reset":
          this.#endBy(wasReset(item.code));
          break;
        case "broken":
          this.#endBy(item.error);
          break;
        case "data":
        case "finish":
          break;
      }
    }
  }

  #write(): void {
    if (this.#kept !== undefined) return;
    try {
      for (let piece; (piece = this.#pieces[0]); ) {
        const taken = this.#carrier.send(this.#id, piece.bytes);
        if (taken < piece.bytes.length) {
          piece.bytes = piece.bytes.subarray(taken);
          return;
        }
        this.#pieces.shift();
        piece.done();
      }
      if (this.#finish === "due") {
        this.#finish = "done";
        this.#carrier.finish(this.#id);
      }
    } catch {
      // The host has reset the stream; reading tells why.
      this.#failPieces(broken(true));
      this.#finish = "done";
    }
    this.#letGoIfOver();
  }

  #failPieces(error: ExchangeError): void {
    for (const piece of this.#pieces.splice(0)) piece.failed(error);
  }

  #endBy(error: ExchangeError, code?: ResetCode): void {
    this.#end = error;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
    this.#letGo([], error, code);
    this.#wakeReader?.();
  }

  #letGoIfOver(): void {
    if (this.#end === null && this.#finish === "done") this.#letGo([], broken(true));
  }

  #letGo(kept: Item[], error: ExchangeError, code: ResetCode = ResetCode.cancelled): void {
    if (this.#kept !== undefined) return;
    this.#kept = kept;
    this.#failPieces(error);
    this.#carrier.release(this.#id, code);
    this.#becomeIdle();
  }

  #becomeIdle(): void {
    if (this.#isIdle) return;
    this.#isIdle = true;
    this.#options.onIdle();
  }
}

function broken(sent: boolean): ExchangeError {
  return new ExchangeError("the direct path broke", sent);
}

function wasReset(code: ResetCode): ExchangeError {
  return new ExchangeError(`reset by the host (${code})`, code !== ResetCode.refused && code !== ResetCode.relayOnly, code);
}
