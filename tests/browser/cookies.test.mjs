// Cookies on the direct path: what the browser keeps and what the origin gets equal those without Wingman.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { browsers, launch, sleep, startCookieOrigin, startRelay, until } from "./harness.mjs";

const http = (...cookies) => ({ how: "fetch", path: "/app/set", cookies });
const at = (path, ...cookies) => ({ how: "fetch", path, cookies });
const navigation = (...cookies) => ({ how: "navigate", path: "/app/page", cookies });
const js = (...cookies) => ({ how: "js", cookies });
const wait = (ms) => ({ how: "wait", ms });

/** Steps; after each one the cookies are read in all places. */
const cases = {
  "a session cookie by fetch": [http("a=1")],
  "two cookies in one response": [http("a=1", "b=2; Path=/")],
  "HttpOnly by fetch": [http("sid=secret; HttpOnly; Path=/")],
  "HttpOnly by navigation": [navigation("sid=secret; HttpOnly; Path=/")],
  "HttpOnly changed by fetch after navigation": [navigation("sid=1; HttpOnly; Path=/"), http("sid=2; HttpOnly; Path=/")],
  "HttpOnly deleted by fetch": [navigation("sid=1; HttpOnly; Path=/"), http("sid=; HttpOnly; Path=/; Max-Age=0")],
  "a cookie by JavaScript": [js("j=1; path=/")],
  "a cookie by JavaScript, default path": [js("j=1")],
  "JavaScript changes what fetch set": [http("a=1; Path=/"), js("a=2; path=/")],
  "JavaScript deletes what fetch set": [http("a=1; Path=/"), js("a=; path=/; max-age=0")],
  "fetch changes what JavaScript set": [js("a=1; path=/"), http("a=2; Path=/")],
  "fetch deletes what JavaScript set": [js("a=1; path=/"), http("a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT")],
  "JavaScript cannot change HttpOnly": [http("sid=1; HttpOnly; Path=/"), js("sid=2; path=/")],
  "default path of a response": [at("/app/deep/set", "d=1")],
  "default path at the root": [at("/set", "d=1")],
  "a path that is no prefix by segment": [http("p=1; Path=/ap")],
  "a path with a slash at its end": [http("p=1; Path=/app/")],
  "a path elsewhere": [http("p=1; Path=/other")],
  "a path without a slash": [http("p=1; Path=other")],
  "the same name at two paths": [http("n=root; Path=/", "n=app; Path=/app", "n=deep; Path=/app/deep")],
  "Max-Age runs out": [http("m=1; Max-Age=2; Path=/"), wait(2_600)],
  "Max-Age wins over Expires": [http("m=1; Max-Age=1000; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/")],
  "a sliding session": [http("s=1; Max-Age=100; HttpOnly; Path=/"), http("s=2; Max-Age=100; HttpOnly; Path=/"), http("s=3; Max-Age=100; HttpOnly; Path=/")],
  Secure: [http("q=1; Secure; Path=/")],
  "SameSite of each kind": [http("x=1; SameSite=Strict; Path=/", "y=2; SameSite=Lax; Path=/", "z=3; SameSite=None; Path=/", "w=4; SameSite=None; Secure; Path=/")],
  "__Host- and __Secure-": [http("__Host-a=1; Secure; Path=/", "__Host-b=1; Path=/", "__Secure-c=1; Secure; Path=/", "__Host-d=1; Secure; Path=/app")],
  "values as they are": [http('v="quoted"; Path=/', "e=; Path=/", "eq=a=b=c; Path=/", "sp=a b; Path=/", "pc=%20%3B; Path=/")],
  "no name": [http("=value; Path=/"), http("alone; Path=/")],
  "attributes in odd cases and orders": [http("o=1;PATH=/;httponly;MAX-age=500;;; unknown=7")],
  "a cookie with a redirect": [at("/app/redirect", "r=1; Path=/")],
  "a login and a logout": [
    http("sid=first; HttpOnly; SameSite=Lax; Path=/"),
    navigation(),
    http("sid=second; HttpOnly; SameSite=Lax; Path=/", "csrf=token; Path=/app"),
    http("sid=; Max-Age=0; Path=/; HttpOnly", "csrf=; Max-Age=0; Path=/app"),
  ],
  "set by fetch, then a navigation": [http("a=1; HttpOnly; Path=/"), navigation("b=2; HttpOnly; Path=/app"), http("c=3; Path=/")],
  "credentials omitted": [http("a=1; Path=/"), { how: "fetch", path: "/app/set", cookies: ["never=1; Path=/"], credentials: "omit" }],
};

const places = ["/read", "/app/read", "/app/deep/read", "/other/read"];

async function read(tab, context, base) {
  const got = await tab.evaluate(async (places) => {
    const ask = async (path) => (await fetch(path)).json();
    const fetched = {};
    for (const path of places) fetched[path] = await ask(path);
    // A second time: what the first one taught must not be wrong.
    const again = {};
    for (const path of places) again[path] = await ask(path);
    return { fetched, again, omitted: await (await fetch("/app/read", { credentials: "omit" })).json(), script: document.cookie };
  }, places);
  const host = new URL(base).hostname;
  const store = (await context.cookies())
    .filter((cookie) => cookie.domain.replace(/^\./, "") === host && !/^(__Host-)?wingman$/.test(cookie.name))
    .map(({ name, value, path, httpOnly, secure, sameSite, session, expires }) => ({
      name, value, path, httpOnly, secure, sameSite: sameSite ?? null, session,
      // To the minute: both are set within seconds.
      expires: session ? null : Math.round(expires / 60),
    }))
    .toSorted((a, b) => `${a.name} ${a.path}`.localeCompare(`${b.name} ${b.path}`));
  return { ...got, store };
}

async function step(tab, { how, path, cookies = [], ms, credentials }, base) {
  const query = cookies.map((cookie) => `c=${encodeURIComponent(cookie)}`).join("&");
  if (how === "fetch") await tab.evaluate((url, credentials) => fetch(url, { credentials }).then((r) => r.text()), `${path}?${query}`, credentials ?? "same-origin");
  if (how === "navigate") await tab.goto(`${base}${path}?${query}`, { waitUntil: "load" });
  if (how === "js") await tab.evaluate((cookies) => cookies.forEach((cookie) => (document.cookie = cookie)), cookies);
  if (how === "wait") await sleep(ms);
}

describe("cookies", { concurrency: 2 }, () => {
  for (const name of browsers) {
    describe(name, { concurrency: 1 }, () => {
      let relay, origin, session, browser;
      before(async () => {
        origin = await startCookieOrigin();
        relay = await startRelay();
        session = await relay.share(origin.port);
        browser = await launch(name);
      });
      after(async () => {
        await browser?.close();
        await relay?.stop();
        await origin?.stop();
      });

      for (const [title, steps] of Object.entries(cases)) {
        test(title, { timeout: 60_000 }, async () => {
          const run = async (base, path) => {
            const visitor = await browser.visitor();
            const tab = await visitor.open(`${base}/app/page`);
            const ready = () =>
              path === "direct" &&
              until(15_000, "direct", () => tab.evaluate(() => window.__wingman?.state === "direct" && !!navigator.serviceWorker.controller));
            await ready();
            const before = path === "direct" ? await tab.evaluate(() => window.__wingman.stats.exchanges.direct) : 0;
            const results = [await read(tab, visitor.context, base)];
            for (const each of steps) {
              await step(tab, each, base);
              await ready();
              results.push(await read(tab, visitor.context, base));
            }
            const went = path === "direct" ? (await tab.evaluate(() => window.__wingman.stats.exchanges.direct)) - before : 0;
            await visitor.leave();
            return { results, went };
          };
          const alone = await run(`http://alone.localhost:${origin.port}`, "alone");
          const session_ = await run(session.url, "direct");
          assert.deepEqual(session_.results, alone.results);
          // Not by relay all of it: then this test would show nothing.
          if (!steps.some(({ how }) => how === "navigate")) assert.ok(session_.went > 3, `${session_.went} exchanges went direct`);
        });
      }
    });
  }
});
