/**
 * The direct path of this page: makes a peer, sees whether it lives, replaces it when it does not.
 *
 * 1. `connecting`: a peer has `timeoutMs` for the host's hello. Then requests may go (`up`).
 * 2. When it is lost, every exchange on it ends at once and requests go by relay. Silence may pass: an answer to a
 *    question that was asked since brings the peer back (`resting`). No other message of the host does: after an
 *    outage each direction waits for its own retransmission timer, ours perhaps for seconds more. If no answer comes,
 *    addresses may have changed: ICE is restarted, once.
 * 3. Else it is closed, and a new one is made after a while (`waiting`), or at once when there is a reason for hope.
 */

import type { Bytes } from "../wire/buffer.ts";
import { CONTROL_CHANNEL } from "../wire/direct.ts";
import { encodeRequest } from "../wire/head.ts";
import type { Reason } from "../wire/signal.ts";
import { backoff } from "./backoff.ts";
import type { Config } from "./config.ts";
import { type Direct, type DirectExchange, ExchangeError, type RequestHead } from "./direct.ts";
import { Exchange } from "./exchange.ts";
import { Liveness, type Verdict } from "./liveness.ts";
import { Peer } from "./peer.ts";
import { type Network, Reports } from "./report.ts";
import type { Stats } from "./state.ts";

type Timer = ReturnType<typeof setTimeout>;

type State =
  /** Nothing is tried: not started, the page is away, or the host wants no peers. */
  | { readonly at: "off" }
  | { readonly at: "waiting" }
  | { readonly at: "connecting" | "resting"; readonly peer: Peer }
  | { readonly at: "up"; readonly peer: Peer; readonly since: number };

/** For a host that was busy. */
const PATIENCE_MS = 1_500;
/** For an ICE restart. */
const RESTART_MS = 3_000;
/** A path that was up for so long was a good one: the next try may be soon. */
const GOOD_MS = 30_000;
/** One that comes up and breaks is worth a try every few seconds; the long pauses are for where there is none. */
const FLAPPING = 2;
const REPORT_MS = 15_000;
/** Later tries change nothing before the page is loaded again. */
const FINAL: readonly Reason[] = ["relay-only", "session-ended"];

export class Connection implements Direct {
  onchange: ((up: boolean) => void) | null = null;
  /** Requests go by relay, and why; at the first try only when it has failed. */
  onrelay: ((why: Reason) => void) | undefined;
  /** Tells the kind of a path; it comes with the extras. */
  networkOf: ((connection: RTCPeerConnection) => Promise<Network | undefined>) | undefined;
  /** A round trip was measured. */
  onroundtrip: (() => void) | undefined;
  readonly #config: Config;
  readonly #stats: Stats;
  readonly #reports: Reports;
  readonly #started = performance.now();
  #state: State = { at: "off" };
  /** Ends the state. */
  #timer: Timer | undefined;
  #attempt = 0;
  #maxExchanges = 0;
  /** Exchanges that wait for the host. */
  #busy = 0;
  #liveness = new Liveness(0);
  #livenessTimer: Timer | undefined;
  #livenessDue = Infinity;
  /** Bytes that the network had taken when we last looked. */
  #taken = 0;

  constructor(config: Config, stats: Stats) {
    this.#config = config;
    this.#stats = stats;
    this.#reports = new Reports(stats);
    setInterval(() => {
      if ("peer" in this.#state) this.#report(this.#state.peer);
    }, REPORT_MS);
  }

  get up(): boolean {
    return this.#state.at === "up";
  }

  open(head: RequestHead, content?: Uint8Array, upgrade = false): DirectExchange {
    const state = this.#state;
    if (state.at !== "up") throw new ExchangeError("the direct path is down", false);
    const { carriers } = state.peer;
    const open = carriers.reduce((sum, carrier) => sum + carrier.size, 0);
    const carrier = carriers
      .filter((_, id) => (id === CONTROL_CHANNEL) === upgrade)
      .reduce((least, carrier) => (carrier.size < least.size ? carrier : least));
    if (open >= this.#maxExchanges) throw new ExchangeError("too many exchanges", false);
    this.#setBusy(1);
    try {
      return new Exchange(carrier, {
        head: encodeRequest({ ...head, scheme: location.protocol === "https:" ? "https" : "http", authority: location.host }),
        content: content as Bytes | undefined,
        upgrade,
        onIdle: () => {
          this.#setBusy(-1);
        },
      });
    } catch {
      // What cannot be said in a head, or no streams are left.
      this.#setBusy(-1);
      throw new ExchangeError("cannot be opened", false);
    }
  }

  /** Begins, or begins again. */
  start(): void {
    if (this.#state.at === "off") this.#connect();
  }

  /** The page goes away, perhaps to come back. */
  stop(reason: Reason): void {
    const state = this.#state;
    if ("peer" in state) this.#report(state.peer);
    this.#leaveUp();
    this.#enter({ at: "off" });
    if ("peer" in state) this.#drop(state.peer, reason);
  }

  /**
   * The browser may be another visitor by now, for its cookies were cleared, or two first documents were loaded at
   * once: then the peer's cookies at the host are those of another, and a new one is made. Without a visitor there
   * can be none.
   */
  expect(visitor: string | null): void {
    const state = this.#state;
    if (!("peer" in state) || !state.peer.visitor || state.peer.visitor === visitor) return;
    this.stop("other");
    if (visitor) this.start();
    else this.onrelay?.("other");
  }

  /** The network has changed, or the page is looked at again: what did not work may work now. */
  hurry(): void {
    const state = this.#state;
    switch (state.at) {
      case "waiting":
        this.#attempt = 0;
        this.#connect();
        break;
      case "up":
        this.#act(this.#liveness.ask(performance.now()));
        state.peer.hurry();
        break;
      case "connecting":
      case "resting":
        state.peer.hurry();
        break;
      case "off":
        break;
    }
  }

  /** The only way from one state to another; `then`, after `ms`, unless there was another one by then. */
  #enter(state: State, ms?: number, then?: () => void): void {
    clearTimeout(this.#timer);
    this.#state = state;
    if (then) this.#timer = setTimeout(then, ms);
  }

  #connect(): void {
    let peer: Peer;
    try {
      peer = new Peer(this.#config, {
        up: (maxExchanges) => {
          this.#maxExchanges = maxExchanges;
          this.#onUp(peer);
        },
        heard: () => {
          this.#liveness.onHeard(performance.now());
        },
        roundTrip: (ms, channel) => {
          if (this.#state.at === "resting") {
            // Asked when it was lost; on the others an older answer may be on its way. It took as long as the outage.
            if (channel === CONTROL_CHANNEL) {
              this.#liveness.restart();
              this.#onUp(peer);
            }
            return;
          }
          // Answers on lanes wait behind content.
          if (channel !== CONTROL_CHANNEL) return;
          this.#stats.roundTrip.direct = ms;
          this.#liveness.onRoundTrip(ms);
          this.onroundtrip?.();
        },
        lost: (reason) => {
          this.#onLost(peer, reason);
        },
      });
    } catch {
      // A policy of the page or the browser.
      this.#enter({ at: "off" });
      this.onrelay?.("unsupported");
      return;
    }
    this.#liveness = new Liveness(performance.now());
    this.#enter({ at: "connecting", peer }, this.#config.timeoutMs, () => {
      this.#giveUp(peer, "timeout");
    });
  }

  #onUp(peer: Peer): void {
    const { at } = this.#state;
    if (at !== "connecting" && at !== "resting") return;
    const now = performance.now();
    this.#stats.timeToDirectMs ??= now - this.#started;
    this.#enter({ at: "up", peer, since: now });
    this.#act(this.#liveness.ask(now));
    this.onchange?.(true);
    void this.reportNetwork();
  }

  #onLost(peer: Peer, reason: Reason): void {
    const { at } = this.#state;
    if (at === "up") {
      const now = performance.now();
      this.#stats.fallbacks++;
      this.#reports.addFallback(reason, now - this.#liveness.heard);
      this.#leaveUp();
      // With the channels gone there is nothing to bring back.
      if (reason === "ice" || reason === "silent") {
        const giveUp = (): void => {
          this.#giveUp(peer, reason);
        };
        this.#enter({ at: "resting", peer }, reason === "ice" ? 0 : PATIENCE_MS, () => {
          peer.restart();
          this.#enter({ at: "resting", peer }, RESTART_MS, giveUp);
        });
        this.#report(peer, "disconnected", reason);
        peer.ask(false);
        this.onrelay?.(reason);
      } else {
        this.#giveUp(peer, reason);
      }
    } else if (at === "connecting" || (at === "resting" && reason !== "ice")) {
      this.#giveUp(peer, reason);
    }
  }

  /** Closes the peer; tries another one later. */
  #giveUp(peer: Peer, reason: Reason): void {
    this.#report(peer, "failed", reason);
    if (FINAL.includes(reason)) {
      this.#enter({ at: "off" });
    } else {
      this.#enter({ at: "waiting" }, backoff(this.#attempt++, Math.random()), () => {
        this.#connect();
      });
    }
    this.#drop(peer, reason);
    this.onrelay?.(reason);
  }

  /** Nothing new may go directly, and what does has ended. */
  #leaveUp(): void {
    const state = this.#state;
    if (state.at !== "up") return;
    this.#attempt = Math.min(this.#attempt, performance.now() - state.since > GOOD_MS ? 0 : FLAPPING);
    this.#enter({ at: "off" });
    clearTimeout(this.#livenessTimer);
    this.#livenessTimer = undefined;
    this.#livenessDue = Infinity;
    this.onchange?.(false);
    for (const carrier of state.peer.carriers) carrier.fail();
  }

  #drop(peer: Peer, reason: Reason): void {
    peer.close(reason);
    for (const carrier of peer.carriers) carrier.fail();
  }

  #setBusy(by: 1 | -1): void {
    this.#busy += by;
    this.#liveness.setBusy(this.#busy > 0, performance.now());
    if (this.up) this.#schedule();
  }

  #schedule(): void {
    const { due } = this.#liveness;
    if (due >= this.#livenessDue) return;
    clearTimeout(this.#livenessTimer);
    this.#livenessDue = due;
    this.#livenessTimer = setTimeout(() => {
      this.#livenessDue = Infinity;
      this.#judge();
    }, Math.max(0, due - performance.now()));
  }

  #judge(): void {
    const state = this.#state;
    if (state.at !== "up") return;
    const now = performance.now();
    const taken = state.peer.carriers.reduce((sum, carrier) => sum + carrier.taken, 0);
    // Answers may wait behind an upload, but what the network takes of it is a sign of life.
    if (taken > this.#taken && state.peer.carriers.some((carrier) => carrier.isWaiting)) this.#liveness.onHeard(now);
    this.#taken = taken;
    this.#act(this.#liveness.handle(now));
  }

  #act(verdict: Verdict): void {
    const state = this.#state;
    if (state.at !== "up") return;
    switch (verdict) {
      case "down":
        this.#onLost(state.peer, "silent");
        return;
      case "ask":
      case "ask-all":
        state.peer.ask(verdict === "ask-all");
        break;
      case "fine":
        break;
    }
    this.#schedule();
  }

  /** What is known of a path that is up. Again once {@link networkOf} is there. */
  async reportNetwork(): Promise<void> {
    const state = this.#state;
    if (state.at !== "up") return;
    const { peer } = state;
    try {
      this.#reports.setNetwork(await this.networkOf?.(peer.connection));
    } catch {
      // It was closed meanwhile.
    }
    if ("peer" in this.#state && this.#state.peer === peer) this.#report(peer);
  }

  /** By the peer's signaling socket. With a state it is said in any case. */
  #report(peer: Peer, state?: "disconnected" | "failed", reason?: Reason): void {
    const report = this.#reports.take();
    if (state === undefined && report === undefined) return;
    peer.say({
      type: "connection-state",
      data: {
        state: state ?? (this.up ? "connected" : "connecting"),
        ...(reason && { reason }),
        ...(report && { report }),
      },
    });
  }
}
