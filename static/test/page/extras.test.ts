// How a page comes to its second script.

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { type Extras, extrasLoader, HANDOVER } from "../../src/page/extras.ts";

class FakeScript extends EventTarget {
  src = "";
  isRemoved = false;

  remove(): void {
    this.isRemoved = true;
  }
}

let appended: FakeScript[];
let running: { currentScript: unknown };
let policies: string[];
beforeEach(() => {
  policies = [];
  appended = [];
  running = { currentScript: null };
  const document = Object.assign(running, {
    createElement: () => new FakeScript(),
    querySelectorAll: () => policies.map((content) => ({ content })),
    documentElement: { append: (script: FakeScript) => appended.push(script) },
  });
  Object.defineProperty(globalThis, "origin", { value: "http://demo.localhost", configurable: true });
  Object.defineProperty(globalThis, "document", { value: document, configurable: true });
});

const extras = {} as Extras;
const handOver = (script: FakeScript): boolean => script.dispatchEvent(new CustomEvent(HANDOVER, { detail: extras }));

describe("extras", () => {
  test("are asked for once, and leave no element", () => {
    const load = extrasLoader(() => undefined);
    assert.equal(appended.length, 0, "not before they may");
    load();
    load();
    assert.deepEqual(appended.map(({ src, isRemoved }) => [src, isRemoved]), [["http://demo.localhost/_wingman/extras.js", true]]);
  });

  test("are not asked for where a policy of the document would block them", () => {
    const load = extrasLoader(() => undefined);
    policies = ["default-src 'self'", "script-src 'nonce-abc'"];
    load();
    assert.equal(appended.length, 0);
    policies.pop();
    load();
    assert.equal(appended.length, 1);
  });

  test("are taken from their script while it runs, and from nobody else", () => {
    const taken: Extras[] = [];
    extrasLoader((given) => taken.push(given))();
    const [script] = appended;
    handOver(script!);
    running.currentScript = new FakeScript();
    handOver(script!);
    assert.deepEqual(taken, []);
    running.currentScript = script;
    handOver(script!);
    assert.equal(taken.length, 1);
    assert.equal(taken[0], extras);
  });
});
