/** What a person reads about why requests go by relay. */

import type { Reason } from "../wire/signal.ts";
import type { Unbound } from "./bind.ts";

const TEXTS: Readonly<Record<Reason | Unbound | "policy", string | undefined>> = {
  "relay-only": "the host wants no direct path",
  "peer-limit": "the host has too many visitors",
  shutdown: "the host stops",
  "session-ended": "the session is over",
  "host-away": "the host is away",
  timeout: "no connection in time",
  ice: "no way to the host",
  protocol: "host and page do not understand each other",
  silent: "the host is silent",
  "channel-closed": "the channel was closed",
  unsupported: "this browser has no data channels",
  "page-gone": "the page was left",
  other: "the host said no",
  "app-worker": "the app has a service worker",
  policy: "the app's policy forbids it",
  "worker-refused": "the browser refused the service worker",
};

/** A newer host may have reasons of its own. */
export function explain(why: Reason | Unbound | "policy"): string {
  return TEXTS[why] ?? why;
}
