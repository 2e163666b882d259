/**
 * Which requests may go directly. Each guard has its reason; whoever fails one is left to the network by not answering
 * the event at all, which is the relay path.
 */

import { RELAY_FIELD } from "../port.ts";
import { RESERVED_PREFIX } from "../wire/direct.ts";

/** Whether a page may be asked for it; the size of its content is looked at later. */
export function mayGoDirectly(request: Request, origin: string): boolean {
  const { url, headers, mode, cache, destination } = request;
  return (
    isTheirs(url, origin) &&
    // The page that owns the data channel dies when the new document begins.
    mode !== "navigate" &&
    // Outlives its page.
    !request.keepalive &&
    // Firefox does not tell beacons by `keepalive`; prefetched documents are for the HTTP cache, which we cannot fill.
    !(mode === "no-cors" && destination === "") &&
    // Firefox holds a head back until there is content, and an event may be long in coming.
    !headers.get("accept")?.includes("text/event-stream") &&
    // What the page knows and we cannot see.
    !headers.has(RELAY_FIELD) &&
    // Chromium shows us an empty value where there is more than ASCII.
    [...headers.values()].every((value) => /^[\t -~]+$/.test(value)) &&
    // Ask for the HTTP cache, stale or not. All other modes get what the origin has, which is never wrong.
    cache !== "only-if-cached" &&
    cache !== "force-cache"
  );
}

/** Whether `url` belongs to the app: to this origin, and not to us. */
export const isTheirs = (url: string, origin: string): boolean =>
  url.startsWith(origin + "/") && !url.startsWith(origin + RESERVED_PREFIX);

/** Whether the session's host wants `url` by relay. */
export const isRelayOnly = (url: string, prefixes: readonly string[]): boolean => {
  const { pathname } = new URL(url);
  return prefixes.some((prefix) => pathname.startsWith(prefix));
};

/**
 * Whether only the browser itself can go on behind such a response. It has a person's name and password for the origin and
 * shows them to no worker; and WebKit sends a content no further than to the first of two redirected requests if a worker
 * has answered that.
 */
export function needsBrowser(
  { headers }: Pick<Request, "headers">,
  content: ArrayBuffer | undefined,
  status: number,
  head: Headers,
  userAgent: string,
): boolean {
  if (status === 401) return BROWSER_SCHEMES.test(head.get("www-authenticate") ?? "") && !headers.has("authorization");
  return content !== undefined && (status === 307 || status === 308) && WEBKIT.test(userAgent);
}

/** Of HTTP authentication that browsers do (RFC 9110 §11.1), among the challenges of a field value. */
const BROWSER_SCHEMES = /(^|,)\s*(basic|digest|ntlm|negotiate)\b/i;
/** No feature tells it, and to wrong ones it costs little. */
const WEBKIT = /^(?!.*Chrom).*AppleWebKit/;
