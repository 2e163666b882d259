// The bench of the direct path. See options.mjs for what it takes.

import { writeFileSync } from "node:fs";
import { measureBulk } from "./bulk.mjs";
import { newFigures } from "./figures.mjs";
import { USAGE, parse } from "./options.mjs";
import { measureSetup, measureSmall, measureWorker } from "./page-visits.mjs";
import { residentMb } from "./proc.mjs";
import { markdown } from "./report.mjs";
import { Stage } from "./stage.mjs";

/** In this order: memory is measured before anything has moved. */
const MEASURES = { setup: measureSetup, small: measureSmall, worker: measureWorker, bulk: measureBulk };

let options;
try {
  options = parse(process.argv.slice(2));
} catch (error) {
  console.error(`error: ${error.message}\n\n${USAGE}`);
  process.exit(2);
}
if (options.help) {
  console.log(USAGE);
  process.exit(0);
}

const figures = newFigures(options);
const stage = await Stage.start();
try {
  for (const [part, measure] of Object.entries(MEASURES)) {
    if (options.parts.includes(part)) await measure(stage, figures, options);
  }
  figures.memory.end = residentMb(stage.hostPid);
} finally {
  await stage.stop();
}
if (options.json) writeFileSync(options.json, JSON.stringify(figures, undefined, 1));
process.stdout.write(markdown(figures));
