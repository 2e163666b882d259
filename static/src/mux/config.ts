/** Limits of one end of a carrier. */

import { MAX_HEAD } from "../wire/head.ts";

/** Content bytes each direction of a stream may send before the first CREDIT. Part of the protocol. */
export const INITIAL_CREDIT = 256 * 1024;

/** Limits; `crates/mux/src/config.rs` says what they bound. */
export interface Config {
  /** Streams at once. */
  maxStreams: number;
  /** Bytes of one encoded head. */
  maxHead: number;
  /** The widest receive window of one stream, bytes. */
  maxWindow: number;
  /** How many bytes all receive windows together may grow beyond {@link INITIAL_CREDIT} each. */
  growthBudget: number;
  /** Bytes of one stream waiting to be sent. */
  streamSendBound: number;
  /** Bytes of all streams waiting to be sent; above it a stream may queue one frame at a time. */
  sendBound: number;
  /** Ms between two PINGs. */
  pingPeriod: number;
  /** Ms without a single message from the peer, after which the carrier is dead. */
  deadline: number;
}

/** As the protocol says. */
export const DEFAULTS: Readonly<Config> = {
  maxStreams: 256,
  maxHead: MAX_HEAD,
  maxWindow: 4 * 1024 * 1024,
  growthBudget: 32 * 1024 * 1024,
  streamSendBound: 64 * 1024,
  sendBound: 4 * 1024 * 1024,
  pingPeriod: 5_000,
  deadline: 10_000,
};
