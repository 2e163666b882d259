// WebKitGTK's MiniBrowser below an X server of its own. It stands for browsers without RTCPeerConnection.

import { rmSync } from "node:fs";
import { mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Program, atExit, freePort } from "./program.mjs";
import { until, within } from "./time.mjs";

/** Starts a browser with a fresh profile and one window, to be driven. */
export async function launchWebkit() {
  const browser = new Driven();
  await browser.start(() => browser.begin());
  return browser;
}

/** Opens `url` in a browser that nobody drives: one under a driver keeps its console to itself. */
export async function showInWebkit(url) {
  const browser = new Webkit();
  await browser.start(async () => browser.run([await miniBrowser(), "--enable-write-console-messages-to-stdout=true", url]));
  return browser;
}

class Webkit {
  /** Lines of the consoles of its pages, the browser's own complaints among them. */
  console = [];
  #home;
  #screen;
  #program;

  async start(begin) {
    this.#home = await mkdtemp(join(tmpdir(), "wingman-webkit-"));
    atExit.add(this.#removeHome);
    try {
      this.#screen = await Program.start("Xvfb", ["-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp"], {
        ready: (line) => /^\d+$/.exec(line)?.[0],
      });
      await begin();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async run(command) {
    const kept = Object.entries(process.env).filter(([key]) => !/^(XDG|DBUS|WAYLAND|GTK)_/.test(key));
    // Its pages write to its outputs, which are no terminal.
    this.#program = await Program.start("stdbuf", ["--output=L", "dbus-run-session", "--", ...command], {
      group: true,
      env: {
        ...Object.fromEntries(kept),
        HOME: this.#home,
        DISPLAY: `:${this.#screen.ready}`,
        GDK_BACKEND: "x11",
        LIBGL_ALWAYS_SOFTWARE: "1",
        // Its sandbox needs user namespaces, and refuses to run as root.
        WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1",
      },
      heard: (line) => {
        const [, message] = /\bCONSOLE (.*)$/.exec(line) ?? [];
        if (message !== undefined) this.console.push(message);
      },
    });
  }

  get output() {
    return this.#program.output;
  }

  async close() {
    await this.#program?.stop();
    await this.#screen?.stop();
    this.#removeHome();
    atExit.delete(this.#removeHome);
  }

  #removeHome = () => rmSync(this.#home, { recursive: true, force: true });
}

/** By WebDriver. Its window is never closed alone: the driver does not survive that. */
class Driven extends Webkit {
  #base;
  #session;

  async begin() {
    const port = await freePort();
    await this.run(["WebKitWebDriver", `--port=${port}`]);
    this.#base = `http://127.0.0.1:${port}`;
    await until(20_000, "WebKitWebDriver", async () => (await this.#ask("GET", "/status")).ready);
    const options = { binary: await miniBrowser(), args: ["--automation"] };
    const capabilities = { alwaysMatch: { browserName: "MiniBrowser", "webkitgtk:browserOptions": options } };
    this.#session = `/session/${(await this.#ask("POST", "/session", { capabilities })).sessionId}`;
    await this.#ask("POST", `${this.#session}/timeouts`, { pageLoad: 30_000, script: 30_000 });
  }

  async open(url) {
    await this.#ask("POST", `${this.#session}/url`, { url });
  }

  /** What `act` gives in the page, which may be a promise. */
  async evaluate(act, ...args) {
    const script = `const done = arguments[arguments.length - 1];
      Promise.resolve().then(() => (${act})(...[...arguments].slice(0, -1))).then(
        (value) => done({ value }), (error) => done({ error: String(error) }));`;
    const { value, error } = await this.#ask("POST", `${this.#session}/execute/async`, { script, args });
    if (error !== undefined) throw new Error(error);
    return value;
  }

  async #ask(method, path, body) {
    const init = { method, body: body && JSON.stringify(body), headers: { "content-type": "application/json" } };
    const response = await within(60_000, path, fetch(this.#base + path, init));
    const { value } = await within(10_000, path, response.json());
    if (!response.ok) throw new Error(`WebKitWebDriver: ${value.error}: ${value.message}\n${this.output}`);
    return value;
  }
}

/** Debian has it in the folder of its architecture, by the version of the interface. */
async function miniBrowser() {
  for (const architecture of await readdir("/usr/lib")) {
    if (!architecture.endsWith("-linux-gnu")) continue;
    const found = (await readdir(join("/usr/lib", architecture))).find((name) => name.startsWith("webkit2gtk-"));
    if (found) return join("/usr/lib", architecture, found, "MiniBrowser");
  }
  throw new Error("no MiniBrowser: run scripts/install-test-deps.sh");
}
