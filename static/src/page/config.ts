/** What the edge says to the page script, in `data-wingman` of its own tag. */
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
  readonly why: string | undefined;
}

/** Undefined: not a configuration; there is nothing that we could do then. */
export function parseConfig(json: string | undefined): Config | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json ?? "");
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { session, direct, badge, timeoutMs, stun, relayOnlyPaths, why } = value as Record<string, unknown>;
  if (typeof session !== "string") return undefined;
  return {
    session,
    direct: direct === true,
    badge: badge === true,
    timeoutMs: typeof timeoutMs === "number" && timeoutMs > 0 ? timeoutMs : 10_000,
    stun: strings(stun),
    relayOnlyPaths: strings(relayOnlyPaths),
    why: typeof why === "string" ? why : undefined,
  };
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
