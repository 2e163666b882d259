// The edge and hosts under test. With DIRECT=1 there are none: the same tests then talk to the
// origins, which tells a fault of a test from a fault of ours.

import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Program, atExit, freePort } from "./program.mjs";
import { until } from "./time.mjs";

export const direct = process.env.DIRECT === "1";
export const binaries = resolve(process.env.WINGMAN_BIN_DIR ?? join(import.meta.dirname, "../../../target/debug"));

/** Starts an edge (none with DIRECT=1). */
export async function startRelay() {
  if (direct) return new Direct();
  const relay = new Relay();
  await relay.start();
  return relay;
}

class Relay {
  /** Where the edge answers Prometheus. */
  metricsPort;
  #edge;
  #port;
  #home;
  #shares = [];

  async start() {
    this.#home = await mkdtemp(join(tmpdir(), "wingman-browser-"));
    atExit.add(this.#removeHome);
    this.#port = await freePort();
    this.metricsPort = await freePort();
    const args = ["--dev", "--listen", `127.0.0.1:${this.#port}`, "--metrics", `127.0.0.1:${this.metricsPort}`];
    const extra = (process.env.WINGMAN_EDGE_ARGS ?? "").split(" ").filter(Boolean);
    this.#edge = await Program.start(join(binaries, "wingman-edge"), [...args, ...extra], { env: this.#env() });
    try {
      await until(15_000, "edge answers", () => fetch(`http://127.0.0.1:${this.#port}/`).then((r) => r.text(), () => ""));
    } catch (error) {
      await this.stop();
      throw new Error(`${error.message}\n${this.#edge.output}`);
    }
  }

  /** Shares `target`, a port or a URL; `extra` arguments of `wingman`. */
  async share(target, extra = []) {
    const args = [String(target), "--edge", `http://localhost:${this.#port}`, "--json", ...extra];
    // A home of its own: restarted here it finds its resume key, and no other host does.
    const home = join(this.#home, String(this.#shares.length));
    const share = new Share(() => Program.start(join(binaries, "wingman"), args, { env: this.#env(home), ready: readyUrl }));
    this.#shares.push(share);
    await share.start();
    return share;
  }

  /** The edge's. */
  get pid() {
    return this.#edge.pid;
  }

  /** The URL of a session that does not exist. */
  get unknownUrl() {
    return `http://nobody-shares-this.localhost:${this.#port}`;
  }

  async stop() {
    await Promise.all([...this.#shares.map((share) => share.stop()), this.#edge?.stop()]);
    this.#removeHome();
    atExit.delete(this.#removeHome);
  }

  #removeHome = () => rmSync(this.#home, { recursive: true, force: true });

  /** Nothing that would configure the programs behind the tests' back. */
  #env(home = this.#home) {
    const kept = Object.entries(process.env).filter(([key]) => !/^(WINGMAN|XDG|P2P|STUN)_/.test(key));
    return { ...Object.fromEntries(kept), HOME: home };
  }
}

/** One shared origin; `url` has no slash at its end. */
class Share {
  url;
  #launch;
  #host;

  constructor(launch) {
    this.#launch = launch;
  }

  /** Starts the host, again if it was killed. */
  async start() {
    this.#host = await this.#launch();
    this.url = this.#host.ready;
  }

  get pid() {
    return this.#host.pid;
  }

  /** The last lines it printed. */
  get output() {
    return this.#host.output;
  }

  kill() {
    return this.#host.kill();
  }

  async stop() {
    await this.#host?.stop();
  }
}

class Direct {
  async share(target) {
    // A name as sessions have: browsers find *.localhost without any resolver.
    const url = /^\d+$/.test(target) ? `http://direct.localhost:${target}` : String(target);
    return { url };
  }

  async stop() {}
}

/** The URL in the first line of `wingman --json`. */
function readyUrl(line) {
  if (!line.startsWith("{")) return undefined;
  const { event, url } = JSON.parse(line);
  return event === "ready" ? new URL(url).origin : undefined;
}
