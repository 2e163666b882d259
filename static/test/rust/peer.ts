/** `crates/mux/examples/peer.rs` as a process: one line of JSON there, one back. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";

const ROOT = join(import.meta.dirname, "../../..");

export class Peer {
  private readonly process: ChildProcess;
  private readonly lines: AsyncIterator<string>;

  /** Builds it, unless `WINGMAN_MUX_PEER` says where it is, and starts it. */
  constructor() {
    this.process = spawn(process.env.WINGMAN_MUX_PEER ?? built(), { stdio: ["pipe", "pipe", "inherit"] });
    const lines: Interface = createInterface({ input: this.process.stdout! });
    this.lines = lines[Symbol.asyncIterator]();
  }

  /** Its answer; a process that has panicked has none. */
  async ask(request: object): Promise<string[]> {
    this.process.stdin!.write(`${JSON.stringify(request)}\n`);
    const line = await this.lines.next();
    if (line.done) {
      throw new Error("the peer has died; its last words are on stderr");
    }
    return JSON.parse(line.value) as string[];
  }

  stop(): void {
    this.process.stdin!.end();
  }
}

function built(): string {
  const build = ["build", "--quiet", "--locked", "-p", "wingman-mux", "--example", "peer", "--message-format=json"];
  const messages = execFileSync("cargo", build, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  return messages
    .split("\n")
    .filter(Boolean)
    .map((line) => (JSON.parse(line) as { executable?: string | null }).executable)
    .find(Boolean)!;
}
