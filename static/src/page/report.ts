/** What the edge is told of this page: numbers since the last time. */

import type { Reason, Report } from "../wire/signal.ts";
import type { Stats } from "./state.ts";

type Network = NonNullable<Report["network"]>;

/** A page that flaps tells of the first ones. */
const MAX_FALLBACKS = 32;

export class Reports {
  readonly #stats: Stats;
  #exchanges = 0;
  #sent = 0;
  #received = 0;
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
    const { sent, received } = bytes.direct;
    const isNew = exchanges.direct !== this.#exchanges || received !== this.#received || sent !== this.#sent;
    const tellsTime = timeToDirectMs !== undefined && !this.#toldTimeToDirect;
    if (!isNew && !tellsTime && this.#fallbacks.length === 0 && this.#network === undefined) return undefined;
    const report: Report = {
      directExchanges: exchanges.direct - this.#exchanges,
      directBytesSent: sent - this.#sent,
      directBytesReceived: received - this.#received,
      ...(tellsTime && { timeToDirectMs }),
      ...(roundTrip.direct !== undefined && { directRoundTripMs: roundTrip.direct }),
      ...(roundTrip.relay !== undefined && { relayRoundTripMs: roundTrip.relay }),
      ...(this.#fallbacks.length > 0 && { fallbacks: this.#fallbacks.splice(0) }),
      ...(this.#network && { network: this.#network }),
    };
    this.#exchanges = exchanges.direct;
    this.#sent = sent;
    this.#received = received;
    this.#toldTimeToDirect ||= tellsTime;
    this.#network = undefined;
    return report;
  }
}

/** The kind of path that ICE chose, if the browser says it. */
export async function networkOf(connection: RTCPeerConnection): Promise<Network | undefined> {
  const stats = await connection.getStats();
  let chosen: RTCIceCandidatePairStats | undefined;
  stats.forEach((entry: RTCIceCandidatePairStats) => {
    if (entry.type === "candidate-pair" && entry.nominated && entry.state === "succeeded") chosen = entry;
  });
  const at = (id: string | undefined): Candidate | undefined => stats.get(id ?? "") as Candidate | undefined;
  const local = at(chosen?.localCandidateId);
  // The page's own address may be hidden behind a name.
  const family = at(chosen?.remoteCandidateId)?.address?.includes(":") ? "v6" : "v4";
  return local && { candidate: local.candidateType, protocol: local.protocol, family };
}

interface Candidate {
  readonly candidateType: Network["candidate"];
  readonly protocol: Network["protocol"];
  readonly address?: string;
}
