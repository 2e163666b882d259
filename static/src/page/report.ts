/** What the edge is told of this page: numbers since the last time. */

import type { Reason, Report } from "../wire/signal.ts";
import type { Stats } from "./state.ts";

/** The kind of path that ICE chose. */
export type Network = NonNullable<Report["network"]>;

/** A page that flaps tells of the first ones. */
const MAX_FALLBACKS = 32;

export class Reports {
  readonly #stats: Stats;
  /** Exchanges, bytes sent, bytes received. */
  #told: readonly number[] = [0, 0, 0];
  #toldTimeToDirect = false;
  readonly #fallbacks: { cause: Reason; durationMs: number }[] = [];
  #network: Network | undefined;

  constructor(stats: Stats) {
    this.#stats = stats;
  }

  addFallback(cause: Reason, durationMs: number): void {
    if (this.#fallbacks.length < MAX_FALLBACKS) this.#fallbacks.push({ cause, durationMs });
  }

  setNetwork(network: Network | undefined): void {
    this.#network = network;
  }

  /** Nothing: there is nothing new. */
  take(): Report | undefined {
    const { exchanges, bytes, timeToDirectMs, roundTrip } = this.#stats;
    const now = [exchanges.direct, bytes.direct.sent, bytes.direct.received];
    const [directExchanges = 0, directBytesSent = 0, directBytesReceived = 0] = now.map((count, at) => count - (this.#told[at] ?? 0));
    const report: Report = {
      ...(timeToDirectMs !== undefined && !this.#toldTimeToDirect && { timeToDirectMs }),
      ...(this.#fallbacks.length > 0 && { fallbacks: this.#fallbacks.splice(0) }),
      ...(this.#network && { network: this.#network }),
      directExchanges,
      directBytesSent,
      directBytesReceived,
    };
    if (Object.values(report).every((value) => value === 0)) return undefined;
    this.#told = now;
    this.#toldTimeToDirect = timeToDirectMs !== undefined;
    this.#network = undefined;
    if (roundTrip.direct !== undefined) report.directRoundTripMs = roundTrip.direct;
    if (roundTrip.relay !== undefined) report.relayRoundTripMs = roundTrip.relay;
    return report;
  }
}
