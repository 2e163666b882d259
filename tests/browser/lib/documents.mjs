// An origin of a few documents that a test brings, and of what they ask for.

import { once } from "node:events";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { sleep } from "./time.mjs";

/** `documents`: HTML by path. */
export async function startDocuments(documents) {
  const origin = new Documents(documents);
  await origin.start();
  return origin;
}

class Documents {
  port;
  /** How often `GET /slow` was executed. */
  slow = 0;
  /** The contents of `POST /report`, parsed. */
  reports = [];
  #documents;
  #server = createServer((request, response) => void this.#answer(request, response));
  #sockets = new WebSocketServer({ server: this.#server, path: "/echo" });
  #released = () => undefined;

  constructor(documents) {
    this.#documents = documents;
  }

  async start() {
    this.#sockets.on("connection", (socket) => socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary })));
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = this.#server.address().port;
  }

  /** Lets what waits in `GET /slow` be answered. */
  release() {
    this.#released();
  }

  async stop() {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #answer(request, response) {
    const { pathname } = new URL(request.url, "http://origin");
    const reply = (type, content) => response.writeHead(200, { "content-type": type, "cache-control": "no-store" }).end(content);
    const document = this.#documents[pathname];
    if (document !== undefined) {
      // Not `no-store`, which keeps a document out of the back/forward cache.
      return response.writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-cache" }).end(document);
    }
    switch (pathname) {
      case "/api":
        return reply("application/json", JSON.stringify({ cookie: request.headers.cookie ?? "" }));
      case "/echo":
        return reply("application/octet-stream", await read(request));
      case "/report":
        this.reports.push(JSON.parse(await read(request)));
        return reply("text/plain", "");
      case "/slow":
        this.slow++;
        await new Promise((resolve) => (this.#released = resolve));
        return reply("text/plain", "slow");
      case "/slow.js":
        // Time for a direct path to come up.
        await sleep(1_000);
        return reply("text/javascript", "");
      case "/module.js":
        return reply("text/javascript", "export const answer = 42;");
      case "/picture.svg":
        return reply("image/svg+xml", '<svg xmlns="http://www.w3.org/2000/svg" width="7" height="5"/>');
      case "/login":
        response.setHeader("set-cookie", "session=secret; HttpOnly; Path=/");
        return response.writeHead(303, { location: "/" }).end();
      case "/events":
        response.writeHead(200, { "content-type": "text/event-stream" });
        return response.write("data: first\n\n");
      default:
        return response.writeHead(404).end();
    }
  }
}

async function read(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces);
}
