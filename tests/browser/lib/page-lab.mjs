// The page script alone: a server that is edge and origin at once, and a tab that plays the host
// (static/test/page/lab/host.ts). Sockets below /ws/ behave the same natively and directly.

import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocketServer } from "ws";
import { bundle } from "../../../static/build.ts";
import { build } from "../../../static/node_modules/esbuild/lib/main.js";

export async function startPageLab() {
  const lab = new PageLab();
  await lab.start();
  return lab;
}

class PageLab {
  /** A script that is not there. */
  missing;
  /** Changes of what the page is told. */
  config = {};
  #server = createServer((request, response) => void this.#answer(request, response));
  #sockets = new WebSocketServer({ noServer: true });
  #scripts = new Map();
  #host;
  #pages = new Map();
  #held;

  async start() {
    const folder = await mkdtemp(join(tmpdir(), "wingman-page-"));
    await bundle(folder);
    await build({
      absWorkingDir: join(import.meta.dirname, "../../../static"),
      entryPoints: ["test/page/lab/host.ts"],
      outfile: join(folder, "host.js"),
      bundle: true,
      tsconfigRaw: {},
      logLevel: "warning",
    });
    for (const name of ["page.js", "extras.js", "worker.js", "host.js"]) this.#scripts.set(name, await readFile(join(folder, name)));
    await rm(folder, { recursive: true });
    const clock = (name) => `window.${name} = performance.now();`;
    this.#scripts.set("page.js", `${clock("beforeScript")}${this.#scripts.get("page.js")};${clock("afterScript")}`);
    this.#server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.url = `http://lab.localhost:${this.#server.address().port}`;
  }

  /** Signaling sockets that are open. */
  get signaling() {
    return this.#pages.size;
  }

  /** Cuts the signaling sockets. */
  cutSignaling() {
    for (const socket of this.#pages.values()) socket.terminate();
  }

  /** Says something to every page as the edge would. */
  sayToPages(message) {
    for (const socket of this.#pages.values()) socket.send(JSON.stringify({ sessionId: "lab", from: "host", ...message }));
  }

  /** The tag of the visitor that the relay knows the browser as. */
  visitor;

  /** Keeps what pages say to the host, until one of them asks for `/api/release`. */
  hold() {
    this.#held = [];
  }

  release() {
    for (const text of this.#held?.splice(0) ?? []) this.#host?.send(text);
    this.#held = undefined;
  }

  /** What pages said last, by type. */
  heard = [];

  async stop() {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request, response) {
    const { pathname } = new URL(request.url, this.url);
    const name = pathname.replace("/_wingman/", "").replace("/", "");
    const script = this.#scripts.get(name);
    if (name === this.missing) {
      response.destroy();
    } else if (script) {
      response.writeHead(200, { "content-type": "text/javascript; charset=utf-8", "service-worker-allowed": "/" }).end(script);
    } else if (pathname === "/_wingman/echo") {
      response.writeHead(204, this.visitor ? { "wingman-visitor-tag": this.visitor } : {}).end();
    } else if (pathname === "/host") {
      response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>host</title><script src=/host.js></script>");
    } else if (pathname.startsWith("/api/")) {
      if (pathname === "/api/release") this.release();
      response.writeHead(200, { "content-type": "text/plain", "x-path": "relay" }).end("relay");
    } else {
      const config = { session: "lab", direct: true, badge: true, timeoutMs: 10000, stun: [], relayOnlyPaths: ["/host", "/relay-only/"], ...this.config };
      const attribute = JSON.stringify(config).replaceAll("&", "&amp;").replaceAll("'", "&#39;");
      const native = "<script>window.NativeWebSocket = WebSocket</script>";
      const tag = `<script src="/_wingman/page.js" data-wingman='${attribute}'></script>`;
      response.writeHead(200, { "content-type": "text/html" });
      response.end(`<!doctype html><html><head>${native}${tag}<title>lab</title></head><body><h1>lab</h1></body></html>`);
    }
  }

  #upgrade(request, socket, head) {
    const { pathname, searchParams } = new URL(request.url, this.url);
    if (pathname.endsWith("/ws/refuse")) {
      socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (socket) => {
      if (pathname === "/host") this.#onHost(socket);
      else if (pathname === "/_wingman/signal") this.#onPage(socket, searchParams.get("peer"));
      else serveNatively(socket, pathname.slice(pathname.indexOf("/ws/")));
    });
  }

  #onHost(socket) {
    this.#host = socket;
    socket.on("message", (data) => {
      const { peer, message } = JSON.parse(data);
      this.#pages.get(peer)?.send(JSON.stringify(message));
    });
  }

  #onPage(socket, peer) {
    this.#pages.set(peer, socket);
    socket.on("close", () => {
      if (this.#pages.get(peer) === socket) this.#pages.delete(peer);
    });
    socket.on("message", (data) => {
      const message = JSON.parse(data);
      this.heard.push(message);
      if (message.type === "connection-state") return;
      const text = JSON.stringify({ peer, message });
      if (this.#held) this.#held.push(text);
      else this.#host?.send(text);
    });
  }
}

function serveNatively(socket, path) {
  socket.on("message", (data, isBinary) => socket.send(isBinary ? data : String(data)));
  const soon = (act) => setTimeout(act, 50);
  if (path === "/ws/server-close") socket.close(4000, "bye");
  if (path === "/ws/cut") soon(() => socket.terminate());
  if (path === "/ws/invalid") soon(() => socket._socket.write(Buffer.from([0x81, 2, 0xff, 0xfe])));
  if (path === "/ws/fragments") {
    socket.on("pong", (data) => socket.send(`pong ${data}`));
    socket.send("hel", { fin: false });
    socket.ping("ping");
    socket.send("lo", { fin: true });
  }
}
