/** Control messages: JSON objects on stream 0, one per CONTROL frame, told apart by `type`. */

import type { Bytes } from "./buffer.ts";
import { MAX_PAYLOAD } from "./frame.ts";
import { bool, byDefault, type Decoded, type Json, JsonError, list, object, oneOf, optional, parse, some, string, tagged, uint } from "./json.ts";
import { signal } from "./signal.ts";

const text = string();
const id = string(/^[0-9a-f]{32}$/);

const pages = object({
  direct: bool,
  badge: bool,
  timeoutMs: uint(32),
  relayOnlyPaths: byDefault(list(text), []),
  stunServers: byDefault(list(text), []),
});

/** What a host says to the edge. */
export const hostToEdge = tagged("type", {
  open: object({
    name: optional(text),
    resumeKey: text,
    maxExchanges: uint(32),
    agent: text,
    pages: optional(pages),
  }),
  end: object({}),
  signaling: object({ peer: id, message: signal }),
});

/** What a host says to the edge. */
export type HostToEdge = Decoded<typeof hostToEdge>;

/** What the edge says to a host. */
export const edgeToHost = tagged("type", {
  opened: object({
    session: text,
    url: text,
    resumed: bool,
    agent: text,
    stunServers: some(text),
  }),
  refused: object({
    reason: oneOf(["name-taken", "name-invalid", "name-not-allowed", "session-limit", "bad-request", "other"], "other"),
    message: text,
  }),
  "peer-opened": object({ peer: id, visitor: id }),
  signaling: object({ peer: id, message: signal }),
  "peer-closed": object({ peer: id }),
});

/** What the edge says to a host. */
export type EdgeToHost = Decoded<typeof edgeToHost>;

/** Encodes a message for a CONTROL frame; throws {@link JsonError} when it does not fit one. */
export function encodeControl(message: object): Bytes {
  const json = new TextEncoder().encode(JSON.stringify(message));
  if (json.length > MAX_PAYLOAD) {
    throw new JsonError();
  }
  return json;
}

/** Decodes the payload of a CONTROL frame; throws {@link JsonError}. */
export function decodeControl<T>(read: Json<T>, json: Uint8Array): T {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(json);
  } catch {
    throw new JsonError();
  }
  return parse(read, text);
}
