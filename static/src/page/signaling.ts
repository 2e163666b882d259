/**
 * The signaling socket of one peer: it comes back when it was lost, and what is said in between waits.
 */

import { SIGNAL_PATH } from "../wire/direct.ts";
import { type Id } from "../wire/id.ts";
import type { Signal } from "../wire/signal.ts";
import { backoff } from "./backoff.ts";

/** A message without what is the same in all of them. */
export type Said = Signal extends infer S ? (S extends unknown ? Omit<S, "sessionId" | "from"> : never) : never;

/** Messages that wait for the socket; an offer and its candidates are a dozen. */
const MAX_WAITING = 64;
/** A socket that lived so long was a good one: the next try may be soon. */
const GOOD_MS = 10_000;

export class Signaling {
  /** What the host (or the edge) says. It is not checked; what throws is ignored. */
  onmessage: ((message: Signal) => void) | undefined;
  readonly #session: string;
  readonly #url: string;
  #socket: WebSocket | undefined;
  readonly #waiting: string[] = [];
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(session: string, peer: Id) {
    this.#session = session;
    this.#url = `${location.origin.replace("http", "ws")}${SIGNAL_PATH}?peer=${peer}`;
    this.#connect();
  }

  /** Sent now, or when the socket is there. */
  say(said: Said): void {
    const text = JSON.stringify({ ...said, sessionId: this.#session, from: "client" });
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(text);
    else if (this.#waiting.push(text) > MAX_WAITING) this.#waiting.shift();
  }

  /** The network is back: do not wait for the next try. */
  hurry(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#attempt = 0;
    this.#connect();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.onmessage = undefined;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  #connect(): void {
    this.#timer = undefined;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    let opened = Infinity;
    socket.onopen = (): void => {
      opened = performance.now();
      for (const text of this.#waiting.splice(0)) socket.send(text);
    };
    socket.onmessage = ({ data }: MessageEvent<unknown>): void => {
      try {
        this.onmessage?.(JSON.parse(String(data)) as Signal);
      } catch {
        // Of a newer host.
      }
    };
    socket.onclose = (): void => {
      if (this.#socket !== socket) return;
      if (performance.now() - opened > GOOD_MS) this.#attempt = 0;
      this.#timer = setTimeout(() => {
        this.#connect();
      }, backoff(this.#attempt++, Math.random()));
    };
  }
}
