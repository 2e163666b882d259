// Runs test files two at a time, and what failed once more, alone: these tests have deadlines on real time, and two
// browsers, an edge and a load on two cores now and then miss one. What fails twice has failed.

import { once } from "node:events";
import { readdirSync } from "node:fs";
import { relative, resolve } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";

/** Of a test that sets none of its own, ms. */
const TIMEOUT = 240_000;

const folder = import.meta.dirname;
const wanted = process.argv.slice(2);
const names = wanted.length > 0 ? wanted : readdirSync(folder).filter((name) => name.endsWith(".test.mjs"));

/** Those of `files` in which something failed. */
async function failing(files, concurrency) {
  const failed = new Set();
  const tests = run({ files, concurrency, timeout: TIMEOUT });
  tests.on("test:fail", ({ file }) => failed.add(file));
  const report = tests.compose(new spec());
  report.pipe(process.stdout, { end: false });
  await once(report, "end");
  return [...failed];
}

const flaky = await failing(names.map((name) => resolve(folder, name)), 2);
if (flaky.length > 0) {
  console.log(`\nonce more, alone: ${flaky.map((file) => relative(folder, file)).join(", ")}\n`);
  const failed = await failing(flaky, 1);
  if (failed.length > 0) process.exitCode = 1;
  else console.log("flaky: all of them passed when they had the machine for themselves");
}
