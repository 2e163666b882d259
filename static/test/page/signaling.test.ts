// The signaling socket: when it is opened, what goes with the handshake, and what is not lost.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Signaling } from "../../src/page/signaling.ts";

const PEER = "00112233445566778899aabbccddeeff";

class FakeSocket {
  static readonly OPEN = 1;
  static made: FakeSocket[] = [];
  readyState = 0;
  readonly sent: string[] = [];
  readonly first: string | undefined;
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  readonly url: string;

  constructor(url: string, protocols: string | string[]) {
    this.url = url;
    const [label, coded] = [protocols].flat();
    assert.equal(label, "wingman.1");
    // What a token may have (RFC 9110 §5.6.2).
    assert.match(coded ?? "x", /^[\w-]+$/);
    this.first = coded && Buffer.from(coded, "base64url").toString();
    FakeSocket.made.push(this);
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  close(): void {
    this.readyState = 3;
    this.onclose?.();
  }

  send(text: string): void {
    this.sent.push(text);
  }
}

const kept = Object.getOwnPropertyDescriptors(globalThis);
beforeEach(() => {
  FakeSocket.made = [];
  for (const [name, value] of Object.entries({ WebSocket: FakeSocket, location: new URL("http://demo.localhost:8080/x") })) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
});
afterEach(() => {
  for (const name of ["WebSocket", "location"]) {
    if (kept[name]) Object.defineProperty(globalThis, name, kept[name]);
    else Reflect.deleteProperty(globalThis, name);
  }
});

function start(): Signaling {
  const signaling = new Signaling("demo", PEER);
  signaling.onmessage = () => undefined;
  return signaling;
}
const offer = { type: "offer", data: { sdp: "v=0\r\na=ice-pwd:a/b+c??>>\r\n" } } as const;
const candidate = { type: "ice-candidate", data: { candidate: "c", sdpMid: null, sdpMLineIndex: null } } as const;
const whole = (said: object): object => ({ ...said, sessionId: "demo", from: "client" });
const parse = (texts: readonly (string | undefined)[]): unknown[] => texts.map((text): unknown => JSON.parse(text ?? "null"));

test("nothing to say: no socket; the first message goes with the handshake, others when it is open", () => {
  const signaling = start();
  assert.equal(FakeSocket.made.length, 0);
  signaling.say(offer);
  signaling.say(candidate);
  const [socket, ...more] = FakeSocket.made;
  assert.deepEqual(more, []);
  assert.equal(socket!.url, `ws://demo.localhost:8080/_wingman/signal?peer=${PEER}`);
  assert.deepEqual(parse([socket!.first]), [whole(offer)]);
  assert.deepEqual(socket!.sent, []);
  socket!.open();
  assert.deepEqual(parse(socket!.sent), [whole(candidate)]);
  signaling.close();
});

test("what went with a handshake that failed goes with the next, before the others", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const signaling = start();
  signaling.say(offer);
  signaling.say(candidate);
  FakeSocket.made[0]!.close();
  t.mock.timers.tick(60_000);
  const [, socket] = FakeSocket.made;
  assert.deepEqual(parse([socket!.first]), [whole(offer)]);
  socket!.open();
  assert.deepEqual(parse(socket!.sent), [whole(candidate)]);
  // It has been heard: not again.
  socket!.close();
  t.mock.timers.tick(60_000);
  assert.equal(FakeSocket.made[2]!.first, undefined);
  signaling.close();
});

test("after the end nothing opens it again", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const signaling = start();
  signaling.say(offer);
  signaling.close();
  signaling.say(candidate);
  t.mock.timers.tick(60_000);
  assert.equal(FakeSocket.made.length, 1);
});
