// Bulk both ways through each network by each stack.

import { NETWORKS } from "./networks.mjs";
import { startStacks } from "./stacks.mjs";

/** Adds to `figures.bulk`, round by round. */
export async function measureBulk(stage, figures, { rounds, seconds, paths, conditions, stacks: names }) {
  const stacks = await startStacks(stage, names);
  const networks = NETWORKS.filter(({ path, condition }) => paths.includes(path) && conditions.includes(condition));
  for (let round = 0; round < rounds; round++) {
    for (const { path, condition, network, side } of networks) {
      // Nobody always comes after the same neighbour's mess.
      for (let turn = 0; turn < names.length; turn++) {
        const name = names[(turn + round) % names.length];
        await stage.lab.become({ ...network, seed: round });
        await measure(figures, { round, path, condition, name }, stacks[name], side, seconds * 1_000);
      }
    }
  }
}

async function measure(figures, cell, stack, side, ms) {
  const { round, path, condition, name } = cell;
  const what = `round ${round + 1}, ${path}, ${condition}, ${name}`;
  try {
    const setupMs = await stack.connect(side);
    const down = await stack.move("down", ms);
    const up = await stack.move("up", ms);
    figures.bulk.push({ ...cell, setupMs, down, up });
    const rate = ({ bytes, ms }) => (bytes / ms / 1e3).toFixed(2).padStart(6);
    console.error(`${what.padEnd(48)} down ${rate(down)} up ${rate(up)} MB/s, set-up ${setupMs.toFixed(0)} ms`);
  } catch (error) {
    console.error(`${what}: ${error.message}`);
    figures.failures.push(`${what}: ${error.message}`);
  }
  try {
    await stack.close();
  } catch (error) {
    figures.failures.push(`${what}: cannot be closed: ${error.message}`);
  }
}
