/**
 * The field lines of a request as the browser would have sent them: what a worker sees of it, and those that browsers
 * add below the worker. Each rule was read off Chromium 156 and Firefox 153 (tests/browser/worker.test.mjs compares).
 */

import { acceptLanguage } from "../language.ts";
import type { Bind, FieldLine } from "../port.ts";
import { field } from "../wire/direct.ts";

/** All but the cookies of the page. `browser`: as the page sees it, for a developer may emulate another one there. */
export function requestFields(
  { method, headers, referrer, mode, destination, credentials, cache }: Request,
  content: ArrayBuffer | undefined,
  requestId: string,
  browser: Bind["browser"],
): FieldLine[] {
  const fields: FieldLine[] = [...headers];
  const add = (name: string, value: string): void => {
    if (!headers.has(name)) fields.push([name, value]);
  };

  add("accept", "*/*");
  add("user-agent", browser.userAgent);
  add("accept-language", acceptLanguage(browser.languages));
  // Only what every browser can decode in a worker; a part of an encoded whole is of no use.
  add("accept-encoding", headers.has("range") ? "identity" : "gzip");
  if (referrer.startsWith("http")) add("referer", referrer);
  if (method !== "GET" && method !== "HEAD") add("origin", location.origin);
  if (content || method === "POST" || method === "PUT") add("content-length", String(content?.byteLength ?? 0));
  add("sec-fetch-site", "same-origin");
  add("sec-fetch-mode", mode);
  add("sec-fetch-dest", destination || "empty");
  if (cache === "no-cache") add("cache-control", "max-age=0");
  if (cache === "no-store" || cache === "reload") {
    add("pragma", "no-cache");
    add("cache-control", "no-cache");
  }
  add(field.te, field.gzip);
  add(field.requestId, requestId);
  if (credentials === "omit") add(field.credentials, credentials);
  return fields;
}
