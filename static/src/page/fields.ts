/**
 * The head of a request as the browser would have sent it: what a worker sees of it, and the field lines that browsers
 * add below the worker. Each rule was read off Chromium 156 and Firefox 153 (tests/browser/worker.test.mjs compares).
 */

import type { Req } from "../port.ts";
import { field } from "../wire/direct.ts";
import { type FieldLine, type RequestHead, utf8 } from "../wire/head.ts";

export function requestHead(req: Req): Pick<RequestHead, "method" | "target" | "fields"> {
  const { pathname, search } = new URL(req.url);
  const visible = new Map(req.fields);
  const added: FieldLine[] = [];
  const add = (name: string, value: string): void => {
    if (!visible.has(name)) added.push([name, value]);
  };

  add("accept", "*/*");
  add("user-agent", navigator.userAgent);
  add("accept-language", acceptLanguage(navigator.languages));
  // Only what every browser can decode in a worker; a part of an encoded whole is of no use.
  add("accept-encoding", visible.has("range") ? "identity" : "gzip");
  if (req.referrer.startsWith("http")) add("referer", req.referrer);
  if (req.method !== "GET" && req.method !== "HEAD") add("origin", location.origin);
  if (req.content || req.method === "POST" || req.method === "PUT") {
    add("content-length", String(req.content?.byteLength ?? 0));
  }
  add("sec-fetch-site", "same-origin");
  add("sec-fetch-mode", req.mode);
  add("sec-fetch-dest", req.destination || "empty");
  if (req.cache === "no-cache") add("cache-control", "max-age=0");
  if (req.cache === "no-store" || req.cache === "reload") {
    add("pragma", "no-cache");
    add("cache-control", "no-cache");
  }

  added.push([field.requestId, req.requestId]);
  if (req.credentials === "omit") added.push([field.credentials, "omit"]);
  else added.push([field.documentCookie, utf8(document.cookie)], [field.documentPath, location.pathname]);
  return { method: req.method, target: pathname + search, fields: [...req.fields, ...added] };
}

/** As Chromium does it; Firefox shows the field to the worker. */
export const acceptLanguage = (languages: readonly string[]): string =>
  languages.map((tag, at) => (at ? `${tag};q=${Math.max(1, 10 - at) / 10}` : tag)).join(",");
