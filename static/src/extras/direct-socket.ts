/**
 * A WebSocket on the direct path: the members of `WebSocket` for an object that the app holds (`outer`).
 *
 * It speaks RFC 6455 over an upgraded exchange, for which it may have to wait until the path is up. If that does not
 * come, or the handshake never gets an answer, it becomes a native socket behind the same object; after the answer it
 * lives and dies with the path (1006, and no error event, as natively).
 */

import { acceptLanguage } from "../language.ts";
import type { Direct, DirectExchange, ExchangeError } from "../page/direct.ts";
import type { Stats } from "../page/state.ts";
import { COOKIES_PATH, field } from "../wire/direct.ts";
import { type FieldLine, utf8 } from "../wire/head.ts";
import { newId } from "../wire/id.ts";
import { type Received, FrameReader, NO_STATUS, Opcode, encodeFrame } from "./websocket-frames.ts";

/** What the app asked for, checked. */
export interface Wish {
  readonly url: URL;
  readonly protocols: readonly string[];
}

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

/** For the peer's close frame. */
const CLOSE_DEADLINE_MS = 10_000;
/** For the end of the stream after both close frames. */
const LINGER_MS = 2_000;
const COOKIES_DEADLINE_MS = 10_000;
const ABNORMAL = 1006;
const NOTHING = new Uint8Array();
const encoder = new TextEncoder();

/** Begins with a socket, after `wait` if that is given; undefined: not now, use a native one. */
export function openDirectSocket(
  outer: EventTarget,
  wish: Wish,
  direct: Direct,
  stats: Stats,
  Native: typeof WebSocket,
  wait?: Promise<void>,
): DirectSocket | undefined {
  const key = base64(crypto.getRandomValues(new Uint8Array(16)));
  const { pathname, search } = wish.url;
  const open = (): DirectExchange =>
    direct.open({ method: "GET", target: pathname + search, fields: handshake(key, wish.protocols) }, undefined, true);
  try {
    return new DirectSocket(outer, wish, wait ? wait.then(() => open) : open(), key, stats, Native);
  } catch {
    return undefined;
  }
}

function handshake(key: string, protocols: readonly string[]): FieldLine[] {
  const fields: FieldLine[] = [
    ["upgrade", "websocket"],
    ["sec-websocket-version", "13"],
    ["sec-websocket-key", key],
    ["origin", location.origin],
    ["cache-control", "no-cache"],
    ["pragma", "no-cache"],
    ["user-agent", navigator.userAgent],
    ["accept-language", acceptLanguage(navigator.languages)],
    [field.requestId, newId()],
    [field.documentCookie, utf8(document.cookie)],
    [field.documentPath, location.pathname],
  ];
  if (protocols.length > 0) fields.push(["sec-websocket-protocol", protocols.join(", ")]);
  return fields;
}

export class DirectSocket {
  readonly extensions = "";
  readonly url: string;
  protocol = "";
  #readyState: 0 | 1 | 2 | 3 = CONNECTING;
  #binaryType: BinaryType = "blob";
  readonly #outer: EventTarget;
  readonly #wish: Wish;
  /** Undefined: the path is not up yet. */
  #exchange: DirectExchange | undefined;
  readonly #stats: Stats;
  readonly #Native: typeof WebSocket;
  readonly #handlers: Record<string, { handler: unknown; listener: (event: Event) => void } | undefined> = {};
  /** The handshake got no answer: everything is up to this one. */
  #native: WebSocket | undefined;
  /** What waits for Blobs to be read, in order. */
  #sending: Promise<void> | undefined;
  #blobs = 0;
  #buffered = 0;
  #closeSent = false;
  /** What the peer's close frame said. */
  #farewell: { readonly code: number; readonly reason: string } | undefined;

  /** `exchange`: or what gives what opens it, which may throw. */
  constructor(
    outer: EventTarget,
    wish: Wish,
    exchange: DirectExchange | Promise<() => DirectExchange>,
    key: string,
    stats: Stats,
    Native: typeof WebSocket,
  ) {
    this.url = wish.url.href;
    this.#outer = outer;
    this.#wish = wish;
    this.#stats = stats;
    this.#Native = Native;
    if (exchange instanceof Promise) {
      void this.#wait(exchange, key);
    } else {
      this.#exchange = exchange;
      void this.#run(exchange, key);
    }
  }

  get readyState(): number {
    return this.#native?.readyState ?? this.#readyState;
  }

  get bufferedAmount(): number {
    return this.#native?.bufferedAmount ?? this.#buffered;
  }

  get binaryType(): unknown {
    return this.#binaryType;
  }

  set binaryType(type) {
    if (type !== "blob" && type !== "arraybuffer") return;
    this.#binaryType = type;
    if (this.#native) this.#native.binaryType = type;
  }

  send(...parameters: [unknown?]): void {
    const [data] = parameters;
    if (parameters.length === 0) throw new TypeError("WebSocket.send: 1 argument required");
    if (this.#native) {
      this.#native.send(data as string);
      return;
    }
    if (this.#readyState === CONNECTING) throw new DOMException("WebSocket.send: still connecting", "InvalidStateError");
    let opcode: Opcode = Opcode.Binary;
    let payload: Uint8Array | Blob;
    if (data instanceof Blob) {
      payload = data;
    } else if (data instanceof ArrayBuffer) {
      payload = new Uint8Array(data);
    } else if (ArrayBuffer.isView(data)) {
      payload = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    } else {
      opcode = Opcode.Text;
      payload = encoder.encode(String(data));
    }
    this.#buffered += payload instanceof Blob ? payload.size : payload.length;
    if (this.#readyState === OPEN) this.#send(opcode, payload);
  }

  close(code?: unknown, reason: unknown = ""): void {
    // `[Clamp] unsigned short` of Web IDL.
    const number = code === undefined ? undefined : Math.min(65_535, Math.max(0, Math.round(Number(code)) || 0));
    if (number !== undefined && number !== 1000 && (number < 3000 || number > 4999)) {
      throw new DOMException("WebSocket.close: the code must be 1000, or 3000 to 4999", "InvalidAccessError");
    }
    const text = encoder.encode(reason as string);
    if (text.length > 123) throw new DOMException("WebSocket.close: the reason is too long", "SyntaxError");
    if (this.#native) {
      this.#native.close(number, reason as string);
    } else if (this.#readyState === CONNECTING) {
      this.#readyState = CLOSING;
      setTimeout(() => {
        this.#over(true);
      });
    } else if (this.#readyState === OPEN) {
      this.#close(number ?? (text.length > 0 ? 1000 : NO_STATUS), text);
    }
  }

  /** The value of an attribute like `onopen`. */
  handler(name: string): unknown {
    return this.#handlers[name]?.handler ?? null;
  }

  /** An attribute keeps the place among the listeners that it had when it was first set. */
  setHandler(name: string, handler: unknown): void {
    const old = this.#handlers[name];
    const isHandler = typeof handler === "function" || (typeof handler === "object" && handler !== null);
    if (old) {
      old.handler = handler;
      if (isHandler) return;
      this.#handlers[name] = undefined;
      this.#outer.removeEventListener(name.slice(2), old.listener);
    } else if (isHandler) {
      const entry = {
        handler,
        listener: (event: Event): void => {
          if (typeof entry.handler === "function") Reflect.apply(entry.handler, this.#outer, [event]);
        },
      };
      this.#handlers[name] = entry;
      this.#outer.addEventListener(name.slice(2), entry.listener);
    }
  }

  async #wait(opener: Promise<() => DirectExchange>, key: string): Promise<void> {
    const open = await opener;
    // The app may have closed it meanwhile.
    if (this.#readyState !== CONNECTING) return;
    let exchange: DirectExchange;
    try {
      exchange = open();
    } catch {
      this.#goNative();
      return;
    }
    this.#exchange = exchange;
    await this.#run(exchange, key);
  }

  async #run(exchange: DirectExchange, key: string): Promise<void> {
    const { protocols } = this.#wish;
    try {
      const head = await exchange.head;
      const value = (name: string): string | undefined => head.fields.find((line) => line[0] === name)?.[1];
      await takeCookies(value(field.ticket));
      const protocol = value("sec-websocket-protocol");
      const isAnswer =
        head.status === 101 &&
        value("sec-websocket-accept") === (await acceptOf(key)) &&
        value("sec-websocket-extensions") === undefined &&
        (protocol === undefined ? protocols.length === 0 : protocols.includes(protocol));
      if (this.#readyState !== CONNECTING) return;
      if (head.status === 401) {
        // The browser may have a name and password for it.
        this.#goNative();
        return;
      }
      if (!isAnswer) {
        this.#over(true);
        return;
      }
      this.protocol = protocol ?? "";
    } catch (error) {
      // The path broke before the answer, or only the relay can do it. A handshake may be repeated.
      // (Told by its keys: the class is the page script's.)
      const { sent, code } = error as Partial<ExchangeError>;
      if (sent && code !== undefined) this.#over(true);
      else this.#goNative();
      return;
    }
    this.#stats.exchanges.direct++;
    this.#readyState = OPEN;
    this.#emit(new Event("open"));
    await nextTask();
    const reader = new FrameReader();
    try {
      for (let bytes; (bytes = await exchange.read()); ) {
        this.#stats.bytes.direct.received += bytes.length;
        for (const received of reader.read(bytes)) {
          this.#receive(received);
          // Each event has a task of its own, or what an app awaits between two messages would miss the second.
          await nextTask();
        }
      }
    } catch {
      // As at the end: whether it was clean, the close frames say.
    }
    this.#over(false);
  }

  #receive(received: Received): void {
    switch (received.kind) {
      case "ping":
        if (!this.#closeSent) this.#write(encodeFrame(Opcode.Pong, received.bytes));
        break;
      case "close":
        this.#farewell = received;
        if (!this.#closeSent) this.#close(received.code, NOTHING);
        // The answer may wait behind a Blob.
        void Promise.resolve(this.#sending).then(() => {
          this.#over(false);
        });
        break;
      case "broken":
        if (!this.#closeSent) this.#close(received.code, NOTHING);
        this.#over(true);
        break;
      default:
        if (this.#readyState === OPEN) {
          const data =
            received.kind === "text" ? received.text
            : this.#binaryType === "blob" ? new Blob([received.bytes])
            : received.bytes.buffer;
          this.#emit(new MessageEvent("message", { data, origin: this.#wish.url.origin }));
        }
    }
  }

  #close(code: number, reason: Uint8Array): void {
    this.#readyState = CLOSING;
    this.#closeSent = true;
    this.#send(Opcode.Close, code === NO_STATUS ? reason : new Uint8Array([code >> 8, code, ...reason]));
    setTimeout(() => {
      this.#over(false);
    }, CLOSE_DEADLINE_MS);
  }

  /** In the order of the calls, also where a Blob has to be read first. */
  #send(opcode: Opcode, payload: Uint8Array | Blob): void {
    const isBlob = payload instanceof Blob;
    const write = (bytes: Uint8Array): void => {
      this.#write(encodeFrame(opcode, bytes), opcode === Opcode.Close ? 0 : bytes.length);
    };
    if (!isBlob && this.#blobs === 0) {
      write(payload);
      return;
    }
    // The app may change its bytes when `send` has returned.
    const bytes = isBlob ? payload.arrayBuffer().then((buffer) => new Uint8Array(buffer)) : payload.slice();
    this.#blobs++;
    this.#sending = Promise.all([bytes, this.#sending]).then(
      ([bytes]) => {
        this.#blobs--;
        write(bytes);
      },
      () => {
        this.#over(true);
      },
    );
  }

  #write(frame: Uint8Array, counted = 0): void {
    this.#exchange?.write(frame).then(
      () => {
        this.#stats.bytes.direct.sent += frame.length;
        this.#buffered -= counted;
      },
      () => {
        // Reading finds out, too.
      },
    );
  }

  /** The close event, once. */
  #over(isError: boolean): void {
    if (this.#readyState === CLOSED || this.#native) return;
    this.#readyState = CLOSED;
    const cancel = (): void => {
      this.#exchange?.cancel();
    };
    if (this.#closeSent) {
      this.#exchange?.finish();
      setTimeout(cancel, LINGER_MS);
    } else {
      cancel();
    }
    if (isError) this.#emit(new Event("error"));
    const { code, reason } = (isError ? undefined : this.#farewell) ?? { code: ABNORMAL, reason: "" };
    this.#emit(new CloseEvent("close", { code, reason, wasClean: code !== ABNORMAL }));
  }

  #goNative(): void {
    if (this.#readyState !== CONNECTING) return;
    this.#exchange?.cancel();
    this.#stats.exchanges.relay++;
    const native = new this.#Native(this.url, [...this.#wish.protocols]);
    this.#native = native;
    native.binaryType = this.#binaryType;
    for (const type of ["open", "message", "error", "close"]) {
      native.addEventListener(type, (event) => {
        this.protocol = native.protocol;
        // An event has all the keys that its constructor takes.
        this.#emit(new (event.constructor as typeof Event)(type, event));
      });
    }
  }

  #emit(event: Event): void {
    this.#outer.dispatchEvent(event);
  }
}

const turns = new MessageChannel();
const waiting: (() => void)[] = [];
turns.port1.onmessage = (): void => waiting.shift()?.();

function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    turns.port2.postMessage(0);
  });
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

/** RFC 6455 §4.2.2. */
async function acceptOf(key: string): Promise<string> {
  const text = encoder.encode(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  return base64(new Uint8Array(await crypto.subtle.digest("SHA-1", text)));
}

/** Cookies of the 101 wait for a request by relay. */
async function takeCookies(ticket: string | undefined): Promise<void> {
  if (ticket === undefined) return;
  const { ok } = await fetch(origin + COOKIES_PATH + ticket, { signal: AbortSignal.timeout(COOKIES_DEADLINE_MS) });
  if (!ok) throw new Error("cookies are gone");
}
