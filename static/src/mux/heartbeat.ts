/** PING and PONG: is the peer alive, and how far away is it? Times in ms. */

import type { Config } from "./config.ts";

/**
 * Any message counts as a sign of life; PINGs only make sure that there is one. Tokens count up, so a PONG is matched
 * to its PING without a table.
 */
export class Heartbeat {
  /** When the last message came. */
  heard: number;
  /** A PING is to be sent. */
  pingDue = false;
  /** The token of the PING that is to be answered. Only the newest one is: a flood costs one PONG a message. */
  pongDue: bigint | undefined;
  private readonly config: Config;
  private nextPing: number;
  private token = 0n;
  /** When the newest PING was sent, unless its PONG has come. */
  private asked: number | undefined;

  constructor(config: Config, now: number) {
    this.config = config;
    this.heard = now;
    this.nextPing = now + config.pingPeriod;
  }

  /** Asks now. */
  ping(now: number): void {
    this.pingDue = true;
    this.nextPing = now + this.config.pingPeriod;
  }

  /** The round trip, if this answers the PING that is out. */
  onPong(token: bigint, now: number): number | undefined {
    if (this.asked === undefined || token !== this.token) {
      return undefined;
    }
    const roundTrip = now - this.asked;
    this.asked = undefined;
    return roundTrip;
  }

  /** The token of the PING that is sent now. */
  takePing(now: number): bigint {
    this.pingDue = false;
    this.asked = now;
    return ++this.token;
  }

  /** Whether the peer is still thought to be alive. */
  onTimeout(now: number): boolean {
    if (now - this.heard >= this.config.deadline) {
      return false;
    }
    if (now >= this.nextPing) {
      this.ping(now);
    }
    return true;
  }

  get timeout(): number {
    return Math.min(this.heard + this.config.deadline, this.nextPing);
  }
}
