// A socket.io server that serves its own client and echoes what it gets.

import { once } from "node:events";
import { createServer } from "node:http";
import { Server } from "socket.io";
import { freePort } from "./program.mjs";

const PAGE =
  '<!doctype html><meta charset="utf-8"><title>socket.io</title><link rel="icon" href="data:,"><script src="/socket.io/socket.io.js"></script>';

export async function startSocketIoApp() {
  const app = new SocketIoApp();
  app.port = await freePort();
  await app.start();
  return app;
}

class SocketIoApp {
  port;
  #http;
  #io;

  /** Starts it, again on the same port if it was stopped. */
  async start() {
    this.#http = createServer((request, response) => {
      response.setHeader("content-type", "text/html").end(PAGE);
    });
    this.#io = new Server(this.#http);
    this.#io.on("connection", (socket) => socket.on("echo", (value, reply) => reply(value)));
    this.#http.listen(this.port, "127.0.0.1");
    await once(this.#http, "listening");
  }

  async stop() {
    this.#http.closeAllConnections();
    await this.#io.close();
  }
}

/** In the page: connects `window.socket`, and gives the transport that it ends up with. */
export async function connectSocketIo(options) {
  const socket = window.io({ ...options, reconnectionDelay: 200, reconnectionDelayMax: 500, forceNew: true });
  window.socket = socket;
  await new Promise((resolve, reject) => {
    socket.on("connect", resolve);
    socket.on("connect_error", reject);
  });
  if (!options.transports) {
    await new Promise((resolve) => {
      if (socket.io.engine.transport.name === "websocket") resolve();
      else socket.io.engine.on("upgrade", resolve);
    });
  }
  return socket.io.engine.transport.name;
}

/** In the page: `count` echoes of all sizes, ten at a time; gives the numbers of those that came back wrong. */
export async function echoes(count) {
  const wrong = [];
  const lane = async (first) => {
    for (let n = first; n < count; n += 10) {
      const sent = { n, text: "grüße ".repeat(n % 50), bytes: new Uint8Array(n).fill(n) };
      const back = await window.socket.timeout(15_000).emitWithAck("echo", sent);
      const bytes = new Uint8Array(back.bytes);
      if (back.n !== n || back.text !== sent.text || bytes.length !== n || bytes.some((byte) => byte !== n % 256)) wrong.push(n);
    }
  };
  await Promise.all(Array.from({ length: 10 }, (_, first) => lane(first)));
  return wrong;
}
