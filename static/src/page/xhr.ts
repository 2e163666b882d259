/**
 * Marks requests of XMLHttpRequest that must go by relay and that no worker can tell from others: synchronous ones
 * (Firefox hands them to the worker while the page, which would have to answer, stands still), those whose upload is
 * watched (a request that a worker answers has no upload events) and large ones (the worker could not keep them).
 * The mark is a field line that the edge drops.
 */

import { MAX_CONTENT, RELAY_FIELD } from "../port.ts";

export function markRequests(): void {
  /** Whose upload was looked at. */
  const watched = new WeakSet<XMLHttpRequest>();
  /** Those of our origin (a mark would give others a preflight), with whether they are synchronous. */
  const ours = new WeakMap<XMLHttpRequest, boolean>();

  wrap("upload", "get", (xhr, _, native) => {
    watched.add(xhr);
    return native();
  });
  wrap("open", "value", (xhr, args, native) => {
    ours.delete(xhr);
    native();
    const url = new URL(String(args[1]), document.baseURI);
    // An argument that is there and false, or undefined; without it they are asynchronous.
    if (url.origin === location.origin) ours.set(xhr, args.length > 2 && !args[2]);
  });
  wrap("send", "value", (xhr, args, native) => {
    const relay = ours.get(xhr) || watched.has(xhr) || size(args[0]) > MAX_CONTENT;
    if (ours.has(xhr) && relay) xhr.setRequestHeader(RELAY_FIELD, "1");
    ours.delete(xhr);
    native();
  });
}

/** Puts `around` around a member of XMLHttpRequest. A proxy, because nobody can tell it from the native function. */
function wrap(
  name: "open" | "send" | "upload",
  kind: "value" | "get",
  around: (xhr: XMLHttpRequest, args: readonly unknown[], native: () => unknown) => unknown,
): void {
  const holder = XMLHttpRequest.prototype;
  const member = Object.getOwnPropertyDescriptor(holder, name);
  const native: unknown = Reflect.get(member ?? {}, kind);
  if (typeof native !== "function") return;
  const apply = (target: () => unknown, xhr: XMLHttpRequest, args: unknown[]): unknown =>
    around(xhr, args, () => Reflect.apply(target, xhr, args));
  Object.defineProperty(holder, name, { ...member, [kind]: new Proxy(native as () => unknown, { apply }) });
}

/** About how many bytes that is; the worker looks again. */
function size(content: unknown): number {
  if (content instanceof FormData) return [...content].reduce((sum, [, value]) => sum + size(value), 0);
  const { size: bytes, byteLength, length } = (content ?? {}) as { size?: number; byteLength?: number; length?: number };
  return bytes ?? byteLength ?? length ?? 0;
}
