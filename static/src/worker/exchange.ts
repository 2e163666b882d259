/**
 * One request that a page was asked for. {@link Exchange.answer} gives the response head, or that the relay has to take
 * over; later trouble shows in the content.
 */

import { ACK_TIMEOUT, type FallbackCause, type FieldLine, type PageToWorker, type WorkerToPage } from "../port.ts";
import { Content } from "./content.ts";

/** What came of asking a page. */
export type Answer =
  | { readonly kind: "head"; readonly status: number; readonly fields: readonly FieldLine[]; readonly content: Content }
  /** `executed`: it may have been, so that the copy needs the same request id. */
  | { readonly kind: "relay"; readonly cause: RelayCause; readonly executed: boolean }
  /** Whoever asked is gone as well. */
  | { readonly kind: "gone" };

/** `declined`: the host wants it so; that is no fallback. */
export type RelayCause = FallbackCause | "declined";

/** Continues a content that broke off. */
export type Resume = () => void;

type State =
  | { readonly at: "asked"; readonly timer: ReturnType<typeof setTimeout> }
  | { readonly at: "acknowledged" }
  /** The head is here, the app has not got it. */
  | { readonly at: "answered"; readonly content: Content }
  | { readonly at: "delivered"; readonly content: Content; readonly resume: Resume | undefined }
  /** No acknowledgement came. The page may be at it all the same: it is told to stop once the relay has answered. */
  | { readonly at: "abandoned" }
  /** It broke before it was delivered. */
  | { readonly at: "broken" }
  | { readonly at: "over" };

/** Messages of a page about one exchange. */
export type ExchangeMessage = Extract<PageToWorker, { readonly id: number }>;

export class Exchange {
  /** Never rejects. */
  readonly answer: Promise<Answer>;
  /** The page has said all, or will say no more. Never rejects. */
  readonly ended: Promise<void>;
  readonly #id: number;
  readonly #say: (message: WorkerToPage) => void;
  readonly #onOver: (silent: boolean) => void;
  #settle!: (answer: Answer) => void;
  #finish!: () => void;
  #state: State;

  /** `onOver`: no more messages; `silent`: because no acknowledgement came. */
  constructor(id: number, say: (message: WorkerToPage) => void, onOver: (silent: boolean) => void) {
    this.#id = id;
    this.#say = say;
    this.#onOver = onOver;
    this.answer = new Promise((resolve) => (this.#settle = resolve));
    this.ended = new Promise((resolve) => (this.#finish = resolve));
    const timer = setTimeout(() => {
      // The acknowledgement may wait behind this very timer: only the request id makes it safe to ask again.
      this.#state = { at: "abandoned" };
      this.#onOver(true);
      this.#settle({ kind: "relay", cause: "silent", executed: true });
    }, ACK_TIMEOUT);
    this.#state = { at: "asked", timer };
  }

  take(message: ExchangeMessage): void {
    const state = this.#state;
    switch (message.type) {
      case "ack":
        if (state.at === "asked") this.#become({ at: "acknowledged" });
        return;
      case "nak":
        this.#fail("refused", false);
        return;
      case "head": {
        if (state.at !== "asked" && state.at !== "acknowledged") return;
        const { status, fields } = message;
        const content = new Content({
          credit: (bytes) => {
            this.#say({ type: "credit", id: this.#id, bytes });
          },
          cancel: () => {
            this.cancel();
          },
        });
        this.#become({ at: "answered", content });
        this.#settle({ kind: "head", status, fields, content });
        return;
      }
      case "data":
        if ("content" in state) state.content.put(new Uint8Array(message.content));
        return;
      case "end":
        if (!("content" in state)) return;
        if (message.length !== state.content.received) {
          this.#fail("path", true);
          return;
        }
        this.#end("over");
        state.content.finish();
        return;
      case "err":
        if (message.kind === "unsent") this.#fail("refused", false);
        else this.#fail(message.kind, message.kind !== "declined");
    }
  }

  /** The page is gone; `asker`: it was the one that asked. */
  pageGone(asker: boolean): void {
    if (asker) {
      const state = this.#state;
      this.#end("over");
      if ("content" in state) state.content.fail();
      this.#settle({ kind: "gone" });
    } else this.#fail("page-gone", true);
  }

  /** The app gets the response now: from here on it sees what happens to the content. Throws if that broke already. */
  deliver(resume: Resume | undefined): void {
    const state = this.#state;
    if (state.at === "broken") throw new TypeError("broken");
    if (state.at === "answered") this.#state = { at: "delivered", content: state.content, resume };
  }

  /** Nobody wants the rest. */
  cancel(): void {
    if (this.#state.at === "over" || this.#state.at === "broken") return;
    this.#say({ type: "cancel", id: this.#id });
    this.#end("over");
  }

  #fail(cause: RelayCause, executed: boolean): void {
    const state = this.#state;
    switch (state.at) {
      case "asked":
      case "acknowledged":
        this.#end("over");
        this.#settle({ kind: "relay", cause, executed });
        return;
      case "answered":
        this.#end("broken");
        return;
      case "delivered":
        this.#end("over");
        // An origin that breaks off does so on every path.
        if (state.resume && cause !== "reset") state.resume();
        else state.content.fail();
        return;
      case "abandoned":
      case "broken":
      case "over":
    }
  }

  #end(at: "over" | "broken"): void {
    this.#become({ at });
    this.#finish();
    this.#onOver(false);
  }

  #become(state: State): void {
    if (this.#state.at === "asked") clearTimeout(this.#state.timer);
    this.#state = state;
  }
}
