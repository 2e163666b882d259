/** What must hold between the fields of a mux after every step. */

import assert from "node:assert/strict";
import { INITIAL_CREDIT } from "../../src/mux/config.ts";
import type { Mux } from "../../src/mux/mux.ts";
import type { Receive } from "../../src/mux/receive.ts";
import type { Send } from "../../src/mux/send.ts";
import { FrameType, MAX_PAYLOAD } from "../../src/wire/frame.ts";

const sum = (numbers: number[]): number => numbers.reduce((sum, number) => sum + number, 0);

export function checkInvariants(mux: Mux): void {
  const schedule = mux["schedule"];
  const scheduled = [...schedule["short"], ...schedule["bulk"]];
  assert.equal(new Set(scheduled).size, scheduled.length, "a stream has one turn to come");
  const halves = [...mux["streams"].entries()];
  for (const [id, stream] of halves) {
    checkReceive(stream.receive);
    checkSend(stream.send);
    assert.equal(stream.send.scheduled, scheduled.includes(id), `stream ${id} knows its turn`);
    assert.equal(stream.creditDue, mux["creditDue"].includes(id), `stream ${id} knows its credit`);
  }
  assert.equal(sum(halves.map(([, { send }]) => send.queued)), mux["queued"], "bytes of all streams are counted");
  const grown = sum(halves.map(([, { receive }]) => receive.grown));
  assert.equal(grown + mux["growthLeft"], mux["config"].growthBudget, "the growth budget is neither lost nor made");
  assert.equal(mux["out"].length, 0, "what was written was given away");
}

function checkReceive(receive: Receive): void {
  const { maxWindow, maxHead } = receive["config"];
  const queue = receive["queue"];
  const queued = sum(queue.map((item) => (item.type === "data" ? item.content.length : 0)));
  assert.equal(queued, receive["queued"], "queued content is counted");
  if (receive["state"] === "content") {
    const credit = receive["allowance"] + queued + receive["unreturned"];
    assert.equal(credit, receive["window"], "credit is neither lost nor made");
  }
  assert(receive["window"] <= Math.max(maxWindow, INITIAL_CREDIT));
  assert(receive["partialHead"].length <= maxHead);
  assert(receive["state"] === "head" || !receive["partialHead"].length, "nothing is kept of a head that is whole");
  assert(receive["interimUnread"] >= 0 && receive["interimUnread"] <= 8);
  queue.forEach((item, position) => {
    if (item.type === "finish" || item.type === "reset") {
      assert.equal(position, queue.length - 1, "nothing follows an end");
    }
  });
  if (receive["joint"]) {
    const last = queue.findLast((item) => item.type === "data");
    assert.equal(last?.content.buffer, receive["joint"].buffer, "what may go on is what was queued last");
  }
}

function checkSend(send: Send): void {
  const queue = send["queue"];
  assert.equal(sum(queue.map((piece) => (piece.type === FrameType.finish ? 0 : piece.bytes.length))), send.queued);
  const content = sum(queue.map((piece) => (piece.type === FrameType.data ? piece.bytes.length : 0)));
  assert(content <= send["accepted"]);
  assert(content <= Math.max(send["config"].streamSendBound, MAX_PAYLOAD), "bounded");
  assert(send["credit"] >= 0);
  assert(send.scheduled || !queue.length, "what waits has a turn to come");
  if (["ended", "reset"].includes(send["state"])) {
    assert.equal(queue.length, 0, "nothing is sent after an end");
  }
  assert.equal(send.code !== undefined, send["state"] === "reset");
}
