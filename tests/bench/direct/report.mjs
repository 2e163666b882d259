// The results as Markdown.

import { STACKS, bulkCells, cpuPerGb, median, percentile, rate, targets } from "./figures.mjs";

export function markdown(figures) {
  const { rounds, seconds } = figures.options;
  return [
    "# Bench of the direct path",
    "",
    `${rounds} interleaved rounds of ${seconds} s for each cell, stack and direction; medians over rounds, ratios inside rounds.`,
    ...(figures.failures.length > 0 ? ["", "**What went wrong:**", ...figures.failures.map((failure) => `- ${failure}`)] : []),
    ...section("Targets", ["target", "bound", "measured", "", ""], targets(figures).map(targetRow)),
    ...section("Bulk, MB/s", ["path", "condition", "", ...STACKS, "ours / best", ""], bulkCells(figures).map(bulkRow)),
    ...section("CPU of the host, s/GB", ["path", "condition", "", "wingman", "libdatachannel"], cpuRows(figures)),
    ...section("Small requests, one after the other, p50 (p99) ms", ["path", "origin", "relay", "direct", "our frames without the worker", "bare echo", "a worker that answers by itself"], smallRows(figures)),
    ...section("Bulk by `fetch`, through the worker, MB/s", ["path", "download", "uploads of 1 MiB, 4 at once", "500 KB of text, ms", "of what does not compress, ms"], workerRows(figures)),
    ...section("Time to direct, ms (least-most)", ["path", "from the page script's start", "from the start of the navigation"], setupRows(figures)),
    "",
  ].join("\n");
}

function section(title, head, rows) {
  if (rows.length === 0) return [];
  return ["", `## ${title}`, "", line(head), line(head.map(() => "---")), ...rows.map(line)];
}

const line = (cells) => `| ${cells.join(" | ")} |`;
const number = (value, digits = 2) => (value === undefined ? "-" : value.toFixed(digits));
const verdict = (isReached) => (isReached === undefined ? "not measured" : isReached ? "reached" : "**missed**");

function targetRow({ what, bound, measured, detail }) {
  return [what, `≤ ${bound}`, number(measured), verdict(measured === undefined ? undefined : measured <= bound), detail];
}

function bulkRow({ path, condition, direction, rates, ratio, isReached }) {
  return [path, condition, direction, ...STACKS.map((name) => number(rates[name])), number(ratio), verdict(isReached)];
}

function cpuRows(figures) {
  return bulkCells(figures).map(({ path, condition, direction }) => {
    const of = (name) => number(cpuPerGb(figures, name, path, condition, direction), 1);
    return [path, condition, direction, of("wingman"), of("libdatachannel")];
  });
}

function smallRows(figures) {
  return figures.small.map(({ path, times }) => {
    const cell = (all) => (all ? `${number(median(all))} (${number(percentile(all, 0.99))})` : "-");
    return [path, ...["origin", "relay", "direct", "frames", "echo", "worker"].map((way) => cell(times[way]))];
  });
}

function workerRows(figures) {
  const paths = [...new Set(figures.worker.map(({ path }) => path))];
  return paths.map((path) => {
    const visits = figures.worker.filter((each) => each.path === path);
    const of = (direction) => number(median(visits.map((each) => rate(each[direction]))));
    const ms = (kind) => number(median(visits.flatMap((each) => each[kind])));
    return [path, of("down"), of("up"), ms("text"), ms("binary")];
  });
}

function setupRows(figures) {
  const paths = [...new Set(figures.setup.map(({ path }) => path))];
  return paths.map((path) => {
    const all = figures.setup.filter((each) => each.path === path);
    const cell = (values) => `${number(median(values), 0)} (${number(Math.min(...values), 0)}-${number(Math.max(...values), 0)})`;
    return [path, cell(all.map((each) => each.timeToDirectMs)), cell(all.map((each) => each.sinceNavigationMs))];
  });
}
