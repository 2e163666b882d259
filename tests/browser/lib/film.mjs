// An origin with a film that is too large for a player to have it whole, and that answers ranges.

import { once } from "node:events";
import { readFile, rm, mkdtemp } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Program } from "./program.mjs";

/** What its film takes: snow cannot be compressed, so half a megabyte a second. */
export const FILM_SECONDS = 60;

const PAGE = `<!doctype html><meta charset="utf-8"><title>film</title><link rel="icon" href="data:,">
<video id="film" muted width="320" height="240"></video>`;

export async function startFilm() {
  const film = new Film();
  await film.start();
  return film;
}

class Film {
  port;
  /** The `Range` of each request for the film. */
  ranges = [];
  #content;
  #server = createServer((request, response) => this.#answer(request, response));

  async start() {
    this.#content = await makeFilm();
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = this.#server.address().port;
  }

  get length() {
    return this.#content.length;
  }

  async stop() {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  #answer(request, response) {
    if (request.url !== "/film.webm") {
      const isPage = request.url === "/";
      return response.writeHead(isPage ? 200 : 404, { "content-type": "text/html" }).end(isPage ? PAGE : "");
    }
    const { range } = request.headers;
    this.ranges.push(range);
    const fields = { "content-type": "video/webm", "accept-ranges": "bytes", etag: '"film"', "cache-control": "no-store" };
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "") ?? [];
    if (first === undefined) return response.writeHead(200, { ...fields, "content-length": this.length }).end(this.#content);
    const part = this.#content.subarray(Number(first), last ? Number(last) + 1 : undefined);
    const contentRange = `bytes ${first}-${Number(first) + part.length - 1}/${this.length}`;
    response.writeHead(206, { ...fields, "content-length": part.length, "content-range": contentRange }).end(part);
  }
}

async function makeFilm() {
  const folder = await mkdtemp(join(tmpdir(), "wingman-film-"));
  const path = join(folder, "film.webm");
  const pipeline = `videotestsrc pattern=snow num-buffers=${FILM_SECONDS * 10} ! video/x-raw,width=320,height=240,framerate=10/1
    ! vp8enc deadline=1 target-bitrate=4000000 keyframe-max-dist=10 ! webmmux ! filesink location=${path}`;
  try {
    await Program.run("gst-launch-1.0", ["--quiet", ...pipeline.split(/\s+/)], { deadline: 60_000, env: { ...process.env, HOME: folder } });
    return await readFile(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
