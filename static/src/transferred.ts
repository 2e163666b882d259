/** What came by relay, as the browser's timeline has it; the page and the worker have one each, of their own requests. */

import { RESERVED_PREFIX } from "./wire/direct.ts";

/** Calls `onBytes` with the content bytes of each of the app's requests here that is over, those before the call included. */
export function observeTransferred(onBytes: (bytes: number) => void, ...types: ("navigation" | "resource")[]): void {
  const observer = new PerformanceObserver((list) => {
    for (const { name, transferSize, encodedBodySize } of list.getEntries() as PerformanceResourceTiming[]) {
      // Where a worker answered, or the HTTP cache did, nothing was transferred.
      if (transferSize && name.startsWith(origin + "/") && !name.startsWith(origin + RESERVED_PREFIX)) onBytes(encodedBodySize);
    }
  });
  for (const type of types) observer.observe({ type, buffered: true });
}
