// The sample app as an origin.

import { join } from "node:path";
import { Program } from "./program.mjs";
import { binaries } from "./relay.mjs";

/** Starts the sample app on a free port, `app.ready.port`. */
export function startSampleApp() {
  return Program.start(join(binaries, "sample-app"), [], { ready: JSON.parse });
}

/** The first `length` bytes of what its `/download` sends: xorshift32, repeated after a prime. */
export function sampleBytes(length) {
  const period = 1_048_573;
  const block = Buffer.alloc(period + 3);
  for (let word = 0x9e3779b9, at = 0; at < period; at += 4) {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    block.writeInt32LE(word, at);
  }
  return Buffer.alloc(length, block.subarray(0, period));
}
