// Real browsers: Chromium by CDP, Firefox by WebDriver BiDi.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import puppeteer from "puppeteer-core";
import { atExit } from "./program.mjs";
import { within } from "./time.mjs";

export const browsers = ["chromium", "firefox"];
const artifacts = join(import.meta.dirname, "../.artifacts");

const launchers = {
  chromium: {
    browser: "chrome",
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  },
  firefox: {
    browser: "firefox",
    executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
    extraPrefsFirefox: {
      // Nothing but the pages under test may use the network.
      "app.update.enabled": false,
      "browser.region.update.enabled": false,
      "browser.safebrowsing.malware.enabled": false,
      "browser.safebrowsing.phishing.enabled": false,
      "dom.push.connection.enabled": false,
      "network.captive-portal-service.enabled": false,
      "network.connectivity-service.enabled": false,
      "services.settings.server": "data:,",
    },
  },
};

/** Puppeteer's, which keep tabs awake that nobody sees. */
const AWAKE = ["--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding"];

/** Firefox gives a worker 30 s, and the page keeps its own alive for minutes by a message every 10 s. */
const SHORT_LIVES = { "dom.serviceWorkers.idle_timeout": 3_000 };

/**
 * Starts one of `browsers` with a fresh profile. `asleep`: hidden tabs are slowed down as for a person, and Firefox
 * soon stops a worker that nobody uses (Chromium never does it under a driver: `stopWorkers`). `args` are more arguments,
 * all else are options of puppeteer.
 */
export async function launch(name, { asleep = false, args = [], ...options } = {}) {
  const { extraPrefsFirefox, ...launcher } = launchers[name];
  const browser = await puppeteer.launch({
    headless: true,
    defaultViewport: { width: 1280, height: 900 },
    timeout: 90_000,
    protocolTimeout: 120_000,
    // Of two browsers in one process puppeteer would kill only one: Browser does it.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
    ...launcher,
    ...(extraPrefsFirefox && { extraPrefsFirefox: { ...extraPrefsFirefox, ...(asleep && SHORT_LIVES) } }),
    ...(asleep && { ignoreDefaultArgs: AWAKE }),
    args: [...(launcher.args ?? []), ...args],
    ...options,
  });
  return new Browser(name, browser);
}

class Browser {
  #browser;

  constructor(name, browser) {
    this.name = name;
    this.#browser = browser;
    atExit.add(this.#kill);
  }

  /** Of its first process. */
  get pid() {
    return this.#browser.process().pid;
  }

  /** A visitor of their own: cookies and storage are shared with no other. */
  async visitor() {
    const context = await this.#browser.createBrowserContext();
    return new Visitor(this.name, context);
  }

  /** As a browser does with workers that nobody uses; Firefox does it itself under any driver. */
  async stopWorkers(page) {
    if (this.name !== "chromium") return;
    const session = await page.createCDPSession();
    await session.send("ServiceWorker.enable");
    await session.send("ServiceWorker.stopAllWorkers");
    await session.detach();
  }

  async close() {
    try {
      await within(15_000, "close", this.#browser.close());
    } catch {
      this.#kill();
    }
    atExit.delete(this.#kill);
  }

  /** The browser is the leader of a process group of its own. */
  #kill = () => {
    try {
      process.kill(-this.#browser.process().pid, "SIGKILL");
    } catch (error) {
      if (error.code !== "ESRCH") throw error;
    }
  };
}

class Visitor {
  /** What went wrong in any of this visitor's pages: console errors, exceptions, failed requests. */
  problems = [];
  #name;
  #context;

  constructor(name, context) {
    this.#name = name;
    this.#context = context;
  }

  /** Puppeteer's, for what only it can tell: the cookies. */
  get context() {
    return this.#context;
  }

  /** A new tab at `url`; `prelude` runs in it before any script of a page. */
  async open(url, prelude) {
    const page = await this.#context.newPage();
    page.setDefaultTimeout(30_000);
    page.on("console", (message) => {
      if (message.type() === "error") this.problems.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.problems.push(`exception: ${error.message}`));
    page.on("requestfailed", (request) => {
      this.problems.push(`request: ${request.method()} ${request.url()} ${request.failure()?.errorText}`);
    });
    if (prelude) await page.evaluateOnNewDocument(prelude);
    page.answer = await page.goto(url, { waitUntil: "load" });
    return page;
  }

  /** Keeps a picture of the whole page for a person to look at. */
  async screenshot(page, title) {
    await mkdir(artifacts, { recursive: true });
    await page.screenshot({ path: join(artifacts, `${title}-${this.#name}.png`), fullPage: true });
  }

  async leave() {
    await within(15_000, "leave", this.#context.close());
  }
}
