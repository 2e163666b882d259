// Deadlines. No await on another party without one of these.

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** `promise`, or an error that names `what` after `ms`. */
export async function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Asks `probe` again and again until it gives something truthy, and gives that.
 * A probe that throws counts as "not yet": pages navigate away under an evaluation.
 */
export async function until(ms, what, probe) {
  const end = performance.now() + ms;
  let last;
  for (;;) {
    try {
      last = undefined;
      const value = await within(Math.max(1, end - performance.now()), what, probe());
      if (value) return value;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= end) throw new Error(`${what}: not within ${ms} ms`, { cause: last });
    await sleep(25);
  }
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
