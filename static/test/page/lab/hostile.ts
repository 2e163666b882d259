/**
 * A page that means ill: it connects to the host as ours does and then says what it likes on its channels. The tests
 * drive it by `window.hostile`. It takes the browser's RTCPeerConnection from `window.NativeConnection`.
 */

import { Signaling } from "../../../src/page/signaling.ts";
import { type Bytes, Writer } from "../../../src/wire/buffer.ts";
import { ResetCode } from "../../../src/wire/code.ts";
import { encodeControl } from "../../../src/wire/control.ts";
import { Flags, type Frame, FrameType, MAX_MESSAGE, putFrame } from "../../../src/wire/frame.ts";
import { encodeRequest } from "../../../src/wire/head.ts";
import { newId } from "../../../src/wire/id.ts";

/** What it can do. Each goes on until {@link Peer.over} or the time is over. */
type Attack = (peer: Peer) => Generator<Bytes[], void, void>;

/** More than this does not wait in the browser. */
const HIGH = 1024 * 1024;
const CHANNELS = 4;
/** Of the sample app: what answers in a minute, and what has 4 GB. */
const NEVER = "/slow?ms=60000";
const ENDLESS = "/download?bytes=4000000000";

class Peer {
  readonly connection: RTCPeerConnection;
  readonly channels: RTCDataChannel[];
  /** Bytes said, and heard. */
  said = 0;
  heard = 0;
  /** The host has closed a channel, or said so by signaling. */
  over = "";
  readonly #signaling: Signaling;
  #stream = -1;

  constructor(session: string) {
    this.#signaling = new Signaling(session, newId());
    const Connection = (window as unknown as { NativeConnection: typeof RTCPeerConnection }).NativeConnection;
    this.connection = new Connection();
    this.channels = Array.from({ length: CHANNELS }, (_, id) => {
      const channel = this.connection.createDataChannel("wingman.1", { negotiated: true, id, protocol: "wingman.1" });
      channel.binaryType = "arraybuffer";
      channel.onclose = () => (this.over ||= "channel closed");
      return channel;
    });
    this.#signaling.onmessage = (message) => {
      if (message.type === "answer") void this.connection.setRemoteDescription({ type: "answer", sdp: message.data.sdp });
      if (message.type === "ice-candidate") this.connection.addIceCandidate(message.data).catch(() => undefined);
      if (message.type === "connection-state") this.over ||= message.data.reason ?? message.data.state;
    };
    this.connection.onicecandidate = ({ candidate }) => {
      const { candidate: text, sdpMid, sdpMLineIndex } = candidate ?? { candidate: "", sdpMid: null, sdpMLineIndex: null };
      this.#signaling.say({ type: "ice-candidate", data: { candidate: text, sdpMid, sdpMLineIndex } });
    };
  }

  /** Until the host has said hello, and was answered. */
  async connect(): Promise<void> {
    const control = this.channels[0]!;
    const greeted = new Promise<void>((resolve) => {
      for (const channel of this.channels) {
        channel.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
          this.heard += data.byteLength;
          if (channel === control) resolve();
        };
      }
    });
    await this.connection.setLocalDescription();
    this.#signaling.say({ type: "offer", data: { sdp: this.connection.localDescription!.sdp } });
    await Promise.race([greeted, later(10_000, "no hello")]);
    this.say(0, message([{ type: FrameType.control, json: encodeControl({ type: "hello", version: 1 }) }]));
  }

  say(channel: number, bytes: Bytes): void {
    this.channels[channel]!.send(bytes);
    this.said += bytes.length;
  }

  /** Signaling without end. */
  chatter(): void {
    const candidate = "candidate:1 1 udp 1 192.0.2.1 9 typ host";
    for (let count = 0; count < 100; count++) this.#signaling.say({ type: "ice-candidate", data: { candidate, sdpMid: "0", sdpMLineIndex: 0 } });
  }

  /** An id that was not used yet on any channel. */
  stream(): number {
    this.#stream += 2;
    return this.#stream;
  }

  close(): void {
    this.#signaling.close();
    this.connection.close();
  }
}

const attacks: Record<string, Attack> = {
  *"floods frames"() {
    const ping: Frame = { type: FrameType.ping, token: 7n };
    const pings = message(Array.from({ length: Math.floor(MAX_MESSAGE / 16) }, () => ping));
    for (;;) yield Array<Bytes>(CHANNELS).fill(pings);
  },

  *"opens endless streams"(peer) {
    for (;;) {
      const ids = Array.from({ length: 100 }, () => peer.stream());
      yield spread(message(ids.map((stream) => open(stream, "GET", NEVER, true))));
    }
  },

  *"opens and cancels"(peer) {
    for (;;) {
      const ids = Array.from({ length: 100 }, () => peer.stream());
      yield spread(message(ids.flatMap((stream) => [open(stream, "GET", NEVER, true), { type: FrameType.reset, stream, code: ResetCode.cancelled }])));
    }
  },

  *"never grants credit"(peer) {
    const ids = Array.from({ length: 60 }, () => peer.stream());
    yield spread(message(ids.map((stream) => open(stream, "GET", ENDLESS, true))));
    for (;;) yield [];
  },

  *"takes all that it can get"(peer) {
    const ids = Array.from({ length: 30 }, () => peer.stream());
    yield spread(
      message(ids.flatMap((stream) => [open(stream, "GET", ENDLESS, true), { type: FrameType.credit, stream, bytes: 0xf000_0000 }])),
    );
    for (;;) yield [];
  },

  *"never ends what it sends"(peer) {
    const content = new Uint8Array(16 * 1024);
    for (let round = 0; ; round++) {
      // As many as one may have, then nothing: they stay.
      if (round >= 32) yield [];
      else {
        const stream = peer.stream();
        const data = Array.from({ length: 16 }, (): Frame => ({ type: FrameType.data, stream, content }));
        const pieces = [0, 3, 6, 9, 12, 15].map((at) => message(data.slice(at, at + 3)));
        yield spread(message([open(stream, "POST", "/upload", false, round % 2 === 0)]));
        for (const piece of pieces) yield spread(piece);
      }
    }
  },

  *"floods control messages on a lane"() {
    const json = new TextEncoder().encode(JSON.stringify({ type: "hello", version: 1, more: "x".repeat(400) }));
    for (;;) yield [new Uint8Array(0), message(Array.from({ length: 100 }, () => ({ type: FrameType.control, json })))];
  },

  *"floods control messages"() {
    const json = new TextEncoder().encode(JSON.stringify({ type: "hello", version: 1, more: "x".repeat(400) }));
    for (;;) yield [message(Array.from({ length: 100 }, () => ({ type: FrameType.control, json })))];
  },

  *"opens channels"(peer) {
    for (let count = 0; ; count++) {
      if (count < 500) peer.connection.createDataChannel(`more ${count}`);
      yield [];
    }
  },

  *"sends what is no frame"() {
    for (;;) yield spread(crypto.getRandomValues(new Uint8Array(60_000)));
  },

  *"floods signaling"(peer) {
    for (;;) {
      peer.chatter();
      yield [];
    }
  },
};

function open(stream: number, method: string, target: string, end: boolean, withId = true): Frame {
  const fields: [string, string][] = [["wingman-credentials", "omit"]];
  if (withId) fields.push(["wingman-request-id", newId()]);
  const scheme = location.protocol === "https:" ? "https" : "http";
  const head = encodeRequest({ method, scheme, authority: location.host, target, fields });
  return { type: FrameType.open, stream, flags: end ? Flags.end : 0, head };
}

function message(frames: readonly Frame[]): Bytes {
  const out = new Writer();
  for (const frame of frames) putFrame(out, frame);
  return out.flush();
}

/** The same on each channel. */
const spread = (bytes: Bytes): Bytes[] => Array<Bytes>(CHANNELS).fill(bytes);

const later = (ms: number, what: string): Promise<never> =>
  new Promise((_, reject) => {
    setTimeout(() => {
      reject(new Error(what));
    }, ms);
  });

/** The next task; timers would wait for 4 ms. */
const soon = (): Promise<void> =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });

async function attack(peer: Peer, how: Attack, until: number): Promise<void> {
  const words = how(peer);
  while (performance.now() < until && !peer.over) {
    const room = peer.channels.every(({ readyState, bufferedAmount }) => readyState === "open" && bufferedAmount < HIGH);
    if (room) {
      const { value = [] } = words.next() as IteratorResult<Bytes[], undefined>;
      value.forEach((bytes, channel) => {
        if (bytes.length) peer.say(channel, bytes);
      });
      if (value.length) continue;
    }
    await soon();
  }
}

let peers: Peer[] = [];

(window as unknown as { hostile: object }).hostile = {
  attacks: Object.keys(attacks),
  async connect(session: string, count: number) {
    peers = Array.from({ length: count }, () => new Peer(session));
    await Promise.all(peers.map((peer) => peer.connect()));
  },
  /** Attacks for so long and says how each peer has fared. */
  async attack(name: string, ms: number) {
    const until = performance.now() + ms;
    await Promise.all(peers.map((peer) => attack(peer, attacks[name]!, until).catch(() => undefined)));
    return peers.map(({ said, heard, over }) => ({ said, heard, over }));
  },
  close() {
    for (const peer of peers.splice(0)) peer.close();
  },
};
