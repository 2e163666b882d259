// What a page asks and gets: origin alone, by relay, by the direct path. docs/protocol.md has the differences.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { browsers, launch, startRecorder, startRelay, until } from "./harness.mjs";

/** Never by the direct path: navigations, events, what browsers hide from workers, and content above 1 MiB. */
const relayed = /^(form|events|a beacon|keepalive|XHR sync|a worker|cache: only-if-cached)|2 MiB|^aborted from/;

/** Field lines in which what the page sees may differ; each has its row in docs/protocol.md. */
const seenDifferences = new Set(["date", "connection", "keep-alive", "transfer-encoding"]);

/** The same for what the origin sees. */
const askedDifferences = new Set([
  "connection",
  "keep-alive",
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-forwarded-host",
  "transfer-encoding",
  "host",
]);
/** By the direct path also these: browsers keep them from workers, or only the relay can serve them. */
const directDifferences = new Set(["accept-encoding", "priority"]);

const same = (value) => JSON.parse(JSON.stringify(value));

function page(result) {
  const value = same(result);
  if (value && Array.isArray(value.fields)) {
    value.fields = value.fields
      .map((line) => (typeof line === "string" ? line.split(": ") : line))
      .filter(([name]) => !seenDifferences.has(name));
  }
  return value;
}

function origin(records, base, port) {
  return (records ?? []).map(({ method, url, lines, content }) => ({
    method,
    url,
    content,
    lines: lines
      .filter(([name]) => !askedDifferences.has(name))
      .map(([name, value]) => [name, value.replaceAll(base, "BASE").replaceAll(`http://localhost:${port}`, "BASE")])
      .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
  }));
}

/**
 * Differences of single cases, with the rows of docs/protocol.md that explain them; both ways where no way is named.
 * A case whose difference has gone must leave this list.
 */
const known = [
  // content-framing: an empty chunked request comes without content.
  /, (PATCH|DELETE) with an empty string, asked\.0\.lines: -content-length: 0$/,
  // errors: what would be a broken connection is a page of the edge.
  /, (cut: before the head|XHR cut before the head), seen/,
  // retries: browsers repeat safe requests whose connection broke before the head as often as they like.
  /, (cut: before the head|XHR cut before the head), asked/,
  // reason-phrase: the standard one of the status.
  /^relay, status \d+, seen\.statusText/,
  // injection: documents come uncoded, so that the script can be put into them.
  /, form (get|post|multipart), asked\.0\.lines: -accept-encoding: gzip, deflate, br, zstd \+accept-encoding: identity/,
  // worker-responses: what browsers make of a response that a worker made.
  /^direct, field lines of the response, seen\.fields: -x-latin: é \+x-latin: Ã©$/,
  /^direct, cut: (length|chunked), seen\.exception: "AbortError" instead of "TypeError"$/,
  /^direct, content in gzip, seen\.fields: -content-encoding: gzip$/,
  // redirected: what the relay answers behind a direct redirect, in Chromium.
  /^direct, \d+ after \w+, seen\.redirected: false instead of true$/,
  // codings: deflate and br are not asked for; an origin that sends them all the same is asked again by relay.
  /^direct, content in (deflate|br), asked\.1/,
];

/** Without what may differ on the direct path: HTTP/2 has no reason phrase either. */
function forDirect(result) {
  return JSON.parse(JSON.stringify(result), (key, value) => {
    if (key === "statusText" || key === "text") return undefined;
    if (Array.isArray(value)) return value.filter((line) => !(Array.isArray(line) && directDifferences.has(line[0])));
    return value;
  });
}

/** Where two values differ, a line for each place. */
function differences(actual, expected, place = "") {
  if (isDeepStrictEqual(actual, expected)) return [];
  const both = [actual, expected];
  if (both.every((value) => value && typeof value === "object")) {
    const lines = both.every((value) => Array.isArray(value) && value.every((line) => Array.isArray(line) && line.length === 2));
    if (lines) {
      const missing = expected.filter((line) => !actual.some((other) => isDeepStrictEqual(line, other))).map((line) => `-${line.join(": ")}`);
      const added = actual.filter((line) => !expected.some((other) => isDeepStrictEqual(line, other))).map((line) => `+${line.join(": ")}`);
      return [`${place}: ${[...missing, ...added].join(" ") || "in another order"}`];
    }
    const keys = new Set([...Object.keys(actual), ...Object.keys(expected)]);
    return [...keys].flatMap((key) => differences(actual[key], expected[key], `${place}.${key}`));
  }
  return [`${place}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`.slice(0, 400)];
}

describe("conformance", () => {
  let relay, recorder, sessions;
  before(async () => {
    recorder = await startRecorder("conformance");
    relay = await startRelay();
    sessions = {
      relay: await relay.share(recorder.port, ["--relay-only"]),
      direct: await relay.share(recorder.port),
    };
  });
  after(async () => {
    await relay?.stop();
    await recorder?.stop();
  });

  for (const name of browsers) {
    test(name, { timeout: 200_000 }, async (t) => {
      const browser = await launch(name);
      try {
        const ways = { alone: `http://alone.localhost:${recorder.port}`, relay: sessions.relay.url, direct: sessions.direct.url };
        const results = {};
        for (const [way, base] of Object.entries(ways)) {
          const visitor = await browser.visitor();
          const tab = await visitor.open(`${base}/page`);
          if (way === "direct") {
            await until(15_000, "direct", () => tab.evaluate(() => window.__wingman?.state === "direct" && !!navigator.serviceWorker.controller));
          }
          recorder.forget();
          const names = await tab.evaluate(() => window.conformance.names());
          const before = await stats(tab);
          const seen = {};
          for (const each of names) seen[each] = page(await tab.evaluate((each) => window.conformance.run(each), each));
          await until(5_000, "the beacon", async () => recorder.seen.has("a beacon"));
          const asked = Object.fromEntries(names.map((each) => [each, origin(recorder.seen.get(each), base, recorder.port)]));
          results[way] = { seen, asked, names, stats: [before, await stats(tab)] };
          await visitor.leave();
        }
        const { alone } = results;
        const found = [];
        for (const way of ["relay", "direct"]) {
          const allow = way === "direct" ? forDirect : same;
          for (const each of alone.names) {
            for (const side of ["seen", "asked"]) {
              const of = differences(allow(results[way][side][each] ?? null), allow(alone[side][each] ?? null));
              found.push(...of.map((line) => `${way}, ${each}, ${side}${line}`).filter((line) => !known.some((row) => row.test(line))));
            }
          }
        }
        const [before, end] = results.direct.stats;
        const expected = alone.names.filter((each) => !relayed.test(each)).length;
        const went = end.direct - before.direct;
        t.diagnostic(`${alone.names.length} requests three times; ${went} exchanges went direct`);
        assert.equal(found.length, 0, `${found.length} differences\n${found.join("\n")}`);
        assert.ok(alone.names.length >= 100);
        assert.ok(went >= expected, `${went} of at least ${expected} went direct`);
      } finally {
        await browser.close();
      }
    });
  }
});

const stats = (tab) => tab.evaluate(() => ({ ...(window.__wingman?.stats.exchanges ?? { direct: 0, relay: 0 }) }));
