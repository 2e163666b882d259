/** `window.bench`: bulk and small exchanges through our frames, without the worker. One peer at a time. */

import { Exchange } from "../../../../static/src/page/exchange.ts";
import { parseConfig } from "../../../../static/src/page/config.ts";
import { Peer } from "../../../../static/src/page/peer.ts";
import { field } from "../../../../static/src/wire/direct.ts";
import { encodeRequest } from "../../../../static/src/wire/head.ts";
import type { Reason } from "../../../../static/src/wire/signal.ts";

/** A lane; the control channel is for small things. */
const LANE = 1;
const PIECE = 64 * 1024;
/** More than any measurement moves. */
const ENDLESS = 1_000_000_000_000;

interface Moved {
  readonly bytes: number;
  readonly ms: number;
}

class Bench {
  #peer: Peer | undefined;

  /** How long it took, in ms. */
  connect(): Promise<number> {
    const tag = document.querySelector<HTMLScriptElement>("script[data-wingman]");
    const config = parseConfig(tag?.dataset["wingman"]);
    if (config === undefined) throw new Error("the document has no configuration of ours");
    const began = performance.now();
    return new Promise((resolve, reject) => {
      this.#peer = new Peer(config, {
        up: () => {
          resolve(performance.now() - began);
        },
        heard: () => undefined,
        roundTrip: () => undefined,
        lost: (reason: Reason) => {
          reject(new Error(`lost: ${reason}`));
        },
      });
    });
  }

  async down(ms: number): Promise<Moved> {
    const exchange = this.#open("GET", `/download?bytes=${ENDLESS}`, false);
    await exchange.head;
    const began = performance.now();
    let bytes = 0;
    for (;;) {
      const piece = await exchange.read();
      if (piece === null) throw new Error("the download has ended");
      bytes += piece.length;
      const elapsed = performance.now() - began;
      if (elapsed >= ms) {
        exchange.cancel();
        return { bytes, ms: elapsed };
      }
    }
  }

  async up(ms: number): Promise<Moved> {
    const exchange = this.#open("POST", "/upload", true);
    const piece = new Uint8Array(PIECE);
    const began = performance.now();
    while (performance.now() - began < ms) await exchange.write(piece);
    exchange.finish();
    await exchange.head;
    const elapsed = performance.now() - began;
    const { bytes } = JSON.parse(await text(exchange)) as { bytes: number };
    return { bytes, ms: elapsed };
  }

  /** The time of each of `count` small requests, one after the other, ms. */
  async small(count: number, path: string): Promise<number[]> {
    const times = [];
    for (let done = 0; done < count; done++) {
      const began = performance.now();
      await text(this.#open("GET", path, false));
      times.push(performance.now() - began);
    }
    return times;
  }

  close(): void {
    this.#peer?.close("page-gone");
    this.#peer = undefined;
  }

  #open(method: string, target: string, upgrade: boolean): Exchange {
    const carrier = this.#peer?.carriers[LANE];
    if (carrier === undefined) throw new Error("not connected");
    // Without cookies, which the host would have to know.
    const fields = [[field.credentials, "omit"]] as const;
    const head = encodeRequest({ method, target, scheme: "http", authority: location.host, fields });
    return new Exchange(carrier, { head, content: undefined, upgrade, onIdle: () => undefined });
  }
}

async function text(exchange: Exchange): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for (let piece; (piece = await exchange.read()) !== null; ) text += decoder.decode(piece, { stream: true });
  return text;
}

(window as unknown as { bench: Bench }).bench = new Bench();
