// Who takes part: an edge with an origin and two hosts on the host's side, and visitors' browsers on both.

import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundle as bundleFrames } from "./page/bundle.mjs";
import { HOST_ADDRESS, Lab } from "./lab.mjs";
import { launch } from "../../browser/lib/browser.mjs";
import { Program, atExit } from "../../browser/lib/program.mjs";
import { binaries } from "../../browser/lib/relay.mjs";
import { until } from "../../browser/lib/time.mjs";

const PORT = 8080;
const STUN = `${HOST_ADDRESS}:3478`;
/** Sessions: one goes directly, one is relayed only. */
const SESSIONS = { bench: [], relay: ["--relay-only"] };

export class Stage {
  lab;
  /** Programs by role. */
  programs = {};
  /** The origin, for those on the host's side. */
  originUrl;
  /** The origin of bare-worker.mjs, for the same. */
  bareWorkerUrl;
  #browsers = new Map();
  #home;
  #frames;

  static async start() {
    const stage = new Stage();
    try {
      await stage.#start();
    } catch (error) {
      await stage.stop();
      throw error;
    }
    return stage;
  }

  /** The process whose cost counts. */
  get hostPid() {
    return this.programs.bench.pid;
  }

  /** A document of a session. */
  url(session, path = "/") {
    return `http://${session}.localhost:${PORT}${path}`;
  }

  /** A browser of `side`, started when it is first asked for. `hidesAddresses`: as browsers do, behind mDNS names. */
  async browser(side, { hidesAddresses = true } = {}) {
    const key = `${side} ${hidesAddresses}`;
    if (!this.#browsers.has(key)) {
      const file = join(this.#home, `chromium-${this.#browsers.size}`);
      const [command, args] = this.lab.at(side, process.env.CHROMIUM ?? "/usr/bin/chromium");
      await writeFile(file, `#!/bin/sh\nexec ${command} ${args.join(" ")} "$@"\n`);
      await chmod(file, 0o755);
      const browser = await launch("chromium", {
        executablePath: file,
        // Its debugging port would be in the other namespace.
        pipe: true,
        // Else each request is told to us, with its content: an upload of 1 MiB took ten times as long.
        networkEnabled: false,
        args: [
          `--host-resolver-rules=MAP *.localhost ${HOST_ADDRESS}`,
          // Several pages work at once, none of them in front.
          "--disable-background-timer-throttling",
          "--disable-renderer-backgrounding",
          "--disable-backgrounding-occluded-windows",
          ...(hidesAddresses ? [] : ["--disable-features=WebRtcHideLocalIpsWithMdns"]),
        ],
      });
      this.#browsers.set(key, browser);
    }
    return this.#browsers.get(key);
  }

  /** A document of the session in which nothing of ours runs but our frames, driven by `window.bench`. */
  async framesPage(side) {
    const visitor = await (await this.browser(side)).visitor();
    const page = await visitor.open("about:blank");
    const devtools = await page.createCDPSession();
    await devtools.send("Network.enable");
    await devtools.send("Network.setBlockedURLs", { urls: ["*/_wingman/page.js"] });
    await page.goto(this.url("bench", "/second"), { waitUntil: "load" });
    // Not as an element of the document, which has a policy.
    await page.evaluate(this.#frames);
    return page;
  }

  async stop() {
    await Promise.allSettled([...this.#browsers.values()].map((browser) => browser.close()));
    await Promise.allSettled(Object.values(this.programs).map((program) => program.stop()));
    await this.lab?.stop();
    this.#removeHome();
    atExit.delete(this.#removeHome);
  }

  #removeHome = () => {
    if (this.#home) rmSync(this.#home, { recursive: true, force: true });
  };

  async #start() {
    this.#home = await mkdtemp(join(tmpdir(), "wingman-direct-"));
    atExit.add(this.#removeHome);
    this.#frames = await bundleFrames();
    this.lab = await Lab.start();
    this.programs.origin = await this.#run("sample-app", [], JSON.parse);
    const { port } = this.programs.origin.ready;
    this.originUrl = `http://127.0.0.1:${port}`;

    const [command, args] = this.lab.at("host", process.execPath, join(import.meta.dirname, "bare-worker.mjs"));
    this.programs.bareWorker = await Program.start(command, args, { stdio: ["pipe", "pipe", "pipe"], ready: JSON.parse });
    this.bareWorkerUrl = `http://127.0.0.1:${this.programs.bareWorker.ready.port}/`;

    const token = await this.#newToken();
    const config = join(this.#home, "edge.toml");
    await writeFile(
      config,
      `base_domain = "localhost"\nlisten = ["127.0.0.1:${PORT}", "${HOST_ADDRESS}:${PORT}"]\n${token.table}\n` +
        `[stun]\nlisten = ["${STUN}"]\nadvertise = "stun:${STUN}"\n[metrics]\nlisten = "off"\n`,
    );
    this.programs.edge = await this.#run("wingman-edge", ["--config", config]);
    const tokenFile = join(this.#home, "token");
    await writeFile(tokenFile, token.token, { mode: 0o600 });
    for (const [name, extra] of Object.entries(SESSIONS)) {
      const args = [String(port), "--edge", `http://localhost:${PORT}`, "--name", name, "--token-file", tokenFile, "--json", ...extra];
      // The edge may not listen yet; the host would try again, but after a while.
      this.programs[name] = await until(15_000, name, () => this.#run("wingman", args, isReady));
    }
  }

  async #newToken() {
    let lines = [];
    await this.#run("wingman-edge", ["token", "new", "--id", "bench", ...Object.keys(SESSIONS).flatMap((name) => ["--name", name])], (line) => {
      lines.push(line);
      return line.startsWith("names") ? line : undefined;
    });
    const token = lines.join(" ").match(/\bwm_\S+/)[0];
    return { token, table: lines.slice(lines.findIndex((line) => line.startsWith("[[tokens]]"))).join("\n") };
  }

  #run(name, args, ready) {
    const kept = Object.entries(process.env).filter(([key]) => !/^(WINGMAN|XDG|P2P|STUN)_/.test(key));
    const env = { ...Object.fromEntries(kept), HOME: join(this.#home, String(Object.keys(this.programs).length)) };
    const [command, all] = this.lab.at("host", join(binaries, name), ...args);
    return Program.start(command, all, { env, ready });
  }
}

function isReady(line) {
  return line.startsWith("{") && JSON.parse(line).event === "ready" ? line : undefined;
}
