// Bundles the page script, its extras and the worker: node build.ts [folder], which is dist/ by default.

import { build } from "esbuild";
import { mkdir, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { minify } from "terser";

/** What is built: script in dist/, and its entry point. */
export const SCRIPTS = { page: "src/page/main.ts", extras: "src/extras/main.ts", worker: "src/worker/main.ts" } as const;

/** Writes the scripts into `folder`. The same sources give the same bytes. */
export async function bundle(folder: string): Promise<void> {
  const built = Object.entries(SCRIPTS).map(([out, path]) =>
    build({
      absWorkingDir: import.meta.dirname,
      entryPoints: [{ in: path, out }],
      // The extras come too late for it, and no app runs beside the worker.
      inject: out === "page" ? ["src/page/natives.ts"] : [],
      outdir: folder,
      write: false,
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
    }),
  );
  await mkdir(folder, { recursive: true });
  for (const { path, text } of (await Promise.all(built)).flatMap(({ outputFiles }) => outputFiles)) {
    // Another twentieth of what remains after gzip: esbuild makes one pass and looks into no object.
    const { code } = await minify(text, { ecma: 2022, toplevel: true, compress: { passes: 3 } });
    await writeFile(join(folder, basename(path)), `${code ?? ""}\n`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await bundle(resolve(import.meta.dirname, process.argv[2] ?? "dist"));
}
