/** The relay's round trip, and as which visitor it knows us: asked now and then while somebody looks at the page. */

import { ECHO_PATH, field } from "../wire/direct.ts";

const PERIOD_MS = 60_000;
const DEADLINE_MS = 10_000;

/** Begins; call it once. `visitor`: a tag of it, or that it is unknown. */
export function measureRelay(onRoundTrip: (ms: number, visitor: string | null) => void): void {
  const measure = async (): Promise<void> => {
    if (document.visibilityState !== "visible") return;
    try {
      const options = { cache: "no-store", signal: AbortSignal.timeout(DEADLINE_MS) } as const;
      const before = performance.now();
      const { ok, headers } = await fetch(origin + ECHO_PATH, options);
      if (ok) onRoundTrip(performance.now() - before, headers.get(field.visitorTag));
    } catch {
      // No relay at the moment.
    }
  };
  void measure();
  setInterval(() => void measure(), PERIOD_MS);
}
