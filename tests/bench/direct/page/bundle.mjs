// Our frames as one script for a page.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "../../../../static/node_modules/esbuild/lib/main.js";

export async function bundle() {
  const folder = await mkdtemp(join(tmpdir(), "wingman-frames-"));
  try {
    const outfile = join(folder, "frames.js");
    await build({ absWorkingDir: import.meta.dirname, entryPoints: ["frames.ts"], outfile, bundle: true, tsconfigRaw: {}, logLevel: "warning" });
    return await readFile(outfile, "utf8");
  } finally {
    await rm(folder, { recursive: true });
  }
}
