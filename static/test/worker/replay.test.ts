// Never lost, never twice: the table of design §5, row by row.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { ACK_TIMEOUT, type PageToWorker, type Req } from "../../src/port.ts";
import { type FakePage, ORIGIN, Stage, request, tick } from "./stage.ts";

const ID = "wingman-request-id";

let stage: Stage;
let page: FakePage;
beforeEach(async () => {
  stage = await Stage.start();
  page = await stage.bind("tab");
});
afterEach(() => {
  page.close();
});

const post = (): Request => request("/pay", { method: "POST", body: "10 EUR", headers: { "content-type": "text/x" } });

/** The one request by relay is `req` again; `known`: under its id. */
async function repeats(req: Req, known: boolean): Promise<void> {
  assert.equal(stage.relayed.length, 1);
  const [again] = stage.relayed;
  assert.equal(again!.headers.get(ID), known ? new Map(req.fields).get(ID) : null);
  assert.equal(again!.url, ORIGIN + req.target);
  assert.equal(again!.method, req.method);
  const content = req.content ? new TextDecoder().decode(req.content) : "";
  assert.equal(await again!.text(), content);
  for (const [name, value] of again!.headers) if (name !== ID) assert.ok(req.fields.some((line) => line[0] === name && line[1] === value));
  if (req.method === "POST") assert.equal(again!.headers.get("content-type"), "text/x");
}

describe("before the acknowledgement", () => {
  test("silence: relay, under the same id, and the page shall drop it", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const { promise, resolve } = Promise.withResolvers<Response>();
    stage.relay = () => promise;
    const answer = stage.fetch(post())!;
    const req = await page.req();
    t.mock.timers.tick(ACK_TIMEOUT - 1);
    await tick();
    assert.equal(stage.relayed.length, 0);
    t.mock.timers.tick(1);
    await tick();
    assert.equal(stage.relayed.length, 1);
    assert.ok(page.heard.every(({ type }) => type !== "cancel"), "the copy may still be on its way to what it takes over");
    resolve(new Response("by relay"));
    assert.equal(await (await answer).text(), "by relay");
    // The acknowledgement may have been on its way.
    await repeats(req, true);
    assert.deepEqual(await page.hears("cancel"), { type: "cancel", id: req.id });
    page.answer(req.id, ["too late"], [], 8);
    await tick();
    assert.equal(stage.relayed.length, 1);
    assert.equal((await page.hears("fallback")).cause, "silent");
  });

  test("refused: relay, any method, as it was", async () => {
    const answer = stage.fetch(post())!;
    const req = await page.req();
    page.say({ type: "nak", id: req.id });
    assert.equal(await (await answer).text(), "by relay");
    await repeats(req, false);
    assert.equal((await page.hears("fallback")).cause, "refused");
  });

  test("the page crashes: relay under the same id", async () => {
    const answer = stage.fetch(post())!;
    const req = await page.req();
    page.crash();
    assert.equal(await (await answer).text(), "by relay");
    await repeats(req, true);
  });
});

describe("acknowledged, no head", () => {
  const rows: [what: string, say: (id: number) => PageToWorker, known: boolean, cause: string][] = [
    ["the path broke", (id) => ({ type: "err", id, kind: "path" }), true, "path"],
    ["the host reset it", (id) => ({ type: "err", id, kind: "reset" }), true, "reset"],
    ["nothing was executed", (id) => ({ type: "err", id, kind: "unsent" }), false, "refused"],
  ];
  for (const [what, say, known, cause] of rows) {
    for (const made of [post, () => request("/get"), () => request("/delete", { method: "DELETE" })]) {
      test(`${what}: ${made().method} by relay`, async () => {
        const answer = stage.fetch(made())!;
        const req = await page.req();
        page.say({ type: "ack", id: req.id }, say(req.id));
        assert.equal(await (await answer).text(), "by relay");
        await repeats(req, known);
        const fallback = await page.hears("fallback");
        assert.equal(fallback.cause, cause);
        assert.ok(fallback.ms >= 0);
      });
    }
  }

  test("the host wants it by relay: not executed, and no fallback", async () => {
    const answer = stage.fetch(post())!;
    const req = await page.req();
    page.say({ type: "ack", id: req.id }, { type: "err", id: req.id, kind: "declined" });
    assert.equal(await (await answer).text(), "by relay");
    await repeats(req, false);
    assert.deepEqual(await page.hears("relayed"), { type: "relayed", exchanges: 1, sent: 6, received: 0 });
    assert.ok(page.heard.every(({ type }) => type !== "fallback"));
  });

  test("the deadline is for the acknowledgement only", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const answer = stage.fetch(request("/slow"))!;
    const { id } = await page.req();
    page.say({ type: "ack", id });
    await tick();
    t.mock.timers.tick(60_000);
    page.answer(id, ["at last"], [], 7);
    assert.equal(await (await answer).text(), "at last");
    assert.equal(stage.relayed.length, 0);
  });

  test("the page binds again, its old port being dead: relay under the same id", async () => {
    const answer = stage.fetch(post())!;
    const req = await page.req();
    page.say({ type: "ack", id: req.id });
    await tick();
    const now = await stage.bind("tab");
    assert.equal(await (await answer).text(), "by relay");
    await repeats(req, true);
    now.close();
  });

  test("another client's page says goodbye: relay under the same id", async () => {
    const answer = stage.fetch(post(), "worker")!;
    const req = await page.req();
    page.say({ type: "ack", id: req.id }, { type: "bye" });
    assert.equal(await (await answer).text(), "by relay");
    await repeats(req, true);
  });

  test("the client's own page says goodbye: nobody waits any more", async () => {
    const answer = stage.fetch(post())!;
    const req = await page.req();
    page.say({ type: "ack", id: req.id }, { type: "bye" });
    assert.equal((await answer).type, "error");
    assert.equal(stage.relayed.length, 0);
  });

  test("the relay fails as well: the app sees that", async () => {
    stage.relay = () => Promise.reject(new TypeError("no network"));
    const answer = stage.fetch(post())!;
    const { id } = await page.req();
    page.say({ type: "ack", id }, { type: "err", id, kind: "path" });
    await assert.rejects(answer, TypeError);
  });

  test("an image that the relay redirects to another origin is asked for as it was", async () => {
    stage.relay = (asked) => {
      if (asked.mode === "no-cors") return new Response("image");
      assert.equal(asked.redirect, "manual");
      return Object.defineProperty(new Response(), "type", { value: "opaqueredirect" });
    };
    const answer = stage.fetch(request("/image", { mode: "no-cors" }, { destination: "image" }))!;
    const { id } = await page.req();
    page.say({ type: "ack", id }, { type: "err", id, kind: "path" });
    assert.equal(await (await answer).text(), "image");
    assert.deepEqual(stage.relayed.map(({ mode }) => mode), ["same-origin", "no-cors"]);
  });

  test("an image whose copy fails is not asked for a third time", async () => {
    stage.relay = () => Promise.reject(new TypeError("no network"));
    const answer = stage.fetch(request("/image", { mode: "no-cors" }, { destination: "image" }))!;
    const { id } = await page.req();
    page.say({ type: "ack", id }, { type: "err", id, kind: "path" });
    await assert.rejects(answer, TypeError);
    assert.equal(stage.relayed.length, 1);
  });
});

describe("head delivered", () => {
  const strong: [string, string][] = [["etag", '"v1"'], ["content-length", "10"]];

  /** Asks, gets the head and "01234" of it, then `trouble`; gives the text of the response. */
  async function broken(made: Request, fields: [string, string][], trouble?: (id: number) => PageToWorker): Promise<string> {
    const answer = stage.fetch(made)!;
    const { id } = await page.req();
    page.answer(id, ["01234"], fields);
    const response = await answer;
    page.say((trouble ?? ((id) => ({ type: "err", id, kind: "path" })))(id));
    return response.text();
  }
  const rest = (status: number, range: string, text = "56789"): Response =>
    new Response(text, { status, headers: { "content-range": range } });

  test("a strong validator: goes on by relay, unseen", async () => {
    stage.relay = () => rest(206, "bytes 5-9/10");
    assert.equal(await broken(request("/file", { headers: { "x-app": "1" } }), strong), "0123456789");
    const [asked] = stage.relayed;
    assert.equal(asked!.headers.get("range"), "bytes=5-");
    assert.equal(asked!.headers.get("if-range"), '"v1"');
    assert.equal(asked!.headers.get("x-app"), "1");
    assert.equal(asked!.headers.get(ID), null);
    assert.equal((await page.hears("fallback")).cause, "resumed");
  });

  test("Last-Modified is one if it is old enough", async () => {
    stage.relay = () => rest(206, "bytes 5-9/10");
    const modified: [string, string] = ["last-modified", "Sun, 22 Nov 2026 10:00:00 GMT"];
    assert.equal(await broken(request("/file"), [modified, ["date", "Sun, 22 Nov 2026 10:01:00 GMT"]]), "0123456789");
    await assert.rejects(broken(request("/file"), [modified, ["date", "Sun, 22 Nov 2026 10:00:59 GMT"]]));
    await assert.rejects(broken(request("/file"), [modified]));
  });

  test("a small content that breaks right after its head: relay under the same id, and the app sees one response", async () => {
    stage.relay = () => new Response("whole");
    const answer = stage.fetch(request("/file"))!;
    const { id, fields } = await page.req();
    page.answer(id, ["wh"], [["content-length", "5"]]);
    page.say({ type: "err", id, kind: "path" });
    assert.equal(await (await answer).text(), "whole");
    assert.equal(stage.relayed[0]!.headers.get(ID), fields.find(([name]) => name === ID)![1]);
  });

  const cut: [what: string, () => Promise<string>][] = [
    ["without a validator", () => broken(request("/file"), [])],
    ["with a weak validator", () => broken(request("/file"), [["etag", 'W/"v1"']])],
    ["of a POST", () => broken(post(), strong)],
    ["that is encoded", () => broken(request("/file"), [...strong, ["content-encoding", "identity"]])],
    ["that the origin broke off", () => broken(request("/file"), strong, (id) => ({ type: "err", id, kind: "reset" }))],
  ];
  for (const [what, read] of cut) {
    test(`content ${what} breaks, and nothing is asked again`, async () => {
      stage.relay = () => rest(206, "bytes 5-9/10");
      await assert.rejects(read(), TypeError);
      assert.equal(stage.relayed.length, 0);
    });
  }

  const wrong: [what: string, () => Response][] = [
    ["is all of it", () => rest(200, "bytes 5-9/10")],
    ["begins elsewhere", () => rest(206, "bytes 4-9/10", "45678")],
    ["does not reach the end", () => rest(206, "bytes 5-8/10", "5678")],
    ["has another length", () => rest(206, "bytes 5-10/11", "56789a")],
    ["is shorter than it says", () => rest(206, "bytes 5-9/10", "567")],
    ["says nothing", () => new Response("56789", { status: 206 })],
    ["is an error", () => new Response("", { status: 502 })],
  ];
  for (const [what, response] of wrong) {
    test(`a rest that ${what} is not taken`, async () => {
      stage.relay = response;
      await assert.rejects(broken(request("/file"), strong), TypeError);
    });
  }

  test("a rest that nobody wants is let go of", async () => {
    const { promise: cancelled, resolve } = Promise.withResolvers<undefined>();
    const piece = new Uint8Array(256 * 1024);
    let pulls = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull: (to) => {
        pulls++;
        to.enqueue(piece);
      },
      cancel: () => {
        resolve(undefined);
      },
    });
    stage.relay = () => new Response(endless, { status: 206, headers: { "content-range": "bytes 5-99999999/100000000" } });
    const answer = stage.fetch(request("/file"))!;
    const { id } = await page.req();
    page.answer(id, ["01234"], [["etag", '"v1"'], ["content-length", "100000000"]]);
    const reader = (await answer).body!.getReader();
    page.say({ type: "err", id, kind: "path" });
    for (let got = 0; got < 100_000; ) got += (await reader.read()).value!.length;
    // Until it waits for the reader.
    let before: number;
    do {
      before = pulls;
      await tick();
    } while (before !== pulls);
    await reader.cancel();
    await cancelled;
  });

  test("a head that only the network can give effect goes by relay, under the same id", async () => {
    const answer = stage.fetch(post())!;
    const req = await page.req();
    page.answer(req.id, ["bye"], [["clear-site-data", '"cookies"']]);
    assert.equal(await (await answer).text(), "by relay");
    await repeats(req, true);
  });

  test("fewer bytes than the end says: cut", async () => {
    await assert.rejects(broken(post(), [], (id) => ({ type: "end", id, length: 6 })), TypeError);
  });

  test("the page crashes: goes on by relay", async () => {
    stage.relay = () => rest(206, "bytes 5-9/10");
    const answer = stage.fetch(request("/file"))!;
    const { id } = await page.req();
    page.answer(id, ["01234"], strong);
    const response = await answer;
    await tick();
    page.crash();
    assert.equal(await response.text(), "0123456789");
  });
});

describe("cookies", () => {
  const ticket: [string, string] = ["wingman-ticket", "t1"];

  test("are fetched before the head is used", async () => {
    const { promise, resolve } = Promise.withResolvers<Response>();
    stage.relay = () => promise;
    const answer = stage.fetch(request("/login"))!;
    const { id } = await page.req();
    page.answer(id, ["in"], [ticket], 2);
    let answered = false;
    void answer.then(() => (answered = true));
    await tick();
    assert.equal(stage.relayed[0]?.url, "http://session.localhost:8080/_wingman/cookies/t1");
    assert.equal(stage.relayed[0].credentials, "include");
    assert.equal(answered, false);
    resolve(new Response(null, { status: 204 }));
    const response = await answer;
    assert.equal(response.headers.get("wingman-ticket"), null);
    assert.equal(await response.text(), "in");
  });

  for (const [what, relay] of [
    ["are not there", () => new Response(null, { status: 404 })],
    ["cannot be fetched", () => Promise.reject(new TypeError("no network"))],
  ] as const) {
    test(`${what}: the request goes by relay under the same id`, async () => {
      stage.relay = (asked) => (asked.url.includes("/cookies/") ? relay() : new Response("by relay"));
      const answer = stage.fetch(post())!;
      const req = await page.req();
      page.answer(req.id, ["in"], [ticket]);
      assert.equal(await (await answer).text(), "by relay");
      stage.relayed.shift();
      await repeats(req, true);
      assert.deepEqual(await page.hears("cancel"), { type: "cancel", id: req.id });
      assert.equal((await page.hears("fallback")).cause, "cookies");
    });
  }

  test("the path breaks while they are fetched: the request goes by relay under the same id", async () => {
    const { promise, resolve } = Promise.withResolvers<Response>();
    stage.relay = (asked) => (asked.url.includes("/cookies/") ? promise : new Response("by relay"));
    const answer = stage.fetch(post())!;
    const req = await page.req();
    page.answer(req.id, ["i"], [ticket]);
    page.say({ type: "err", id: req.id, kind: "path" });
    await tick();
    resolve(new Response(null, { status: 204 }));
    assert.equal(await (await answer).text(), "by relay");
    stage.relayed.shift();
    await repeats(req, true);
  });
});

test("a session that ended is cleared away when the relay says so", async () => {
  stage.relay = () => new Response("gone", { status: 410, headers: { "wingman-error": "session-ended" } });
  const answer = stage.fetch(request("/x"))!;
  const { id } = await page.req();
  page.say({ type: "nak", id });
  assert.equal((await answer).status, 410);
  await tick();
  assert.equal(stage.unregistered, 1);
});
