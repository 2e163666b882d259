// A Vite dev server with React, in a copy of fixtures/vite-react that tests may edit.

import assert from "node:assert/strict";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Program, freePort } from "./program.mjs";

const root = join(import.meta.dirname, "..");
let count = 0;

export async function startViteApp() {
  const app = new ViteApp();
  await app.start();
  return app;
}

class ViteApp {
  port;
  #folder;
  #server;

  async start() {
    // Below this package, so that imports find its node_modules.
    this.#folder = join(root, ".tmp", `vite-${process.pid}-${count++}`);
    await rm(this.#folder, { recursive: true, force: true });
    await mkdir(join(root, ".tmp"), { recursive: true });
    await cp(join(root, "fixtures/vite-react"), this.#folder, { recursive: true });
    const bin = join(root, "node_modules/vite/bin/vite.js");
    this.#server = await Program.start(process.execPath, [bin, "--port", String(await freePort()), "--strictPort"], {
      cwd: this.#folder,
      env: { ...process.env, NO_COLOR: "1" },
      ready: (line) => line.match(/Local:\s+http:\/\/localhost:(\d+)/)?.[1],
    });
    this.port = this.#server.ready;
  }

  /** Replaces `from`, which must be there. */
  async edit(file, from, to) {
    const path = join(this.#folder, file);
    const before = await readFile(path, "utf8");
    assert.ok(before.includes(from), `${file} has no ${from}`);
    await writeFile(path, before.replace(from, to));
  }

  async stop() {
    await this.#server.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
