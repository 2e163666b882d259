// What the host codes for the way comes to the app as the origin sent it.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, test } from "node:test";
import { constants, gzipSync } from "node:zlib";
import { type FieldLine, WINDOW } from "../../src/port.ts";
import { type FakePage, Stage, request, tick } from "./stage.ts";

const CODED: FieldLine = ["wingman-transfer-coding", "gzip"];
const TEXT = "0123456789".repeat(10_000);
const strong: FieldLine[] = [CODED, ["etag", '"v1"'], ["content-length", String(TEXT.length)], ["content-type", "text/x"]];

let stage: Stage;
let page: FakePage;
beforeEach(async () => {
  stage = await Stage.start();
  page = await stage.bind("tab");
});
afterEach(() => {
  page.close();
});

/** A gzip that all of the text can be read of, and that has no end. */
const open = (text: string): Uint8Array => gzipSync(text, { finishFlush: constants.Z_SYNC_FLUSH });

/** Asks; the page answers with `content`. */
async function begin(content: Uint8Array, fields: FieldLine[]): Promise<{ id: number; response: Response }> {
  const answer = stage.fetch(request("/file"))!;
  const { id, fields: asked } = await page.req();
  assert.equal(new Map(asked).get("wingman-te"), "gzip");
  page.say({ type: "ack", id }, { type: "head", id, status: 200, fields });
  page.say({ type: "data", id, content: Uint8Array.from(content).buffer });
  return { id, response: await answer };
}

test("the app sees the content and its length, and nothing of the coding", async () => {
  const content = gzipSync(TEXT);
  const { id, response } = await begin(content, strong);
  page.say({ type: "end", id, length: content.length });
  assert.equal(await response.text(), TEXT);
  assert.deepEqual(Object.fromEntries(response.headers), { "content-length": "100000", "content-type": "text/x", etag: '"v1"' });
});

test("what has come can be read before the rest comes", async () => {
  const { response } = await begin(open("so far"), strong);
  const { value } = await response.body!.getReader().read();
  assert.equal(new TextDecoder().decode(value), "so far");
});

test("a path that breaks: goes on by relay behind what was decoded", async () => {
  const half = TEXT.slice(0, 50_000);
  stage.relay = () => new Response(TEXT.slice(50_000), { status: 206, headers: { "content-range": "bytes 50000-99999/100000" } });
  const { id, response } = await begin(open(half), strong);
  const reader = response.body!.getReader();
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (let next; length < half.length; length += next.length) {
    next = (await reader.read()).value!;
    pieces.push(next);
  }
  await tick();
  page.say({ type: "err", id, kind: "path" });
  for (let next; (next = (await reader.read()).value); ) pieces.push(next);
  assert.equal(Buffer.concat(pieces).toString(), TEXT);
  assert.equal(stage.relayed[0]!.headers.get("range"), "bytes=50000-");
  assert.equal((await page.hears("fallback")).cause, "resumed");
});

const cut: [what: string, content: Uint8Array, fields: FieldLine[]][] = [
  ["has no end", open(TEXT), strong],
  ["is not what it says", Buffer.from("no gzip"), strong],
  ["holds less than the head says", gzipSync("short"), strong],
  ["was changed on its way", Buffer.concat([gzipSync(TEXT).subarray(0, -8), Buffer.alloc(8)]), strong],
];
for (const [what, content, fields] of cut) {
  test(`a coding that ${what} is an error`, async () => {
    const { id, response } = await begin(content, fields);
    page.say({ type: "end", id, length: content.length });
    await assert.rejects(response.text());
    assert.equal(stage.relayed.length, 0);
  });
}

test("without a validator a path that breaks is an error", async () => {
  const { id, response } = await begin(open(TEXT), [CODED, ["content-length", "100000"]]);
  page.say({ type: "err", id, kind: "path" });
  await assert.rejects(response.text(), TypeError);
});

test("an app that wants no more cancels at the page, also while nothing comes", async () => {
  const { id, response } = await begin(open("so far"), strong);
  const reader = response.body!.getReader();
  await reader.read();
  await reader.cancel();
  assert.deepEqual(await page.hears("cancel"), { type: "cancel", id });
});

test("credit is for what came over the path", async () => {
  const content = gzipSync(randomBytes(3 * WINDOW));
  const { id, response } = await begin(content, [CODED, ["content-length", String(3 * WINDOW)]]);
  await tick();
  page.say({ type: "end", id, length: content.length });
  assert.equal((await response.arrayBuffer()).byteLength, 3 * WINDOW);
  const credit = page.heard.reduce((sum, message) => sum + (message.type === "credit" ? message.bytes : 0), 0);
  assert.ok(credit > 0 && credit <= content.length, String(credit));
});
