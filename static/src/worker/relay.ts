/** What the worker itself sends by relay: second tries, continuations, tickets. */

import { COOKIES_PATH, field } from "../wire/direct.ts";
import type { FieldLine } from "../port.ts";
import type { Content } from "./content.ts";

/** The same request once more, under the id by which the host knows it; `content` is its content. */
export async function repeat(request: Request, content: ArrayBuffer | undefined, requestId: string): Promise<Response> {
  // A redirect to another origin is allowed only in the mode of the original, which the copy cannot have; and there the
  // id would cost a preflight, which what may be repeated need not have.
  const safe = request.method === "GET" || request.method === "HEAD";
  const manual = request.mode === "no-cors" || (safe && request.redirect === "follow");
  const redirect = manual ? "manual" : request.redirect;
  const init = { redirect, ...(content && { body: content }) };
  const response = await fetch(copy(request, [[field.requestId, requestId]], init));
  return response.type === "opaqueredirect" && request.redirect === "follow" ? fetch(request) : response;
}

/** Fetches the cookies of a direct response into the browser. Rejects if they are not surely there. */
export async function fetchCookies(ticket: string): Promise<void> {
  const init = { cache: "no-store", credentials: "include", signal: AbortSignal.timeout(COOKIES_TIMEOUT) } as const;
  const { status } = await fetch(COOKIES_PATH + encodeURIComponent(ticket), init);
  if (status !== 204) throw new TypeError("cookies are lost");
}

/**
 * Continues `content`, which broke off: asks for the rest by relay if `head` has a strong validator, and it must be the
 * rest of the very same content. `undefined`: this content cannot be continued.
 */
export function resumable(
  request: Request,
  status: number,
  head: Headers,
): ((content: Content) => Promise<void>) | undefined {
  const validator = strongValidator(head);
  if (request.method !== "GET" || status !== 200 || !validator || head.has("content-encoding")) return undefined;
  return async (content) => {
    const from = content.received;
    // The app's hash is of the whole.
    const init = { cache: "no-store", redirect: "error", integrity: "" } as const;
    try {
      const range: FieldLine[] = [["range", `bytes=${from}-`], ["if-range", validator]];
      const response = await fetch(copy(request, range, init));
      const [, first, last, whole] = RANGE.exec(response.headers.get("content-range") ?? "") ?? [];
      const length = Number(last) + 1;
      const known = head.get("content-length") ?? whole;
      const fits = Number(first) === from && String(length) === whole && whole === known;
      if (response.status !== 206 || !fits || !response.body) throw new TypeError();
      await content.continueWith(response.body, length);
    } catch {
      content.fail();
    }
  };
}

function copy(request: Request, fields: readonly FieldLine[], init: RequestInit): Request {
  const headers = new Headers(request.headers);
  for (const [name, value] of fields) headers.set(name, value);
  const { method, url, mode, credentials, cache, redirect, referrer, referrerPolicy, integrity } = request;
  return new Request(url, {
    method,
    headers,
    // In `no-cors` no field line could be added.
    mode: mode === "no-cors" ? "same-origin" : mode,
    credentials,
    cache,
    redirect,
    referrer,
    referrerPolicy,
    integrity,
    ...init,
  });
}

/** By which two contents of the same validator have the same bytes (RFC 9110 §8.8.1). */
function strongValidator(head: Headers): string | undefined {
  const etag = head.get("etag");
  if (etag) return etag.startsWith('"') ? etag : undefined;
  const modified = head.get("last-modified");
  const age = Date.parse(head.get("date") ?? "") - Date.parse(modified ?? "");
  // RFC 9110 §8.8.2.2: it could have changed twice within its second.
  return modified && age >= 60_000 ? modified : undefined;
}

const RANGE = /^bytes (\d+)-(\d+)\/(\d+)$/;
/** How long the cookies of a response may take, milliseconds. */
const COOKIES_TIMEOUT = 10_000;
