import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { RELAY_FIELD } from "../../src/port.ts";
import { type FakePage, Stage, request } from "./stage.ts";

let stage: Stage;
let page: FakePage;

before(async () => {
  stage = await Stage.start();
  page = await stage.bind("tab", { relayOnlyPaths: ["/api/live", "/relay/"] });
});
after(() => {
  page.close();
});

/** Whether the worker asks the page. */
async function asks(made: Request, clientId = "tab"): Promise<boolean> {
  const answer = stage.fetch(made, clientId);
  if (!answer) return false;
  const { id } = await page.req();
  page.answer(id, [], [], 0);
  await (await answer).text();
  return true;
}

const direct: [what: string, made: () => Request][] = [
  ["GET", () => request("/x")],
  ["POST", () => request("/x", { method: "POST", body: "content" })],
  ["an image", () => request("/x", { mode: "no-cors" }, { destination: "image" })],
  ["a module", () => request("/x", { mode: "cors" }, { destination: "script" })],
  ["a request around the cache", () => request("/x", { cache: "no-store" })],
  ["a name that only begins like ours", () => request("/_wingman")],
  ["a name that has a relay-only path inside", () => request("/x/relay/")],
];

for (const [what, made] of direct) {
  test(`${what} goes directly`, async () => {
    assert.equal(await asks(made()), true);
  });
}

const relayed: [what: string, made: () => Request][] = [
  ["a document", () => request("/x", {}, { mode: "navigate" })],
  ["another origin", () => request("http://elsewhere.localhost/x")],
  ["a path of ours", () => request("/_wingman/echo")],
  ["a request that outlives its page", () => request("/x", { keepalive: true })],
  ["a beacon of Firefox, a prefetched document", () => request("/x", { mode: "no-cors" })],
  ["events", () => request("/x", { headers: { accept: "text/event-stream" } })],
  ["a request that the page marked", () => request("/x", { headers: { [RELAY_FIELD]: "1" } })],
  ["what is only in the cache", () => request("/x", { mode: "same-origin" }, { cache: "only-if-cached" })],
  ["what the cache shall answer if it can", () => request("/x", { cache: "force-cache" })],
  ["a field value beyond ASCII", () => request("/x", { headers: { "x-app": "\u00fc" } })],
  ["a field value that Chromium hides", () => request("/x", { headers: { "x-app": "" } })],
  ["a relay-only path", () => request("/relay/x")],
  ["a relay-only path, more exactly", () => request("/api/live?x")],
];

for (const [what, made] of relayed) {
  test(`${what} is left to the network`, async () => {
    assert.equal(await asks(made()), false);
  });
}

test("what is left alone is reported, but not our own requests nor other origins'", async () => {
  const counting = await Stage.start();
  const bound = await counting.bind("tab", { up: false });
  for (const target of ["/a", "/b", "/_wingman/echo", "http://elsewhere.localhost/"]) void counting.fetch(request(target));
  assert.deepEqual(await bound.hears("relayed"), { type: "relayed", exchanges: 2, sent: 0, received: 0 });
  bound.close();
});
