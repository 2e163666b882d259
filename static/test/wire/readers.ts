/** Which reader the messages of `control.json` and `signals.json` are for. */

import { edgeToHost, hostToEdge } from "../../src/wire/control.ts";
import { hostToPage, pageToHost } from "../../src/wire/direct.ts";
import type { Json } from "../../src/wire/json.ts";
import { signal } from "../../src/wire/signal.ts";

export type Direction = "host-to-edge" | "edge-to-host" | "signal" | "page-to-host" | "host-to-page";

export const READERS: Record<Direction, Json<object>> = {
  "host-to-edge": hostToEdge,
  "edge-to-host": edgeToHost,
  signal,
  "page-to-host": pageToHost,
  "host-to-page": hostToPage,
};

/** A file of them. */
export interface Messages {
  valid: { name: string; direction: Direction; json: string; value: object; decodeOnly?: true }[];
  invalid: { name: string; direction: Direction; json: string; error: string }[];
}
