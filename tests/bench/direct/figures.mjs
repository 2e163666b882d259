// The results, and what follows from them.

export function newFigures(options) {
  return { options, failures: [], bulk: [], setup: [], small: [], worker: [], memory: {} };
}

export const STACKS = ["wingman", "chromium", "libdatachannel"];
const LEAST_OF_BEST = 0.8;

export function median(values) {
  const sorted = values.filter((value) => Number.isFinite(value)).toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length === 0) return undefined;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function percentile(values, part) {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))];
}

export const rate = (moved) => moved.bytes / moved.ms / 1e3;

/** One for each path, condition and direction: the stacks' median MB/s, and ours to the best of a round. */
export function bulkCells(figures) {
  const cells = new Map();
  for (const { path, condition, round, name, down, up } of figures.bulk) {
    for (const [direction, moved] of Object.entries({ down, up })) {
      const key = `${path}/${condition}/${direction}`;
      const cell = cells.get(key) ?? { path, condition, direction, rates: {}, rounds: new Map() };
      cells.set(key, cell);
      (cell.rates[name] ??= []).push(rate(moved));
      cell.rounds.set(round, { ...cell.rounds.get(round), [name]: rate(moved) });
    }
  }
  return [...cells.values()].map(({ path, condition, direction, rates, rounds }) => {
    // A round in which somebody failed says nothing about who is better.
    const whole = [...rounds.values()].filter((round) => STACKS.every((name) => name in round));
    const ratio = median(whole.map((round) => round.wingman / Math.max(...Object.values(round))));
    return {
      path,
      condition,
      direction,
      rates: Object.fromEntries(STACKS.map((name) => [name, median(rates[name] ?? [])])),
      ratio,
      isReached: ratio === undefined ? undefined : ratio >= LEAST_OF_BEST,
    };
  });
}

/** CPU seconds for each GB (1e9 bytes), by direction, of one stack's host. */
export function cpuPerGb(figures, name, path, condition, direction) {
  const of = figures.bulk.filter((cell) => cell.name === name && cell.path === path && cell.condition === condition);
  return median(of.map((cell) => cell[direction].cpu / (cell[direction].bytes / 1e9)));
}

/** Rows of `{ what, bound, measured, detail }`; what was not measured has none. */
export function targets(figures) {
  const cells = bulkCells(figures);
  const known = cells.filter(({ ratio }) => ratio !== undefined);
  const missed = known.filter(({ isReached }) => !isReached);
  const setup = (path) => median(figures.setup.filter((each) => each.path === path).map(({ timeToDirectMs }) => timeToDirectMs));
  const small = figures.small.find(({ path }) => path === "loopback");
  const p50 = (way) => small && median(small.times[way]);
  const cpu = (direction) => cpuPerGb(figures, "wingman", "loopback", "unpaced", direction);
  const beside = (direction) => {
    const other = cpuPerGb(figures, "libdatachannel", "loopback", "unpaced", direction);
    return other === undefined ? "" : `libdatachannel ${other.toFixed(1)}`;
  };
  return [
    {
      what: "bulk: cells below 0.8 of the best of the three",
      bound: 0,
      measured: known.length > 0 ? missed.length : undefined,
      detail: missed.map(({ path, condition, direction, ratio }) => `${path} ${condition} ${direction} ${ratio.toFixed(2)}`).join("; "),
    },
    { what: "host CPU s/GB, loopback, down", bound: 15, measured: cpu("down"), detail: beside("down") },
    { what: "host CPU s/GB, loopback, up", bound: 15, measured: cpu("up"), detail: beside("up") },
    {
      what: "host RSS with one peer, MB",
      bound: 20,
      measured: figures.memory.onePeer,
      detail: figures.memory.idle === undefined ? "" : `${figures.memory.idle.toFixed(1)} without; at the end of all ${figures.memory.end.toFixed(1)}`,
    },
    {
      what: "latency added to a bare data-channel echo, ms, loopback",
      bound: 2,
      measured: small && p50("direct") - p50("echo"),
      detail: small ? `p50: fetch ${p50("direct").toFixed(2)}, frames alone ${p50("frames").toFixed(2)}, echo ${p50("echo").toFixed(2)}, a worker that answers by itself ${p50("worker").toFixed(2)}` : "",
    },
    { what: "time to direct on loopback, ms", bound: 300, measured: setup("loopback"), detail: "" },
    { what: "time to direct at 50 ms, round trips", bound: 8, measured: setup("50 ms") && setup("50 ms") / 50, detail: "" },
  ];
}
