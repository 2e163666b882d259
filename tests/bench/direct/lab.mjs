// Two network namespaces, the visitor's and the host's, and between them a network that is what the bench wants.
//
// Nothing has a name that could be left over: a namespace lives as long as a process in it, those end with their
// stdin, which this process holds, and the devices between them are the router's.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { Program } from "../../browser/lib/program.mjs";
import { binaries } from "../../browser/lib/relay.mjs";
import { within } from "../../browser/lib/time.mjs";

const run = promisify(execFile);
export const HOST_ADDRESS = "10.77.0.2";
const SIDES = [
  { name: "visitor", address: "10.77.0.1" },
  { name: "host", address: HOST_ADDRESS },
];

export class Lab {
  #namespaces = new Map();
  #router;
  /** Called with the router's next answer. */
  #answered;

  static async start() {
    const lab = new Lab();
    try {
      await lab.#start();
    } catch (error) {
      await lab.stop();
      throw error;
    }
    return lab;
  }

  /** The command line that runs `command` on one `side`. */
  at(side, command, ...args) {
    return ["nsenter", [`--net=/proc/${this.#namespaces.get(side).pid}/ns/net`, "--", command, ...args]];
  }

  /** From now on the network is such (`Network` in ../src/line.rs). Gives what became of packets before, each way. */
  async become(network) {
    const answer = new Promise((resolve) => (this.#answered = resolve));
    this.#router.stdin.write(`${JSON.stringify(network)}\n`);
    return (await within(5_000, "router", answer)).before;
  }

  async stop() {
    await this.#router?.stop();
    await Promise.all([...this.#namespaces.values()].map((namespace) => namespace.stop()));
  }

  async #start() {
    // Names are short, and other benches may run.
    const devices = SIDES.map(({ name }) => `wm${name[0]}${process.pid}`);
    this.#router = await Program.start(join(binaries, "delay-router"), devices, {
      stdio: ["pipe", "pipe", "pipe"],
      ready: (line) => {
        const answer = JSON.parse(line);
        this.#answered?.(answer);
        return answer.ready;
      },
    });
    for (const [index, { name, address }] of SIDES.entries()) {
      const namespace = await Program.start("unshare", ["--net", "sh", "-c", "echo there; exec cat"], {
        stdio: ["pipe", "pipe", "pipe"],
        ready: (line) => line,
      });
      this.#namespaces.set(name, namespace);
      await run("ip", ["link", "set", devices[index], "netns", String(namespace.pid)]);
      const ip = (...args) => run(...this.at(name, "ip", ...args));
      await ip("link", "set", "lo", "up");
      await ip("address", "add", `${address}/24`, "dev", devices[index]);
      await ip("link", "set", devices[index], "up");
      // Browsers offer the address by which they would reach the internet; there is none behind it.
      await ip("route", "add", "default", "dev", devices[index]);
    }
  }
}
