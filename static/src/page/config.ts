/** What the edge says to the page script, in `data-wingman` of its own tag (`session/pages.rs`). */
export interface Config {
  readonly session: string;
  /** The host takes peers. */
  readonly direct: boolean;
  readonly badge: boolean;
  /** How long to try before the page is on relay for a while, milliseconds. */
  readonly timeoutMs: number;
  /** As `stun:host:port`. */
  readonly stun: readonly string[];
  /** Requests whose path begins so never go directly. */
  readonly relayOnlyPaths: readonly string[];
  /** Why `direct` is off. */
  readonly why?: string;
}

/** Nothing, or an exception: not the edge's; there is nothing that we could do then. */
export function parseConfig(json: string | undefined): Config | undefined {
  const config = JSON.parse(json ?? "null") as Config | null;
  return typeof config?.session === "string" ? config : undefined;
}
