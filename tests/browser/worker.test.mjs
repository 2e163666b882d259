// The worker and its conversation with the page, in real browsers, over a direct path made of fetch (lib/fake-host.mjs).

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { browsers, launch, sleep, startFakeHost, until } from "./harness.mjs";

const html = '<!doctype html><title>worker</title><script src="/_wingman/page.js"></script>';
const etag = '"v1"';
const bytes = Buffer.alloc(3_000_000, "0123456789abcdef");

/** What the tests ask for. */
async function origin({ method, target, fields, content }) {
  const { pathname, searchParams } = new URL(target, "http://origin");
  const type = { "/": "text/html", "/page": "text/html", "/module.js": "text/javascript", "/pixel.svg": "image/svg+xml" };
  const reply = (status, body, ...more) => ({
    status,
    fields: [["content-type", type[pathname] ?? "text/plain"], ["cache-control", "no-store"], ...more],
    content: body,
  });
  switch (pathname) {
    case "/":
    case "/page":
      return reply(200, html);
    case "/module.js":
      return reply(200, "window.moduleRan = import.meta.url");
    case "/pixel.svg":
      return reply(200, '<svg xmlns="http://www.w3.org/2000/svg" width="7" height="5"/>');
    case "/status":
      return reply(Number(searchParams.get("is")), undefined);
    case "/redirect":
      return reply(Number(searchParams.get("is") ?? 302), "elsewhere", ["location", searchParams.get("to")]);
    case "/cookie":
      return reply(200, "set", ["set-cookie", "seen=yes; Path=/"], ["set-cookie", "hidden=1; Path=/; HttpOnly"]);
    case "/slow":
      await sleep(400);
      return reply(200, "slow");
    case "/gzip":
      return reply(200, Buffer.from("H4sIAAAAAAAAA8tIzcnJVyjPL8pJAQCFEUoNCwAAAA==", "base64"), ["content-encoding", "gzip"]);
    case "/empty-gzip":
      return reply(200, "", ["content-encoding", "gzip"], ["content-length", "0"]);
    case "/password":
      return reply(401, "who are you?", ["www-authenticate", 'Basic realm="x"']);
    case "/brotli":
      return reply(200, "not for workers", ["content-encoding", fields.some(([, v]) => v.includes("br")) ? "x" : "br"]);
    case "/broken":
    case "/relay-only/broken":
      return reply(200, (async function* () {
        yield bytes.subarray(0, 100_000);
        await sleep(50);
        throw new Error("on purpose");
      })());
    case "/words":
    case "/relay-only/words":
      return reply(200, "words", ["x-latin", "\u00fc"], ["x-utf8", "\u00c3\u00bc"], ["x-empty", ""]);
    case "/drip":
      return reply(200, (async function* () {
        for (let count = 0; count < 100; count++) {
          yield `${count}\n`;
          await sleep(50);
        }
      })());
    case "/bytes": {
      const range = /^bytes=(\d+)-(\d*)$/.exec(fields.find(([name]) => name === "range")?.[1] ?? "");
      const tag = searchParams.get("tag") ?? etag;
      if (!range) return reply(200, bytes, ["etag", tag], ["content-length", String(bytes.length)]);
      const part = bytes.subarray(Number(range[1]), range[2] ? Number(range[2]) + 1 : undefined);
      const last = Number(range[1]) + part.length - 1;
      return reply(206, part, ["etag", tag], ["content-range", `bytes ${range[1]}-${last}/${bytes.length}`]);
    }
    default:
      return reply(200, `${method} ${content.length} ${content.subarray(0, 20)}`, ["x-two", "a"], ["x-two", "b"]);
  }
}

describe("worker", () => {
  let host;
  before(async () => {
    host = await startFakeHost(origin);
  });
  after(() => host?.stop());

  for (const name of browsers) {
    describe(name, () => {
      let browser, visitor, page;
      before(async () => {
        browser = await launch(name);
        visitor = await browser.visitor();
        page = await visitor.open(host.url);
        await bound(page);
      });
      after(() => browser?.close());
      beforeEach(async () => {
        host.seen.length = 0;
        await page.evaluate(() => Object.assign(window.path, { fate: "well", up: true, opened: [], cancelled: 0 }));
        await page.evaluate(() => window.binding.update());
        await page.evaluate(() => window.fallbacks.splice(0));
      });

      /** How often the origin executed a target, by path. */
      const executed = (target) => host.seen.filter((seen) => seen.target === target).map(({ via }) => via);
      const fallbacks = () => page.evaluate(() => window.fallbacks);
      /** A fetch in the page: status, fields, text, or the name of the exception. */
      const ask = (target, init) =>
        page.evaluate(
          async (target, init) => {
            try {
              const response = await fetch(target, init);
              const { status, redirected, type } = response;
              const text = await response.text();
              return { status, redirected, type, url: response.url, text, fields: Object.fromEntries(response.headers) };
            } catch (error) {
              return { error: error.name };
            }
          },
          target,
          init,
        );

      test("fetch, XHR, image, module and upload go directly; a document by relay", async () => {
        const get = await ask("/get");
        assert.equal(get.status, 200);
        assert.equal(get.text, "GET 0 ");
        assert.equal(get.fields["x-two"], "a, b");
        assert.equal(get.url, `${host.url}/get`);
        assert.equal((await ask("/post", { method: "POST", body: "hello" })).text, "POST 5 hello");
        assert.equal((await ask("/large", { method: "PUT", body: "x".repeat(1_000_000) })).status, 200);
        const others = await page.evaluate(async () => {
          const image = Object.assign(new Image(), { src: "/pixel.svg" });
          await image.decode();
          await new Promise((resolve, reject) => {
            document.head.append(
              Object.assign(document.createElement("script"), { type: "module", src: "/module.js", onload: resolve, onerror: reject }),
            );
          });
          const xhr = new XMLHttpRequest();
          xhr.open("POST", "/xhr");
          await new Promise((resolve) => {
            xhr.onloadend = resolve;
            xhr.send("body");
          });
          return { width: image.naturalWidth, module: window.moduleRan, xhr: xhr.responseText, url: xhr.responseURL };
        });
        assert.deepEqual(others, {
          width: 7,
          module: `${host.url}/module.js`,
          xhr: "POST 4 body",
          url: `${host.url}/xhr`,
        });
        for (const target of ["/get", "/post", "/large", "/pixel.svg", "/module.js", "/xhr"]) {
          assert.deepEqual(executed(target), ["direct"], target);
        }
        const tab = await visitor.open(`${host.url}/page`);
        await tab.close();
        assert.deepEqual(executed("/page"), ["relay"]);
        assert.deepEqual(await fallbacks(), []);
      });

      test("the origin sees the request that it would see by relay", async () => {
        const requests = [
          ["/f?1", {}],
          ["/f?2", { method: "POST", body: "text" }],
          ["/f?3", { method: "POST" }],
          ["/f?4", { method: "DELETE" }],
          ["/f?5", { method: "PUT", body: new URLSearchParams({ a: "b c" }).toString(), headers: { "content-type": "x/y" } }],
          ["/f?6", { headers: { range: "bytes=0-1" } }],
          ["/f?7", { cache: "no-cache" }],
          ["/f?8", { cache: "reload" }],
          ["/f?9", { cache: "no-store", headers: { "cache-control": "max-age=3" } }],
          ["/f?10", { headers: { "if-none-match": '"x"' } }],
          ["/f?11", { referrerPolicy: "no-referrer" }],
          ["/f?12", { referrer: "/elsewhere", headers: { accept: "application/json" } }],
          ["/f?13", { method: "HEAD" }],
          ["/f?14", { mode: "same-origin" }],
          ["/f?15", { method: "POST", referrerPolicy: "no-referrer", body: "x" }],
        ];
        const differences = [];
        for (const [target, init] of requests) {
          await ask(target, init);
          await page.evaluate(() => Object.assign(window.path, { up: false }) && window.binding.update());
          await ask(target, init);
          await page.evaluate(() => Object.assign(window.path, { up: true }) && window.binding.update());
          const [direct, relay] = host.seen.filter((seen) => seen.target === target);
          assert.deepEqual([direct.via, relay.via], ["direct", "relay"], target);
          const lines = ({ fields }) =>
            fields
              // Of the connection; without ports in between, and with the one that is documented.
              .filter(([name]) => !["host", "connection", "priority", "cookie", "accept-encoding"].includes(name))
              .map((line) => line.join(": "))
              .sort();
          try {
            assert.deepEqual(lines(direct), lines(relay));
            assert.deepEqual(direct.content, relay.content);
          } catch (error) {
            differences.push(`${target}: ${error.message}`);
          }
        }
        assert.equal(differences.join("\n"), "");
      });

      test("field lines beyond ASCII and empty ones", async () => {
        for (const value of ["\u00fc", "\u00c3\u00bc", ""]) {
          await ask("/values", { headers: { "x-app": value } });
          const { fields } = host.seen.at(-1);
          assert.equal(fields.find(([name]) => name === "x-app")[1], value);
        }
        const direct = await ask("/words");
        const relay = await ask("/relay-only/words");
        for (const field of ["x-latin", "x-utf8", "x-empty"]) {
          // Chromium encodes the fields of every response that passes a worker once more, relayed ones as well.
          const known = name === "chromium" ? Buffer.from(relay.fields[field]).toString("latin1") : relay.fields[field];
          assert.equal(direct.fields[field], known, field);
        }
      });

      test("content that breaks off for good breaks as by relay", async () => {
        const seen = (target) =>
          page.evaluate(async (target) => {
            const name = (promise) => promise.then(() => "well", (error) => error.name);
            const text = await name(fetch(target).then((response) => response.text()));
            const { body } = await fetch(target);
            let received = 0;
            const reader = await name(
              (async () => {
                for await (const piece of body) received += piece.length;
              })(),
            );
            const xhr = new XMLHttpRequest();
            xhr.open("GET", target);
            const event = await new Promise((resolve) => {
              for (const type of ["load", "error", "abort"]) xhr.addEventListener(type, () => resolve(type));
              xhr.send();
            });
            return { text, reader, received, event, status: xhr.status };
          }, target);
        const relay = await seen("/relay-only/broken");
        // Of a response that a worker made, Chromium tells XMLHttpRequest that it was aborted, Firefox tells text() so.
        const known = name === "chromium" ? { event: "abort" } : { text: "AbortError" };
        assert.deepEqual(await seen("/broken"), { ...relay, ...known });
      });

      test("what is not for the direct path goes by relay at once", async () => {
        await ask("/relay-only/x");
        await ask("/events", { headers: { accept: "text/event-stream" } });
        await ask("/cached", { cache: "force-cache" });
        await page.evaluate(() => navigator.sendBeacon("/beacon", "x"));
        await ask("/keepalive", { keepalive: true });
        await ask("/no-cors", { mode: "no-cors" });
        const xhr = (async, watched, size) =>
          page.evaluate(
            (async, watched, size) => {
              const xhr = new XMLHttpRequest();
              xhr.open("POST", "/xhr", async);
              let progress = 0;
              if (watched) xhr.upload.onprogress = () => progress++;
              const over = new Promise((resolve) => (xhr.onloadend = resolve));
              xhr.send("x".repeat(size));
              return over.then(() => [xhr.status, progress > 0]);
            },
            async,
            watched,
            size,
          );
        assert.deepEqual(await xhr(false, false, 3), [200, false]);
        assert.deepEqual(await xhr(true, true, 3), [200, true]);
        assert.deepEqual(await xhr(true, false, 1_100_000), [200, false]);
        await until(5_000, "beacon", async () => executed("/beacon").length);
        assert.deepEqual(executed("/xhr"), ["relay", "relay", "relay"]);
        for (const target of ["/relay-only/x", "/events", "/cached", "/beacon", "/keepalive", "/no-cors"]) {
          assert.deepEqual(executed(target), ["relay"], target);
        }
        assert.ok(host.seen.every(({ ours }) => !("wingman-request-id" in ours)));
        assert.deepEqual(await fallbacks(), []);
      });

      test("large uploads go by relay, whole", async () => {
        const { text } = await ask("/large", { method: "POST", body: "y".repeat(1_200_000) });
        assert.equal(text, "POST 1200000 yyyyyyyyyyyyyyyyyyyy");
        assert.deepEqual(executed("/large"), ["relay"]);
        const made = await page.evaluate(async () => {
          const request = new Request("/large-request", { method: "POST", body: "y".repeat(1_200_000) });
          return (await fetch(request.clone())).text();
        });
        assert.equal(made, "POST 1200000 yyyyyyyyyyyyyyyyyyyy");
        assert.deepEqual(executed("/large-request"), ["relay"]);
      });

      test("a path that breaks before the head: once at the origin, answered by relay", async () => {
        const received = () => page.evaluate(() => window.stats.bytes.relay.received);
        const before = await received();
        await page.evaluate(() => (window.path.fate = "before-head"));
        assert.equal((await ask("/post", { method: "POST", body: "pay" })).text, "POST 3 pay");
        assert.equal((await ask("/get")).text, "GET 0 ");
        await until(5_000, "bytes by relay", async () => (await received()) - before === 16, received);
        assert.equal(await page.evaluate(() => Object.assign(new Image(), { src: "/pixel.svg?2" }).decode().then(() => "shown")), "shown");
        assert.deepEqual(executed("/post"), ["direct"]);
        assert.deepEqual(executed("/get"), ["direct"]);
        assert.deepEqual(executed("/pixel.svg?2"), ["direct"]);
        assert.deepEqual(await fallbacks(), ["path", "path", "path"]);
      });

      test("a copy that is redirected goes where the request would have gone", async () => {
        for (const [is, init, then] of [
          [302, {}, "words"],
          [303, { method: "POST", body: "pay" }, "words"],
          [307, { method: "POST", body: "pay" }, "POST 3 pay"],
        ]) {
          await page.evaluate(() => (window.path.fate = "before-head"));
          const to = is === 307 ? "/post" : "/words";
          const answer = await ask(`/redirect?is=${is}&to=${to}`, init);
          assert.deepEqual([answer.status, answer.text, answer.redirected], [200, then, true], String(is));
          const safe = init.method === undefined;
          assert.equal(executed(`/redirect?is=${is}&to=${to}`).length, safe ? 2 : 1, String(is));
        }
      });

      test("an origin that wants a name and password is asked by the browser itself", async () => {
        const tab = await visitor.open(host.url);
        await bound(tab);
        try {
          // It waits for a person then.
          await tab.evaluate(() => void fetch("/password").catch(() => undefined));
          await until(5_000, "the browser's own request", async () => executed("/password").length === 2);
          assert.deepEqual(executed("/password"), ["direct", "relay"]);
          await tab.evaluate(async () => void (await fetch("/behind")));
          assert.deepEqual(executed("/behind"), ["relay"], "not directly any more");
        } finally {
          await tab.close();
        }
      });

      test("refused by the host: relay, without a request id", async () => {
        await page.evaluate(() => (window.path.fate = "relay-only"));
        assert.equal((await ask("/post", { method: "POST", body: "pay" })).text, "POST 3 pay");
        assert.ok(executed("/post").includes("relay"));
        assert.deepEqual(await fallbacks(), [], "as it wished");
      });

      test("a busy page: relay after the deadline, the page drops it, later ones do not wait", async () => {
        const times = await page.evaluate(async () => {
          const worker = new Worker(
            URL.createObjectURL(
              new Blob([
                `onmessage = async ({ data }) => {
                  const times = [];
                  for (const url of data) {
                    const begun = performance.now();
                    await (await fetch(url)).text();
                    times.push(performance.now() - begun);
                  }
                  postMessage(times);
                }`,
              ]),
            ),
          );
          const told = new Promise((resolve) => (worker.onmessage = ({ data }) => resolve(data)));
          worker.postMessage(["/busy?1", "/busy?2"].map((path) => location.origin + path));
          await new Promise((resolve) => setTimeout(resolve, 0));
          const until = performance.now() + 1500;
          while (performance.now() < until);
          return told;
        });
        await sleep(100);
        assert.equal(times.length, 2);
        assert.deepEqual(executed("/busy?1").length, 1);
        assert.deepEqual(executed("/busy?2").length, 1);
      });

      test("content that breaks off goes on by relay, if it is surely the same", async () => {
        await page.evaluate(() => (window.path.fate = 500_000));
        const { text } = await ask("/bytes");
        assert.equal(text.length, bytes.length);
        assert.equal(text, bytes.toString());
        assert.deepEqual(executed("/bytes"), ["direct", "relay"]);
        assert.deepEqual(await fallbacks(), ["resumed"]);
        const { error } = await ask("/bytes?tag=W/%22weak%22");
        assert.match(error, /^(TypeError|AbortError)$/);
        assert.deepEqual(await fallbacks(), ["resumed"]);
      });

      test("content in full, without unbounded memory for a reader that stalls", async () => {
        assert.equal((await ask("/bytes")).text, bytes.toString());
        assert.deepEqual(executed("/bytes"), ["direct"]);
        assert.deepEqual(await fallbacks(), []);
      });

      test("abort: after the head the page cancels; the app sees AbortError", async () => {
        const name = await page.evaluate(async () => {
          const abort = new AbortController();
          const response = await fetch("/drip", { signal: abort.signal });
          const reader = response.body.getReader();
          await reader.read();
          abort.abort();
          return reader.read().then(() => "read", (error) => error.name);
        });
        assert.equal(name, "AbortError");
        await until(5_000, "cancelled", () => page.evaluate(() => window.path.cancelled === 1));
      });

      test("redirects", async () => {
        for (const is of [301, 302, 303, 307, 308]) {
          const get = await ask(`/redirect?is=${is}&to=/target?${is}`);
          assert.deepEqual([get.status, get.redirected, get.url], [200, true, `${host.url}/target?${is}`], String(is));
          assert.deepEqual(executed(`/target?${is}`), ["direct"]);
        }
        const posted = (is) => ask(`/redirect?is=${is}&to=/posted`, { method: "POST", body: "form" });
        assert.equal((await posted(303)).text, "GET 0 ");
        assert.equal((await posted(307)).text, "POST 4 form");
        const absolute = await ask(`/redirect?to=${encodeURIComponent(`${host.url}/there`)}`);
        assert.equal(absolute.url, `${host.url}/there`);
        const manual = await ask("/redirect?to=/x", { redirect: "manual" });
        assert.deepEqual([manual.status, manual.type], [0, "opaqueredirect"]);
        assert.deepEqual(await ask("/redirect?to=/x", { redirect: "error" }), { error: "TypeError" });
      });

      test("statuses without content, and HEAD", async () => {
        for (const is of [204, 205, 304, 404, 500, 206]) {
          const { status, text } = await ask(`/status?is=${is}`);
          assert.deepEqual([status, text], [is, ""]);
        }
        const head = await ask("/bytes", { method: "HEAD" });
        assert.equal(head.fields["content-length"], String(bytes.length));
        assert.equal(head.text, "");
        assert.ok(host.seen.every(({ via }) => via === "direct"));
      });

      test("cookies are there before the head is", async () => {
        const seen = await page.evaluate(async () => {
          await fetch("/cookie");
          return document.cookie;
        });
        assert.match(seen, /seen=yes/);
        assert.doesNotMatch(seen, /hidden/);
        assert.deepEqual(executed("/cookie"), ["direct"]);
        await ask("/with-cookies");
        const { ours } = host.seen.at(-1);
        assert.match(ours["wingman-document-cookie"], /seen=yes/);
        assert.equal(ours["wingman-document-path"], "/");
        await ask("/without-cookies", { credentials: "omit" });
        assert.equal(host.seen.at(-1).ours["wingman-credentials"], "omit");
      });

      test("codings: gzip is decoded, others go by relay", async () => {
        const gzip = await ask("/gzip");
        assert.equal(gzip.text, "hello world");
        assert.equal(gzip.fields["content-encoding"], undefined);
        assert.equal((await ask("/empty-gzip")).text, "");
        await ask("/brotli");
        assert.deepEqual(await fallbacks(), ["head"]);
      });

      test("a page without a path of its own uses one that is visible", async () => {
        const text = await page.evaluate(async () => {
          const frame = document.createElement("iframe");
          frame.src = "/page";
          await new Promise((resolve) => {
            frame.onload = resolve;
            document.body.append(frame);
          });
          frame.contentWindow.path.up = false;
          frame.contentWindow.binding.update();
          window.path.opened = [];
          const text = await frame.contentWindow.fetch("/from-frame").then((response) => response.text());
          frame.remove();
          return text;
        });
        assert.equal(text, "GET 0 ");
        assert.deepEqual(await page.evaluate(() => window.path.opened), ["GET /from-frame"]);
      });

      test("streams arrive as they are made", async () => {
        const first = await page.evaluate(async () => {
          const begun = performance.now();
          const response = await fetch("/drip");
          const reader = response.body.getReader();
          await reader.read();
          await reader.cancel();
          return performance.now() - begun;
        });
        assert.ok(first < 1000, `first byte after ${first} ms`);
      });

      test("statistics tell both paths apart", async () => {
        const stats = () => page.evaluate(() => structuredClone(window.stats.exchanges));
        await sleep(300);
        const before = await stats();
        await ask("/one");
        await ask("/two");
        await ask("/relay-only/three");
        await until(3_000, "reported", async () => {
          const now = await stats();
          return now.direct === before.direct + 2 && now.relay === before.relay + 1;
        });
      });

      test("hard reload, and back from another page", async () => {
        await page.evaluate(() => location.reload());
        await bound(page);
        await ask("/after-reload");
        assert.deepEqual(executed("/after-reload"), ["direct"]);
        await page.goto(`${host.url}/page`);
        await page.goBack();
        await bound(page);
        await ask("/after-back");
        assert.deepEqual(executed("/after-back"), ["direct"]);
      });

      test("the session ends: nothing of ours stays", async () => {
        await page.evaluate(() => (window.path.fate = "before-head"));
        host.ended = true;
        await ask("/last");
        await until(5_000, "unregistered", () =>
          page.evaluate(async () => !(await navigator.serviceWorker.getRegistration()) && window.told.bound === "session-ended"),
        );
        host.ended = false;
      });
    });
  }
});

async function bound(page) {
  await until(10_000, "bound", () => page.evaluate(() => window.told?.bound === "bound"));
  // The port is on its way to the worker.
  await until(5_000, "direct", () =>
    page.evaluate(async () => {
      const before = window.stats.exchanges.direct;
      await fetch("/probe").then((response) => response.text());
      return window.stats.exchanges.direct > before;
    }),
  );
}
