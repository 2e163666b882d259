// Who moves bulk: our host by our frames, and two others by a bare data channel. The visitor is Chromium each time.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Program } from "../../browser/lib/program.mjs";
import { within } from "../../browser/lib/time.mjs";
import { STACKS } from "./figures.mjs";
import { cpuSeconds } from "./proc.mjs";

const SETUP_MS = 30_000;
/** Beyond the time of the measurement: a slow path has to bring what was already given to it. */
const SLACK_MS = 20_000;

/** The stacks of these names. */
export async function startStacks(stage, names = STACKS) {
  const kinds = { wingman: Wingman, chromium: Chromium, libdatachannel: Libdatachannel };
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await kinds[name].start(stage)])));
}

/** A stack with a connection, or none: `connect`, then any number of the others, then `close`. */
class Stack {
  /** The host's CPU seconds so far; undefined if it is many processes. */
  cpu() {
    return undefined;
  }

  /** `{ bytes, ms, cpu }`, `direction` being "down" or "up". */
  async move(direction, ms) {
    const before = this.cpu();
    const moved = await within(ms + SLACK_MS, direction, this.call(direction, ms));
    const after = this.cpu();
    return { ...moved, cpu: after === undefined ? undefined : after - before };
  }
}

class Wingman extends Stack {
  #stage;
  #pages = new Map();
  #page;

  static start(stage) {
    return new Wingman(stage);
  }

  constructor(stage) {
    super();
    this.#stage = stage;
  }

  async connect(side) {
    if (!this.#pages.has(side)) this.#pages.set(side, await this.#stage.framesPage(side));
    this.#page = this.#pages.get(side);
    return within(SETUP_MS, "connect", this.#page.evaluate(() => bench.connect()));
  }

  cpu() {
    return cpuSeconds(this.#stage.hostPid);
  }

  call(name, ...args) {
    return this.#page.evaluate((name, args) => bench[name](...args), name, args);
  }

  async close() {
    await this.#page?.evaluate(() => bench.close());
  }
}

/** One bare channel of the visitor's page to somebody who answers offers. */
class Bare extends Stack {
  #stage;
  #script;
  #pages = new Map();
  #page;

  constructor(stage, script) {
    super();
    this.#stage = stage;
    this.#script = script;
  }

  async connect(side) {
    if (!this.#pages.has(side)) this.#pages.set(side, await barePage(await this.#stage.browser(side), this.#script));
    this.#page = this.#pages.get(side);
    const began = performance.now();
    const offer = await within(SETUP_MS, "offer", this.#page.evaluate(() => bare.offer()));
    const answer = await within(SETUP_MS, "answer", this.answer(offer));
    await this.#page.evaluate((answer) => bare.accept(answer), answer);
    await within(SETUP_MS, "open", this.#page.evaluate(() => bare.opened.then(() => undefined)));
    return performance.now() - began;
  }

  call(name, ...args) {
    return this.#page.evaluate((name, args) => bare[name](...args), name, args);
  }

  async close() {
    await this.#page?.evaluate(() => bare.close());
  }
}

class Chromium extends Bare {
  #host;

  static async start(stage) {
    const script = await readFile(join(import.meta.dirname, "page/bare.js"), "utf8");
    const stack = new Chromium(stage, script);
    // The visitor finds the host by the host's addresses, as with the others.
    stack.#host = await barePage(await stage.browser("host", { hidesAddresses: false }), script);
    return stack;
  }

  answer(offer) {
    return this.#host.evaluate((offer) => bare.answer(offer), offer);
  }

  async close() {
    await super.close();
    await this.#host.evaluate(() => bare.close());
  }
}

class Libdatachannel extends Bare {
  #host;
  #answered;

  static async start(stage) {
    const stack = new Libdatachannel(stage, await readFile(join(import.meta.dirname, "page/bare.js"), "utf8"));
    const [command, args] = stage.lab.at("host", process.execPath, join(import.meta.dirname, "libdatachannel.mjs"));
    stack.#host = await Program.start(command, args, {
      stdio: ["pipe", "pipe", "pipe"],
      ready: (line) => {
        const { ready, answer } = JSON.parse(line);
        if (answer) stack.#answered?.(answer);
        return ready;
      },
    });
    stage.programs[`libdatachannel ${stack.#host.pid}`] = stack.#host;
    return stack;
  }

  cpu() {
    return cpuSeconds(this.#host.pid);
  }

  answer(offer) {
    const answer = new Promise((resolve) => (this.#answered = resolve));
    this.#host.stdin.write(`${JSON.stringify({ offer })}\n`);
    return answer;
  }
}

async function barePage(browser, script) {
  const page = await (await browser.visitor()).open("about:blank");
  await page.addScriptTag({ content: script });
  return page;
}
