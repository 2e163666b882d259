// Runs the tests with the Node of node/package-lock.json: Debian's is too old for Vite and puppeteer.
// Arguments are files: npm test -- vite.test.mjs

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

// npm 9 makes no .bin link for a program called node.
const brought = fileURLToPath(new URL(`node/node_modules/node-linux-${process.arch}/bin/node`, import.meta.url));
const [major, minor] = process.versions.node.split(".").map(Number);
const recent = major > 22 || (major === 22 && minor >= 12);

if (!existsSync(brought) && !recent) {
  console.error(`Node ${process.version} is too old and there is no ${brought}: run scripts/install-test-deps.sh`);
  process.exit(1);
}

const args = [fileURLToPath(new URL("suite.mjs", import.meta.url)), ...process.argv.slice(2)];
const tests = spawn(existsSync(brought) ? brought : process.execPath, args, {
  cwd: fileURLToPath(new URL(".", import.meta.url)),
  stdio: "inherit",
});
// Ctrl-C reaches the tests by the terminal; this process only waits for them.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => tests.kill("SIGTERM"));
tests.on("exit", (code) => process.exit(code ?? 1));
