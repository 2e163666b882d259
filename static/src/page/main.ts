/**
 * The page script: one classic script that runs before any script of the app. It must never throw, and leaves nothing
 * but `window.__wingman` and wrapped `WebSocket`, `XMLHttpRequest` and `fetch`.
 */

import { RESERVED_PREFIX } from "../wire/direct.ts";
import { type Unbound, WorkerBinding } from "./bind.ts";
import { type Config, parseConfig } from "./config.ts";
import { Connection } from "./connection.ts";
import { measureRelay } from "./echo.ts";
import { type Extras, loadExtras } from "./extras.ts";
import { FirstTry } from "./first-try.ts";
import { policiesAllow } from "./policy.ts";
import { PageState, expose } from "./state.ts";
import { wrapWebSocket } from "./websocket.ts";
import { explain } from "./why.ts";
import { markRequests } from "./marks.ts";

function start(config: Config): void {
  markRequests();
  const above = wingmanAbove();
  if (above !== undefined) {
    // A frame in a page of ours: that page has the peer, and the worker knows it.
    expose(above);
    return;
  }
  const page = new PageState();
  expose(page.surface);
  const hasBadge = config.badge && window === window.top;
  let setExtras: ((extras: Extras) => void) | undefined;
  if (!config.direct) {
    page.set("relay", config.why ?? explain("relay-only"));
  } else if (!isSupported()) {
    page.set("relay", explain("unsupported"));
  } else {
    setExtras = connect(config, page);
  }
  if (!hasBadge && !setExtras) return;
  loadExtras((extras) => {
    setExtras?.(extras);
    extras.observeTransferred(
      (bytes) => {
        page.stats.bytes.relay.received += bytes;
      },
      "navigation",
      "resource",
    );
    if (hasBadge) extras.showBadge(page);
  });
}

/** Gives what to call with the extras. */
function connect(config: Config, page: PageState): (extras: Extras) => void {
  const { stats } = page;
  const connection = new Connection(config, stats);
  const firstTry = new FirstTry();
  const setOpen = wrapWebSocket(
    connection,
    stats,
    (path) => !path.startsWith(RESERVED_PREFIX) && !config.relayOnlyPaths.some((prefix) => path.startsWith(prefix)),
    () => firstTry.pending,
  );

  /** Why requests go by relay, if they do: of the peer, and of the worker (nothing: it is not known yet). */
  let whyRelay = "";
  let bound: Unbound | "bound" | undefined;
  let isForbidden = false;
  const show = (): void => {
    if (isForbidden) page.set("relay", explain("policy"));
    else if (bound !== undefined && bound !== "bound") page.set("relay", explain(bound));
    else if (connection.up) page.set(bound ? "direct" : "connecting");
    else if (whyRelay) page.set("relay", whyRelay);
  };
  const binding = WorkerBinding.start({
    direct: connection,
    relayOnlyPaths: config.relayOnlyPaths,
    stats,
    onFallback: () => {
      stats.fallbacks++;
    },
    onBound: (why) => {
      bound = why ?? "bound";
      if (why === "session-ended") connection.stop(why);
      show();
    },
  });
  /** Policies come with the document: what went well so far may be forbidden next. */
  const goesOn = (): boolean => {
    isForbidden ||= !policiesAllow();
    if (isForbidden) {
      connection.stop("other");
      firstTry.end(false);
      show();
    }
    return !isForbidden;
  };
  document.addEventListener("DOMContentLoaded", goesOn);
  let measuring = false;
  connection.onchange = (up): void => {
    binding?.update();
    if (up) firstTry.end(true);
    if (up && !measuring && goesOn()) {
      measuring = true;
      measureRelay((ms, visitor) => {
        connection.expect(visitor);
        stats.roundTrip.relay = ms;
        page.changed();
      });
    }
    show();
  };
  connection.onroundtrip = (): void => {
    page.changed();
  };
  connection.onrelay = (why): void => {
    whyRelay = explain(why);
    firstTry.end(false);
    if (why === "session-ended") void binding?.end();
    show();
  };
  // A peer and a socket cost ten milliseconds and more: not before the document goes on.
  const start = (): void => {
    if (!goesOn()) return;
    connection.start();
  };
  setTimeout(start);

  const hurry = (): void => {
    connection.hurry();
  };
  addEventListener("online", hurry);
  (navigator as { connection?: EventTarget }).connection?.addEventListener("change", hurry);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") hurry();
  });
  addEventListener("pagehide", () => {
    connection.stop("page-gone");
  });
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) start();
  });
  return ({ openDirectSocket, networkOf }) => {
    setOpen(openDirectSocket);
    connection.networkOf = networkOf;
    void connection.reportNetwork();
  };
}

/** Of the nearest document above this frame that is ours. */
function wingmanAbove(): object | undefined {
  try {
    return window === window.parent ? undefined : (window.parent as { __wingman?: object }).__wingman;
  } catch {
    // Of another origin.
    return undefined;
  }
}

function isSupported(): boolean {
  return isSecureContext && origin !== "null" && "RTCPeerConnection" in window && "serviceWorker" in navigator;
}

try {
  const script = document.currentScript as HTMLScriptElement | null;
  const config = parseConfig(script?.dataset["wingman"]);
  // Apps that hydrate the whole document, or ask for the first child of the head, know nothing of it.
  script?.remove();
  if (config !== undefined && !("__wingman" in window)) start(config);
} catch {
  // The app goes on by relay, and so shall its console.
}
