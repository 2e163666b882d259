/** What can be wrong with a carrier, or with a wish of its user. */

import type { ResetCode } from "../wire/code.ts";
import type { FrameFault } from "../wire/frame.ts";

/** A broken rule of the protocol; `crates/mux/src/error.rs` has a sentence on each. */
export type Violation =
  | "second-head"
  | "head-too-large"
  | "ended-interim"
  | "interim-flood"
  | "data-before-head"
  | "beyond-credit"
  | "after-finish"
  | "wrong-total"
  | "wrong-side"
  | "never-opened"
  | "id-not-rising"
  | "credit-overflow"
  | "flood";

/** The carrier is of no use any more: close it; every stream is over. */
export class CarrierError extends Error {
  readonly fault: Violation | FrameFault | "silent";

  constructor(fault: CarrierError["fault"]) {
    super(fault);
    this.fault = fault;
  }
}

/** Throws unless a rule is kept. */
export function rule(kept: unknown, violation: Violation): asserts kept {
  if (!kept) {
    throw new CarrierError(violation);
  }
}

/** Why a stream cannot be opened: all ids are used, too many, the peer drains; or nothing be sent on it. */
export type StreamFault = "exhausted" | "too-many" | "draining" | "too-large" | "state" | "unknown" | "reset";

/** A wish that cannot be granted; nothing was sent. */
export class StreamError extends Error {
  readonly fault: StreamFault;
  /** Why the stream was reset. */
  readonly code: ResetCode | undefined;

  constructor(fault: StreamFault, code?: ResetCode) {
    super(fault);
    this.fault = fault;
    this.code = code;
  }
}
