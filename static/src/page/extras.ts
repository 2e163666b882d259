/**
 * The second script of a page: what may come later than the app's own scripts. Until it is there sockets are native
 * and there is no badge; without it (a policy, no network) everything else works.
 *
 * A classic script, not `import()`: browsers refuse an import map that the app declares after a module was asked for.
 */

import { EXTRAS_PATH } from "../wire/direct.ts";
import type { openDirectSocket } from "../extras/direct-socket.ts";
import type { showBadge } from "../extras/badge.ts";
import type { networkOf } from "../extras/network.ts";
import type { observeTransferred } from "../transferred.ts";

/** What is in it. */
export interface Extras {
  readonly openDirectSocket: typeof openDirectSocket;
  readonly showBadge: typeof showBadge;
  readonly networkOf: typeof networkOf;
  readonly observeTransferred: typeof observeTransferred;
}

/** Dispatched by the script at its own element while it runs, so that nothing is left to be found; `detail`: {@link Extras}. */
export const HANDOVER = "wingman";

/** Loads it, at once: the app's sockets cannot be long in coming, nor policies of the document that would block it. */
export function loadExtras(take: (extras: Extras) => void): void {
  const script = document.createElement("script");
  script.src = origin + EXTRAS_PATH;
  script.addEventListener(HANDOVER, (event) => {
    // The app may have seen the element; only what runs in it is ours.
    if (document.currentScript === script) take((event as CustomEvent<Extras>).detail);
  });
  document.documentElement.append(script);
  // It runs all the same.
  script.remove();
}
