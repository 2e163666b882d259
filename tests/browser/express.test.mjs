// An Express app with express-session: log in, post, log out, on the direct path.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { browsers, direct, launch, startExpressApp, startRelay, until } from "./harness.mjs";

describe("Express app", { concurrency: 2 }, () => {
  for (const name of browsers) {
    describe(name, { concurrency: 1 }, () => {
      let relay, app, browser, url;
      before(async () => {
        app = await startExpressApp();
        relay = await startRelay();
        ({ url } = await relay.share(app.port));
        browser = await launch(name);
      });
      after(async () => {
        await browser?.close();
        await relay?.stop();
        await app?.stop();
      });

      test("log in, post, log out", async () => {
        const visitor = await browser.visitor();
        const tab = await visitor.open(url);
        if (!direct) await until(15_000, "direct", () => tab.evaluate(() => window.__wingman?.state === "direct" && !!navigator.serviceWorker.controller));
        const ask = (path, content, token) =>
          tab.evaluate(
            async (path, content, token) => {
              const headers = { "content-type": "application/json", ...(token && { "x-csrf-token": token }) };
              const init = content ? { method: "POST", headers, body: JSON.stringify(content) } : {};
              const response = await fetch(path, init);
              return { status: response.status, ...(await response.json()) };
            },
            path,
            content,
            token,
          );
        const before = await count(tab);
        const token = await tab.$eval("body", (body) => body.dataset.token);
        assert.deepEqual(await ask("/me"), { status: 200, user: null, token, visits: 1 }, "the session of the page");
        assert.equal((await ask("/login", { user: "ada" })).status, 403, "without the token");
        assert.equal((await ask("/login", { user: "ada" }, "f".repeat(32))).status, 403, "with a wrong one");
        const login = await ask("/login", { user: "ada" }, token);
        assert.equal(login.user, "ada");
        assert.notEqual(login.token, token);
        for (let visit = 1; visit <= 5; visit += 1) {
          assert.deepEqual(await ask("/me"), { status: 200, user: "ada", token: login.token, visits: visit }, "the session slides");
        }
        assert.equal((await ask("/notes", { text: "old token" }, token)).status, 403);
        assert.deepEqual(await ask("/notes", { text: `of ${name}` }, login.token), { status: 201, count: 1 });
        assert.deepEqual(app.posts, [{ user: "ada", text: `of ${name}` }]);
        const used = (await count(tab)) - before;

        await tab.reload({ waitUntil: "load" });
        assert.equal(await tab.$eval("body", (body) => body.dataset.user), "ada", "the page knows who logged in");
        if (!direct) await until(15_000, "direct", () => tab.evaluate(() => window.__wingman?.state === "direct" && !!navigator.serviceWorker.controller));
        assert.equal((await ask("/logout", {}, login.token)).status, 200);
        const after = await ask("/me");
        assert.equal(after.user, null);
        assert.notEqual(after.token, login.token);
        if (!direct) assert.ok(used >= 8, `${used} exchanges went direct`);
        await visitor.leave();
      });
    });
  }
});

const count = (tab) => tab.evaluate(() => window.__wingman?.stats.exchanges.direct ?? 0);
