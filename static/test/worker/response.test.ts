// What the app gets of a response that a page delivers, and credit for it.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { type FieldLine, MAX_CONTENT, type Req, WINDOW } from "../../src/port.ts";
import { type FakePage, Stage, request, tick } from "./stage.ts";

let stage: Stage;
let page: FakePage;
beforeEach(async () => {
  stage = await Stage.start();
  page = await stage.bind("tab");
});
afterEach(() => {
  page.close();
});

/** The response to `made` when the page answers so. */
async function response(made: Request, status: number, fields: FieldLine[], content = new Uint8Array()): Promise<Response> {
  const answer = stage.fetch(made)!;
  const { id } = await page.req();
  const length = content.length;
  page.say({ type: "ack", id }, { type: "head", id, status, fields });
  if (length) page.say({ type: "data", id, content: Uint8Array.from(content).buffer });
  page.say({ type: "end", id, length });
  return answer;
}

describe("request", () => {
  async function asked(made: Request): Promise<Req> {
    const answer = stage.fetch(made)!;
    const req = await page.req();
    page.answer(req.id, [], [], 0);
    await answer;
    return req;
  }

  test("the page is told all that a worker sees", async () => {
    const made = request("/a?b", { method: "PUT", body: "text", headers: { "x-app": "1" }, credentials: "omit", cache: "reload" });
    const { id, deadline, content, fields, ...req } = await asked(made);
    assert.equal(id, 0);
    assert.ok(deadline <= Date.now() + 250);
    assert.equal(new TextDecoder().decode(content), "text");
    assert.deepEqual(fields.slice(0, 2).toSorted(), [["content-type", "text/plain;charset=UTF-8"], ["x-app", "1"]]);
    assert.deepEqual(req, { type: "req", method: "PUT", target: "/a?b", anonymous: true });
  });

  test("no content is told from some; each request has an id of its own", async () => {
    const [one, two] = [await asked(request("/x", { method: "POST" })), await asked(request("/x"))];
    assert.deepEqual([one.content, two.content], [undefined, undefined]);
    assert.notEqual(one.id, two.id);
    const [first, second] = [one, two].map((req) => new Map(req.fields).get("wingman-request-id")!);
    assert.match(first!, /^[0-9a-f]{32}$/);
    assert.match(second!, /^[0-9a-f]{32}$/);
    assert.notEqual(first, second);
  });

  test("content above the limit goes by relay, unread", async () => {
    const most = request("/x", { method: "POST", body: new Uint8Array(MAX_CONTENT) });
    assert.equal((await asked(most)).content?.byteLength, MAX_CONTENT);
    const more = request("/x", { method: "POST", body: new Uint8Array(MAX_CONTENT + 1) });
    assert.equal(await (await stage.fetch(more)!).text(), "by relay");
    assert.equal(stage.relayed[0], more);
    assert.equal((await more.arrayBuffer()).byteLength, MAX_CONTENT + 1);
  });

  test("of content whose length nobody knows no more is read than the limit", async () => {
    let read = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        read += 100_000;
        controller.enqueue(new Uint8Array(100_000));
      },
    });
    const made = request("/x", { method: "POST", body, duplex: "half" } as RequestInit);
    assert.equal(await (await stage.fetch(made)!).text(), "by relay");
    await tick();
    assert.ok(read <= MAX_CONTENT + 300_000, `${read} bytes were read`);
    await made.body?.cancel();
  });

  test("a browser that shows no stream of the content", async () => {
    for (const length of [0, 5, MAX_CONTENT, MAX_CONTENT + 1]) {
      const made = request("/x", { method: "POST", body: new Uint8Array(length) });
      const hidden = (): Request => Object.defineProperty(made.clone(), "body", { value: undefined });
      const shown = request("/x", { method: "POST", body: new Uint8Array(length) }, { clone: hidden, body: undefined });
      if (length > MAX_CONTENT) assert.equal(await (await stage.fetch(shown)!).text(), "by relay");
      else assert.equal((await asked(shown)).content?.byteLength, length || undefined);
    }
  });
});

describe("head", () => {
  test("repeated field lines stay, those of a connection and ours do not", async () => {
    const fields: FieldLine[] = [
      ["x-a", "1"],
      ["x-a", "2"],
      ["connection", "close"],
      ["keep-alive", "timeout=5"],
      ["transfer-encoding", "chunked"],
      ["trailer", "x"],
      ["upgrade", "h2c"],
      ["wingman-anything", "x"],
      ["x-wingman", "the app's"],
    ];
    const { headers } = await response(request("/x"), 200, fields);
    assert.deepEqual([...headers], [["x-a", "1, 2"], ["x-wingman", "the app's"]]);
  });

  for (const status of [204, 205, 304]) {
    test(`${status} has no content`, async () => {
      const got = await response(request("/x"), status, [["etag", '"1"']]);
      assert.deepEqual([got.status, got.body, got.headers.get("etag")], [status, null, '"1"']);
    });
  }

  test("HEAD has none, but its length", async () => {
    const got = await response(request("/x", { method: "HEAD" }), 200, [["content-length", "5"]]);
    assert.deepEqual([got.body, got.headers.get("content-length")], [null, "5"]);
  });

  test("redirects are passed on as they are, but for content that nobody can see", async () => {
    const content = new TextEncoder().encode("moved");
    const got = await response(request("/x"), 307, [["location", "/y"]], content);
    assert.deepEqual([got.status, got.headers.get("location"), got.redirected, got.body], [307, "/y", false, null]);
    const nowhere = await response(request("/x"), 302, [], content);
    assert.equal(await nowhere.text(), "moved");
  });

  for (const [what, status, fields] of [
    ["a status that is none", 99, []],
    ["an informational status", 101, []],
    ["a field name that is none", 200, [["a b", "c"]]],
    ["a field value that is none", 200, [["a", "\u0100"]]],
    ["a coding that was not asked for", 200, [["content-encoding", "br"]]],
  ] as const) {
    test(`${what}: the relay answers instead`, async () => {
      const got = await response(request("/x"), status, fields as unknown as FieldLine[]);
      assert.equal(await got.text(), "by relay");
      assert.equal((await page.hears("fallback")).cause, "head");
    });
  }
});

describe("content", () => {
  test("gzip is decoded and no longer mentioned", async () => {
    const content = gzipSync("hello world");
    const got = await response(request("/x"), 200, [["content-encoding", "GZIP"], ["content-length", "31"]], content);
    assert.equal(await got.text(), "hello world");
    assert.deepEqual([...got.headers], []);
  });

  test("gzip that is cut is an error", async () => {
    const content = gzipSync("hello world").subarray(0, 20);
    const got = await response(request("/x"), 200, [["content-encoding", "gzip"]], content);
    await assert.rejects(got.text());
  });

  test("credit is given for what the app took, and for no more", async () => {
    const answer = stage.fetch(request("/x"))!;
    const { id } = await page.req();
    const piece = "x".repeat(WINDOW / 4);
    page.answer(id, [piece, piece, piece, piece]);
    const reader = (await answer).body!.getReader();
    await tick();
    assert.equal(page.heard.length, 0);
    for (let count = 0; count < 4; count++) {
      await reader.read();
      await tick();
    }
    const credits = page.heard.map((message) => (message.type === "credit" ? message.bytes : 0));
    assert.equal(credits.reduce((sum, bytes) => sum + bytes, 0), WINDOW);
    assert.ok(credits.length > 1);
  });

  test("an app that wants no more cancels at the page", async () => {
    const answer = stage.fetch(request("/x"))!;
    const { id } = await page.req();
    page.answer(id, ["some"]);
    await (await answer).body!.cancel();
    assert.deepEqual(await page.hears("cancel"), { type: "cancel", id });
    // What was on its way does no harm.
    page.data(id, "more");
    page.say({ type: "end", id, length: 8 });
    await tick();
  });

  test("messages about exchanges that are over or never were do no harm", async () => {
    const got = await response(request("/x"), 200, [], new TextEncoder().encode("all"));
    page.answer(0, ["again"], [], 5);
    page.say({ type: "err", id: 0, kind: "path" }, { type: "err", id: 77, kind: "path" }, { type: "nak", id: 0 });
    await tick();
    assert.equal(await got.text(), "all");
    assert.equal(stage.relayed.length, 0);
  });

  test("a second head is not taken, nor content before the first", async () => {
    const answer = stage.fetch(request("/x"))!;
    const { id } = await page.req();
    page.say({ type: "ack", id });
    page.data(id, "early");
    page.answer(id, ["ok"]);
    page.say({ type: "head", id, status: 500, fields: [] }, { type: "end", id, length: 2 });
    const got = await answer;
    assert.deepEqual([got.status, await got.text()], [200, "ok"]);
  });
});
