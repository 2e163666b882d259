// The command line.

import { parseArgs } from "node:util";
import { STACKS } from "./figures.mjs";
import { CONDITIONS, PATHS } from "./networks.mjs";

export const PARTS = ["setup", "small", "worker", "bulk"];

export const USAGE = `Measures the direct path: our host beside Chromium and libdatachannel, with Chromium as the visitor.
Takes turns, so that ratios inside a round count even when the machine is busy. Prints Markdown on stdout, progress
on stderr. Needs root: its network is made of namespaces. WINGMAN_BIN_DIR says where the programs are.

  --rounds N      rounds over all cells (3)
  --seconds N     for each cell, stack and direction in a round (3)
  --quick         two minutes that show whether everything works; the figures mean little
  --parts A,B     of ${PARTS.join(", ")}
  --paths A,B     of ${Object.keys(PATHS).join(", ")}
  --conditions A,B  of ${Object.keys(CONDITIONS).join(", ")}; for bulk
  --stacks A,B    of ${STACKS.join(", ")}; ratios need all of them
  --json FILE     write all figures there
  --help`;

/** Throws what a person can read. */
export function parse(args) {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: "string" },
      seconds: { type: "string" },
      quick: { type: "boolean", default: false },
      parts: { type: "string" },
      paths: { type: "string" },
      conditions: { type: "string" },
      stacks: { type: "string" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.quick && (values.rounds ?? values.seconds) !== undefined) throw new Error("--quick has its own --rounds and --seconds");
  return {
    help: values.help,
    json: values.json,
    rounds: values.quick ? 1 : number("--rounds", values.rounds ?? "3"),
    seconds: values.quick ? 0.8 : number("--seconds", values.seconds ?? "3"),
    requests: values.quick ? 200 : 1_000,
    pages: values.quick ? 2 : 9,
    parts: some("--parts", values.parts, PARTS),
    paths: some("--paths", values.paths, Object.keys(PATHS)),
    conditions: some("--conditions", values.conditions, Object.keys(CONDITIONS)),
    stacks: some("--stacks", values.stacks, STACKS),
  };
}

function number(name, text) {
  const value = Number(text);
  if (!(value > 0 && value <= 120)) throw new Error(`${name} is a number up to 120, not ${text}`);
  return value;
}

function some(name, text, all) {
  const chosen = text?.split(",") ?? all;
  const unknown = chosen.filter((each) => !all.includes(each));
  if (unknown.length > 0) throw new Error(`${name}: there is no ${unknown.join(", ")}, only ${all.join(", ")}`);
  return chosen;
}
