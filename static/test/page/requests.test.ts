// How a page serves the worker's requests, over a direct path of the test's own making.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { type Direct, type DirectExchange, ExchangeError, type RequestHead, type ResponseHead } from "../../src/page/direct.ts";
import { Requests } from "../../src/page/requests.ts";
import { PageState } from "../../src/page/state.ts";
import { ResetCode } from "../../src/wire/code.ts";
import { ACK_DEADLINE, type PageToWorker, type Req, WINDOW, type WorkerToPage } from "../../src/port.ts";

const ORIGIN = "http://session.localhost:8080";

/** An exchange that does as told. */
class FakeExchange implements DirectExchange {
  readonly head: Promise<ResponseHead>;
  answer!: (head: ResponseHead) => void;
  fail!: (error: unknown) => void;
  /** Pieces that are there. */
  readonly pieces: (Uint8Array<ArrayBuffer> | null)[] = [];
  reads = 0;
  cancelled = 0;
  code: number | undefined;
  #waiting: ((piece: Uint8Array<ArrayBuffer> | null) => void) | undefined;
  #broken: ((error: Error) => void) | undefined;

  constructor() {
    this.head = new Promise((resolve, reject) => {
      this.answer = resolve;
      this.fail = reject;
    });
  }

  give(...pieces: (number | null)[]): void {
    this.pieces.push(...pieces.map((length) => (length === null ? null : new Uint8Array(length).fill(length % 251))));
    if (this.pieces.length) this.#waiting?.(this.pieces.shift()!);
    this.#waiting = undefined;
  }

  breakOff(error: Error): void {
    this.#broken?.(error);
  }

  read(): Promise<Uint8Array<ArrayBuffer> | null> {
    this.reads++;
    const piece = this.pieces.shift();
    if (piece !== undefined) return Promise.resolve(piece);
    return new Promise((resolve, reject) => {
      this.#waiting = resolve;
      this.#broken = reject;
    });
  }

  write(): Promise<void> {
    throw new Error("not for requests");
  }

  finish(): void {
    throw new Error("not for requests");
  }

  cancel(code?: number): void {
    this.code = code;
    this.cancelled++;
    this.breakOff(new ExchangeError("cancelled", true));
  }
}

class FakePath implements Direct {
  up = true;
  onchange = null;
  readonly opened: { head: RequestHead; content: Uint8Array | undefined; exchange: FakeExchange }[] = [];

  open(head: RequestHead, content?: Uint8Array): DirectExchange {
    if (!this.up) throw new ExchangeError("down", false);
    const exchange = new FakeExchange();
    this.opened.push({ head, content, exchange });
    return exchange;
  }
}

let path: FakePath;
let worker: MessagePort;
let requests: Requests;
let state: PageState;
let fallbacks: [string, number][];
let relays: number;
const heard: PageToWorker[] = [];

beforeEach(() => {
  const page = { location: new URL(ORIGIN + "/app/"), document: { cookie: "a=1; b=ü" } };
  for (const [name, value] of Object.entries(page)) Object.defineProperty(globalThis, name, { value, configurable: true });
  const { port1, port2 } = new MessageChannel();
  path = new FakePath();
  state = new PageState();
  fallbacks = [];
  relays = 0;
  heard.length = 0;
  worker = port2;
  worker.onmessage = ({ data }: MessageEvent<PageToWorker>) => heard.push(data);
  const onFallback = (cause: string, ms: number): number => fallbacks.push([cause, ms]);
  requests = new Requests(port1, { direct: path, stats: state.stats, onFallback }, () => relays++);
});
afterEach(() => {
  worker.close();
});

async function tick(): Promise<void> {
  for (let count = 0; count < 4; count++) await new Promise((resolve) => setImmediate(resolve));
}

async function say(...messages: WorkerToPage[]): Promise<void> {
  for (const message of messages) worker.postMessage(message);
  await tick();
}

const req = (id: number, more: Partial<Req> = {}): Req => ({
  type: "req",
  id,
  deadline: Date.now() + ACK_DEADLINE,
  method: "GET",
  target: "/x?y",
  fields: [],
  content: undefined,
  anonymous: false,
  ...more,
});

/** Asks and gives the exchange that was opened for it. */
async function ask(id: number, more: Partial<Req> = {}): Promise<FakeExchange> {
  await say(req(id, more));
  return path.opened.at(-1)!.exchange;
}

const types = (): string[] => heard.map(({ type }) => type);

describe("an exchange", () => {
  test("acknowledged, head, content, end", async () => {
    const exchange = await ask(3);
    assert.deepEqual(heard, [{ type: "ack", id: 3 }]);
    exchange.answer({ status: 201, fields: [["a", "b"]] });
    await tick();
    assert.deepEqual(heard[1], { type: "head", id: 3, status: 201, fields: [["a", "b"]] });
    exchange.give(5);
    await tick();
    exchange.give(7, null);
    await tick();
    assert.deepEqual(types(), ["ack", "head", "data", "data", "end"]);
    assert.deepEqual(heard[4], { type: "end", id: 3, length: 12 });
    assert.equal(requests.open, 0);
    assert.equal(state.stats.exchanges.direct, 1);
    assert.equal(state.stats.bytes.direct.received, 12);
  });

  test("what is there goes together, up to 64 KiB and a piece; nothing waits for more", async () => {
    const exchange = await ask(0);
    exchange.give(...Array<number>(9).fill(16_384), 100, null);
    exchange.answer({ status: 200, fields: [] });
    await tick();
    const sizes = heard.flatMap((message) => (message.type === "data" ? [message.content.byteLength] : []));
    assert.deepEqual(sizes, [65_536, 65_536, 16_484]);
    assert.equal(heard.at(-1)?.type, "end");
  });

  test("content keeps its bytes and order", async () => {
    const exchange = await ask(0);
    exchange.give(3, 4, 5, null);
    exchange.answer({ status: 200, fields: [] });
    await tick();
    const got = heard.flatMap((message) => (message.type === "data" ? [...new Uint8Array(message.content)] : []));
    assert.deepEqual(got, [3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 5]);
  });

  test("no more than the window goes without credit", async () => {
    const exchange = await ask(0);
    exchange.give(...Array<number>(400).fill(16_384), null);
    exchange.answer({ status: 200, fields: [] });
    await tick();
    const sent = (): number => heard.reduce((sum, message) => sum + (message.type === "data" ? message.content.byteLength : 0), 0);
    assert.equal(sent(), WINDOW);
    // Not read either, so that the host gets no credit: one batch at most, and one piece.
    assert.ok(exchange.reads <= WINDOW / 16_384 + 6, `${exchange.reads} reads`);
    await say({ type: "credit", id: 0, bytes: 65_536 });
    assert.equal(sent(), WINDOW + 65_536);
    await say({ type: "credit", id: 0, bytes: 1e9 });
    assert.equal(sent(), 400 * 16_384);
    assert.equal(heard.at(-1)?.type, "end");
  });

  test("cancel ends it, also while it waits for credit", async () => {
    const exchange = await ask(0);
    exchange.give(...Array<number>(100).fill(16_384));
    exchange.answer({ status: 200, fields: [] });
    await tick();
    await say({ type: "cancel", id: 0 });
    assert.equal(exchange.cancelled, 1);
    assert.equal(requests.open, 0);
    await say({ type: "cancel", id: 0 }, { type: "credit", id: 9, bytes: 1 });
    assert.equal(exchange.cancelled, 1);
  });
});

describe("what goes wrong", () => {
  test("late: not executed", async () => {
    await say(req(1, { deadline: Date.now() - 1 }));
    assert.deepEqual(heard, [{ type: "nak", id: 1 }]);
    assert.equal(path.opened.length, 0);
  });

  test("the path is down: not executed", async () => {
    path.up = false;
    await say(req(1));
    assert.deepEqual(heard, [{ type: "nak", id: 1 }]);
    assert.equal(requests.open, 0);
  });

  for (const [what, error, kind] of [
    ["nothing was sent", new ExchangeError("x", false), "unsent"],
    ["the host wants the relay", new ExchangeError("x", true, 13), "declined"],
    ["the host refuses", new ExchangeError("x", false, 2), "declined"],
    ["the path breaks", new ExchangeError("x", true), "path"],
    ["the origin resets", new ExchangeError("x", true, 4), "reset"],
    ["a bug of ours", new TypeError("x"), "path"],
  ] as const) {
    test(`${what}: ${kind}`, async () => {
      (await ask(5)).fail(error);
      await tick();
      assert.deepEqual(heard.at(-1), { type: "err", id: 5, kind });
      assert.equal(state.stats.exchanges.direct, 0);
      assert.equal(requests.open, 0);
    });
  }

  test("in the middle: what came before is delivered first", async () => {
    const exchange = await ask(0);
    exchange.answer({ status: 200, fields: [] });
    exchange.give(10);
    await tick();
    exchange.breakOff(new ExchangeError("x", true));
    await tick();
    assert.deepEqual(types(), ["ack", "head", "data", "err"]);
  });
});

describe("the end", () => {
  test("a page that goes says bye once, and ends everything", async () => {
    const exchange = await ask(0);
    requests.close(true);
    requests.close(true);
    exchange.answer({ status: 200, fields: [] });
    await say(req(1));
    assert.deepEqual(types(), ["ack", "bye"]);
    assert.deepEqual([exchange.cancelled, exchange.code], [1, ResetCode.cancelled]);
  });

  test("a page that only changes the port leaves the rest to the relay", async () => {
    const exchange = await ask(0);
    requests.close(false);
    await tick();
    assert.equal(exchange.code, ResetCode.pathLost);
    assert.deepEqual(heard.slice(1), [{ type: "err", id: 0, kind: "path" }]);
  });
});

test("reports of the worker are counted", async () => {
  await say({ type: "relayed", exchanges: 3, sent: 10, received: 20 }, { type: "fallback", cause: "path", ms: 7 });
  assert.equal(state.stats.exchanges.relay, 3);
  assert.deepEqual(state.stats.bytes.relay, { sent: 10, received: 20 });
  assert.deepEqual(fallbacks, [["path", 7]]);
  assert.equal(relays, 2);
});

describe("heads", () => {
  test("are as the worker said, with the cookies of this page", async () => {
    await ask(0, { method: "PUT", target: "/a?b", fields: [["x", "1"], ["x", "2"]], content: new TextEncoder().encode("12345").buffer });
    const { head, content } = path.opened[0]!;
    assert.deepEqual(head, {
      method: "PUT",
      target: "/a?b",
      fields: [["x", "1"], ["x", "2"], ["wingman-document-cookie", "a=1; b=\u00c3\u00bc"], ["wingman-document-path", "/app/"]],
    });
    assert.equal(new TextDecoder().decode(content), "12345");
  });

  test("have none if the request shall not", async () => {
    await ask(0, { anonymous: true });
    assert.deepEqual(path.opened[0]!.head.fields, []);
    assert.equal(path.opened[0]!.content, undefined);
  });
});
