/**
 * What the users of two ends must see, whatever they and the carrier do: order, no loss, no duplicate, the end only
 * after the last byte, bounds. Each user remembers what it sent; the other one checks what it reads against that. When
 * a run comes to its end users act on events alone, so a wake-up that is missing shows as a run that does not end.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { INITIAL_CREDIT } from "../../src/mux/config.ts";
import { StreamError } from "../../src/mux/error.ts";
import type { Incoming } from "../../src/mux/receive.ts";
import { ResetCode } from "../../src/wire/code.ts";
import { FrameType, HEADER_LEN, MAX_MESSAGE, MAX_PAYLOAD } from "../../src/wire/frame.ts";
import { anyOf, below, onceIn, oneOf, type Random, seeded } from "../random.ts";
import { pattern } from "./bytes.ts";
import { checkInvariants } from "./invariants.ts";
import { other, Pair, type Side, SIDES } from "./pair.ts";

/** One end of an exchange. */
interface User {
  heads: { length: number; interim: boolean }[];
  /** The final head was sent. */
  started: boolean;
  sent: number;
  /** Length of the trailers by which it finished. */
  finished?: number;
  /** Codes by which it reset or let go of the stream. */
  codes: ResetCode[];
  released: boolean;
  /** Its peer must read everything before it learns this code. */
  lastWords?: ResetCode;
  headsRead: number;
  read: number;
  over: boolean;
  readable: boolean;
  waiting: boolean;
}

const newUser = (): User => ({
  heads: [],
  started: false,
  sent: 0,
  codes: [],
  released: false,
  headsRead: 0,
  read: 0,
  over: false,
  readable: false,
  waiting: false,
});

const offset = (side: Side, id: number): number => id * 7919 + side * 31_337;

class Model {
  readonly reached = { finished: 0, reset: 0, refused: 0, waited: 0, grown: 0 };
  private readonly pair: Pair;
  private readonly users = [new Map<number, User>(), new Map<number, User>()] as const;
  private readonly control: [number[], number[]] = [[], []];
  private readonly drained: [boolean, boolean] = [false, false];
  /** Credit given by a side to its peer, by stream. */
  private readonly granted = [new Map<number, number>(), new Map<number, number>()] as const;

  constructor(random: Random) {
    const config = () => ({
      maxStreams: 1 + below(random, 8),
      maxHead: 70_000,
      maxWindow: oneOf(random, [4 << 20, INITIAL_CREDIT, 700_000]),
      growthBudget: oneOf(random, [32 << 20, 0, 300_000, 1_000_000]),
      streamSendBound: oneOf(random, [64 * 1024, 16 * 1024, 200_000]),
      sendBound: oneOf(random, [4 << 20, 0, 40_000]),
    });
    this.pair = new Pair(config(), config());
    for (const side of SIDES) {
      this.pair.delay[side] = oneOf(random, [0, 1, 70, 1_500]);
    }
  }

  step(random: Random): void {
    const side = oneOf(random, SIDES);
    const id = anyOf(random, [...this.users[side]].filter(([, user]) => !user.released).map(([id]) => id));
    const code = (1 + below(random, 13)) as ResetCode;
    const choice = below(random, 24);
    if (choice < 2) {
      this.open(oneOf(random, [0, 30, 16_384, 16_385, 70_000]), onceIn(random, 3));
    } else if (choice < 13 && id !== undefined) {
      this.act(choice, side, id, code, random);
    } else if (choice < 16 && id !== undefined) {
      this.read(side, id, below(random, 20));
    } else if (choice < 19) {
      const room = MAX_MESSAGE - MAX_PAYLOAD - HEADER_LEN;
      this.transmit(side, MAX_MESSAGE - oneOf(random, [0, room, room >> 1]));
    } else if (choice < 21) {
      this.pair.deliver(side);
    } else if (choice < 22) {
      this.pair.now += below(random, 200);
    } else if (choice < 23) {
      const length = below(random, 300);
      this.control[other(side)].push(length);
      this.pair.mux(side).sendControl(pattern(0, length));
    } else if (onceIn(random, 40)) {
      this.drained[side] = true;
      this.pair.mux(side).drain();
    }
    this.takeEvents();
    this.check();
  }

  private act(choice: number, side: Side, id: number, code: ResetCode, random: Random): void {
    if (choice < 4 && side) {
      this.sendHead(id, oneOf(random, [0, 10, 17_000, 65_537]), onceIn(random, 4), onceIn(random, 4));
    } else if (choice < 9) {
      this.sendData(side, id, 1 + below(random, 100_000));
    } else if (choice < 10) {
      this.finish(side, id, below(random, 40));
    } else if (choice < 11 && onceIn(random, 3)) {
      this.reset(side, id, code);
    } else if (choice < 12 && side && onceIn(random, 3)) {
      this.abort(id, code);
    } else if (onceIn(random, 2)) {
      this.letGo(side, id, code);
    }
  }

  private open(length: number, end: boolean): void {
    const { opener } = this.pair;
    const full = opener.size >= opener.maxStreams;
    try {
      const id = opener.open(pattern(0, length), end);
      assert(!full && !this.drained[0]);
      assert(!this.users[0].has(id), "ids are new");
      const user = { ...newUser(), heads: [{ length, interim: false }], started: true };
      this.users[0].set(id, end ? { ...user, finished: 0 } : user);
    } catch (error) {
      assert(error instanceof StreamError, String(error));
      assert(error.fault === "too-many" ? full : error.fault === "draining" && this.drained.includes(true));
    }
  }

  /** Does something that the stream may refuse, for a reason that the user knows or that a reset gives. */
  private attempt(side: Side, id: number, mayRefuse: (user: User) => boolean, act: (user: User) => void): void {
    const user = this.user(side, id);
    try {
      act(user);
      assert(!user.codes.length, "nothing is sent after a reset");
    } catch (error) {
      if (!(error instanceof StreamError)) {
        throw error;
      }
      if (error.fault === "reset") {
        const known: (ResetCode | undefined)[] = [...user.codes, ...(this.users[other(side)].get(id)?.codes ?? [])];
        known.push(ResetCode.refused, ResetCode.enough);
        assert(known.includes(error.code), `${side} ${id}: reset by nobody: ${error.code}`);
        assert.equal(this.pair.mux(side).resetCode(id), error.code);
      } else {
        assert.equal(error.fault, "state");
        assert(mayRefuse(user) || user.codes.length, `${side} ${id}: ${JSON.stringify(user)}`);
      }
    }
  }

  private sendHead(id: number, length: number, interim: boolean, end: boolean): void {
    const unread = this.user(1, id).heads.length - this.user(0, id).headsRead;
    // An interim flood is the peer's right to refuse, and such a head is one frame.
    if (interim && (unread >= 8 || length > MAX_PAYLOAD)) {
      return;
    }
    this.attempt(1, id, (user) => user.started, (user) => {
      this.pair.acceptor.sendHead(id, pattern(0, length), interim, end && !interim);
      user.heads.push({ length, interim });
      user.started = !interim;
      if (end && !interim) {
        user.finished = 0;
      }
    });
  }

  private sendData(side: Side, id: number, length: number): void {
    this.attempt(side, id, (user) => !user.started || user.finished !== undefined, (user) => {
      const taken = this.pair.mux(side).sendData(id, pattern(offset(side, id) + user.sent, length));
      user.sent += taken;
      user.waiting = taken < length;
      this.reached.waited += Number(user.waiting);
    });
  }

  private finish(side: Side, id: number, trailers: number): void {
    this.attempt(side, id, (user) => !user.started || user.finished !== undefined, (user) => {
      this.pair.mux(side).finish(id, pattern(0, trailers));
      user.finished = trailers;
    });
  }

  private reset(side: Side, id: number, code: ResetCode): void {
    const mux = this.pair.mux(side);
    const before = mux.resetCode(id);
    mux.reset(id, code);
    const user = this.user(side, id);
    if (before === undefined && mux.resetCode(id) !== undefined) {
      user.codes.push(code);
      delete user.lastWords;
      user.over = true;
    } else {
      assert.equal(mux.resetCode(id), before, "too late: it had ended");
    }
  }

  private abort(id: number, code: ResetCode): void {
    const user = this.user(1, id);
    if (this.pair.acceptor.resetCode(id) !== undefined || (user.finished !== undefined && !user.over)) {
      return;
    }
    this.pair.acceptor.abort(id, code);
    if (!user.codes.length && user.finished === undefined) {
      user.lastWords = code;
    }
    user.codes.push(code);
    user.over = true;
  }

  private letGo(side: Side, id: number, code: ResetCode): void {
    const user = this.user(side, id);
    this.pair.mux(side).release(id, code);
    user.released = true;
    // A response that is complete is sent whole; anything else is cancelled.
    if (!side || user.finished === undefined || user.codes.length || user.over) {
      user.codes.push(code);
    }
  }

  private read(side: Side, id: number, most: number): void {
    const user = this.user(side, id);
    for (let count = 0; count < most; count++) {
      const item = this.pair.mux(side).read(id);
      if (!item) {
        user.readable = false;
        return;
      }
      this.checkItem(side, id, user, item);
    }
  }

  private checkItem(side: Side, id: number, user: User, item: Incoming): void {
    const where = `${side} ${id}`;
    assert(!user.over, `${where}: ${item.type} after the end`);
    const peer = this.users[other(side)].get(id);
    switch (item.type) {
      case "head":
        assert.equal(user.read, 0, "heads come first");
        assert.deepEqual({ length: item.head.length, interim: item.interim }, peer!.heads[user.headsRead++], where);
        break;
      case "data": {
        assert(item.content.length > 0);
        const expected = pattern(offset(other(side), id) + user.read, item.content.length);
        assert(Buffer.compare(item.content, expected) === 0, `${where}: order`);
        user.read += item.content.length;
        assert(user.read <= peer!.sent);
        break;
      }
      case "finish":
        assert.equal(item.trailers.length, peer!.finished, where);
        assert.equal(user.read, peer!.sent, `${where}: nothing lost before the end`);
        assert.equal(user.headsRead, peer!.heads.length);
        user.over = true;
        this.reached.finished++;
        break;
      case "reset":
        if (peer) {
          assert(peer.codes.includes(item.code), `${where}: ${item.code}`);
          if (peer.lastWords === item.code) {
            assert.equal(user.read, peer.sent, `${where}: last words`);
          }
          this.reached.reset++;
        } else {
          assert.equal(item.code, ResetCode.refused);
          this.reached.refused++;
        }
        user.over = true;
    }
  }

  private transmit(side: Side, limit: number): boolean {
    const frames = this.pair.transmit(side, limit);
    for (const frame of frames ?? []) {
      if (frame.type === FrameType.credit) {
        const granted = this.granted[side];
        granted.set(frame.stream, (granted.get(frame.stream) ?? 0) + frame.bytes);
      }
    }
    return frames !== undefined;
  }

  private takeEvents(): void {
    for (const side of SIDES) {
      for (const event of this.pair.events(side)) {
        switch (event.type) {
          case "accepted":
            assert(side && !this.users[1].has(event.stream), "accepted once");
            this.users[1].set(event.stream, { ...newUser(), readable: true });
            break;
          case "readable": {
            const user = this.user(side, event.stream);
            assert(!user.readable && !user.released, `${side} ${event.stream}: told once, and somebody`);
            user.readable = true;
            break;
          }
          case "writable": {
            const user = this.user(side, event.stream);
            assert(user.waiting, `${side} ${event.stream}: did not wait`);
            user.waiting = false;
            break;
          }
          case "reset":
            Object.assign(this.user(side, event.stream), { readable: true, waiting: false });
            break;
          case "control":
            assert.equal(event.json.length, this.control[side].shift());
            break;
          case "drained":
            assert(this.drained[other(side)]);
            break;
          case "round-trip":
            assert(event.ms >= this.pair.delay[0] + this.pair.delay[1]);
        }
      }
    }
  }

  /** Bounds, after each step. */
  private check(): void {
    for (const side of SIDES) {
      const mux = this.pair.mux(side);
      const config = this.pair.configs[side];
      checkInvariants(mux);
      let grown = 0;
      for (const [id, user] of this.users[side]) {
        if (!user.over && !user.released) {
          // What the peer may still send and what waits for this user.
          const held = INITIAL_CREDIT + (this.granted[side].get(id) ?? 0) - user.read;
          assert(held <= Math.max(config.maxWindow, INITIAL_CREDIT), `${side} ${id}: window of ${held}`);
          grown += Math.max(held - INITIAL_CREDIT, 0);
        }
      }
      assert(grown <= config.growthBudget, `${side}: grown by ${grown}`);
      this.reached.grown += Number(grown > 0);
      const bound = config.sendBound + config.streamSendBound + config.maxStreams * (MAX_PAYLOAD + config.maxHead);
      assert(mux["queued"] <= bound, `${side}: ${mux["queued"]} bytes wait`);
      assert(mux.size <= config.maxStreams, "limit of streams");
    }
  }

  /** Everybody says what it has to say, reads what there is to read, and lets go; on events alone. */
  windUp(): void {
    for (let busy = true; busy; ) {
      busy = false;
      for (const side of SIDES) {
        for (const id of this.users[side].keys()) {
          busy = this.windUpOne(side, id) || busy;
        }
      }
      for (const side of SIDES) {
        busy = this.transmit(side, MAX_MESSAGE) || busy;
        this.takeEvents();
        while (this.pair.deliver(side)) {
          busy = true;
          this.takeEvents();
        }
      }
      this.check();
      const arrival = this.pair.nextArrival;
      if (!busy && arrival !== undefined) {
        this.pair.now = arrival;
        busy = true;
      }
    }
    for (const side of SIDES) {
      for (const [id, user] of this.users[side]) {
        assert(user.released, `${side} ${id} waits for ever: ${JSON.stringify(user)}`);
      }
      assert.equal(this.control[side].length, 0, "control messages arrive");
    }
    this.pair.assertQuiet();
  }

  private windUpOne(side: Side, id: number): boolean {
    const user = this.user(side, id);
    if (user.released) {
      return false;
    }
    let busy = user.readable;
    if (user.readable) {
      this.read(side, id, Infinity);
    }
    const silent = user.finished !== undefined || user.codes.length > 0 || this.pair.mux(side).resetCode(id) !== undefined;
    if (!silent && !user.waiting) {
      busy = true;
      if (!user.started) {
        this.sendHead(id, 4, false, false);
      } else if (user.sent < 50_000) {
        this.sendData(side, id, 30_000);
      } else {
        this.finish(side, id, 3);
      }
    }
    if (silent && user.over) {
      this.letGo(side, id, ResetCode.cancelled);
      busy = true;
    }
    return busy;
  }

  private user(side: Side, id: number): User {
    return this.users[side].get(id) ?? assert.fail(`${side} has no ${id}`);
  }
}

test("long runs from seeds", () => {
  const reached = { finished: 0, reset: 0, refused: 0, waited: 0, grown: 0 };
  for (let seed = 0; seed < 250; seed++) {
    const random = seeded(seed);
    const model = new Model(random);
    try {
      for (let step = 0; step < 600; step++) {
        model.step(random);
      }
      model.windUp();
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    for (const key of Object.keys(reached) as (keyof typeof reached)[]) {
      reached[key] += model.reached[key];
    }
  }
  // A model that does nothing finds nothing.
  const least = { finished: 800, reset: 300, refused: 150, waited: 4_000, grown: 100 };
  for (const key of Object.keys(least) as (keyof typeof least)[]) {
    assert(reached[key] >= least[key], JSON.stringify(reached));
  }
});
