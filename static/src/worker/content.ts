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
          this.#onRoom();
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

  /** The rest comes from elsewhere, until `length` bytes are there. */
  async continueWith(rest: ReadableStream<Uint8Array<ArrayBuffer>>, length: number): Promise<void> {
    try {
      for await (const bytes of rest) {
        // Leaving the loop cancels the rest, too.
        if (this.#cancelled) return;
        this.put(bytes);
        while (this.#isFull) await new Promise<void>((resolve) => (this.#onRoom = resolve));
      }
      if (this.received !== length) throw new TypeError();
      this.finish();
    } catch {
      // After a cancel there is nobody to tell.
      this.fail();
    }
  }

  get #isFull(): boolean {
    return this.#room <= 0 && !this.#cancelled;
  }

  get #room(): number {
    return this.#controller.desiredSize ?? 0;
  }
}
