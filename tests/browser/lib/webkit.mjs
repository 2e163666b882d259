// WebKitGTK's MiniBrowser by WebDriver, below an X server of its own. It stands for browsers without RTCPeerConnection.

import { rmSync } from "node:fs";
import { mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Program, atExit, freePort } from "./program.mjs";
import { until, within } from "./time.mjs";

/** Starts it with a fresh profile. There is one window, and the browser ends with it. */
export async function launchWebkit() {
  const browser = new Webkit();
  try {
    await browser.start();
  } catch (error) {
    await browser.close();
    throw error;
  }
  return browser;
}

class Webkit {
  /** What pages wrote to their consoles, the browser's own complaints among it. */
  console = [];
  #home;
  #screen;
  #driver;
  #base;
  #session;

  async start() {
    this.#home = await mkdtemp(join(tmpdir(), "wingman-webkit-"));
    atExit.add(this.#removeHome);
    this.#screen = await Program.start("Xvfb", ["-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp"], {
      ready: (line) => /^\d+$/.exec(line)?.[0],
    });
    const port = await freePort();
    const kept = Object.entries(process.env).filter(([key]) => !/^(XDG_|DBUS_|WAYLAND_|GTK_)/.test(key));
    this.#driver = await Program.start("stdbuf", ["--output=L", "dbus-run-session", "--", "WebKitWebDriver", `--port=${port}`], {
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
      // The browser and its pages write to the driver's standard output.
      heard: (line) => {if(process.env.DBG)console.log("LINE",line);
        if (line.startsWith("CONSOLE ")) this.console.push(line.slice("CONSOLE ".length));
      },
    });
    this.#base = `http://127.0.0.1:${port}`;
    await until(20_000, "WebKitWebDriver", async () => (await this.#ask("GET", "/status")).ready);
    const options = { binary: await miniBrowser(), args: ["--automation", "--enable-write-console-messages-to-stdout=true"] };
    const capabilities = { alwaysMatch: { browserName: "MiniBrowser", "webkitgtk:browserOptions": options } };
    this.#session = `/session/${(await this.#ask("POST", "/session", { capabilities })).sessionId}`;
    await this.#command("/timeouts", { pageLoad: 30_000, script: 30_000 });
  }

  async open(url) {
    await this.#command("/url", { url });
  }

  /** What `act` gives, which may be a promise. */
  async evaluate(act, ...args) {
    const script = `const done = arguments[arguments.length - 1];
      Promise.resolve().then(() => (${act})(...[...arguments].slice(0, -1))).then(
        (value) => done({ value }), (error) => done({ error: String(error) }));`;
    const { value, error } = await this.#command("/execute/async", { script, args });
    if (error !== undefined) throw new Error(error);
    return value;
  }

  async close() {
    // Not by closing the window: WebKitWebDriver does not survive that.
    await this.#driver?.stop();
    await this.#screen?.stop();
    this.#removeHome();
    atExit.delete(this.#removeHome);
  }

  #command(path, body) {
    return this.#ask("POST", this.#session + path, body);
  }

  async #ask(method, path, body) {
    const init = { method, body: body && JSON.stringify(body), headers: { "content-type": "application/json" } };
    const response = await within(60_000, path, fetch(this.#base + path, init));
    const { value } = await within(10_000, path, response.json());
    if (!response.ok) throw new Error(`WebKitWebDriver: ${value.error}: ${value.message}\n${this.#driver.output}`);
    return value;
  }

  #removeHome = () => rmSync(this.#home, { recursive: true, force: true });
}

/** Debian has it below the folder of its architecture, by the version of the interface. */
async function miniBrowser() {
  for (const architecture of await readdir("/usr/lib")) {
    if (!architecture.endsWith("-linux-gnu")) continue;
    const found = (await readdir(join("/usr/lib", architecture))).find((name) => name.startsWith("webkit2gtk-"));
    if (found) return join("/usr/lib", architecture, found, "MiniBrowser");
  }
  throw new Error("no MiniBrowser: run scripts/install-test-deps.sh");
}
