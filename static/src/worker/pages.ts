/** The pages that have given us a port, and which of them carries a request. */

import { ACK_DEADLINE, type Bind, type PageToWorker, type PortState, type WorkerToPage } from "../port.ts";
import { Exchange } from "./exchange.ts";
import { requestFields } from "./fields.ts";
import { isRelayOnly } from "./guards.ts";

export class Pages {
  /** By client id. A cache: after a restart of the worker it is empty and pages bind again. */
  readonly #pages = new Map<string, Page>();

  bind(clientId: string, bind: Bind, port: MessagePort): void {
    const page = new Page(clientId, bind, port, () => {
      if (this.#pages.get(clientId) === page) this.#pages.delete(clientId);
    });
    this.#pages.get(clientId)?.leave(false);
    this.#pages.set(clientId, page);
    // Pages that crash say no `bye`. Without locks there is only `bye`.
    void navigator.locks.request(bind.lock, () => {
      page.leave(false);
    });
  }

  /** The page of a client, whether or not its direct path is up. */
  of(clientId: string): Page | undefined {
    return this.#pages.get(clientId);
  }

  /** Whom to ask: the client's own page, else one that a person looks at (timers of hidden pages may be slow). */
  choose(clientId: string, url: string): Page | undefined {
    const others = [...this.#pages.values()].filter((page) => page.state.visible);
    return [this.of(clientId), ...others].find((page) => page?.takes(url));
  }

  /** Any of them. */
  get first(): Page | undefined {
    return this.#pages.values().next().value;
  }

  get none(): boolean {
    return !this.#pages.size;
  }
}

export class Page {
  state: PortState;
  /** The origin wants HTTP authentication, which the browser adds below the worker. */
  needsBrowser = false;
  /** It let an acknowledgement pass and has said nothing since: its thread is busy. */
  #busy = false;
  #nextId = 0;
  /** What it is not told yet. */
  #relayed: Relayed | undefined;
  readonly #clientId: string;
  readonly #bind: Bind;
  readonly #port: MessagePort;
  readonly #onGone: () => void;
  readonly #exchanges = new Map<number, { readonly exchange: Exchange; readonly asker: string }>();

  constructor(clientId: string, bind: Bind, port: MessagePort, onGone: () => void) {
    this.#clientId = clientId;
    this.#bind = bind;
    this.state = bind;
    this.#port = port;
    this.#onGone = onGone;
    port.onmessage = ({ data }: MessageEvent<PageToWorker>) => {
      this.#take(data);
    };
  }

  takes(url: string): boolean {
    return this.state.up && !this.#busy && !this.needsBrowser && !isRelayOnly(url, this.#bind.relayOnlyPaths);
  }

  /** Asks for `request`, whose content was read already, on behalf of the client `asker`. */
  ask(request: Request, content: ArrayBuffer | undefined, requestId: string, asker: string): Exchange {
    const id = this.#nextId++;
    const exchange = new Exchange(
      id,
      (message) => {
        this.tell(message);
      },
      (silent) => {
        this.#exchanges.delete(id);
        this.#busy ||= silent;
      },
    );
    this.#exchanges.set(id, { exchange, asker });
    const { pathname, search } = new URL(request.url);
    this.tell({
      type: "req",
      id,
      deadline: Date.now() + ACK_DEADLINE,
      method: request.method,
      target: pathname + search,
      fields: requestFields(request, content, requestId, this.#bind.browser),
      content,
      anonymous: request.credentials === "omit",
    });
    return exchange;
  }

  tell(message: WorkerToPage): void {
    this.#port.postMessage(message);
  }

  /** Counts an exchange of this page that goes by relay, or content of one. The page hears of it soon, and of many at once. */
  relayed({ exchanges = 1, sent = 0, received = 0 }: Partial<Relayed>): void {
    if (!this.#relayed) {
      setTimeout(() => {
        if (this.#relayed) this.tell({ type: "relayed", ...this.#relayed });
        this.#relayed = undefined;
      }, REPORT_DELAY);
    }
    const before = this.#relayed ?? { exchanges: 0, sent: 0, received: 0 };
    this.#relayed = { exchanges: before.exchanges + exchanges, sent: before.sent + sent, received: before.received + received };
  }

  /** Its port is of no use any more. `away`: the page said so, and all that it asked for is of no use either. */
  leave(away: boolean): void {
    this.#onGone();
    this.#port.close();
    for (const { exchange, asker } of this.#exchanges.values()) exchange.pageGone(away && asker === this.#clientId);
  }

  #take(message: PageToWorker): void {
    this.#busy = false;
    if (message.type === "bye") this.leave(true);
    else if (message.type === "state") this.state = message;
    else this.#exchanges.get(message.id)?.exchange.take(message);
  }
}

/** Exchanges, and bytes of their content. */
type Relayed = Omit<Extract<WorkerToPage, { type: "relayed" }>, "type">;

/** Milliseconds between reports of relayed exchanges. */
const REPORT_DELAY = 200;
