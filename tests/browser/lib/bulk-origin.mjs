// An origin with contents of any size that nobody has to keep: they are made as they are sent, and hashed as they come.
//
// The hash of a content is that of the hashes of its pieces of 1 MiB, for browsers cannot hash a stream.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";

const PIECE = 1024 * 1024;

export async function startBulkOrigin() {
  const origin = new BulkOrigin();
  await origin.listen();
  return origin;
}

class BulkOrigin {
  /** Bytes of content that the newest download has given away. */
  sent = 0;
  /** Bytes of content that the newest upload has brought. */
  received = 0;
  #server = createServer((request, response) => this.#answer(request, response));

  async listen() {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = this.#server.address().port;
  }

  async stop() {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #answer(request, response) {
    const url = new URL(request.url, "http://origin");
    try {
      if (url.pathname === "/page") {
        response.writeHead(200, { "content-type": "text/html", "cache-control": "no-store" });
        response.end(`<!doctype html><title>bulk</title><script>window.bulk = (${bulk})(${PIECE})</script>`);
      } else if (url.pathname === "/bytes") {
        await this.#send(Number(url.searchParams.get("length")), response);
      } else if (url.pathname === "/upload") {
        await this.#take(request, response, Number(url.searchParams.get("slow") ?? 0));
      } else {
        response.writeHead(204).end();
      }
    } catch {
      // Who asked is gone.
      response.destroy();
    }
  }

  async #send(length, response) {
    response.writeHead(200, { "content-type": "application/octet-stream", "content-length": length, "cache-control": "no-store" });
    this.sent = 0;
    const { socket } = response;
    const before = socket.bytesWritten;
    const count = () => (this.sent = socket.bytesWritten - before - socket.writableLength);
    for (let at = 0; at < length; at += PIECE) {
      if (!response.write(piece(at / PIECE, Math.min(PIECE, length - at)))) {
        while (response.writableNeedDrain) {
          await pause(20);
          count();
          if (response.destroyed) return;
        }
      }
    }
    response.end();
  }

  /** `slow`: for so many milliseconds it takes 200 kB in a second. */
  async #take(request, response, slow) {
    const hash = new PieceHash();
    const until = performance.now() + slow;
    this.received = 0;
    for await (const data of request) {
      this.received += data.length;
      hash.update(data);
      if (performance.now() < until) await pause((data.length / 200_000) * 1_000);
    }
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ length: this.received, hash: hash.digest() }));
  }
}

/** The hash of a download of so many bytes. */
export function hashOf(length) {
  const hash = new PieceHash();
  for (let at = 0; at < length; at += PIECE) hash.update(piece(at / PIECE, Math.min(PIECE, length - at)));
  return hash.digest();
}

const noise = Buffer.alloc(PIECE);
for (let at = 0, state = 1; at < PIECE; at += 4) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  noise.writeUInt32LE(state, at);
}

/** Differs from all others, and does not shrink. */
function piece(number, length) {
  const made = Buffer.from(noise.subarray(0, length));
  if (length >= 4) made.writeUInt32LE(number, 0);
  return made;
}

class PieceHash {
  #whole = createHash("sha256");
  #piece = createHash("sha256");
  #length = 0;

  update(data) {
    for (let at = 0; at < data.length; ) {
      const part = data.subarray(at, at + PIECE - this.#length);
      this.#piece.update(part);
      this.#length += part.length;
      at += part.length;
      if (this.#length === PIECE) this.#next();
    }
  }

  digest() {
    if (this.#length > 0) this.#next();
    return this.#whole.digest("hex");
  }

  #next() {
    this.#whole.update(this.#piece.digest());
    this.#piece = createHash("sha256");
    this.#length = 0;
  }
}

/** Runs in the page. */
function bulk(PIECE) {
  const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const digest = (bytes) => crypto.subtle.digest("SHA-256", bytes);
  const bulk = {
    /** Bytes that the download has given so far, and how fast it may go on, bytes a second. */
    read: 0,
    rate: Infinity,
    /** Downloads so many bytes and gives their number and hash. */
    async download(length, rate) {
      bulk.read = 0;
      bulk.rate = rate ?? Infinity;
      const response = await fetch(`/bytes?length=${length}`);
      const reader = response.body.getReader();
      const hashes = [];
      const piece = new Uint8Array(PIECE);
      let filled = 0;
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        const { value } = next;
        bulk.read += value.length;
        for (let at = 0; at < value.length; ) {
          const part = value.subarray(at, at + PIECE - filled);
          piece.set(part, filled);
          filled += part.length;
          at += part.length;
          if (filled === PIECE) {
            hashes.push(new Uint8Array(await digest(piece)));
            filled = 0;
          }
        }
        // In small steps, for the rate may change.
        let due = value.length;
        while (Number.isFinite(bulk.rate) && due > 0) {
          await new Promise((resolve) => setTimeout(resolve, 50));
          due -= bulk.rate / 20;
        }
      }
      if (filled > 0) hashes.push(new Uint8Array(await digest(piece.subarray(0, filled))));
      return { length: bulk.read, hash: hex(await digest(await new Blob(hashes).arrayBuffer())) };
    },
    /** Makes what is to be uploaded, so many bytes, and gives its hash. */
    async make(length) {
      const pieces = [];
      const hashes = [];
      for (let at = 0; at < length; at += PIECE) {
        const piece = new Uint8Array(Math.min(PIECE, length - at));
        for (let from = 0; from < piece.length; from += 65_536) crypto.getRandomValues(piece.subarray(from, from + 65_536));
        hashes.push(new Uint8Array(await digest(piece)));
        pieces.push(new Blob([piece]));
      }
      bulk.content = new Blob(pieces);
      // The browser moves it to where blobs are when it is asked for first.
      for (const reader = bulk.content.stream().getReader(); !(await reader.read()).done; );
      return hex(await digest(await new Blob(hashes).arrayBuffer()));
    },
    async upload(how, slow) {
      const target = `/upload?slow=${slow}`;
      const body = bulk.content;
      const asked = {
        blob: () => fetch(target, { method: "POST", body }),
        request: () => fetch(new Request(target, { method: "POST", body })),
      };
      return (await asked[how]()).json();
    },
    /** Exchanges by path. */
    paths: () => ({ ...window.__wingman.stats.exchanges }),
  };
  return bulk;
}
