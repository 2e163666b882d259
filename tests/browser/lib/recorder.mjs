// An origin that remembers what it was asked, by the name of the case in the query.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { sampleBytes } from "./sample-app.mjs";

const pixel = Buffer.from("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7", "base64");
const alphabet = Buffer.from("abcdefghijklmnopqrstuvwxyz");
const encoders = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync };

/** `folder` below fixtures/ has the page's own script, `cases.js`. */
export async function startRecorder(folder) {
  const script = await readFile(join(import.meta.dirname, "../fixtures", folder, "cases.js"));
  const recorder = new Recorder(script);
  await recorder.listen();
  return recorder;
}

class Recorder {
  /** What was asked since the last `forget`: lists by the name of the case. */
  seen = new Map();
  #script;
  #server = createServer((request, response) => this.#answer(request, response));

  constructor(script) {
    this.#script = script;
    this.#server.keepAliveTimeout = 60_000;
  }

  async listen() {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = this.#server.address().port;
  }

  forget() {
    this.seen = new Map();
  }

  async stop() {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #answer(request, response) {
    const url = new URL(request.url, "http://origin");
    const pieces = [];
    try {
      for await (const piece of request) pieces.push(piece);
    } catch {
      return;
    }
    const body = Buffer.concat(pieces);
    const record = describe(request, body);
    const name = url.searchParams.get("case") ?? new URLSearchParams(body.toString()).get("case");
    if (name) this.seen.set(name, [...(this.seen.get(name) ?? []), record]);
    const answer = answers[`/${url.pathname.split("/")[1]}`];
    if (answer) answer({ request, response, url, record, body, script: this.#script });
    else response.writeHead(404, { "content-type": "text/plain" }).end("nothing here");
  }
}

/** What is the same whatever the connection was. */
function describe(request, body) {
  const lines = [];
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    lines.push([request.rawHeaders[at].toLowerCase(), request.rawHeaders[at + 1]]);
  }
  // Boundaries are random, in Firefox their lengths too.
  const boundary = /boundary=(\S+)/.exec(request.headers["content-type"] ?? "")?.[1];
  const text = boundary ? body.toString("latin1").replaceAll(boundary, "BOUNDARY") : body.toString("latin1");
  const uniform = (name, value) => (name === "content-length" ? String(text.length) : value.replace(boundary, "BOUNDARY"));
  return {
    method: request.method,
    url: request.url,
    lines: lines.map(([name, value]) => [name, boundary ? uniform(name, value) : value]),
    content: `${text.length} ${createHash("sha256").update(text, "latin1").digest("hex").slice(0, 16)}`,
  };
}

const text = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" };

const answers = {
  "/page": ({ response }) => {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" });
    response.end('<!doctype html><html><head><title>cases</title></head><body><script src="/cases.js"></script></body></html>');
  },
  "/cases.js": ({ response, script }) =>
    response.writeHead(200, { "content-type": "text/javascript", "cache-control": "no-store" }).end(script),
  "/echo": ({ response, record }) =>
    response.writeHead(200, text).end(JSON.stringify({ method: record.method, url: record.url, content: record.content })),
  "/form": ({ response, record }) =>
    response.writeHead(200, { ...text, "content-type": "text/html" }).end(`seen ${record.method} ${record.content}`),
  "/status": ({ response, url }) => {
    const status = Number(url.searchParams.get("status"));
    response.writeHead(status, { ...text, "x-status": String(status) });
    response.end([204, 205, 304].includes(status) ? undefined : `status ${status}`);
  },
  "/redirect": ({ response, url }) => {
    const steps = Number(url.searchParams.get("steps") ?? 1);
    const next = new URLSearchParams({ case: url.searchParams.get("case"), after: "redirect" });
    let place = `/echo/landed?${next}`;
    if (steps > 1) place = `/redirect?${new URLSearchParams({ ...Object.fromEntries(url.searchParams), steps: steps - 1 })}`;
    if (url.searchParams.has("fragment")) place += `#${url.searchParams.get("fragment")}`;
    response.writeHead(Number(url.searchParams.get("status")), { ...text, location: place }).end("elsewhere");
  },
  "/circle": ({ response, url }) => response.writeHead(302, { ...text, location: url.pathname + url.search }).end(),
  "/range": ({ request, response }) => {
    const fields = { ...text, etag: '"v1"', "accept-ranges": "bytes", "last-modified": "Wed, 21 Oct 2026 07:28:00 GMT" };
    if (request.headers["if-none-match"] === '"v1"' || request.headers["if-modified-since"]) return response.writeHead(304, fields).end();
    const asked = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? "");
    const holds = !request.headers["if-range"] || request.headers["if-range"] === '"v1"';
    if (!asked || !holds) return response.writeHead(200, fields).end(alphabet);
    const [, first, last] = asked;
    const start = first === "" ? alphabet.length - Number(last) : Number(first);
    const end = first === "" || last === "" ? alphabet.length - 1 : Math.min(Number(last), alphabet.length - 1);
    if (start > end) return response.writeHead(416, { ...fields, "content-range": `bytes */${alphabet.length}` }).end();
    const part = alphabet.subarray(start, end + 1);
    response.writeHead(206, { ...fields, "content-range": `bytes ${start}-${end}/${alphabet.length}`, "content-length": part.length }).end(part);
  },
  "/fields": ({ response }) => {
    response.writeHead(200, [
      "content-type", "text/plain", "x-one", "1", "x-two", "a", "x-two", "b, c", "x-empty", "", "x-latin", "\u00e9",
      "link", "</a>; rel=next", "link", "</b>; rel=prev", "vary", "x-one", "cache-control", "no-store", "server-timing", "db;dur=5",
      "x-powered-by", "recorder", "server", "recorder/1", "via", "1.1 someone",
    ]).end("fields");
  },
  "/encoded": ({ response, url }) => {
    const encoding = url.searchParams.get("encoding");
    response.writeHead(200, { ...text, "content-encoding": encoding }).end(encoders[encoding](`encoded in ${encoding}`.repeat(50)));
  },
  "/fixed": ({ response }) => response.writeHead(200, text).end("hello"),
  "/json": ({ response }) => response.writeHead(200, { ...text, "content-type": "application/json", "x-more": "1" }).end('{"a":[1,"ü"]}'),
  "/document": ({ response }) => response.writeHead(200, { ...text, "content-type": "text/html" }).end("<title>a document</title>"),
  "/drip": ({ response }) => {
    response.writeHead(200, text);
    let left = 5;
    const timer = setInterval(() => {
      response.write(`piece ${left};`);
      if (--left === 0) {
        clearInterval(timer);
        response.end();
      }
    }, 40);
  },
  "/bytes": ({ response, url }) => {
    const length = Number(url.searchParams.get("length"));
    response.writeHead(200, { ...text, "content-type": "application/octet-stream", "content-length": length }).end(sampleBytes(length));
  },
  "/cut": ({ response, url }) => {
    const how = url.searchParams.get("how");
    if (how === "before the head") return response.destroy();
    response.writeHead(200, how === "length" ? { ...text, "content-length": 1000 } : text);
    response.write("only the beginning", () => setTimeout(() => response.destroy(), 50));
  },
  "/never": () => {},
  "/endless": ({ response }) => {
    response.writeHead(200, text);
    const timer = setInterval(() => response.write("and on "), 20);
    response.on("close", () => clearInterval(timer));
  },
  "/pixel.gif": ({ response }) => response.writeHead(200, { ...text, "content-type": "image/gif" }).end(pixel),
  "/script.js": ({ response }) => response.writeHead(200, { ...text, "content-type": "text/javascript" }).end("window.scriptRan = true"),
  "/module.js": ({ response }) =>
    response.writeHead(200, { ...text, "content-type": "text/javascript" }).end("window.moduleRan = true; export const value = import.meta.url.split('?')[1]"),
  "/style.css": ({ response }) => response.writeHead(200, { ...text, "content-type": "text/css" }).end("i { color: red }"),
  "/worker.js": ({ response }) =>
    response.writeHead(200, { ...text, "content-type": "text/javascript" }).end(
      "fetch('/echo?case=a+fetch+of+a+worker').then((r) => r.text()).then((text) => postMessage(text), (e) => postMessage(e.name))",
    ),
  "/events": ({ response }) => {
    response.writeHead(200, { ...text, "content-type": "text/event-stream" });
    response.write("id: 1\ndata: a\n\nid: 2\ndata: b\n\n");
    setTimeout(() => response.write("id: 3\ndata: ü\n\n"), 50);
  },
};
