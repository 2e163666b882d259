/** Codes that end things: a stream (RESET) or a whole carrier (WebSocket close). */

/** Whose fault an error is. */
export type Blame = "visitor" | "edge" | "host" | "origin";

/** Why a stream was reset; `crates/wire/src/code.rs` says what each means. Numbers are never reused. */
export const ResetCode = {
  enough: 0,
  cancelled: 1,
  refused: 2,
  originRefused: 3,
  originReset: 4,
  originTimeout: 5,
  originInvalid: 6,
  originTls: 7,
  protocol: 8,
  tooLarge: 9,
  internal: 10,
  badRequest: 11,
  requestAborted: 12,
  relayOnly: 13,
  pathLost: 14,
} as const;

/** A number of {@link ResetCode}. */
export type ResetCode = (typeof ResetCode)[keyof typeof ResetCode];

const LAST = ResetCode.pathLost;

/** The code for a number; a number of a newer peer becomes `internal`. */
export const resetCode = (number: number): ResetCode =>
  number <= LAST ? (number as ResetCode) : ResetCode.internal;

/** Who is at fault when the *host* sends this code. */
export function blame(code: ResetCode): Blame {
  if (code >= ResetCode.originRefused && code <= ResetCode.originTls) {
    return "origin";
  }
  const host: readonly ResetCode[] = [ResetCode.refused, ResetCode.internal, ResetCode.protocol, ResetCode.relayOnly];
  return host.includes(code) ? "host" : "visitor";
}

/** Why a carrier was closed; the code of the WebSocket close frame. */
export const CloseCode = {
  ended: 4000,
  replaced: 4001,
  protocol: 4002,
  silent: 4003,
  restarting: 4004,
  refused: 4005,
} as const;

/** A number of {@link CloseCode}. */
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

/** The code for a number, or nothing for one of another protocol or version. */
export const closeCode = (number: number): CloseCode | undefined =>
  number >= CloseCode.ended && number <= CloseCode.refused ? (number as CloseCode) : undefined;
