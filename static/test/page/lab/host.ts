/**
 * A host of TypeScript in a page of its own: RTCPeerConnection and the mux's other end. It answers requests and
 * speaks WebSocket as a server would. The test talks to it by `window.lab`.
 */

import { Acceptor } from "../../../src/mux/acceptor.ts";
import { decodeControl, encodeControl } from "../../../src/wire/control.ts";
import { pageToHost } from "../../../src/wire/direct.ts";
import { decodeRequest, encodeResponse, type RequestHead } from "../../../src/wire/head.ts";
import { type Signal } from "../../../src/wire/signal.ts";

interface Lab {
  /** Nothing is read or sent any more. */
  frozen: boolean;
  /** No answer. */
  deaf: boolean;
  /** The tag of the visitor that new peers are of. */
  visitor: string | undefined;
  byes: number;
  hellos: number;
  offers: number;
  peers: number;
  requests: number;
  bye(reason: string): void;
  closeChannels(): void;
}

const peers = new Map<string, RTCPeerConnection>();
const channels = new Set<RTCDataChannel>();
const pumps = new Set<() => void>();
const lab: Lab = {
  frozen: false,
  deaf: false,
  visitor: undefined,
  byes: 0,
  hellos: 0,
  offers: 0,
  peers: 0,
  requests: 0,
  bye(reason) {
    for (const say of byes) say(reason);
  },
  closeChannels() {
    for (const channel of channels) channel.close();
  },
};
const byes = new Set<(reason: string) => void>();
(window as unknown as { lab: Lab }).lab = lab;

const socket = new WebSocket(`ws://${location.host}/host`);
socket.onmessage = async ({ data }: MessageEvent<string>) => {
  const { peer: id, message } = JSON.parse(data) as { peer: string; message: Signal };
  const say = (said: object): void => {
    socket.send(JSON.stringify({ peer: id, message: { sessionId: "lab", from: "host", ...said } }));
  };
  if (lab.deaf) return;
  let peer = peers.get(id);
  if (!peer) {
    peer = newPeer(say);
    peers.set(id, peer);
    lab.peers++;
  }
  if (message.type === "offer") {
    lab.offers++;
    await peer.setRemoteDescription({ type: "offer", sdp: message.data.sdp });
    await peer.setLocalDescription();
    say({ type: "answer", data: { sdp: peer.localDescription!.sdp } });
  } else if (message.type === "ice-candidate") {
    await peer.addIceCandidate(message.data).catch(() => undefined);
  }
};

function newPeer(say: (said: object) => void): RTCPeerConnection {
  const peer = new RTCPeerConnection();
  for (let id = 0; id < 4; id++) {
    serve(peer.createDataChannel("wingman.1", { negotiated: true, id, protocol: "wingman.1" }));
  }
  peer.onicecandidate = ({ candidate }) => {
    say({ type: "ice-candidate", data: candidate?.toJSON() ?? { candidate: "" } });
  };
  return peer;
}

function serve(channel: RTCDataChannel): void {
  const mux = new Acceptor(performance.now());
  const streams = new Map<number, { wake: () => void }>();
  channels.add(channel);
  channel.binaryType = "arraybuffer";
  channel.bufferedAmountLowThreshold = 64 * 1024;
  const pump = (): void => {
    for (let event; (event = mux.pollEvent()); ) {
      if (event.type === "accepted") {
        lab.requests++;
        const stream = event.stream;
        void answer(mux, stream, pump, (wake) => streams.set(stream, { wake }));
      } else if (event.type === "control") {
        const said = decodeControl(pageToHost, event.json);
        if (said.type === "bye") lab.byes++;
        else lab.hellos++;
      } else if ("stream" in event) {
        streams.get(event.stream)?.wake();
      }
    }
    if (lab.frozen) return;
    while (channel.readyState === "open" && channel.bufferedAmount < 256 * 1024) {
      const message = mux.pollTransmit(performance.now(), 65_536);
      if (!message) return;
      channel.send(message);
    }
  };
  byes.add((reason) => {
    mux.sendControl(encodeControl({ type: "bye", reason }));
    pump();
  });
  pumps.add(pump);
  channel.onopen = () => {
    // The host speaks first.
    if (channel.id === 0) mux.sendControl(encodeControl({ type: "hello", version: 1, maxExchanges: 64, visitor: lab.visitor }));
    pump();
  };
  channel.onbufferedamountlow = pump;
  channel.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
    if (lab.frozen) return;
    mux.handleMessage(performance.now(), new Uint8Array(data));
    pump();
  };
}

type Sleep = (wake: () => void) => void;

async function answer(mux: Acceptor, stream: number, pump: () => void, sleep: Sleep): Promise<void> {
  const next = async (): Promise<Uint8Array<ArrayBuffer> | RequestHead | "end"> => {
    for (;;) {
      const item = mux.read(stream);
      if (item?.type === "head") return decodeRequest(item.head);
      if (item?.type === "data") return item.content;
      if (item) return "end";
      await new Promise<void>((resolve) => {
        sleep(resolve);
      });
    }
  };
  const send = async (bytes: Uint8Array<ArrayBuffer>): Promise<void> => {
    while (bytes.length > 0) {
      const taken = mux.sendData(stream, bytes);
      bytes = bytes.subarray(taken);
      pump();
      if (bytes.length > 0) await new Promise<void>((resolve) => { sleep(resolve); });
    }
  };
  const head = (await next()) as RequestHead;
  const url = new URL(head.target, location.origin);
  const field = (name: string): string => head.fields.find((line) => line[0] === name)?.[1] ?? "";
  if (head.fields.some(([name]) => name === "upgrade")) {
    await webSocket(url, field, (status, fields) => {
      mux.sendHead(stream, encodeResponse({ status, fields }), false, status !== 101);
      pump();
    }, async () => (await next()) as Uint8Array<ArrayBuffer> | "end", send, () => {
      mux.finish(stream);
      pump();
    });
    return;
  }
  const content: Uint8Array[] = [];
  for (let piece = await next(); piece instanceof Uint8Array; piece = await next()) content.push(piece);
  const length = Number(url.searchParams.get("bytes") ?? 0);
  const wait = Number(url.searchParams.get("wait") ?? 0);
  if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
  mux.sendHead(stream, encodeResponse({ status: 200, fields: [["x-content", String(content.reduce((sum, { length }) => sum + length, 0))]] }), false, false);
  await send(new Uint8Array(length));
  mux.finish(stream);
  pump();
}

/** What a server does with a WebSocket: `/echo`, `/refuse`, `/server-close`, `/cut`, `/fragments`, `/protocol`. */
async function webSocket(
  url: URL,
  field: (name: string) => string,
  head: (status: number, fields: [string, string][]) => void,
  next: () => Promise<Uint8Array<ArrayBuffer> | "end">,
  send: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>,
  finish: () => void,
): Promise<void> {
  if (url.pathname === "/ws/refuse") {
    head(403, []);
    return;
  }
  const key = new TextEncoder().encode(`${field("sec-websocket-key")}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  const accept = btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest("SHA-1", key))));
  const protocol = field("sec-websocket-protocol").split(", ")[0] ?? "";
  head(101, [["upgrade", "websocket"], ["sec-websocket-accept", accept], ...(protocol ? [["sec-websocket-protocol", protocol] as [string, string]] : [])]);
  const frame = (first: number, payload: Uint8Array | number[]): Promise<void> => {
    const length = payload.length;
    const size = length < 126 ? [length] : length < 65_536 ? [126, length >> 8, length & 255] : [127, 0, 0, 0, 0, (length >> 24) & 255, (length >> 16) & 255, (length >> 8) & 255, length & 255];
    return send(new Uint8Array([first, ...size, ...payload]));
  };
  const text = (words: string): number[] => [...new TextEncoder().encode(words)];
  if (url.pathname === "/ws/server-close") await frame(0x88, [0x0f, 0xa0, ...text("bye")]);
  if (url.pathname === "/ws/invalid") await frame(0x81, [0xff, 0xfe]);
  if (url.pathname === "/ws/fragments") {
    await frame(0x01, text("hel"));
    await frame(0x89, text("ping"));
    await frame(0x80, text("lo"));
  }
  if (url.pathname === "/ws/cut") {
    finish();
    return;
  }
  let buffer: number[] = [];
  for (;;) {
    const piece = await next();
    if (piece === "end") return;
    for (const byte of piece) buffer.push(byte);
    for (;;) {
      const second = buffer[1] ?? 0;
      const short = second & 127;
      const extended = short === 127 ? 8 : short === 126 ? 2 : 0;
      const length = extended ? buffer.slice(2, 2 + extended).reduce((sum, byte) => sum * 256 + byte, 0) : short;
      const start = 2 + extended + 4;
      if (buffer.length < start + length || buffer.length < 2) break;
      const mask = buffer.slice(start - 4, start);
      const payload = buffer.slice(start, start + length).map((byte, at) => byte ^ mask[at & 3]!);
      const opcode = buffer[0]! & 15;
      buffer = buffer.slice(start + length);
      if (opcode === 8) {
        await frame(0x88, payload);
        finish();
        return;
      }
      if (opcode === 10) await frame(0x81, text(`pong ${String.fromCharCode(...payload)}`));
      else await frame(0x80 | opcode, payload);
    }
  }
}
