// Bundles the page script and the worker: node build.ts [folder], which is dist/ by default.

import { build } from "esbuild";
import { fileURLToPath } from "node:url";

/** What is built: entry point, and script in dist/. */
export const SCRIPTS = { page: "src/page/main.ts", worker: "src/worker/main.ts" } as const;

/** Writes both scripts into `folder`. The same sources give the same bytes. */
export async function bundle(folder: string): Promise<void> {
  await build({
    absWorkingDir: import.meta.dirname,
    entryPoints: Object.entries(SCRIPTS).map(([out, path]) => ({ in: path, out })),
    outdir: folder,
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2022",
    platform: "browser",
    charset: "utf8",
    legalComments: "none",
    // Found by esbuild otherwise, and its `target` would be taken.
    tsconfigRaw: {},
    logLevel: "warning",
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await bundle(process.argv[2] ?? "dist");
}
