/** The relay's round trip, measured now and then while somebody looks at the page. */

import { ECHO_PATH } from "../wire/direct.ts";

const PERIOD_MS = 60_000;
const DEADLINE_MS = 10_000;

/** Begins; call it once. */
export function measureRelay(onRoundTrip: (ms: number) => void): void {
  const nativeFetch = fetch;
  const measure = async (): Promise<void> => {
    if (document.visibilityState !== "visible") return;
    try {
      const options = { cache: "no-store", signal: AbortSignal.timeout(DEADLINE_MS) } as const;
      const before = performance.now();
      const { ok } = await nativeFetch(origin + ECHO_PATH, options);
      if (ok) onRoundTrip(performance.now() - before);
    } catch {
      // No relay at the moment.
    }
  };
  void measure();
  setInterval(() => void measure(), PERIOD_MS);
}
