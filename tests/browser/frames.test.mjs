// Documents in documents, and documents whose own policy is against us.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { browsers, launch, sleep, startDocuments, startRelay, until } from "./harness.mjs";
import { isDirect, moved, watchPath } from "./lib/path.mjs";

const icon = '<link rel="icon" href="data:,">';
const document = (head, body = "") => `<!doctype html><html><head><meta charset="utf-8"><title>page</title>${icon}${head}</head><body>${body}</body></html>`;
/** Tells its parent what it is and what it can do. */
const inner = document(
  "",
  `<script type="module">
    const told = { origin, wingman: typeof window.__wingman, state: window.__wingman?.state };
    try { told.api = (await (await fetch("/api")).json()).cookie !== undefined; } catch (error) { told.api = error.name; }
    told.socket = await new Promise((resolve) => {
      try {
        const socket = new WebSocket(new URL("/echo", location).href.replace("http", "ws"));
        socket.onopen = () => socket.send("hello");
        socket.onmessage = ({ data }) => resolve(data);
        socket.onerror = () => resolve("error");
      } catch (error) { resolve(error.name); }
    });
    parent.postMessage(told, "*");
  </script>`,
);
const policy = (content) => `<meta http-equiv="Content-Security-Policy" content="${content}">`;

const documents = {
  "/": document(""),
  "/inner": inner,
  "/silent": document("", "no script in here"),
  "/policy-allows": document(policy("default-src 'self'; img-src data:")),
  "/policy-scripts": document(policy("script-src 'nonce-abc'"), '<script nonce="abc">window.ran = true</script>'),
  "/policy-connect": document(policy("connect-src https://elsewhere.example")),
  "/policy-worker": document(policy("worker-src 'none'")),
  "/policy-types": document(policy("require-trusted-types-for 'script'")),
  // Behind what makes browsers ask for more, so that our script has had its time.
  "/policy-late": document(`<script src="/slow.js"></script>${policy("default-src 'none'")}`),
};

describe("frames and policies", () => {
  let relay, origin, url;
  before(async () => {
    origin = await startDocuments(documents);
    relay = await startRelay();
    ({ url } = await relay.share(origin.port));
  });
  after(async () => {
    await relay?.stop();
    await origin?.stop();
  });

  for (const name of browsers) {
    describe(name, () => {
      let browser, visitor;
      before(async () => {
        browser = await launch(name);
      });
      after(() => browser?.close());
      const open = async (path) => {
        visitor = await browser.visitor();
        return visitor.open(url + path, watchPath);
      };
      /** What a person would see in the console. */
      const complaints = () => visitor.problems.filter((problem) => !problem.startsWith("request: "));
      /** Adds a frame to `page` and gives what it tells. */
      const frame = (page, attributes) =>
        page.evaluate(async (attributes) => {
          const frame = Object.assign(document.createElement("iframe"), { src: "/inner" });
          for (const [name, value] of Object.entries(attributes)) frame.setAttribute(name, value);
          const told = new Promise((resolve, reject) => {
            addEventListener("message", ({ source, data }) => source === frame.contentWindow && resolve(data));
            setTimeout(reject, 10_000, new Error("it told nothing"));
          });
          document.body.append(frame);
          return told;
        }, attributes);

      test("a frame of the same origin goes by the path of the page that it is in", async () => {
        const page = await open("/");
        await isDirect(page, "/api");
        const { direct, native, fallbacks, result } = await moved(page, () => frame(page, {}));
        assert.deepEqual(result, { origin: url, wingman: "object", state: "direct", api: true, socket: "hello" });
        // Its sockets are native: the wrapper is the page's.
        assert.deepEqual({ direct, native, fallbacks }, { direct: 1, native: 0, fallbacks: 0 });
        assert.deepEqual(complaints(), []);
        await visitor.leave();
      });

      test("a frame with an opaque origin stays on relay, in silence", async () => {
        const page = await open("/");
        await isDirect(page, "/api");
        const { direct, fallbacks, result } = await moved(page, () => frame(page, { sandbox: "allow-scripts" }));
        // Its fetch is one of another origin to the app, which allows none.
        assert.deepEqual(result, { origin: "null", wingman: "object", state: "relay", api: "TypeError", socket: "hello" });
        assert.deepEqual({ direct, fallbacks }, { direct: 0, fallbacks: 0 });
        // Nor could it without us: of the app's own request browsers say that it is forbidden.
        assert.deepEqual(complaints().filter((problem) => !/CORS|Cross-Origin|ERR_FAILED/.test(problem)), []);
        await visitor.leave();
      });

      test("a frame that may have no scripts is shown", async () => {
        const page = await open("/");
        await isDirect(page, "/api");
        await page.evaluate(async () => {
          const frame = document.createElement("iframe");
          frame.sandbox = "";
          frame.src = "/silent";
          const loaded = new Promise((resolve) => frame.addEventListener("load", resolve));
          document.body.append(frame);
          await loaded;
        });
        // docs/protocol.md, "console": the edge cannot tell such a frame, and Chromium speaks of our script.
        if (name === "chromium") {
          await until(5_000, "one complaint", async () => complaints().length);
          assert.match(complaints().join("\n"), /^console: Blocked script execution in '\S+\/silent' because [^\n]+$/);
        } else {
          assert.deepEqual(complaints(), []);
        }
        await visitor.leave();
      });

      test("a policy in the document that lets us work", async () => {
        const page = await open("/policy-allows");
        await isDirect(page, "/api");
        assert.deepEqual(complaints(), []);
        await visitor.leave();
      });

      for (const path of Object.keys(documents).filter((path) => path.startsWith("/policy-") && path !== "/policy-allows")) {
        test(`${path} stays on relay, in silence`, async () => {
          const page = await open(path);
          await until(10_000, "relay", () => page.evaluate(() => __wingman.state === "relay"));
          assert.equal(await page.evaluate(() => __wingman.why), "the app's policy forbids it");
          // Time in which a path would come up.
          await sleep(1_500);
          assert.deepEqual(await page.evaluate(() => [__wingman.state, __wingman.stats.exchanges.direct]), ["relay", 0]);
          assert.deepEqual(complaints(), []);
          await visitor.leave();
        });
      }
    });
  }
});
