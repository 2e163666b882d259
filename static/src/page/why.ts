/** What a person reads about why requests go by relay. */

import type { Reason } from "../wire/signal.ts";
import type { Unbound } from "./bind.ts";

const TEXTS: Readonly<Record<Reason | Unbound | "policy", string | undefined>> = {
  "relay-only": "the host wants no direct path",
  "peer-limit": "too many visitors",
  shutdown: "the host stops",
  "session-ended": "the session is over",
  "host-away": "the host is away",
  timeout: "no connection in time",
  ice: "no way to the host",
  protocol: "host and page disagree",
  silent: "the host is silent",
  "channel-closed": "channel closed",
  unsupported: "this browser has no data channels",
  // Nobody is there to read it.
  "page-gone": undefined,
  other: "the host said no",
  "app-worker": "the app has a service worker",
  policy: "the app's policy forbids it",
  "worker-refused": "the browser refused it",
};

/** A newer host may have reasons of its own. */
export function explain(why: Reason | Unbound | "policy"): string {
  return TEXTS[why] ?? why;
}
