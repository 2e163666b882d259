import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { bulkCells, cpuPerGb, median, newFigures, percentile, targets } from "./figures.mjs";
import { NETWORKS } from "./networks.mjs";
import { parse } from "./options.mjs";
import { cpuSeconds, residentMb } from "./proc.mjs";
import { markdown } from "./report.mjs";

const options = { rounds: 2, seconds: 1 };

/** One stack in one round: MB/s down, half of it up. */
function moved(name, round, mbPerSecond) {
  const at = (rate) => ({ bytes: rate * 1e6, ms: 1_000, cpu: rate / 100 });
  return { path: "loopback", condition: "unpaced", round, name, setupMs: 50, down: at(mbPerSecond), up: at(mbPerSecond / 2) };
}

function figuresOf(...bulk) {
  return { ...newFigures(options), bulk };
}

test("medians and percentiles", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1]), 2.5);
  assert.equal(median([]), undefined);
  assert.equal(median([Number.NaN, 5, undefined]), 5);
  assert.equal(percentile([5, 1, 4, 2, 3], 0.99), 5);
});

test("ratios are to the best inside a round, and one with a failure does not count", () => {
  const rounds = [
    [80, 100, 50],
    [10, 5, 20],
    [1, undefined, 1],
  ];
  const figures = figuresOf(
    ...rounds.flatMap(([wingman, chromium, libdatachannel], round) =>
      Object.entries({ wingman, chromium, libdatachannel })
        .filter(([, rate]) => rate !== undefined)
        .map(([name, rate]) => moved(name, round, rate)),
    ),
  );
  const [down, up] = bulkCells(figures);
  assert.deepEqual([down.direction, down.rates.wingman, down.rates.chromium], ["down", 10, 52.5]);
  assert.equal(down.ratio, 0.65);
  assert.equal(down.isReached, false);
  assert.deepEqual([up.direction, up.rates.libdatachannel], ["up", 10]);
});

test("being the best is 1, and 0.8 of it is enough", () => {
  const cell = (ours) => bulkCells(figuresOf(moved("wingman", 0, ours), moved("chromium", 0, 10), moved("libdatachannel", 0, 5)))[0];
  assert.deepEqual([cell(20).ratio, cell(20).isReached], [1, true]);
  assert.equal(cell(8).isReached, true);
  assert.equal(cell(7.9).isReached, false);
});

test("CPU is by what was moved", () => {
  const figures = figuresOf(moved("wingman", 0, 50), moved("chromium", 0, 50));
  assert.equal(cpuPerGb(figures, "wingman", "loopback", "unpaced", "down"), 10);
  assert.equal(cpuPerGb(figures, "libdatachannel", "loopback", "unpaced", "down"), undefined);
});

test("what was not measured is neither reached nor missed", () => {
  for (const { measured, what } of targets(newFigures(options))) assert.equal(measured, undefined, what);
});

test("the report has a row for each cell, and says what went wrong", () => {
  const figures = figuresOf(moved("wingman", 0, 5), moved("chromium", 0, 10), moved("libdatachannel", 0, 5));
  figures.failures.push("round 1: too slow");
  figures.setup.push({ path: "50 ms", timeToDirectMs: 350, sinceNavigationMs: 470 });
  figures.memory = { idle: 8, onePeer: 15.5, end: 30 };
  figures.small.push({ path: "loopback", times: { direct: [3], frames: [2], relay: [4], origin: [1], echo: [0.5], worker: [2] } });
  const text = markdown(figures);
  for (const row of [
    "| loopback | unpaced | down | 5.00 | 10.00 | 5.00 | 0.50 | **missed** |",
    "| time to direct at 50 ms, round trips | ≤ 8 | 7.00 | reached |  |",
    "| latency added to a bare data-channel echo, ms, loopback | ≤ 2 | 2.50 | **missed** |",
    "| loopback | 1.00 (1.00) | 4.00 (4.00) | 3.00 (3.00) | 2.00 (2.00) | 0.50 (0.50) |",
    "- round 1: too slow",
  ]) {
    assert.ok(text.includes(row), `${row} is not in\n${text}`);
  }
});

test("every path has every condition, and only what needs no router goes without", () => {
  assert.equal(NETWORKS.length, 9);
  assert.deepEqual(NETWORKS.filter(({ side }) => side === "host").map(({ path, condition }) => [path, condition]), [["loopback", "unpaced"]]);
  assert.deepEqual(NETWORKS.at(-1).network, { delayMicros: 25_000, lostPerMillion: 10_000 });
});

test("the command line", () => {
  assert.deepEqual(parse([]).parts, ["setup", "small", "worker", "bulk"]);
  assert.deepEqual(parse(["--parts", "bulk", "--paths", "50 ms,loopback"]).paths, ["50 ms", "loopback"]);
  assert.equal(parse(["--quick"]).rounds, 1);
  for (const wrong of [["--rounds", "0"], ["--parts", "bulk,none"], ["--quick", "--seconds", "2"], ["--what"]]) {
    assert.throws(() => parse(wrong), Error, wrong.join(" "));
  }
});

test("this process costs something", () => {
  const before = cpuSeconds(process.pid);
  while (cpuSeconds(process.pid) - before < 0.03) readFileSync("/proc/self/stat");
  assert.ok(residentMb(process.pid) > 10);
});
