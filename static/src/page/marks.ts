/**
 * Marks requests that must go by relay and that no worker can tell from others in time: synchronous ones of
 * XMLHttpRequest (Firefox hands them to the worker while the page, which would have to answer, stands still), those
 * whose upload is watched (a request that a worker answers has no upload events) and large ones (the worker could not
 * keep them, Firefox would let it find out only by reading all of it, and Chromium ends what a worker passes on after
 * 300 s). The mark is a field line that the edge drops.
 */

import { MAX_CONTENT, RELAY_FIELD } from "../port.ts";

export function markRequests(): void {
  /** Whose upload was looked at. */
  const watched = new WeakSet<XMLHttpRequest>();
  /** Those of our origin (a mark would give others a preflight), with whether they are synchronous. */
  const ours = new WeakMap<XMLHttpRequest, boolean>();
  const prototype = XMLHttpRequest.prototype;

  wrap(prototype, "upload", "get", (xhr, _, native) => {
    watched.add(xhr as XMLHttpRequest);
    return native();
  });
  wrap(prototype, "open", "value", (target, args, native) => {
    const xhr = target as XMLHttpRequest;
    ours.delete(xhr);
    native();
    const url = new URL(String(args[1]), document.baseURI);
    // An argument that is there and false, or undefined; without it they are asynchronous.
    if (isOurs(url)) ours.set(xhr, args.length > 2 && !args[2]);
  });
  wrap(prototype, "send", "value", (target, args, native) => {
    const xhr = target as XMLHttpRequest;
    const relay = ours.get(xhr) || watched.has(xhr) || isLarge(args[0]);
    if (ours.has(xhr) && relay) xhr.setRequestHeader(RELAY_FIELD, "1");
    ours.delete(xhr);
    native();
  });
  const { Request } = window;
  /** Those whose content is large, which does not show any more. */
  const large = new WeakSet();
  const isLargeRequest = ([input, init]: readonly unknown[]): boolean => {
    const { body } = (init ?? {}) as RequestInit;
    return isLarge(body) || (!body && large.has(input as object));
  };
  const keep = <T>(request: T, args: readonly unknown[]): T => {
    if (isLargeRequest(args)) large.add(request as object);
    return request;
  };
  wrap(Request.prototype, "clone", "value", (request, _, native) => keep(native(), [request]));
  Request.prototype.constructor = window.Request = new Proxy(Request, {
    construct: (target, args, newTarget) => keep(Reflect.construct(target, args, newTarget) as Request, args),
  });
  wrap(window, "fetch", "value", (_, args, native) => {
    try {
      if (isLargeRequest(args)) {
        // What `fetch` begins with.
        const request = new Request(...(args as Parameters<typeof fetch>));
        if (isOurs(new URL(request.url))) request.headers.set(RELAY_FIELD, "1");
        return native([request]);
      }
    } catch {
      // It says so itself.
    }
    return native();
  });
}

/** Puts `around` around a member of `holder`. A proxy, because nobody can tell it from the native function. */
function wrap(
  holder: object,
  name: string,
  kind: "value" | "get",
  around: (target: unknown, args: readonly unknown[], native: (args?: readonly unknown[]) => unknown) => unknown,
): void {
  const member = Object.getOwnPropertyDescriptor(holder, name);
  const native: unknown = Reflect.get(member ?? {}, kind);
  if (typeof native !== "function") return;
  const apply = (target: () => unknown, self: unknown, args: readonly unknown[]): unknown =>
    around(self, args, (changed = args) => Reflect.apply(target, self, changed));
  Object.defineProperty(holder, name, { ...member, [kind]: new Proxy(native as () => unknown, { apply }) });
}

const isOurs = (url: URL): boolean => url.origin === location.origin;

const isLarge = (content: unknown): boolean => size(content) > MAX_CONTENT;

/** About how many bytes that is; the worker looks again. */
function size(content: unknown): number {
  if (content instanceof FormData) return [...content].reduce((sum, [, value]) => sum + size(value), 0);
  const { size: bytes, byteLength, length } = (content ?? {}) as { size?: number; byteLength?: number; length?: number };
  return bytes ?? byteLength ?? length ?? 0;
}
