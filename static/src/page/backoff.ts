const FIRST_MS = 1_000;
const LONGEST_MS = 60_000;

/** How long to wait before try `attempt` (0, 1, …): doubling, capped, and spread by `random` of [0, 1). */
export function backoff(attempt: number, random: number): number {
  return Math.min(LONGEST_MS, FIRST_MS * 2 ** attempt) * (0.5 + random / 2);
}
