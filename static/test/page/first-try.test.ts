// Whether sockets of a new document wait for its direct path.

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { FirstTry } from "../../src/page/first-try.ts";

let store: Map<string, string>;
beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  store = new Map();
  Object.defineProperty(globalThis, "sessionStorage", {
    configurable: true,
    value: {
      getItem: (key: string) => store.get(key) ?? null,
      setItem: (key: string, value: string) => store.set(key, value),
      removeItem: (key: string) => store.delete(key),
    },
  });
});

/** Whether those who wait for it go on. */
async function isOver(promise: Promise<void> | undefined): Promise<boolean> {
  let over = false;
  void promise?.then(() => (over = true));
  await Promise.resolve();
  await Promise.resolve();
  return over;
}

test("is waited for until the path is up", async () => {
  const attempt = new FirstTry();
  const { pending } = attempt;
  assert(pending);
  mock.timers.tick(900);
  assert.equal(await isOver(pending), false);
  attempt.end(true);
  assert.equal(attempt.pending, undefined);
  assert.equal(await isOver(pending), true);
  assert(new FirstTry().pending, "nor was it slow for the next document");
});

test("is waited for one second at most, and not at all by the next document", async () => {
  const attempt = new FirstTry();
  const { pending } = attempt;
  mock.timers.tick(1_000);
  assert.equal(await isOver(pending), true);
  const next = new FirstTry();
  assert.equal(next.pending, undefined);
  // It comes late, but soon enough to hope again.
  next.end(true);
  assert(new FirstTry().pending);
});

test("a path that is lost later is no slow one", () => {
  const attempt = new FirstTry();
  attempt.end(true);
  attempt.end(false);
  mock.timers.tick(5_000);
  assert(new FirstTry().pending);
});

test("without storage nobody waits", () => {
  Object.defineProperty(globalThis, "sessionStorage", {
    configurable: true,
    get: () => {
      throw new Error("not allowed");
    },
  });
  assert.equal(new FirstTry().pending, undefined);
});
