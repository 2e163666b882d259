// The direct path whole: edge, host, page script, worker; the sample app is the origin.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { browsers, launch, sampleBytes, sleep, startRelay, startSampleApp, until } from "./harness.mjs";

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

describe("direct path", () => {
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
        await isDirect(page);
        // The first request of each directory may go by relay: the host learns the visitor's cookies from it.
        for (const target of ["/api/todos", "/images/1.svg", "/redirect/relative?to=/second", "/status/204"]) {
          await page.evaluate((target) => fetch(target).then((response) => response.text()), target);
        }
      });
      after(() => browser?.close());

      /** What `act` in the page moved, by path. Relayed ones are reported within a moment. */
      const moved = async (act, ...args) => {
        const exchanges = () => page.evaluate(() => __wingman.stats.exchanges);
        await sleep(400);
        const before = await exchanges();
        const result = await page.evaluate(act, ...args);
        await sleep(400);
        const now = await exchanges();
        return { direct: now.direct - before.direct, relay: now.relay - before.relay, result };
      };

      test("fetches, XHR, images, scripts and uploads go directly", async () => {
        const bytes = sampleBytes(3_000_000);
        const { direct, relay, result } = await moved(async () => {
          const hash = async (content) =>
            [...new Uint8Array(await crypto.subtle.digest("SHA-256", content))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
          const download = await (await fetch("/download?bytes=3000000")).arrayBuffer();
          const content = new Uint8Array(1_000_000).map((_, at) => at * 7);
          const upload = await (await fetch("/upload", { method: "POST", body: content })).json();
          const image = Object.assign(new Image(), { src: document.querySelector("#gallery img").src + "?again" });
          await image.decode();
          const script = Object.assign(document.createElement("script"), { type: "module", src: "/app.js?again" });
          await new Promise((resolve) => {
            script.onload = script.onerror = resolve;
            document.head.append(script);
          });
          script.remove();
          const xhr = new XMLHttpRequest();
          xhr.open("GET", "/api/todos");
          await new Promise((resolve) => {
            xhr.onloadend = resolve;
            xhr.send();
          });
          return {
            download: await hash(download),
            upload: upload.sha256 === (await hash(content)) && upload.bytes,
            width: image.naturalWidth,
            todos: JSON.parse(xhr.response).length > 0,
          };
        });
        assert.equal(result.download, sha256(bytes));
        assert.equal(result.upload, 1_000_000);
        assert.ok(result.width > 0);
        assert.ok(result.todos);
        assert.ok(direct >= 5, `${direct} direct`);
        assert.equal(relay <= 2, true, `${relay} by relay`);
      });

      test("documents and events go by relay", async () => {
        const { direct, relay, result } = await moved(async () => {
          const source = new EventSource("/sse");
          const event = await new Promise((resolve, reject) => {
            source.onmessage = resolve;
            source.onerror = reject;
          });
          source.close();
          return event.type;
        });
        assert.deepEqual([direct, relay, result], [0, 1, "message"]);
        const before = await page.evaluate(() => __wingman.stats.exchanges.direct);
        const tab = await visitor.open(`${url}/second`);
        assert.equal(await tab.evaluate(() => performance.getEntriesByType("navigation")[0].responseStatus), 200);
        await tab.close();
        assert.equal(await page.evaluate(() => __wingman.stats.exchanges.direct), before);
      });

      test("what comes by relay is counted, and nothing else as such", async () => {
        const received = () => page.evaluate(() => __wingman.stats.bytes.relay.received);
        const before = await received();
        assert.ok(before > 4_000, "the document and its first scripts");
        await page.evaluate(async () => {
          await (await fetch("/download?bytes=70000")).arrayBuffer();
          await (await fetch("/download?bytes=60000", { headers: { accept: "text/event-stream" } })).arrayBuffer();
        });
        await until(5_000, "60 kB by relay", async () => (await received()) > before, received);
        assert.equal((await received()) - before, 60_000);
      });

      test("ranges, redirects, statuses", async () => {
        const { result } = await moved(async () => {
          const range = await fetch("/download?bytes=1000000", { headers: { range: "bytes=5-9" } });
          const redirect = await fetch("/redirect/absolute?to=/second");
          const manual = await fetch("/redirect/relative?to=/second", { redirect: "manual" });
          const empty = await fetch("/status/204");
          const missing = await fetch("/status/404");
          const head = await fetch("/download?bytes=77", { method: "HEAD" });
          return {
            range: [range.status, range.headers.get("content-range"), (await range.arrayBuffer()).byteLength],
            redirect: [redirect.status, redirect.redirected, new URL(redirect.url).pathname],
            manual: manual.type,
            statuses: [empty.status, missing.status],
            head: head.headers.get("content-length"),
          };
        });
        assert.deepEqual(result, {
          range: [206, "bytes 5-9/1000000", 5],
          redirect: [200, true, "/second"],
          manual: "opaqueredirect",
          statuses: [204, 404],
          head: "77",
        });
      });

      test("text is compressed on its way, and the app cannot tell", async () => {
        const read = async () => {
          const before = __wingman.stats.bytes.direct.received;
          const response = await fetch("/download?bytes=300000&text=1");
          const text = await response.text();
          const fields = ["content-length", "content-encoding", "content-type"].map((name) => response.headers.get(name));
          return { text, fields, moved: __wingman.stats.bytes.direct.received - before };
        };
        const { direct, result } = await moved(read);
        assert.equal(direct, 1);
        const original = await (await fetch(`http://127.0.0.1:${app.ready.port}/download?bytes=300000&text=1`)).text();
        assert.equal(result.text, original);
        assert.deepEqual(result.fields, ["300000", null, "text/plain"]);
        assert.ok(result.moved > 50_000 && result.moved < 120_000, `${result.moved} bytes`);
      });

      test("streams arrive as they are made, and stop when nobody wants them", async () => {
        const { result } = await moved(async () => {
          const abort = new AbortController();
          const response = await fetch("/stream", { signal: abort.signal });
          const reader = response.body.getReader();
          const times = [];
          for (let count = 0; count < 3; count++) {
            await reader.read();
            times.push(performance.now());
          }
          abort.abort();
          const after = await reader.read().catch((error) => error.name);
          return { after, apart: times[2] - times[0] };
        });
        assert.equal(result.after, "AbortError");
        assert.ok(result.apart > 50, `lines ${result.apart} ms apart`);
      });

      test("an upload that is too large for the worker goes by relay, whole", async () => {
        const { direct, relay, result } = await moved(async () => {
          const content = new Uint8Array(5_000_000).fill(7);
          return (await (await fetch("/upload", { method: "POST", body: content })).json()).bytes;
        });
        assert.deepEqual([direct, relay, result], [0, 1, 5_000_000]);
      });

      test("two tabs, a hard reload", async () => {
        const tab = await visitor.open(`${url}/second`);
        await isDirect(tab);
        await page.bringToFront();
        const { direct } = await moved(() => fetch("/api/todos").then((response) => response.json()));
        assert.equal(direct, 1);
        await tab.close();
        await page.evaluate(() => location.reload(true));
        await isDirect(page);
      });

      test("the console stayed clean", () => {
        const expected = [/^request: /, /status of 404/];
        // Firefox says so of each redirect that a worker made, and of content that the app aborts. Both work.
        if (name === "firefox") expected.push(/A ServiceWorker intercepted the request and encountered an unexpected error/);
        const ours = visitor.problems.filter((problem) => !expected.some((each) => each.test(problem)));
        assert.deepEqual(ours, []);
      });
    });
  }
});

async function isDirect(page) {
  await until(30_000, "direct", () => page.evaluate(() => window.__wingman?.state === "direct"));
  // A request that goes directly says that the worker knows it too.
  await until(10_000, "worker", () =>
    page.evaluate(async () => {
      const before = __wingman.stats.exchanges.direct;
      await fetch("/api/todos").then((response) => response.text());
      return __wingman.stats.exchanges.direct > before;
    }),
  );
}
