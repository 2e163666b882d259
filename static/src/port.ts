/**
 * What page and worker say to each other. A page that has registered the worker sends {@link Bind} with one end of a
 * MessageChannel; everything else but the keep-alive goes over that port for as long as both live.
 *
 * An exchange: `req`, `ack` (from then on it may be executed), `head`, `data`…, `end`. Instead of `ack`: `nak`, nothing
 * was executed. Instead of what is missing: `err`. The worker gives `credit` as its reader takes content.
 */

/** A field line, name in lower case, value a byte string. */
export type FieldLine = readonly [name: string, value: string];

/** Of these messages; a page and a worker of different versions do not speak. */
export const PORT_VERSION = 2;

/** Content bytes that a page may send before the first credit. */
export const WINDOW = 1024 * 1024;

/** How long the worker waits for the acknowledgement, and until when a page may give it, milliseconds. */
export const ACK_TIMEOUT = 300;
export const ACK_DEADLINE = 250;

/** Requests of the app with this field line go by relay: the page puts it there (marks.ts). The edge drops it. */
export const RELAY_FIELD = "wingman-relay";

/** Content above this goes by relay: it could not be kept for a second try. */
export const MAX_CONTENT = 1024 * 1024;

/** From page to worker by `controller.postMessage`. */
export type PageToController = Bind | { readonly wingman: "ping" | "claim" };

/** The port is transferred with it. */
export interface Bind extends PortState {
  readonly wingman: "bind";
  readonly version: number;
  /** A Web Lock that the page holds for as long as it lives. */
  readonly lock: string;
  /** Prefixes of paths that never go directly. */
  readonly relayOnlyPaths: readonly string[];
  /** For field lines: as the page sees it. */
  readonly browser: { readonly userAgent: string; readonly languages: readonly string[] };
}

/** What the worker chooses a page by. */
export interface PortState {
  /** The direct path of the page is up. */
  readonly up: boolean;
  /** A person can see the page. */
  readonly visible: boolean;
}

/** From worker to page by `client.postMessage`. */
export interface WorkerToClient {
  /** The worker has restarted and knows no port; or the session is over and the worker gone. */
  readonly wingman: "rebind" | "ended";
}

/** A request of the app. */
export interface Req {
  readonly type: "req";
  readonly id: number;
  /** `Date.now()` until which the page may begin with it. */
  readonly deadline: number;
  readonly method: string;
  /** Of our origin, in origin-form. */
  readonly target: string;
  /** All but the cookies of the page. */
  readonly fields: readonly FieldLine[];
  /** Undefined: none, not even of length 0. */
  readonly content: ArrayBuffer | undefined;
  /** The request shall have no cookies. */
  readonly anonymous: boolean;
}

/** Why a request that was meant for the direct path, or had begun there, went by relay. */
export type FallbackCause = "silent" | "refused" | "path" | "reset" | "cookies" | "head" | "page-gone" | "resumed";

/** Over the port, from worker to page. */
export type WorkerToPage =
  | Req
  | { readonly type: "credit"; readonly id: number; readonly bytes: number }
  | { readonly type: "cancel"; readonly id: number }
  /** Requests of this page that went by relay since the last one. */
  | { readonly type: "relayed"; readonly exchanges: number; readonly sent: number; readonly received: number }
  /** `ms`: from the request to the relay being used. */
  | { readonly type: "fallback"; readonly cause: FallbackCause; readonly ms: number };

/** Over the port, from page to worker. */
export type PageToWorker =
  | { readonly type: "ack"; readonly id: number }
  /** Nothing was executed, nor will be. */
  | { readonly type: "nak"; readonly id: number }
  | { readonly type: "head"; readonly id: number; readonly status: number; readonly fields: readonly FieldLine[] }
  /** Transferred. */
  | { readonly type: "data"; readonly id: number; readonly content: ArrayBuffer }
  /** `length`: content bytes in all. */
  | { readonly type: "end"; readonly id: number; readonly length: number }
  | { readonly type: "err"; readonly id: number; readonly kind: ErrorKind }
  | ({ readonly type: "state" } & PortState)
  /** The page goes away. */
  | { readonly type: "bye" };

/**
 * `unsent`: nothing was executed. `declined`: neither, for the host wants it by relay. `path`: the direct path broke.
 * `reset`: the host ended it.
 */
export type ErrorKind = "unsent" | "declined" | "path" | "reset";
