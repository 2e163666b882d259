/**
 * Serves the worker's requests over the direct path. For each: `ack` at once, or `nak`; then the response in pieces as
 * the worker gives credit; `err` where it breaks.
 */

import { type ErrorKind, type FallbackCause, type PageToWorker, type Req, WINDOW, type WorkerToPage } from "../port.ts";
import { ResetCode } from "../wire/code.ts";
import { join } from "../wire/buffer.ts";
import { field } from "../wire/direct.ts";
import { utf8 } from "../wire/head.ts";
import { type Direct, type DirectExchange, ExchangeError } from "./direct.ts";
import type { Stats } from "./state.ts";

/** What serving requests needs of the page. */
export interface RequestsContext {
  readonly direct: Direct;
  readonly stats: Stats;
  /** A request went from direct to relay, `ms` after it was asked for. */
  readonly onFallback: (cause: FallbackCause, ms: number) => void;
}

export class Requests {
  /** Nothing is served any more. */
  closed = false;
  readonly #port: MessagePort;
  readonly #context: RequestsContext;
  readonly #served = new Map<number, Served>();

  readonly #onRelay: () => void;

  /** `onRelay`: the worker may have relayed something itself. */
  constructor(port: MessagePort, context: RequestsContext, onRelay: () => void) {
    this.#port = port;
    this.#onRelay = onRelay;
    this.#context = context;
    port.onmessage = (event: MessageEvent<WorkerToPage>) => {
      this.#take(event.data);
    };
  }

  /** How many requests are under way. */
  get open(): number {
    return this.#served.size;
  }

  tell(message: PageToWorker, transfer: Transferable[] = []): void {
    if (!this.closed) this.#port.postMessage(message, transfer);
  }

  /** Ends it all. `leaving`: whoever asked goes away too, nothing is left for the relay. */
  close(leaving: boolean): void {
    if (leaving) this.tell({ type: "bye" });
    for (const [id, served] of this.#served) {
      if (!leaving) this.tell({ type: "err", id, kind: "path" });
      served.cancel(leaving ? ResetCode.cancelled : ResetCode.pathLost);
    }
    this.closed = true;
    this.#served.clear();
    // Not `close()`: that could overtake what was posted just now.
    this.#port.onmessage = null;
  }

  #take(message: WorkerToPage): void {
    const { stats, onFallback } = this.#context;
    switch (message.type) {
      case "req":
        this.#begin(message);
        break;
      case "credit":
        this.#served.get(message.id)?.credit(message.bytes);
        break;
      case "cancel":
        this.#served.get(message.id)?.cancel();
        this.#served.delete(message.id);
        break;
      case "relayed":
        this.#onRelay();
        stats.exchanges.relay += message.exchanges;
        stats.bytes.relay.sent += message.sent;
        stats.bytes.relay.received += message.received;
        break;
      case "fallback":
        this.#onRelay();
        onFallback(message.cause, message.ms);
        break;
    }
  }

  #begin(req: Req): void {
    const { id, content, method, target } = req;
    const fields = [...req.fields];
    try {
      // An app may forbid it.
      if (!req.anonymous) fields.push([field.documentCookie, utf8(document.cookie)], [field.documentPath, location.pathname]);
      // The worker waits no longer: it may have asked the relay by now.
      if (Date.now() > req.deadline) throw new ExchangeError("late", false);
      const exchange = this.#context.direct.open({ method, target, fields }, content && new Uint8Array(content));
      const served = new Served(exchange);
      this.#served.set(id, served);
      this.tell({ type: "ack", id });
      void this.#serve(id, served, content?.byteLength ?? 0);
    } catch {
      this.tell({ type: "nak", id });
    }
  }

  async #serve(id: number, served: Served, sent: number): Promise<void> {
    const { exchanges, bytes } = this.#context.stats;
    try {
      const { status, fields } = await served.exchange.head;
      this.tell({ type: "head", id, status, fields });
      exchanges.direct++;
      bytes.direct.sent += sent;
      let length = 0;
      for await (const content of served.content()) {
        length += content.byteLength;
        bytes.direct.received += content.byteLength;
        this.tell({ type: "data", id, content }, [content]);
      }
      this.tell({ type: "end", id, length });
    } catch (error) {
      this.tell({ type: "err", id, kind: errorKind(error) });
    }
    this.#served.delete(id);
  }
}

/** A request under way. */
class Served {
  readonly exchange: DirectExchange;
  #window = WINDOW;
  #wake: () => void = () => undefined;

  constructor(exchange: DirectExchange) {
    this.exchange = exchange;
  }

  credit(bytes: number): void {
    this.#window += bytes;
    this.#wake();
  }

  cancel(code?: ResetCode): void {
    this.exchange.cancel(code);
    this.credit(Infinity);
  }

  /** The content in buffers that may be transferred: what is there already goes together, nothing waits for more. */
  async *content(): AsyncGenerator<ArrayBuffer, void, void> {
    let next = this.exchange.read();
    for (let piece = await next; piece; piece = await next) {
      const batch: Uint8Array[] = [];
      let size = 0;
      for (let ready: typeof piece | null | undefined = piece; ready; ready = size < BATCH ? await now(next) : null) {
        batch.push(ready);
        size += ready.length;
        next = this.exchange.read();
        // Awaited below, perhaps only after some credit.
        next.catch(() => undefined);
      }
      while (this.#window <= 0) await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#window -= size;
      yield join(batch);
    }
  }
}

/** Smaller buffers cost more than they save on the port. */
const BATCH = 64 * 1024;

/** What `promise` gives if it does so without waiting for another task. A rejection is left for who awaits it. */
async function now<T>(promise: Promise<T>): Promise<T | undefined> {
  let value: T | undefined;
  promise.then(
    (given) => (value = given),
    () => undefined,
  );
  // Each is one turn of promises; an async function that returns at once takes one to three.
  for (let turn = 0; turn < 4 && value === undefined; turn++) await Promise.resolve();
  return value;
}

function errorKind(error: unknown): ErrorKind {
  if (!(error instanceof ExchangeError)) return "path";
  const { sent, code } = error;
  if (code === ResetCode.relayOnly || code === ResetCode.refused) return "declined";
  if (!sent) return "unsent";
  return code === undefined ? "path" : "reset";
}
