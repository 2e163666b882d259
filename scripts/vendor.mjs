// Makes vendor/rtc-sctp/src: the published crate, repaired by repairs/, its long files in parts (split.json).
// With --check it writes nothing and fails where what is there differs.

import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { splitFile } from "./vendor/split.mjs";

const FOLDER = join(import.meta.dirname, "../vendor/rtc-sctp");
const MOST_LINES_OF_DIFF = 40;
const OUTPUT = { encoding: "utf8", maxBuffer: 1 << 26 };

const read = (path) => readFileSync(join(FOLDER, path), "utf8");

/** Runs a program and gives what it printed; one that fails has said why, in lines of either output that are `telling`. */
function run(program, args, { telling = /./, ...options } = {}) {
  try {
    return execFileSync(program, args, { ...OUTPUT, stdio: "pipe", ...options });
  } catch (error) {
    const said = `${error.stdout ?? ""}${error.stderr ?? ""}`.split("\n").filter((line) => telling.test(line));
    throw new Error(`${program} ${args[0]}: ${said.join("\n") || error.message}`);
  }
}

/** The folder of the published crate, which cargo has fetched and whose checksum it has compared. */
function published(work) {
  const [, name, version] = read("Cargo.toml").match(/^name = "(.+)"\nversion = "(.+)"$/m);
  const manifest = join(work, "fetch/Cargo.toml");
  mkdirSync(join(work, "fetch/src"), { recursive: true });
  writeFileSync(join(work, "fetch/src/lib.rs"), "");
  // Our lock file, so that what the crate itself needs is here already.
  cpSync(join(FOLDER, "Cargo.lock"), join(work, "fetch/Cargo.lock"));
  writeFileSync(
    manifest,
    `[package]\nname = "fetch"\nedition = "2024"\n[workspace]\n[dependencies]\n${name} = "=${version}"\n`,
  );
  try {
    run("cargo", ["fetch", "--offline", "--manifest-path", manifest]);
  } catch {
    // It was not fetched before.
    run("cargo", ["fetch", "--manifest-path", manifest]);
  }
  const metadata = ["metadata", "--offline", "--format-version", "1", "--manifest-path", manifest];
  const { packages } = JSON.parse(run("cargo", metadata));
  return dirname(packages.find((each) => each.name === name && each.version === version).manifest_path);
}

/** Applies one of repairs/, all of it: `patch` takes what follows a hunk that is too short for a comment. */
function repair(work, file) {
  const flags = ["-p1", "--verbose", "--fuzz=0", "--no-backup-if-mismatch", "-d", work];
  const said = run("patch", [...flags, "-i", join(FOLDER, file)], {
    telling: /^patching file|FAILED at|\*{4}/,
    env: { ...process.env, LC_ALL: "C" },
  });
  const applied = said.match(/^Hunk #\d+ succeeded/gm)?.length ?? 0;
  const hunks = read(file).match(/^@@ /gm)?.length ?? 0;
  if (applied !== hunks) throw new Error(`${file}: of ${hunks} hunks ${applied} are whole and were applied`);
}

/** Makes `src` in `work`. */
function make(work) {
  const src = join(work, "src");
  cpSync(join(published(work), "src"), src, { recursive: true });
  for (const file of readdirSync(join(FOLDER, "repairs")).sort()) repair(work, join("repairs", file));
  for (const [path, plan] of Object.entries(JSON.parse(read("split.json")))) {
    for (const [made, text] of splitFile(path, readFileSync(join(src, path), "utf8"), plan)) {
      mkdirSync(dirname(join(src, made)), { recursive: true });
      writeFileSync(join(src, made), text);
    }
  }
  return src;
}

/** Whether vendor/rtc-sctp/src is what was made. */
function isSame(made) {
  const { status, stdout, stderr } = spawnSync("diff", ["-ruN", join(FOLDER, "src"), made], OUTPUT);
  if (status === 0) return true;
  if (status !== 1) throw new Error(`diff: ${stderr}`);
  const named = stdout.replaceAll(made, "made/src").replaceAll(join(FOLDER, "src"), "vendor/rtc-sctp/src");
  const lines = named.trimEnd().split("\n");
  console.error(lines.slice(0, MOST_LINES_OF_DIFF).join("\n"));
  if (lines.length > MOST_LINES_OF_DIFF) console.error(`… and ${lines.length - MOST_LINES_OF_DIFF} lines more`);
  console.error(
    "vendor/rtc-sctp/src is not what the published crate, repairs/ and split.json make. " +
      "Put what shall differ into repairs/, then run `make vendor`.",
  );
  return false;
}

const work = mkdtempSync(join(tmpdir(), "vendor-"));
try {
  const made = make(work);
  if (process.argv[2] === "--check") {
    process.exitCode = isSame(made) ? 0 : 1;
  } else {
    rmSync(join(FOLDER, "src"), { recursive: true, force: true });
    cpSync(made, join(FOLDER, "src"), { recursive: true });
  }
} catch (error) {
  console.error(`vendor.mjs: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
