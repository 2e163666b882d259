/** What is committed in dist/ is what the sources give, and small enough to stand before every page. */

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Script } from "node:vm";
import { gzipSync } from "node:zlib";
import { bundle, SCRIPTS } from "../build.ts";

const DIST = join(import.meta.dirname, "../dist");

/** Bytes of each script after gzip. */
const BUDGETS: Record<keyof typeof SCRIPTS, number> = { page: 14 * 1024, extras: 6 * 1024, worker: 6 * 1024 };

test("dist is that of the sources", async () => {
  const folder = mkdtempSync(join(tmpdir(), "wingman-dist-"));
  try {
    await bundle(folder);
    const scripts = readdirSync(folder).sort();
    assert.deepEqual(scripts, Object.keys(SCRIPTS).map((name) => `${name}.js`).sort());
    assert.deepEqual(readdirSync(DIST).sort(), scripts, "nothing else is in dist/");
    for (const script of scripts) {
      const same = readFileSync(join(DIST, script)).equals(readFileSync(join(folder, script)));
      assert(same, `dist/${script} is out of date: make static`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

for (const [name, budget] of Object.entries(BUDGETS)) {
  test(`${name}.js is within its budget`, () => {
    const size = gzipSync(readFileSync(join(DIST, `${name}.js`)), { level: 9 }).length;
    assert(size <= budget, `${size} bytes after gzip, ${budget} are allowed`);
  });

  test(`${name}.js is one classic script`, () => {
    const script = readFileSync(join(DIST, `${name}.js`), "utf8");
    assert.doesNotMatch(script, /^\s*(import|export)\b|sourceMappingURL|\brequire\(/m);
    assert.doesNotThrow(() => new Script(script), "it parses as a script");
  });
}
