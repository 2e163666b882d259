/** Signaling messages between a page and the host: `{sessionId, from, type, data}`. The edge passes them on. */

import { byDefault, type Decoded, type Json, nullable, number, object, oneOf, optional, some, string, tagged, uint } from "./json.ts";

/** The largest signaling message, bytes of JSON. */
export const MAX_SIGNAL = 12 * 1024;

/** Why a connection does not come up or went down. */
export const reason = oneOf(
  [
    "relay-only",
    "peer-limit",
    "shutdown",
    "session-ended",
    "host-away",
    "timeout",
    "ice",
    "protocol",
    "silent",
    "channel-closed",
    "unsupported",
    "page-gone",
    "other",
  ],
  "other",
);

/** Why a connection does not come up or went down. */
export type Reason = Decoded<typeof reason>;

const text = string();

const description = object({ sdp: text });

const candidate = object({ candidate: text, sdpMid: nullable(text), sdpMLineIndex: nullable(uint(16)) });

/** The kind of path that ICE chose. */
const network = object({
  candidate: oneOf(["host", "srflx", "prflx", "relay"]),
  protocol: oneOf(["udp", "tcp"]),
  family: oneOf(["v4", "v6"]),
});

const count = byDefault(uint(64), 0);

/** What a page has seen since its last report; times in ms. */
const report = object({
  timeToDirectMs: optional(number),
  directRoundTripMs: optional(number),
  relayRoundTripMs: optional(number),
  directExchanges: count,
  directBytesSent: count,
  directBytesReceived: count,
  fallbacks: some(object({ cause: reason, durationMs: number })),
  network: optional(network),
});

/** What a page has seen since its last report; times in ms. */
export type Report = Decoded<typeof report>;

const connectionState = object({
  state: oneOf(["new", "connecting", "connected", "disconnected", "failed", "closed"]),
  reason: optional(reason),
  report: optional(report),
});

const body = tagged("type", {
  offer: object({ data: description }),
  answer: object({ data: description }),
  "ice-candidate": object({ data: candidate }),
  "connection-state": object({ data: connectionState }),
});

const envelope = object({ sessionId: text, from: oneOf(["host", "client"]) });

/** One message. */
export type Signal = Decoded<typeof envelope> & Decoded<typeof body>;

/** Reads one message. */
export const signal: Json<Signal> = (value) => ({ ...envelope(value), ...body(value) });
