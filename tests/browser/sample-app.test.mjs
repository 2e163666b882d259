// The sample app, used as a person uses it, and its streams against the clock.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { browsers, launch, median, sampleBytes, startRelay, startSampleApp, until } from "./harness.mjs";

const MB = 1_000_000;
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

describe("sample app", () => {
  let relay, app, url;
  before(async () => {
    app = await startSampleApp();
    relay = await startRelay();
    ({ url } = await relay.share(app.ready.port));
  });
  after(async () => {
    await relay?.stop();
    await app?.stop();
  });

  for (const name of browsers) {
    describe(name, () => {
      let browser, visitor, page;
      before(async () => {
        browser = await launch(name);
        visitor = await browser.visitor();
        page = await visitor.open(url);
        await until(15_000, "the page's script", () => page.evaluate(() => document.documentElement.dataset.ready === "yes"));
      });
      after(() => browser?.close());

      const text = (selector, tab = page) => tab.$eval(selector, (element) => element.textContent);
      const reads = (selector, expected, tab = page) =>
        until(20_000, `${selector} ${expected}`, async () => expected.test(await text(selector, tab)));

      test("to-do list: add, then finish", async () => {
        const title = `water the plants in ${name}`;
        await page.type("#todo-title", title);
        await page.click("#todo-form button");
        await reads("#todo-list", new RegExp(title));
        await page.click(`#todo-list button[aria-label="Done: ${title}"]`);
        await until(10_000, "it is gone", async () => !(await text("#todo-list")).includes(title));
        await page.reload();
        await reads("#todo-list", /Share this page/);
        assert.ok(!(await text("#todo-list")).includes(title), "gone at the origin too");
      });

      test("clock: events tick", async () => {
        await reads("#clock-state", /^live$/);
        await reads("#clock-count", /^([3-9]|\d\d)/);
        assert.match(await text("#clock-time"), /^\d\d:\d\d:\d\d$/);
      });

      test("chat between two tabs", async () => {
        const other = await visitor.open(url);
        for (const tab of [page, other]) await reads("#chat-state", /^live$/, tab);
        await other.bringToFront();
        await other.type("#chat-text", "hello from the second tab");
        await other.keyboard.press("Enter");
        await reads("#chat-lines", /visitor \d+ hello from the second tab/);
        await reads("#chat-lines", /you hello from the second tab/, other);
        await page.bringToFront();
        await page.type("#chat-text", "grüße zurück");
        await page.click("#chat-form button");
        await reads("#chat-lines", /visitor \d+ grüße zurück/, other);
        await other.close();
      });

      test("every picture is there", async () => {
        const widths = await page.$$eval("#gallery img", (images) => images.map((image) => image.naturalWidth));
        assert.equal(widths.length, 12);
        assert.deepEqual(widths.filter((width) => width !== 160 && width !== 240), []);
      });

      test("upload of 5 MB", async (t) => {
        const content = randomBytes(5 * MB);
        const folder = join(import.meta.dirname, ".tmp");
        const path = join(folder, `upload-${name}-${process.pid}.bin`);
        t.after(() => rm(path, { force: true }));
        await mkdir(folder, { recursive: true });
        await writeFile(path, content);
        await (await page.$("#upload-file")).uploadFile(path);
        await reads("#upload-result", new RegExp(`^${content.length} bytes arrived, SHA-256 ${sha256(content)}$`));
      });

      test("download, checked by the page", async () => {
        await page.click("#download-check");
        await reads("#download-result", /^3000000 bytes, the hash is right$/);
      });

      test("download: whole, without length, and in part", async () => {
        const fetched = (target, headers = {}) =>
          page.evaluate(
            async (target, headers) => {
              const response = await fetch(target, { headers });
              const content = await response.arrayBuffer();
              const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
              return {
                status: response.status,
                length: response.headers.get("content-length"),
                range: response.headers.get("content-range"),
                sha256: Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join(""),
              };
            },
            target,
            headers,
          );
        const bytes = sampleBytes(7 * MB);
        assert.deepEqual(await fetched(`/download?bytes=${bytes.length}`), {
          status: 200,
          length: String(bytes.length),
          range: null,
          sha256: sha256(bytes),
        });
        assert.deepEqual(await fetched(`/download?bytes=${bytes.length}&chunked=1`), {
          status: 200,
          length: null,
          range: null,
          sha256: sha256(bytes),
        });
        assert.deepEqual(await fetched(`/download?bytes=${bytes.length}`, { range: "bytes=2000000-3999999" }), {
          status: 206,
          length: "2000000",
          range: `bytes 2000000-3999999/${bytes.length}`,
          sha256: sha256(bytes.subarray(2 * MB, 4 * MB)),
        });
      });

      test("lines of JSON appear as they are made", async () => {
        const shown = new Set();
        await page.click("#stream-start");
        await until(20_000, "the last line", async () => {
          const now = await text("#stream-result");
          shown.add(now);
          return now.endsWith("complete");
        });
        assert.match(await text("#stream-result"), /^20 lines in (1\.[89]|2\.\d) s, complete$/);
        assert.ok(shown.size >= 5, `seen on the way: ${[...shown].join(" / ")}`);
      });

      test("login and logout", async () => {
        await page.type("#login-name", "Ada");
        await Promise.all([page.waitForNavigation(), page.click("#login-form button")]);
        await reads("#login-who", /^Ada$/);
        assert.equal(await page.evaluate(() => location.href), `${url}/#login`);
        assert.equal(await page.evaluate(() => document.cookie), "sample_visits=1", "the login itself is HttpOnly");
        await page.reload();
        await reads("#login-who", /^Ada$/);
        await Promise.all([page.waitForNavigation(), page.click("#logout-button")]);
        await until(10_000, "logged out", () => page.$eval("#login-form", (form) => !form.hidden));
        assert.equal(await page.evaluate(() => fetch("/api/me").then((response) => response.text())), '{"name":null}');
      });

      test("a picture for a person", () => visitor.screenshot(page, "sample-app"));

      test("redirects stay on this host", async () => {
        for (const [link, target] of [
          ["#redirect-relative", "/second?from=relative"],
          ["#redirect-absolute", "/second?from=absolute"],
          ["#redirect-chain", "/second"],
        ]) {
          await page.goto(`${url}/second`);
          await Promise.all([page.waitForNavigation(), page.click(link)]);
          assert.equal(await page.evaluate(() => location.href), `${url}${target}`, link);
        }
        await visitor.screenshot(page, "sample-app-second");
      });

      test("a page that does not exist is the app's own", async () => {
        const answer = await page.goto(`${url}/nowhere`);
        assert.equal(answer.status(), 404);
        assert.equal(await text("h1"), "There is no such page");
        // Chromium reports each failed document as a console error; this one was asked for.
        visitor.problems = visitor.problems.filter((problem) => !problem.includes("404"));
      });

      test("events arrive within 50 ms", async (t) => {
        await page.goto(`${url}/second`);
        const ages = await page.evaluate(
          () =>
            new Promise((resolve, reject) => {
              const ages = [];
              const source = new EventSource("/sse?interval_ms=100&count=40");
              source.onmessage = ({ data }) => {
                ages.push(Date.now() - JSON.parse(data).at_ms);
                if (ages.length === 40) resolve((source.close(), ages));
              };
              source.onerror = () => reject(new Error("the stream broke"));
            }),
        );
        t.diagnostic(`${name}: age of events median ${median(ages).toFixed(1)} ms, worst ${Math.max(...ages).toFixed(1)} ms`);
        assert.ok(median(ages) <= 50, `median ${median(ages)} ms: ${ages.map(Math.round)}`);
      });

      test("first byte of a slow stream within 100 ms, and each line on time", async (t) => {
        const seen = await page.evaluate(async () => {
          const rounds = [];
          for (let round = 0; round < 5; round++) {
            const abort = new AbortController();
            const started = performance.now();
            const response = await fetch("/stream?interval_ms=100&count=100", { signal: abort.signal });
            const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
            const ages = [];
            let first;
            while (ages.length < 8) {
              const { value } = await reader.read();
              first ??= performance.now() - started;
              for (const [, at] of value.matchAll(/at ([\d.]+)\n/g)) ages.push(Date.now() - at);
            }
            rounds.push({ first, ages });
            abort.abort();
          }
          return rounds;
        });
        const firsts = seen.map(({ first }) => first);
        const ages = seen.flatMap(({ ages }) => ages);
        t.diagnostic(`${name}: first byte ${firsts.map(Math.round).join(", ")} ms; lines median ${median(ages).toFixed(1)} ms`);
        assert.ok(median(firsts) <= 100, `first bytes: ${firsts}`);
        assert.ok(median(ages) <= 50, `lines: ${ages.map(Math.round)}`);
      });

      test("nothing went wrong on any page", () => {
        // Leaving a page ends what it was loading, and the rounds above abort their streams; of one that came directly
        // Firefox says that the worker failed (docs/protocol.md, "console").
        const aborted = /ERR_ABORTED|NS_BINDING_ABORTED|NS_ERROR_ABORT|AbortError|A ServiceWorker intercepted the request and/;
        assert.deepEqual(visitor.problems.filter((problem) => !aborted.test(problem)), []);
      });
    });
  }
});
