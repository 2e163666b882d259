// What a person's page gets: time to direct, small requests by each path, bulk through the worker.

import { median, until, within } from "../../browser/lib/time.mjs";
import { PATHS } from "./networks.mjs";
import { residentMb } from "./proc.mjs";
import { startStacks } from "./stacks.mjs";

const WARM_UP = 20;
const PATH = "/status/200";
/** Requests in one go; then it is the others' turn. */
const GO = 100;
/** As large as a script of a dev server. */
const FILE_BYTES = 500_000;
const FILES = 10;
const UP_MS = 30_000;
/** Each of the requests has a deadline in the browser; all of them together one here. */
const GO_MS = 120_000;

/** Adds to `figures.setup`: pages of visitors who come for the first time. And to `figures.memory`. */
export async function measureSetup(stage, figures, { pages, paths }) {
  const memory = { idle: residentMb(stage.hostPid) };
  for (const path of paths) {
    const side = await become(stage, path);
    for (let count = 0; count < pages; count++) {
      const visitor = await (await stage.browser(side)).visitor();
      const page = await openDirect(visitor, stage);
      const { timeToDirectMs, fetchedMs } = await page.evaluate(() => ({
        timeToDirectMs: __wingman.stats.timeToDirectMs,
        fetchedMs: performance.getEntriesByType("resource").find(({ name }) => name.endsWith("/_wingman/page.js")).responseEnd,
      }));
      memory.onePeer ??= residentMb(stage.hostPid);
      figures.setup.push({ path, timeToDirectMs, sinceNavigationMs: fetchedMs + timeToDirectMs });
      await visitor.leave();
    }
    console.error(`time to direct, ${path}: ${figures.setup.filter((each) => each.path === path).map((each) => each.timeToDirectMs.toFixed(0))} ms`);
  }
  figures.memory = { ...figures.memory, ...memory };
}

/** Adds to `figures.small`: the times of requests one after the other, by each path. */
export async function measureSmall(stage, figures, { requests, paths }) {
  for (const path of paths.filter((path) => path !== "5 ms")) {
    const side = await become(stage, path);
    const visitor = await (await stage.browser(side)).visitor();
    const direct = await openDirect(visitor, stage);
    const relay = await visitor.open(stage.url("relay", "/second"));
    const byFetch = (page) => (count) => page.evaluate(fetchAll, count, PATH);
    const frames = await stage.framesPage(side);
    await within(UP_MS, "connect", frames.evaluate(() => bench.connect()));
    const { libdatachannel } = await startStacks(stage, ["libdatachannel"]);
    await libdatachannel.connect(side);
    const ways = {
      direct: byFetch(direct),
      relay: byFetch(relay),
      frames: (count) => frames.evaluate((count, path) => bench.small(count, path), count, PATH),
      echo: (count) => libdatachannel.call("echo", count),
    };
    // These listen on loopback only, as origins do.
    if (side === "host") {
      ways.origin = byFetch(await visitor.open(`${stage.originUrl}/second`));
      const worker = await visitor.open(stage.bareWorkerUrl);
      await until(UP_MS, "worker", () => worker.evaluate(() => window.isReady === true));
      ways.worker = byFetch(worker);
    }

    const times = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
    const before = await direct.evaluate(() => __wingman.stats.exchanges.direct);
    for (const way of Object.values(ways)) await within(GO_MS, "warm-up", way(WARM_UP));
    const total = side === "host" ? requests : requests / 5;
    for (let done = 0; done < total; done += GO) {
      for (const [name, way] of Object.entries(ways)) times[name].push(...(await within(GO_MS, name, way(Math.min(GO, total)))));
    }
    const went = (await direct.evaluate(() => __wingman.stats.exchanges.direct)) - before;
    if (went < total) figures.failures.push(`${path}: only ${went} of ${total} small requests went directly`);
    figures.small.push({ path, times });
    console.error(`small requests, ${path}: ${Object.entries(times).map(([name, all]) => `${name} ${median(all).toFixed(2)}`).join(", ")} ms`);
    await libdatachannel.close();
    await frames.evaluate(() => bench.close());
    await frames.close();
    await visitor.leave();
  }
}

/** Adds to `figures.worker`: what `fetch` of an app gets; uploads are of the size that the worker takes. Text is compressed on its way. */
export async function measureWorker(stage, figures, { rounds, seconds, paths }) {
  for (const path of paths) {
    const side = await become(stage, path);
    const visitor = await (await stage.browser(side)).visitor();
    const page = await openDirect(visitor, stage);
    for (let round = 0; round < rounds; round++) {
      const down = await within(GO_MS, "download", page.evaluate(downloadFor, seconds * 1_000));
      const up = await within(GO_MS, "uploads", page.evaluate(uploadFor, seconds * 1_000));
      const files = { text: "&text=1", binary: "" };
      for (const [kind, query] of Object.entries(files)) {
        files[kind] = await within(GO_MS, kind, page.evaluate(fetchAll, FILES, `/download?bytes=${FILE_BYTES}${query}`));
      }
      figures.worker.push({ path, round, down, up, ...files });
    }
    const { fallbacks, bytes } = await page.evaluate(() => __wingman.stats);
    if (bytes.relay.received > 1e6) figures.failures.push(`${path}: ${bytes.relay.received} bytes of the app's downloads went by relay`);
    if (fallbacks > 0) figures.failures.push(`${path}: ${fallbacks} of the app's requests fell back to the relay`);
    await visitor.leave();
  }
}

/** Gives the side of the visitor. */
async function become(stage, path) {
  await stage.lab.become({ delayMicros: (PATHS[path] * 1_000) / 2 });
  return path === "loopback" ? "host" : "visitor";
}

async function openDirect(visitor, stage) {
  const page = await visitor.open(stage.url("bench", "/second"));
  await until(UP_MS, "direct", () => page.evaluate(() => __wingman.state === "direct"));
  // The worker knows it a moment later.
  await until(UP_MS, "worker", () =>
    page.evaluate(async () => {
      const before = __wingman.stats.exchanges.direct;
      await (await fetch("/status/200")).text();
      return __wingman.stats.exchanges.direct > before;
    }),
  );
  return page;
}

async function fetchAll(count, path) {
  const times = [];
  for (let done = 0; done < count; done++) {
    const began = performance.now();
    await (await fetch(path, { cache: "no-store" })).text();
    times.push(performance.now() - began);
  }
  return times;
}

async function downloadFor(ms) {
  const abort = new AbortController();
  const response = await fetch("/download?bytes=1000000000000", { signal: abort.signal });
  const reader = response.body.getReader();
  const began = performance.now();
  let bytes = 0;
  for (;;) {
    const { value } = await reader.read();
    bytes += value.length;
    const elapsed = performance.now() - began;
    if (elapsed >= ms) {
      abort.abort();
      return { bytes, ms: elapsed };
    }
  }
}

async function uploadFor(ms) {
  const content = new Uint8Array(1024 * 1024);
  const began = performance.now();
  let bytes = 0;
  const one = async () => {
    while (performance.now() - began < ms) {
      const answer = await (await fetch("/upload", { method: "POST", body: content })).json();
      bytes += answer.bytes;
    }
  };
  await Promise.all([one(), one(), one(), one()]);
  return { bytes, ms: performance.now() - began };
}
