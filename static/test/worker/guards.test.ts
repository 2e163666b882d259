import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { RELAY_FIELD } from "../../src/port.ts";
import { needsBrowser } from "../../src/worker/guards.ts";
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

describe("what only the browser can go on with", () => {
  const CHROMIUM = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
  const SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 26_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.4 Mobile/15E148 Safari/604.1";
  const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0";
  const content = new ArrayBuffer(3);

  const needs = (status: number, challenge?: string, own?: string, agent = FIREFOX, sent?: ArrayBuffer): boolean =>
    needsBrowser(
      { headers: new Headers(own === undefined ? {} : { authorization: own }) },
      sent,
      status,
      new Headers(challenge === undefined ? {} : { "www-authenticate": challenge }),
      agent,
    );

  test("HTTP authentication, unless the app does it itself", () => {
    for (const challenge of ["Basic realm=x", "digest nonce=1", "Bearer, Basic realm=x", "Negotiate", "NTLM"]) {
      assert.equal(needs(401, challenge), true, challenge);
      assert.equal(needs(401, challenge, "Basic eDp5"), false, challenge);
      assert.equal(needs(403, challenge), false, challenge);
    }
    assert.equal(needs(401), false);
    for (const challenge of ["Bearer", "Basically", 'Bearer realm="not basic"']) {
      assert.equal(needs(401, challenge), false, challenge);
    }
  });

  test("content that is to go on to the next of two requests, in WebKit", () => {
    for (const status of [307, 308]) {
      assert.equal(needs(status, undefined, undefined, SAFARI, content), true);
      assert.equal(needs(status, undefined, undefined, SAFARI), false, "nothing is to go on");
      assert.equal(needs(status, undefined, undefined, CHROMIUM, content), false);
      assert.equal(needs(status, undefined, undefined, FIREFOX, content), false);
    }
    assert.equal(needs(303, undefined, undefined, SAFARI, content), false);
  });
});
