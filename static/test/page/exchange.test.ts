import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Acceptor } from "../../src/mux/acceptor.ts";
import { Carrier, type CarrierEvents } from "../../src/page/carrier.ts";
import { ExchangeError } from "../../src/page/direct.ts";
import { Exchange } from "../../src/page/exchange.ts";
import { ResetCode } from "../../src/wire/code.ts";
import { encodeRequest, encodeResponse } from "../../src/wire/head.ts";

/** A data channel whose other end is the mux of a host; a message arrives in a task of its own. */
class Channel {
  readyState = "open";
  bufferedAmount = 0;
  binaryType = "";
  bufferedAmountLowThreshold = 0;
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onbufferedamountlow: (() => void) | null = null;
  onmessage: ((event: { data: ArrayBuffer }) => void) | null = null;
  /** Messages are lost. */
  cut = false;
  /** Messages stay in the buffer. */
  stuck = false;
  readonly host = new Acceptor(0);

  send(message: Uint8Array<ArrayBuffer>): void {
    assert.ok(message.length <= 65_536);
    this.bufferedAmount += message.length;
    if (this.stuck) return;
    setImmediate(() => {
      this.bufferedAmount -= message.length;
      if (this.cut) return;
      this.host.handleMessage(0, message.slice());
      this.flush();
      this.onbufferedamountlow?.();
    });
  }

  flush(): void {
    for (let message; (message = this.host.pollTransmit(0, 65_536)); ) {
      const data = message.buffer;
      setImmediate(() => {
        if (!this.cut) this.onmessage?.({ data });
      });
    }
  }
}

interface Stage {
  readonly channel: Channel;
  readonly carrier: Carrier;
  readonly lost: string[];
  readonly open: (content?: Uint8Array<ArrayBuffer>, upgrade?: boolean) => Exchange;
  idle: number;
}

function stage(): Stage {
  const channel = new Channel();
  const lost: string[] = [];
  const events: CarrierEvents = {
    open: () => undefined,
    heard: () => undefined,
    roundTrip: () => undefined,
    control: () => undefined,
    lost: (reason) => lost.push(reason),
  };
  const carrier = new Carrier(channel as unknown as RTCDataChannel, events);
  const made: Stage = {
    channel,
    carrier,
    lost,
    idle: 0,
    open: (content, upgrade = false) =>
      new Exchange(carrier, {
        head: encodeRequest({ method: "GET", scheme: "http", authority: "a", target: "/", fields: [] }),
        content,
        upgrade,
        onIdle: () => made.idle++,
      }),
  };
  return made;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const turns = async (count = 6): Promise<void> => {
  for (let times = 0; times < count; times++) await turn();
};
const ok = encodeResponse({ status: 200, fields: [["a", "b"]] });

/** What the host has read of stream 1: head, content, end. */
function readAtHost({ channel }: Stage): { types: string[]; length: number } {
  const types: string[] = [];
  let length = 0;
  for (let item; (item = channel.host.read(1)); ) {
    if (item.type === "data") length += item.content.length;
    else types.push(item.type);
  }
  channel.flush();
  return { types, length };
}

async function broken(promise: Promise<unknown>): Promise<ExchangeError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof ExchangeError);
    return error;
  }
  assert.fail("it did not break");
}

describe("an exchange on a carrier", () => {
  test("a reader that takes turns of promises keeps up: the host may send more and more at once", async () => {
    const made = stage();
    const { host } = made.channel;
    const exchange = made.open();
    await turns(2);
    readAtHost(made);
    host.sendHead(1, ok, false, false);
    made.channel.flush();
    await exchange.head;
    // Half a window ends in the middle of a message.
    const content = new Uint8Array(50_000);
    void (async () => {
      while (await exchange.read()) {
        // As much as it takes to hand a piece to the worker.
        for (let turn = 0; turn < 8; turn++) await Promise.resolve();
      }
    })();
    /** What the host can send before it hears of the page again. */
    const burst = (): number => {
      let sent = 0;
      for (let taken; (taken = host.sendData(1, content)); sent += taken) made.channel.flush();
      return sent;
    };
    const bursts = [];
    for (let times = 0; times < 5; times++) {
      bursts.push(burst());
      await turns();
    }
    assert.equal(bursts[0], 256 * 1024);
    assert.ok(bursts.at(-1)! >= 1024 * 1024, String(bursts));
  });

  test("without content leaves in one message, and the response is read to its end", async () => {
    const made = stage();
    const exchange = made.open();
    await turns(2);
    assert.deepEqual(readAtHost(made), { types: ["head", "finish"], length: 0 });
    made.channel.host.sendHead(1, encodeResponse({ status: 103, fields: [] }), true, false);
    made.channel.host.sendHead(1, ok, false, false);
    made.channel.host.sendData(1, new Uint8Array([1, 2, 3]));
    made.channel.host.finish(1);
    made.channel.flush();
    assert.deepEqual(await exchange.head, { status: 200, fields: [["a", "b"]] });
    assert.deepEqual([...(await exchange.read())!], [1, 2, 3]);
    assert.equal(made.idle, 0);
    assert.equal(await exchange.read(), null);
    assert.equal(await exchange.read(), null);
    assert.equal(made.idle, 1);
    assert.equal(made.carrier.size, 0);
  });

  test("sends 1 MiB of content as the host reads it", async () => {
    const made = stage();
    made.open(new Uint8Array(1 << 20));
    let length = 0;
    const types: string[] = [];
    for (let times = 0; times < 200 && !types.includes("finish"); times++) {
      await turn();
      const read = readAtHost(made);
      length += read.length;
      types.push(...read.types);
    }
    assert.equal(length, 1 << 20);
    assert.deepEqual(types, ["head", "finish"]);
  });

  test("content of no bytes has an end of its own", async () => {
    const made = stage();
    made.open(new Uint8Array());
    await turns();
    assert.deepEqual(readAtHost(made), { types: ["head", "finish"], length: 0 });
  });

  for (const [code, sent] of [[ResetCode.refused, false], [ResetCode.relayOnly, false], [ResetCode.originReset, true]] as const) {
    test(`a reset with code ${code} before the head`, async () => {
      const made = stage();
      const exchange = made.open();
      await turns(2);
      made.channel.host.reset(1, code);
      made.channel.flush();
      const error = await broken(exchange.head);
      assert.deepEqual([error.sent, error.code], [sent, code]);
      assert.equal((await broken(exchange.read())).code, code);
      assert.equal(made.carrier.size, 0);
      assert.equal(made.idle, 1);
    });
  }

  test("a reset in the middle comes after what came before", async () => {
    const made = stage();
    const exchange = made.open();
    await turns(2);
    made.channel.host.sendHead(1, ok, false, false);
    made.channel.host.sendData(1, new Uint8Array(5));
    made.channel.host.abort(1, ResetCode.originReset);
    made.channel.flush();
    await turns();
    assert.equal((await exchange.read())?.length, 5);
    assert.equal((await broken(exchange.read())).code, ResetCode.originReset);
  });

  test("a head that is none breaks it", async () => {
    const made = stage();
    const exchange = made.open();
    await turns(2);
    made.channel.host.sendHead(1, new Uint8Array([0, 7]), false, true);
    made.channel.flush();
    assert.equal((await broken(exchange.head)).sent, true);
    assert.equal(made.carrier.size, 0);
  });

  test("when the path breaks before anything left, nothing was sent", async () => {
    const made = stage();
    const exchange = made.open();
    made.carrier.fail();
    assert.equal((await broken(exchange.head)).sent, false);
    await turns();
    assert.equal(made.channel.host.size, 0);
  });

  test("nor when the browser did not take it", async () => {
    const made = stage();
    made.channel.stuck = true;
    made.channel.bufferedAmount = 1 << 20;
    const exchange = made.open();
    await turns();
    made.carrier.fail();
    assert.equal((await broken(exchange.head)).sent, false);
  });

  test("when it breaks later, it may have been", async () => {
    const made = stage();
    const exchange = made.open(undefined, true);
    const written = exchange.write(new Uint8Array(1 << 20));
    await turns(2);
    made.carrier.fail();
    const error = await broken(exchange.head);
    assert.deepEqual([error.sent, error.code], [true, undefined]);
    await broken(written);
    await broken(exchange.write(new Uint8Array(1)));
    assert.equal(made.idle, 1);
    await turns();
    assert.equal(made.channel.host.resetCode(1), ResetCode.pathLost, "it may come again");
  });

  test("what has arrived before the path broke can still be read", async () => {
    const made = stage();
    const [whole, half] = [made.open(), made.open()];
    await turns(2);
    for (const id of [1, 3]) {
      made.channel.host.sendHead(id, ok, false, false);
      made.channel.host.sendData(id, new Uint8Array(7));
    }
    made.channel.host.finish(1);
    made.channel.flush();
    await turns();
    made.carrier.fail();
    assert.equal((await whole.read())?.length, 7);
    assert.equal(await whole.read(), null);
    assert.equal((await half.read())?.length, 7);
    assert.equal((await broken(half.read())).code, undefined);
    assert.equal(made.idle, 2);
  });

  test("a reader that waits learns that the path broke", async () => {
    const made = stage();
    const exchange = made.open();
    await turns(2);
    made.channel.host.sendHead(1, ok, false, false);
    made.channel.flush();
    await exchange.head;
    const reading = broken(exchange.read());
    await turns();
    made.carrier.fail();
    assert.equal((await reading).sent, true);
  });

  test("cancelled: the host learns it, once", async () => {
    const made = stage();
    const exchange = made.open();
    await turns(2);
    exchange.cancel();
    exchange.cancel();
    await turns();
    assert.equal(made.channel.host.resetCode(1), ResetCode.cancelled);
    assert.equal((await broken(exchange.read())).message, "cancelled");
    assert.equal(made.carrier.size, 0);
  });

  test("upgraded: both directions, each with its own end", async () => {
    const made = stage();
    const exchange = made.open(undefined, true);
    await turns(2);
    made.channel.host.sendHead(1, encodeResponse({ status: 101, fields: [] }), false, false);
    made.channel.flush();
    assert.equal((await exchange.head).status, 101);
    assert.equal(made.idle, 1, "it may be silent for hours");
    await exchange.write(new Uint8Array(9));
    await turns();
    assert.deepEqual(readAtHost(made), { types: ["head"], length: 9 });
    made.channel.host.finish(1);
    made.channel.flush();
    assert.equal(await exchange.read(), null);
    assert.equal(made.carrier.size, 1, "the other direction is open");
    await exchange.write(new Uint8Array(2));
    exchange.finish();
    await turns();
    assert.deepEqual(readAtHost(made), { types: ["finish"], length: 2 });
    assert.equal(made.carrier.size, 0);
    assert.equal(made.idle, 1);
  });

  test("nobody has to look at what failed", async () => {
    const made = stage();
    let unhandled = 0;
    const count = (): number => unhandled++;
    process.on("unhandledRejection", count);
    made.open();
    made.carrier.fail();
    await turns();
    process.off("unhandledRejection", count);
    assert.equal(unhandled, 0);
  });
});

describe("a carrier", () => {
  test("of a host that breaks the rules is lost", () => {
    const { channel, lost } = stage();
    channel.onmessage?.({ data: new Uint8Array([1, 2, 3]).buffer });
    assert.deepEqual(lost, ["protocol"]);
  });

  test("closed by the host is lost", () => {
    const { channel, lost } = stage();
    channel.onclose?.();
    assert.deepEqual(lost, ["channel-closed"]);
  });

  test("does not fill the browser's buffer", async () => {
    const { channel, open } = stage();
    channel.stuck = true;
    for (let times = 0; times < 20; times++) open(new Uint8Array(1 << 20));
    await turns();
    assert.ok(channel.bufferedAmount < 600_000, `${channel.bufferedAmount}`);
  });

  test("tells what the network has taken", async () => {
    const { channel, carrier, open } = stage();
    channel.stuck = true;
    open();
    await turns();
    // Whether the browser has looked at so little yet says nothing of the network.
    assert.deepEqual([carrier.isWaiting, carrier.taken], [false, 0]);
    channel.bufferedAmount -= 5;
    assert.equal(carrier.taken, 5);
    channel.bufferedAmount += 100_000;
    assert.equal(carrier.isWaiting, true);
  });
});
