/**
 * One WebRTC connection to the host: its signaling, its channels and the hello.
 *
 * It reports what happens and decides nothing; `connection.ts` does. After {@link Peer.close} it is silent.
 */

import { CHANNEL_LABEL, CHANNELS, CONTROL_CHANNEL, type HostToPage, VERSION } from "../wire/direct.ts";
import type { Bytes } from "../wire/buffer.ts";
import { newId } from "../wire/id.ts";
import type { Reason, Signal } from "../wire/signal.ts";
import { Carrier } from "./carrier.ts";
import { type Said, Signaling } from "./signaling.ts";

export interface PeerEvents {
  /** All channels are open and the host has said hello. */
  up(maxExchanges: number): void;
  /** A sign of life. */
  heard(): void;
  /** The answer to the newest question on a channel. */
  roundTrip(ms: number, channel: number): void;
  /** It does not work (now, or at all). */
  lost(reason: Reason): void;
}

export interface PeerConfig {
  readonly session: string;
  readonly stun: readonly string[];
}

export class Peer {
  readonly connection: RTCPeerConnection;
  readonly carriers: readonly Carrier[];
  /** A tag of the visitor that the host knows it as. */
  visitor: string | undefined;
  readonly #signaling: Signaling;
  #events: PeerEvents | undefined;
  /** Candidates that came before the answer. */
  #early: RTCIceCandidateInit[] = [];
  #maxExchanges: number | undefined;

  constructor(config: PeerConfig, events: PeerEvents) {
    this.#events = events;
    // First, for it may throw.
    const connection = new RTCPeerConnection({ iceServers: config.stun.length > 0 ? [{ urls: [...config.stun] }] : [] });
    this.connection = connection;
    this.#signaling = new Signaling(config.session, newId());
    this.#signaling.onmessage = (message): void => {
      this.#onSignal(message);
    };
    this.carriers = Array.from({ length: CHANNELS }, (_, id) => {
      const channel = connection.createDataChannel(CHANNEL_LABEL, { negotiated: true, id, ordered: true, protocol: CHANNEL_LABEL });
      return new Carrier(channel, {
        open: () => {
          this.#isUp();
        },
        heard: () => this.#events?.heard(),
        roundTrip: (ms) => this.#events?.roundTrip(ms, id),
        control: (json) => {
          this.#onControl(json);
        },
        lost: (reason) => this.#events?.lost(reason),
      });
    });
    connection.onicecandidate = ({ candidate }): void => {
      const { candidate: text, sdpMid, sdpMLineIndex } = candidate ?? { candidate: "", sdpMid: null, sdpMLineIndex: null };
      this.say({ type: "ice-candidate", data: { candidate: text, sdpMid, sdpMLineIndex } });
    };
    connection.oniceconnectionstatechange = (): void => {
      const state = connection.iceConnectionState;
      if (state === "disconnected" || state === "failed" || state === "closed") this.#events?.lost("ice");
    };
    void this.#offer();
  }

  /** New addresses, the same channels. */
  restart(): void {
    this.#early = [];
    this.#signaling.hurry();
    this.connection.restartIce();
    void this.#offer();
  }

  say(said: Said): void {
    this.#signaling.say(said);
  }

  /** The network is back. */
  hurry(): void {
    this.#signaling.hurry();
  }

  /** PING on the control channel, or on the others: a lost packet holds up its own channel only. */
  ask(others: boolean): void {
    this.carriers.forEach((carrier, id) => {
      if ((id !== CONTROL_CHANNEL) === others) carrier.ping();
    });
  }

  /** Frees all of it, here and at the host. */
  close(reason: Reason): void {
    if (this.#events === undefined) return;
    this.#events = undefined;
    this.carriers[CONTROL_CHANNEL]?.control({ type: "bye" });
    this.say({ type: "connection-state", data: { state: "closed", reason } });
    this.#signaling.close();
    this.connection.close();
  }

  async #offer(): Promise<void> {
    try {
      await this.connection.setLocalDescription();
      const sdp = this.connection.localDescription?.sdp;
      if (sdp !== undefined) this.say({ type: "offer", data: { sdp } });
    } catch {
      this.#events?.lost("protocol");
    }
  }

  #onSignal(message: Signal): void {
    const { connection } = this;
    switch (message.type) {
      case "answer":
        connection.setRemoteDescription({ type: "answer", sdp: message.data.sdp }).then(
          () => {
            for (const candidate of this.#early.splice(0)) this.#addCandidate(candidate);
          },
          // Of an offer that was replaced; one that is no answer runs into the deadline.
          () => undefined,
        );
        break;
      case "ice-candidate":
        if (connection.signalingState === "stable" && connection.remoteDescription) this.#addCandidate(message.data);
        else this.#early.push(message.data);
        break;
      case "connection-state":
        if (message.data.state === "failed") this.#onRefused(message.data.reason ?? "other");
        // The host knows this peer no more: nothing is left to restart.
        if (message.data.state === "closed") this.#events?.lost("channel-closed");
        break;
      case "offer":
        break;
    }
  }

  /** The edge says `host-away` when the link is lost; channels that are open live on without it. */
  #onRefused(reason: Reason): void {
    if (reason === "host-away" && this.#maxExchanges !== undefined) return;
    this.#events?.lost(reason);
  }

  #addCandidate(candidate: RTCIceCandidateInit): void {
    this.connection.addIceCandidate(candidate).catch(() => {
      // One that this browser cannot use.
    });
  }

  #onControl(json: Bytes): void {
    try {
      const message = JSON.parse(new TextDecoder().decode(json)) as HostToPage;
      if (message.type === "bye") {
        this.#events?.lost(message.reason);
        return;
      }
      if (message.version === VERSION && message.maxExchanges > 0) {
        // The host speaks first: what a page sends before the host has its channels may be lost there.
        if (this.#maxExchanges === undefined) this.carriers[CONTROL_CHANNEL]?.control({ type: "hello", version: VERSION });
        this.#maxExchanges = message.maxExchanges;
        this.visitor = message.visitor;
        this.#isUp();
        return;
      }
    } catch {
      // As below.
    }
    this.#events?.lost("protocol");
  }

  #isUp(): void {
    if (this.#maxExchanges !== undefined && this.carriers.every((carrier) => carrier.isOpen)) {
      this.#events?.up(this.#maxExchanges);
    }
  }
}
