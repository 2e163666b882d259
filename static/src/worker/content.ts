/** The content of a response on its way from the page to the app, with credit for what the app has taken. */

import { WINDOW } from "../port.ts";

/** What a content needs of its exchange. */
export interface ContentSource {
  /** The app took so many bytes. */
  credit(bytes: number): void;
  /** The app wants no more. */
  cancel(): void;
}

export class Content {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Bytes that came so far. */
  received = 0;
  #credited = 0;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #onRoom: () => void = () => undefined;
  #cancelled = false;
  /** Of what it is filled from. */
  #rest: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined;

  constructor(source: ContentSource) {
    this.stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => {
          this.#onRoom();
          const taken = this.received - (WINDOW - this.#room);
          const due = taken - this.#credited;
          if (due < WINDOW / 4) return;
          this.#credited = taken;
          source.credit(due);
        },
        cancel: () => {
          this.#cancelled = true;
          this.#leaveRest();
          source.cancel();
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: WINDOW }),
    );
  }

  put(bytes: Uint8Array<ArrayBuffer>): void {
    this.received += bytes.length;
    this.#controller.enqueue(bytes);
  }

  finish(): void {
    this.#controller.close();
  }

  /** The app sees what it would see if the network broke. */
  fail(): void {
    this.#controller.error(new TypeError("network error"));
  }

  /** The rest comes from elsewhere, until `length` bytes are there; from now on from `rest` only. */
  async continueWith(rest: ReadableStream<Uint8Array<ArrayBuffer>>, length: number): Promise<void> {
    this.#leaveRest();
    // Not by `for await`: Safari has had it for a short time only.
    const reader = rest.getReader();
    this.#rest = reader;
    const isOver = (): boolean => this.#cancelled || this.#rest !== reader;
    try {
      for (let next = await reader.read(); next.value && !isOver(); next = await reader.read()) {
        this.put(next.value);
        while (this.#room <= 0 && !isOver()) await new Promise<void>((resolve) => (this.#onRoom = resolve));
      }
      if (isOver()) return;
      if (this.received !== length) throw new TypeError();
      this.finish();
    } catch {
      if (!isOver()) this.fail();
    } finally {
      void reader.cancel().catch(() => undefined);
    }
  }

  #leaveRest(): void {
    void this.#rest?.cancel().catch(() => undefined);
    this.#rest = undefined;
    this.#onRoom();
  }

  get #room(): number {
    return this.#controller.desiredSize ?? 0;
  }
}
