/** What page and host agree on beyond frames: channels, the hello, field lines of ours. */

import { type Decoded, object, optional, string, tagged, uint } from "./json.ts";
import { reason } from "./signal.ts";

/** Protocol version. */
export const VERSION = 1;

/** How many data channels a peer has, with ids 0, 1, …; each is a carrier with its own mux. */
export const CHANNELS = 4;

/** The channel of the hello and of WebSockets; the others are lanes for requests. */
export const CONTROL_CHANNEL = 0;

/** Label and subprotocol of each channel. */
export const CHANNEL_LABEL = "wingman.1";

/** What a page says on the control channel. */
export const pageToHost = (value: unknown) => tagged("type", { hello: object({ version: uint(16) }), bye: object({}) })(value);

/** What a page says on the control channel. */
export type PageToHost = Decoded<typeof pageToHost>;

/** What the host says on the control channel. */
export const hostToPage = (value: unknown) =>
  tagged("type", { hello: object({ version: uint(16), maxExchanges: uint(32), visitor: optional(string()) }), bye: object({ reason }) })(value);

/** What the host says on the control channel. */
export type HostToPage = Decoded<typeof hostToPage>;

/** Fields of ours between page, edge and host. */
export const field = {
  requestId: "wingman-request-id",
  visitor: "wingman-visitor",
  documentCookie: "wingman-document-cookie",
  documentPath: "wingman-document-path",
  credentials: "wingman-credentials",
  te: "wingman-te",
  gzip: "gzip",
  transferCoding: "wingman-transfer-coding",
  ticket: "wingman-ticket",
  visitorTag: "wingman-visitor-tag",
} as const;

/** The path prefix on every session host that never reaches the origin. */
export const RESERVED_PREFIX = "/_wingman/";
export const PAGE_PATH = "/_wingman/page.js";
export const EXTRAS_PATH = "/_wingman/extras.js";
export const WORKER_PATH = "/_wingman/worker.js";
/** The signaling socket; `?peer=` and an id. */
export const SIGNAL_PATH = "/_wingman/signal";
/** Followed by a ticket. */
export const COOKIES_PATH = "/_wingman/cookies/";
/** The relay's round trip. */
export const ECHO_PATH = "/_wingman/echo";
