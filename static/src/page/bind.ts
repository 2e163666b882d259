/**
 * The page's end of the worker: registers it, gives it a port, keeps it alive while it works for this page, takes the
 * port back when the page goes.
 *
 * 1. No worker if the app has one of its own here: ours would replace it.
 * 2. The worker gets a port whenever it becomes the controller, has restarted, or the page comes back from the
 *    back/forward cache. It awaits a lock that the page holds: pages that crash say no `bye`.
 * 3. Browsers stop a worker after 30 s without an event. A message from the page is one, a message on the port is not.
 */

import { PORT_VERSION, type FallbackCause, type PageToController, type PortState, type WorkerToClient } from "../port.ts";
import { WORKER_PATH } from "../wire/direct.ts";
import { newId } from "../wire/id.ts";
import type { Direct } from "./direct.ts";
import { policiesAllow } from "./policy.ts";
import { Requests } from "./requests.ts";
import type { Stats } from "./state.ts";

/** What the worker's end of a page needs of the page. */
export interface Binding {
  readonly direct: Direct;
  readonly relayOnlyPaths: readonly string[];
  readonly stats: Stats;
  /** A request went from direct to relay, `ms` after it was asked for. */
  readonly onFallback: (cause: FallbackCause, ms: number) => void;
  /** The worker is bound to this page; or why no request of it can go directly. */
  readonly onBound: (why: Unbound | undefined) => void;
}

/** Why requests of a page cannot go directly. */
export type Unbound = "unsupported" | "app-worker" | "worker-refused" | "session-ended";

export class WorkerBinding {
  readonly #binding: Binding;
  readonly #container = navigator.serviceWorker;
  /** Undefined: not bound. */
  #port: BoundPort | undefined;
  #lastUse = -Infinity;

  /** Binds this page, or says why not; call it before any script of the app runs. */
  static start(binding: Binding): WorkerBinding | undefined {
    if (!("serviceWorker" in navigator && "locks" in navigator)) {
      binding.onBound("unsupported");
      return undefined;
    }
    return new WorkerBinding(binding);
  }

  private constructor(binding: Binding) {
    this.#binding = binding;
    this.#container.addEventListener("controllerchange", (event) => {
      if (!isOurs(this.#container.controller)) {
        this.#release("app-worker");
        return;
      }
      // An app may reload its page when a worker takes over, and would mean its own.
      event.stopImmediatePropagation();
      this.#bind();
    });
    this.#container.addEventListener("message", (event: MessageEvent<WorkerToClient | undefined>) => {
      if (!isOurs(event.source)) return;
      event.stopImmediatePropagation();
      if (event.data?.wingman === "rebind") this.#bind();
      if (event.data?.wingman === "ended") this.#release("session-ended");
    });
    addEventListener("pagehide", () => {
      this.#release();
    });
    addEventListener("pageshow", (event) => {
      if (event.persisted) this.#bind();
    });
    document.addEventListener("visibilitychange", () => {
      this.update();
    });
    setInterval(() => {
      this.#keepAlive();
    }, PING_INTERVAL);
    void this.#register();
  }

  /** The direct path went up or down. */
  update(): void {
    this.#port?.requests.tell({ type: "state", ...this.#state });
  }

  /** The session is over: nothing of ours stays in the browser. */
  async end(): Promise<void> {
    this.#release("session-ended");
    const registration = await this.#container.getRegistration(location.href);
    if (registration && isOurs(newest(registration))) await registration.unregister();
  }

  async #register(): Promise<void> {
    // Claimed by an earlier page: nothing to wait for.
    if (isOurs(this.#container.controller)) {
      this.#bind();
      return;
    }
    try {
      const present = await this.#container.getRegistration(location.href);
      if (present && !isOurs(newest(present))) {
        this.#binding.onBound("app-worker");
        return;
      }
      // A policy of the document may have come meanwhile; the browser would complain.
      if (!policiesAllow()) return;
      const { active } = await this.#container.register(origin + WORKER_PATH, { scope: origin + "/" });
      // After a hard reload a page has no controller; a new worker claims it unasked.
      if (active && !this.#container.controller) this.#say("claim", active);
    } catch {
      // The policy of the app forbids it, or the relay is away; the next page tries again.
      this.#binding.onBound("worker-refused");
    }
  }

  #bind(): void {
    const controller = this.#container.controller;
    if (!isOurs(controller)) return;
    this.#port?.release(false);
    const port = new BoundPort(this.#binding, () => (this.#lastUse = performance.now()));
    this.#port = port;
    void port.hold(() => {
      const { relayOnlyPaths } = this.#binding;
      const { lock } = port;
      const { userAgent, languages } = navigator;
      const browser = { userAgent, languages };
      const bind: PageToController = { wingman: "bind", version: PORT_VERSION, lock, relayOnlyPaths, browser, ...this.#state };
      controller?.postMessage(bind, [port.theirs]);
      this.#binding.onBound(undefined);
    });
  }

  #release(why?: Unbound): void {
    this.#port?.release(true);
    this.#port = undefined;
    if (why) this.#binding.onBound(why);
  }

  get #state(): PortState {
    return { up: this.#binding.direct.up, visible: document.visibilityState === "visible" };
  }

  #keepAlive(): void {
    const worksForUs = this.#port?.requests.open || performance.now() - this.#lastUse < LINGER;
    if (worksForUs) this.#say("ping", this.#container.controller);
  }

  #say(wingman: "ping" | "claim", worker: ServiceWorker | null): void {
    if (isOurs(worker)) worker?.postMessage({ wingman } satisfies PageToController);
  }
}

/** A port, and the lock that stands for the page's life. */
class BoundPort {
  readonly lock = `wingman-${newId()}`;
  readonly requests: Requests;
  readonly theirs: MessagePort;
  readonly #released: Promise<void>;
  #release!: () => void;

  constructor(binding: Binding, onRelay: () => void) {
    const { port1, port2 } = new MessageChannel();
    this.requests = new Requests(port1, binding, onRelay);
    this.theirs = port2;
    this.#released = new Promise((resolve) => (this.#release = resolve));
  }

  /** Calls `bound` once the lock is held, and holds it until {@link release}. */
  async hold(bound: () => void): Promise<void> {
    await navigator.locks.request(this.lock, () => {
      if (!this.requests.closed) bound();
      return this.#released;
    });
  }

  /** `leaving`: the page goes away. Otherwise what is under way is for the relay. */
  release(leaving: boolean): void {
    this.requests.close(leaving);
    this.#release();
  }
}

/** Browsers stop a worker after 30 s without an event. */
const PING_INTERVAL = 10_000;
/** For so long after a request went by relay its response may pass through the worker, milliseconds. */
const LINGER = 300_000;

/** What a registration is going to be. */
const newest = ({ installing, waiting, active }: ServiceWorkerRegistration): ServiceWorker | null =>
  installing ?? waiting ?? active;

const isOurs = (worker: MessageEventSource | null): boolean =>
  worker instanceof ServiceWorker && new URL(worker.scriptURL).pathname === WORKER_PATH;
