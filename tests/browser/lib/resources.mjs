// What processes use, read from /proc.

import { readFileSync, readdirSync, readlinkSync } from "node:fs";

/** Memory, threads, descriptors and CPU time of a process. */
export function resources(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const number = (key) => Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const [user, system] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(11, 13);
  const files = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      // Closed meanwhile.
      return "";
    }
  });
  return {
    /** Bytes in RAM. */
    memory: number("VmRSS") * 1024,
    /** Seconds of CPU so far; ticks are a hundredth of a second on every Linux. */
    cpu: (Number(user) + Number(system)) / 100,
    threads: number("Threads"),
    descriptors: files.filter(Boolean).length,
    sockets: files.filter((file) => file.startsWith("socket:")).length,
  };
}

/** The pids of a process and all below it. */
export function family(pid) {
  const children = new Map();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // Gone meanwhile.
    }
  }
  const all = [pid];
  for (const one of all) all.push(...(children.get(one) ?? []));
  return all;
}

/**
 * Bytes that processes of a browser have for themselves; what they share (its code, mostly) is left out, for it comes and
 * goes with the number of processes.
 */
export function privateMemory(pids) {
  let sum = 0;
  for (const one of pids) {
    try {
      const rollup = readFileSync(`/proc/${one}/smaps_rollup`, "utf8");
      for (const [, kilobytes] of rollup.matchAll(/^(?:Private_\w+|Pss_Shmem):\s+(\d+)/gm)) sum += Number(kilobytes) * 1024;
    } catch {
      // Gone meanwhile.
    }
  }
  return sum;
}

/** The most that `measure` gives until the function that is returned is called, which gives it. */
export function peak(measure, everyMs = 100) {
  let most = measure();
  const timer = setInterval(() => (most = Math.max(most, measure())), everyMs);
  timer.unref();
  return () => {
    clearInterval(timer);
    return Math.max(most, measure());
  };
}

/** What a program tells Prometheus; families by their whole name with labels. */
export async function gauges(port) {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(5_000) });
  const lines = (await response.text()).split("\n").filter((line) => line && !line.startsWith("#"));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]));
}
