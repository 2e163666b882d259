// The worker on a stage: a minimal ServiceWorkerGlobalScope around the real code, pages at the other end of real ports,
// and a relay that records what it is asked for.

import { once } from "node:events";
import { ACK_DEADLINE, type Bind, type PageToWorker, PORT_VERSION, type Req, type WorkerToPage } from "../../src/port.ts";

export const ORIGIN = "http://session.localhost:8080";

/** What pages say of their browser. */
export const BROWSER = { userAgent: "Test/1", languages: ["de-CH", "de", "en"] } as const;

/** What the relay answers. */
export type Relay = (request: Request) => Response | Promise<Response>;

/** The first one starts; each import is a worker of its own. */
let starts = 0;

export class Stage {
  relay: Relay = () => new Response("by relay");
  /** What the worker asked the relay for. */
  readonly relayed: Request[] = [];
  /** Messages to clients, by id. */
  readonly told: [string, unknown][] = [];
  unregistered = 0;
  claims = 0;
  updates = 0;
  routes: unknown[] = [];
  readonly caches = new Set(["app-cache", "wingman-1"]);
  readonly #listeners = new Map<string, (event: object) => void>();
  readonly #clients: readonly string[];
  readonly #active: boolean;

  /** Starts a worker. `active`: it has been installed before. */
  static async start({ active = false, clients = ["tab"], relay }: { active?: boolean; clients?: string[]; relay?: Relay } = {}): Promise<Stage> {
    const stage = new Stage(active, clients);
    if (relay) stage.relay = relay;
    stage.#install();
    const entry = `../../src/worker/main.ts?start=${starts++}`;
    await import(entry);
    await tick();
    return stage;
  }

  private constructor(active: boolean, clients: readonly string[]) {
    this.#active = active;
    this.#clients = clients;
  }

  #install(): void {
    const client = (id: string): object => ({ id, postMessage: (message: unknown) => this.told.push([id, message]) });
    const self = {
      location: new URL(ORIGIN + "/_wingman/worker.js"),
      addEventListener: (type: string, listener: (event: object) => void) => this.#listeners.set(type, listener),
      skipWaiting: () => Promise.resolve(),
      clients: {
        claim: () => Promise.resolve(this.claims++),
        matchAll: () => Promise.resolve(this.#clients.map(client)),
      },
      registration: {
        active: this.#active ? {} : null,
        update: () => Promise.resolve(this.updates++),
        unregister: () => Promise.resolve(this.unregistered++),
      },
    };
    const globals = {
      self,
      location: self.location,
      Client: FakeClient,
      caches: {
        keys: () => Promise.resolve([...this.caches]),
        delete: (name: string) => Promise.resolve(this.caches.delete(name)),
      },
      fetch: async (input: Request | string, init?: RequestInit) => {
        const request = input instanceof Request ? input : new Request(new URL(input, ORIGIN), init);
        this.relayed.push(request);
        return await this.relay(request);
      },
    };
    for (const [name, value] of Object.entries(globals)) {
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    }
  }

  dispatch(type: string, event: object): Promise<unknown> {
    let work: Promise<unknown> = Promise.resolve();
    this.#listeners.get(type)!({ waitUntil: (promise: Promise<unknown>) => (work = promise), ...event });
    return work;
  }

  /** A page binds. */
  async bind(clientId: string, { version = PORT_VERSION, ...options }: Partial<Bind> = {}): Promise<FakePage> {
    const { port1, port2 } = new MessageChannel();
    const page = new FakePage(port1);
    const lock = await page.hold();
    const data: Bind = { wingman: "bind", version, lock, up: true, visible: true, relayOnlyPaths: [], browser: BROWSER, ...options };
    await this.dispatch("message", { data, ports: [port2], source: new FakeClient(clientId) });
    return page;
  }

  /** What the worker does with a request: undefined if it leaves it to the network. */
  fetch(request: Request, clientId = "tab"): Promise<Response> | undefined {
    let answer: Promise<Response> | undefined;
    void this.dispatch("fetch", { request, clientId, respondWith: (response: Promise<Response>) => (answer = response) });
    return answer;
  }
}

class FakeClient {
  readonly id: string;

  constructor(id: string) {
    this.id = id;
  }
}

/** A page's end of a port. */
export class FakePage {
  /** All messages but requests. */
  readonly heard: WorkerToPage[] = [];
  readonly #port: MessagePort;
  readonly #requests: Req[] = [];
  #onMessage: () => void = () => undefined;
  #release: () => void = () => undefined;

  constructor(port: MessagePort) {
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<WorkerToPage>) => {
      if (data.type === "req") this.#requests.push(data);
      else this.heard.push(data);
      this.#onMessage();
    };
  }

  /** Holds its lock and gives its name. */
  hold(): Promise<string> {
    const name = `lock-${Math.random()}`;
    return new Promise((held) => {
      void navigator.locks.request(name, () => {
        held(name);
        return new Promise<void>((resolve) => (this.#release = resolve));
      });
    });
  }

  /** It dies and says nothing. */
  crash(): void {
    this.#release();
  }

  /** The next request. */
  async req(): Promise<Req> {
    await this.#until(() => this.#requests.length > 0);
    const req = this.#requests.shift()!;
    if (req.deadline - Date.now() > ACK_DEADLINE) throw new Error("a deadline in the future");
    return req;
  }

  /** The first message of a type. */
  async hears<T extends WorkerToPage["type"]>(type: T): Promise<Extract<WorkerToPage, { type: T }>> {
    const found = (): WorkerToPage | undefined => this.heard.find((message) => message.type === type);
    await this.#until(() => found() !== undefined);
    return found() as Extract<WorkerToPage, { type: T }>;
  }

  say(...messages: PageToWorker[]): void {
    for (const message of messages) this.#port.postMessage(message);
  }

  /** Acknowledges, and answers with `content` in pieces; `length`: what it says at the end, if it does. */
  answer(id: number, content: string[], fields: [string, string][] = [], length?: number): void {
    this.say({ type: "ack", id }, { type: "head", id, status: 200, fields });
    for (const piece of content) this.data(id, piece);
    if (length !== undefined) this.say({ type: "end", id, length });
  }

  data(id: number, piece: string): void {
    this.say({ type: "data", id, content: new TextEncoder().encode(piece).buffer });
  }

  close(): void {
    this.#release();
    this.#port.close();
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => (this.#onMessage = resolve));
  }
}

/** A request as a browser would hand it over; `more` has what Node's constructor does not take. */
export function request(target: string, init: RequestInit = {}, more: Record<string, unknown> = {}): Request {
  const made = new Request(new URL(target, ORIGIN), init);
  const attributes = { referrer: ORIGIN + "/", ...more };
  for (const [name, value] of Object.entries(attributes)) Object.defineProperty(made, name, { value });
  return made;
}

/** All tasks that are due have run, and messages have passed. */
export async function tick(): Promise<void> {
  for (let count = 0; count < 3; count++) {
    const { port1, port2 } = new MessageChannel();
    const came = once(port2, "message");
    port1.postMessage(null);
    await came;
    port1.close();
    port2.close();
  }
}
