// Child processes that never outlive the tests.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { within } from "./time.mjs";

/** What is undone, synchronously, however this process ends. */
export const atExit = new Set();
process.on("exit", () => {
  for (const undo of atExit) undo();
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.once(signal, () => process.exit(1));
}

export class Program {
  #child;
  #isGroup;
  #ended;
  #output = [];

  /**
   * Starts `command`. `ready` sees each line of standard output; the first value it gives other
   * than undefined becomes `program.ready`. `heard` sees those of standard error, too.
   * `group`: what it starts itself ends with it.
   */
  static async start(command, args, { ready, heard, deadline = 20_000, group = false, ...options }) {
    const program = new Program();
    const name = [command.split("/").at(-1), ...args].join(" ");
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], detached: group, ...options });
    const undo = () => program.#signal("SIGKILL");
    atExit.add(undo);
    program.#child = child;
    program.#isGroup = group;
    program.#ended = new Promise((resolve) => {
      const end = (how) => {
        atExit.delete(undo);
        resolve(how);
      };
      child.once("exit", (code, signal) => end(`ended with ${signal ?? code}`));
      child.once("error", (error) => end(`did not start (${error.message})`));
    });
    const told = new Promise((resolve) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        program.#keep(line);
        heard?.(line);
        const value = ready?.(line);
        if (value !== undefined) resolve(value);
      });
      if (!ready) resolve();
    });
    createInterface({ input: child.stderr }).on("line", (line) => {
      program.#keep(line);
      heard?.(line);
    });

    try {
      const died = program.#ended.then((how) => Promise.reject(new Error(how)));
      program.ready = await within(deadline, "ready", Promise.race([told, died]));
    } catch (error) {
      await program.kill();
      throw new Error(`${name}: ${error.message}\n${program.output}`);
    }
    return program;
  }

  /** Runs `command` to its end, which must be a good one. */
  static async run(command, args, { deadline = 20_000, ...options }) {
    const program = await Program.start(command, args, options);
    try {
      const how = await within(deadline, `${command} ends`, program.#ended);
      if (how !== "ended with 0") throw new Error(`${command} ${how}\n${program.output}`);
    } finally {
      await program.kill();
    }
  }

  /** The last lines it printed. */
  get output() {
    return this.#output.join("\n");
  }

  get pid() {
    return this.#child.pid;
  }

  /** Where it reads from, if `stdio` says so. */
  get stdin() {
    return this.#child.stdin;
  }

  /** SIGKILL, and waits until it is gone. */
  async kill() {
    this.#signal("SIGKILL");
    await this.#ended;
  }

  /** SIGTERM, then SIGKILL if it does not obey. */
  async stop() {
    this.#signal("SIGTERM");
    try {
      await within(5_000, "end", this.#ended);
    } catch {
      await this.kill();
    }
  }

  #signal(name) {
    if (!this.#isGroup) return this.#child.kill(name);
    try {
      process.kill(-this.#child.pid, name);
    } catch (error) {
      if (error.code !== "ESRCH") throw error;
    }
  }

  #keep(line) {
    this.#output.push(line);
    if (this.#output.length > Number(process.env.KEPT_LINES ?? 60)) this.#output.shift();
  }
}

/** A TCP port of 127.0.0.1 that was free just now. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
