// A host made of libdatachannel, in a process of its own: offers come by stdin, answers go by stdout, one JSON a line.
// It speaks the words of page/bare.js.

import { createInterface } from "node:readline";
import { PeerConnection } from "node-datachannel";

const PIECE = Buffer.alloc(64 * 1024);
const HIGH = 1024 * 1024;
const LOW = 256 * 1024;

let current;

createInterface({ input: process.stdin })
  .on("line", (line) => {
    current?.close();
    current = new Host(JSON.parse(line).offer);
  })
  .on("close", () => process.exit(0));
console.log(JSON.stringify({ ready: true }));

class Host {
  #connection = new PeerConnection("host", { iceServers: [], disableAutoNegotiation: true });
  #channel = this.#connection.createDataChannel("bare", { negotiated: true, id: 0 });
  #received = 0;
  #sending = false;

  constructor(offer) {
    this.#connection.onGatheringStateChange((state) => {
      if (state === "complete") console.log(JSON.stringify({ answer: this.#connection.localDescription().sdp }));
    });
    this.#channel.setBufferedAmountLowThreshold(LOW);
    this.#channel.onBufferedAmountLow(() => this.#pump());
    this.#channel.onMessage((message) => {
      if (typeof message === "string") this.#answerTo(message);
      else this.#received += message.byteLength;
    });
    this.#connection.setRemoteDescription(offer, "offer");
    this.#connection.setLocalDescription("answer");
  }

  close() {
    this.#sending = false;
    this.#connection.close();
  }

  #answerTo(word) {
    if (word === "down") {
      this.#sending = true;
      this.#pump();
    } else if (word === "stop") {
      this.#sending = false;
      this.#channel.sendMessage("stopped");
    } else if (word === "end") {
      this.#channel.sendMessage(String(this.#received));
      this.#received = 0;
    } else {
      this.#channel.sendMessage(word);
    }
  }

  #pump() {
    while (this.#sending && this.#channel.bufferedAmount() < HIGH) this.#channel.sendMessageBinary(PIECE);
  }
}
