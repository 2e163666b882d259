// Runs test files two at a time, and what failed once more, alone: these tests have deadlines on real time, and two
// browsers, an edge and a load on two cores now and then miss one. What fails twice has failed.
//
// Each file is a process of its own that is ended when its time is over, with all that it started: a browser that
// does not answer must not hold up the others. Times are in the output, for whoever reads it afterwards.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/** Of a test that sets none of its own. */
const TEST_MS = 240_000;
/** Of a file. The slowest takes a third of it on two cores. */
const FILE_MS = Number(process.env.WINGMAN_FILE_SECONDS ?? 480) * 1_000;
/** When all must be over, in seconds since 1970: `make test` as a whole has an end. */
const END_MS = Number(process.env.WINGMAN_TEST_END ?? Infinity) * 1_000;
/** What a process of ours has in its environment, whoever became its parent. */
const MARK = "WINGMAN_TEST_FILE";

const folder = import.meta.dirname;
const wanted = process.argv.slice(2);
const names = wanted.length > 0 ? wanted : readdirSync(folder).filter((name) => name.endsWith(".test.mjs"));
const began = Date.now();
const running = new Set();

const seconds = (from) => `${Math.round((Date.now() - from) / 1_000)} s`;

/** Runs a file to its end and shows what it said; true if all of it passed. */
async function passes(name) {
  const left = Math.min(FILE_MS, END_MS - Date.now());
  if (left < 10_000) {
    console.log(`\n✖ ${name}: not run, for the time of all is over`);
    return false;
  }
  const started = Date.now();
  const mark = `${MARK}=${process.pid}/${name}`;
  const tests = spawn(process.execPath, ["--test", "--test-force-exit", `--test-timeout=${TEST_MS}`, "--test-reporter=spec", name], {
    cwd: folder,
    detached: true,
    env: { ...process.env, [MARK]: mark.slice(MARK.length + 1) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(tests);
  const said = [];
  for (const stream of [tests.stdout, tests.stderr]) stream.on("data", (data) => said.push(data));
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    end(tests, "SIGTERM");
  }, left);
  const killer = setTimeout(() => end(tests, "SIGKILL"), left + 10_000);
  const [code] = await once(tests, "exit");
  clearTimeout(timer);
  clearTimeout(killer);
  running.delete(tests);
  const stray = marked(mark);
  for (const { pid } of stray) kill(pid, "SIGKILL");
  // The pipes close with the last who has them.
  await Promise.race([once(tests, "close"), pause(1_000)]);

  const passed = code === 0 && !late;
  const how = late ? `not done after ${seconds(started)}` : `${passed ? "passed" : "failed"} in ${seconds(started)}`;
  console.log(`\n${passed ? "✔" : "✖"} ${name}: ${how}; ${seconds(began)} since the first`);
  if (stray.length > 0) console.log(`it left behind: ${stray.map(({ command }) => command).join(", ")}`);
  process.stdout.write(Buffer.concat(said));
  return passed;
}

/** Those of `files` that did not pass. */
async function failing(files, concurrency) {
  const queue = [...files];
  const failed = [];
  const lane = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      if (!(await passes(name))) failed.push(name);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  return failed;
}

/** To the process group of a test file. */
function end(tests, signal) {
  kill(-tests.pid, signal);
}

function kill(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

/** Processes that were started for a test file and are still there. */
function marked(mark) {
  const found = [];
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      if (!readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(mark)) continue;
      found.push({ pid: Number(pid), command: readFileSync(`/proc/${pid}/comm`, "utf8").trim() });
    } catch {
      // It is gone, or another user's.
    }
  }
  return found;
}

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    for (const tests of running) end(tests, "SIGTERM");
    process.exit(1);
  });
}

const flaky = await failing(names, 2);
let failed = [];
if (flaky.length > 0) {
  console.log(`\nonce more, alone: ${flaky.join(", ")}`);
  failed = await failing(flaky, 1);
}
const recovered = flaky.filter((name) => !failed.includes(name));
if (recovered.length > 0) console.log(`\nflaky, passed when they had the machine for themselves: ${recovered.join(", ")}`);
if (failed.length > 0) {
  console.log(`\nfailed twice: ${failed.join(", ")}`);
  process.exitCode = 1;
}
console.log(`\n${names.length} files, ${names.length - failed.length} passed, in ${seconds(began)}`);
