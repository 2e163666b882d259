// Which page is asked, and how the worker comes to know pages.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ACK_TIMEOUT, PORT_VERSION } from "../../src/port.ts";
import { type FakePage, Stage, request, tick } from "./stage.ts";

/** Asks for `/x` on behalf of a client and tells which page was asked. */
async function asked(stage: Stage, clientId: string, pages: Record<string, FakePage>): Promise<string | undefined> {
  const answer = stage.fetch(request("/x"), clientId);
  if (!answer) return undefined;
  const name = await Promise.race(
    Object.entries(pages).map(async ([name, page]) => {
      const { id } = await page.req();
      page.answer(id, [], [], 0);
      return name;
    }),
  );
  await answer;
  return name;
}

test("a page is asked for its own requests, whether anyone sees it or not", async () => {
  const stage = await Stage.start();
  const pages = { one: await stage.bind("one"), two: await stage.bind("two", { visible: false }) };
  assert.equal(await asked(stage, "one", pages), "one");
  assert.equal(await asked(stage, "two", pages), "two");
  for (const page of Object.values(pages)) page.close();
});

test("who has no page up is served by one that is visible, never by a hidden one", async () => {
  const stage = await Stage.start();
  const hidden = await stage.bind("hidden", { visible: false });
  const down = await stage.bind("down", { up: false });
  assert.equal(await asked(stage, "worker", { hidden, down }), undefined);
  const seen = await stage.bind("seen");
  assert.equal(await asked(stage, "worker", { hidden, down, seen }), "seen");
  assert.equal(await asked(stage, "down", { hidden, down, seen }), "seen");
  for (const page of [hidden, down, seen]) page.close();
});

test("up, down, hidden and bye are heard", async () => {
  const stage = await Stage.start();
  const page = await stage.bind("tab", { up: false });
  const pages = { page };
  assert.equal(await asked(stage, "tab", pages), undefined);
  page.say({ type: "state", up: true, visible: true });
  await tick();
  assert.equal(await asked(stage, "tab", pages), "page");
  page.say({ type: "state", up: true, visible: false });
  await tick();
  assert.equal(await asked(stage, "other", pages), undefined);
  page.say({ type: "bye" });
  await tick();
  assert.equal(await asked(stage, "tab", pages), undefined);
  page.close();
});

test("a page that crashed is not asked", async () => {
  const stage = await Stage.start();
  const page = await stage.bind("tab");
  page.crash();
  await tick();
  assert.equal(stage.fetch(request("/x")), undefined);
  page.close();
});

test("a page that binds again is asked on its new port", async () => {
  const stage = await Stage.start();
  const old = await stage.bind("tab");
  const now = await stage.bind("tab");
  assert.equal(await asked(stage, "tab", { old, now }), "now");
  // The old lock is released late; the new port stays.
  old.crash();
  await tick();
  assert.equal(await asked(stage, "tab", { old, now }), "now");
  for (const page of [old, now]) page.close();
});

test("a page that let an acknowledgement pass is not asked until it speaks", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const stage = await Stage.start();
  const page = await stage.bind("tab");
  const answer = stage.fetch(request("/x"));
  await page.req();
  t.mock.timers.tick(ACK_TIMEOUT);
  await answer;
  assert.equal(stage.fetch(request("/x")), undefined);
  page.say({ type: "nak", id: 0 });
  await tick();
  assert.equal(await asked(stage, "tab", { page }), "page");
  page.close();
});

test("a page of another version is not bound, and the worker looks for a new one", async () => {
  const stage = await Stage.start();
  const page = await stage.bind("tab", { version: PORT_VERSION + 1 });
  assert.equal(stage.fetch(request("/x")), undefined);
  assert.equal(stage.updates, 1);
  page.close();
});

test("after a restart pages are asked to bind again; a first start asks nobody", async () => {
  const restarted = await Stage.start({ active: true, clients: ["one", "two"] });
  assert.deepEqual(restarted.told, [["one", { wingman: "rebind" }], ["two", { wingman: "rebind" }]]);
  assert.equal(restarted.fetch(request("/x"), "one"), undefined);
  const first = await Stage.start({ active: false });
  assert.deepEqual(first.told, []);
});

test("it takes pages over at once, and again when one says so", async () => {
  const stage = await Stage.start();
  await stage.dispatch("install", { addRoutes: (rule: unknown) => Promise.resolve(stage.routes.push(rule)) });
  assert.deepEqual(stage.routes, [{ condition: { requestMode: "navigate" }, source: "network" }]);
  await stage.dispatch("install", {});
  await stage.dispatch("activate", {});
  await stage.dispatch("message", { data: { wingman: "claim" }, ports: [] });
  assert.equal(stage.claims, 2);
  await stage.dispatch("message", { data: "of the app", ports: [] });
});

test("the session ended while it slept: everything of ours is gone", async () => {
  const ended = new Response(null, { status: 410, headers: { "wingman-error": "session-ended" } });
  const stage = await Stage.start({ active: true, relay: () => ended.clone() });
  await tick();
  assert.deepEqual(stage.told, [["tab", { wingman: "rebind" }], ["tab", { wingman: "ended" }]]);
  assert.equal(stage.unregistered, 1);
  assert.deepEqual([...stage.caches], ["app-cache"]);
  const other = await Stage.start({ active: true, relay: () => new Response(null, { status: 410 }) });
  assert.equal(other.unregistered, 0, "an origin may say 410 itself");
});
