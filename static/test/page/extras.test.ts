// How a page comes to its second script.

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { type Extras, HANDOVER, loadExtras } from "../../src/page/extras.ts";

class FakeScript extends EventTarget {
  src = "";
  isRemoved = false;

  remove(): void {
    this.isRemoved = true;
  }
}

let appended: FakeScript[];
let running: { currentScript: unknown };
beforeEach(() => {
  appended = [];
  running = { currentScript: null };
  const document = Object.assign(running, {
    createElement: () => new FakeScript(),
    documentElement: { append: (script: FakeScript) => appended.push(script) },
  });
  Object.defineProperty(globalThis, "origin", { value: "http://demo.localhost", configurable: true });
  Object.defineProperty(globalThis, "document", { value: document, configurable: true });
});

const extras = {} as Extras;
const handOver = (script: FakeScript): boolean => script.dispatchEvent(new CustomEvent(HANDOVER, { detail: extras }));

describe("extras", () => {
  test("are asked for, and leave no element", () => {
    loadExtras(() => undefined);
    assert.deepEqual(appended.map(({ src, isRemoved }) => [src, isRemoved]), [["http://demo.localhost/_wingman/extras.js", true]]);
  });

  test("are taken from their script while it runs, and from nobody else", () => {
    const taken: Extras[] = [];
    loadExtras((given) => taken.push(given));
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
