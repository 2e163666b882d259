/**
 * A WebSocket on the direct path: the members of `WebSocket` for an object that the app holds (`outer`).
 *
 * It speaks RFC 6455 over an upgraded exchange. If the handshake never gets an answer, it becomes a native socket
 * behind the same object; after the answer it lives and dies with the path (1006, and no error event, as natively).
 */

import { COOKIES_PATH, field } from "../wire/direct.ts";
import { type FieldLine, utf8 } from "../wire/head.ts";
import { ResetCode } from "../wire/code.ts";
import { newId } from "../wire/id.ts";
import { type Direct, type DirectExchange, ExchangeError, type ResponseHead } from "./direct.ts";
import { acceptLanguage } from "./fields.ts";
import type { Stats } from "./state.ts";
import { type Received, FrameReader, NO_STATUS, Opcode, closePayload, encodeFrame } from "./websocket-frames.ts";

/** What the app asked for, checked. */
export interface Wish {
  readonly url: URL;
  readonly protocols: readonly string[];
}

/** What sockets need of the page. */
export interface SocketContext {
  readonly direct: Direct;
  readonly stats: Stats;
  /** The browser's own. */
  readonly Native: typeof WebSocket;
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

type Handler = "open" | "message" | "error" | "close";

export class DirectSocket {
  readonly extensions = "";
  protocol = "";
  #readyState: 0 | 1 | 2 | 3 = CONNECTING;
  #binaryType: BinaryType = "blob";
  readonly #outer: EventTarget;
  readonly #wish: Wish;
  readonly #exchange: DirectExchange;
  readonly #stats: Stats;
  readonly #Native: typeof WebSocket;
  readonly #handlers = new Map<Handler, { handler: unknown; listener: (event: Event) => void }>();
  /** The handshake got no answer: everything is up to this one. */
  #native: WebSocket | undefined;
  /** What waits for Blobs to be read. */
  #sending: Promise<void> | undefined;
  #blobs = 0;
  #closeTimer: ReturnType<typeof setTimeout> | undefined;
  #closeSent = false;
  /** What the peer's close frame said. */
  #farewell: { readonly code: number; readonly reason: string } | undefined;
  #buffered = 0;

  /** Undefined: not now, use a native one. */
  static open(outer: EventTarget, wish: Wish, { direct, stats, Native }: SocketContext): DirectSocket | undefined {
    const key = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))));
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
    if (wish.protocols.length > 0) fields.push(["sec-websocket-protocol", wish.protocols.join(", ")]);
    let exchange: DirectExchange;
    try {
      exchange = direct.open({ method: "GET", target: wish.url.pathname + wish.url.search, fields }, undefined, true);
    } catch {
      return undefined;
    }
    const socket = new DirectSocket(outer, wish, exchange, stats, Native);
    void socket.#run(key);
    return socket;
  }

  private constructor(outer: EventTarget, wish: Wish, exchange: DirectExchange, stats: Stats, Native: typeof WebSocket) {
    this.#outer = outer;
    this.#wish = wish;
    this.#exchange = exchange;
    this.#stats = stats;
    this.#Native = Native;
  }

  get url(): string {
    return this.#wish.url.href;
  }

  get readyState(): number {
    return this.#native?.readyState ?? this.#readyState;
  }

  get bufferedAmount(): number {
    return this.#native?.bufferedAmount ?? this.#buffered;
  }

  get binaryType(): BinaryType {
    return this.#binaryType;
  }

  set binaryType(type: unknown) {
    const text = String(type);
    if (text !== "blob" && text !== "arraybuffer") return;
    this.#binaryType = text;
    if (this.#native) this.#native.binaryType = text;
  }

  get onopen(): unknown {
    return this.#handler("open");
  }
  set onopen(handler: unknown) {
    this.#setHandler("open", handler);
  }
  get onmessage(): unknown {
    return this.#handler("message");
  }
  set onmessage(handler: unknown) {
    this.#setHandler("message", handler);
  }
  get onerror(): unknown {
    return this.#handler("error");
  }
  set onerror(handler: unknown) {
    this.#setHandler("error", handler);
  }
  get onclose(): unknown {
    return this.#handler("close");
  }
  set onclose(handler: unknown) {
    this.#setHandler("close", handler);
  }

  send(...[data]: [unknown?]): void {
    if (arguments.length === 0) {
      throw new TypeError("Failed to execute 'send' on 'WebSocket': 1 argument required, but only 0 present.");
    }
    if (this.#native) {
      this.#native.send(data as string);
      return;
    }
    if (this.#readyState === CONNECTING) {
      throw new DOMException("Failed to execute 'send' on 'WebSocket': Still in CONNECTING state.", "InvalidStateError");
    }
    const isText = !(data instanceof Blob || data instanceof ArrayBuffer || ArrayBuffer.isView(data));
    const payload = isText ? new TextEncoder().encode(String(data)) : data instanceof Blob ? data : bytesOf(data);
    this.#buffered += payload instanceof Blob ? payload.size : payload.length;
    if (this.#readyState === OPEN) this.#send(isText ? Opcode.Text : Opcode.Binary, payload);
  }

  close(code?: number, reason?: string): void {
    if (code !== undefined) {
      code = clamp(code);
      if (code !== 1000 && !(code >= 3000 && code <= 4999)) {
        throw new DOMException(
          `Failed to execute 'close' on 'WebSocket': The close code must be either 1000, or between 3000 and 4999. ${code} is neither.`,
          "InvalidAccessError",
        );
      }
    }
    const text = new TextEncoder().encode(reason ?? "");
    if (text.length > 123) {
      throw new DOMException(
        "Failed to execute 'close' on 'WebSocket': The close reason must not be greater than 123 UTF-8 bytes.",
        "SyntaxError",
      );
    }
    if (this.#native) {
      this.#native.close(code, reason);
    } else if (this.#readyState === CONNECTING) {
      this.#readyState = CLOSING;
      setTimeout(() => {
        this.#over(true);
      });
    } else if (this.#readyState === OPEN) {
      this.#close(code ?? (text.length > 0 ? 1000 : undefined), text);
    }
  }

  #handler(type: Handler): unknown {
    return this.#handlers.get(type)?.handler ?? null;
  }

  /** An attribute keeps the place among the listeners that it had when it was first set. */
  #setHandler(type: Handler, handler: unknown): void {
    const old = this.#handlers.get(type);
    const isHandler = typeof handler === "function" || (typeof handler === "object" && handler !== null);
    if (old && isHandler) {
      old.handler = handler;
    } else if (old) {
      this.#handlers.delete(type);
      this.#outer.removeEventListener(type, old.listener);
    } else if (isHandler) {
      const entry = {
        handler,
        listener: (event: Event): void => {
          if (typeof entry.handler === "function") Reflect.apply(entry.handler, this.#outer, [event]);
        },
      };
      this.#handlers.set(type, entry);
      this.#outer.addEventListener(type, entry.listener);
    }
  }

  async #run(key: string): Promise<void> {
    let head: ResponseHead;
    try {
      head = await this.#exchange.head;
      await takeCookies(head);
    } catch (error) {
      // The path broke before the answer, or only the relay can do it. A handshake may be repeated.
      const isOurs = !(error instanceof ExchangeError) || error.code === undefined || !error.sent;
      if (isOurs || error.code === ResetCode.relayOnly || error.code === ResetCode.refused) this.#goNative();
      else this.#over(true);
      return;
    }
    const protocol = find(head, "sec-websocket-protocol");
    const isAnswer =
      head.status === 101 &&
      find(head, "upgrade")?.toLowerCase() === "websocket" &&
      find(head, "sec-websocket-accept") === (await accept(key)) &&
      find(head, "sec-websocket-extensions") === undefined &&
      (protocol === undefined ? this.#wish.protocols.length === 0 : this.#wish.protocols.includes(protocol));
    if (this.#readyState !== CONNECTING) return;
    if (!isAnswer) {
      this.#over(true);
      return;
    }
    this.#stats.exchanges.direct++;
    this.protocol = protocol ?? "";
    this.#readyState = OPEN;
    this.#emit(new Event("open"));
    const reader = new FrameReader();
    try {
      for (;;) {
        const bytes = await this.#exchange.read();
        if (bytes === null) break;
        this.#stats.bytes.direct.received += bytes.length;
        for (const received of reader.read(bytes)) this.#receive(received);
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
      case "close": {
        const { code } = received;
        this.#farewell = received;
        if (!this.#closeSent) this.#close(code === NO_STATUS ? undefined : code, new Uint8Array());
        // The answer may wait behind a Blob.
        void Promise.resolve(this.#sending).then(() => {
          this.#over(false);
        });
        break;
      }
      case "broken":
        if (!this.#closeSent) this.#close(received.code, new Uint8Array());
        this.#over(true);
        break;
      default: {
        if (this.#readyState !== OPEN) return;
        const data =
          received.kind === "text" ? received.text
          : this.#binaryType === "blob" ? new Blob([received.bytes])
          : received.bytes.buffer;
        this.#emit(new MessageEvent("message", { data, origin: this.#wish.url.origin }));
      }
    }
  }

  #close(code: number | undefined, reason: Uint8Array): void {
    this.#readyState = CLOSING;
    this.#closeSent = true;
    this.#send(Opcode.Close, closePayload(code, reason));
    this.#closeTimer = setTimeout(() => {
      this.#over(false);
    }, CLOSE_DEADLINE_MS);
  }

  /** In the order of the calls, also where a Blob has to be read first. */
  #send(opcode: Opcode, payload: Uint8Array | Blob): void {
    if (payload instanceof Uint8Array && this.#sending === undefined) {
      this.#write(encodeFrame(opcode, payload), opcode === Opcode.Close ? 0 : payload.length);
      return;
    }
    const before = this.#sending;
    // The app may change its bytes when `send` has returned.
    const bytes = payload instanceof Blob ? payload.arrayBuffer().then((buffer) => new Uint8Array(buffer)) : payload.slice();
    this.#blobs++;
    this.#sending = (async (): Promise<void> => {
      await before;
      try {
        const read = await bytes;
        this.#write(encodeFrame(opcode, read), opcode === Opcode.Close ? 0 : read.length);
      } catch {
        this.#over(true);
      }
      if (--this.#blobs === 0) this.#sending = undefined;
    })();
  }

  #write(frame: Uint8Array, counted = 0): void {
    this.#exchange.write(frame).then(
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
    clearTimeout(this.#closeTimer);
    if (this.#closeSent) {
      this.#exchange.finish();
      setTimeout(() => {
        this.#exchange.cancel();
      }, LINGER_MS);
    } else {
      this.#exchange.cancel();
    }
    if (isError) this.#emit(new Event("error"));
    const { code = ABNORMAL, reason = "" } = (isError ? undefined : this.#farewell) ?? {};
    this.#emit(new CloseEvent("close", { code, reason, wasClean: code !== ABNORMAL }));
  }

  #goNative(): void {
    if (this.#readyState !== CONNECTING) return;
    this.#exchange.cancel();
    this.#stats.exchanges.relay++;
    const native = new this.#Native(this.#wish.url, [...this.#wish.protocols]);
    this.#native = native;
    native.binaryType = this.#binaryType;
    native.onopen = (): void => {
      this.protocol = native.protocol;
      this.#emit(new Event("open"));
    };
    native.onmessage = ({ data, origin }: MessageEvent<unknown>): void => {
      this.#emit(new MessageEvent("message", { data, origin }));
    };
    native.onerror = (): void => {
      this.#emit(new Event("error"));
    };
    native.onclose = ({ code, reason, wasClean }): void => {
      this.#emit(new CloseEvent("close", { code, reason, wasClean }));
    };
  }

  #emit(event: Event): void {
    this.#outer.dispatchEvent(event);
  }
}

function bytesOf(data: ArrayBuffer | ArrayBufferView): Uint8Array {
  return data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** `[Clamp] unsigned short` of Web IDL. */
function clamp(code: unknown): number {
  return Math.min(65_535, Math.max(0, Math.round(Number(code)) || 0));
}

function find(head: ResponseHead, name: string): string | undefined {
  return head.fields.find((line) => line[0] === name)?.[1];
}

/** RFC 6455 §4.2.2. */
async function accept(key: string): Promise<string> {
  const text = new TextEncoder().encode(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  return btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest("SHA-1", text))));
}

/** Cookies of the 101 wait for a request by relay. */
async function takeCookies(head: ResponseHead): Promise<void> {
  const ticket = find(head, field.ticket);
  if (ticket === undefined) return;
  const answer = await fetch(COOKIES_PATH + ticket, { signal: AbortSignal.timeout(COOKIES_DEADLINE_MS) });
  if (!answer.ok) throw new Error("cookies are gone");
}
