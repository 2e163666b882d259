// The page script in real browsers against a host made of our own mux: connection, recovery, sockets, badge.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { browsers, launch, sleep, until } from "./harness.mjs";
import { collectConnections } from "./lib/connections.mjs";
import { startPageLab } from "./lib/page-lab.mjs";
import { checks } from "./lib/websocket-checks.mjs";

for (const name of browsers) {
  describe(`page script in ${name}`, () => {
    let lab, browser, visitor, host;

    before(async () => {
      lab = await startPageLab();
      browser = await launch(name);
      visitor = await browser.visitor();
      host = await visitor.open(`${lab.url}/host`);
    });
    after(async () => {
      await browser?.close();
      await lab?.stop();
    });

    const open = async () => {
      const page = await visitor.open(lab.url, collectConnections);
      await isUp(page);
      // The badge comes with the second script, and so do direct sockets.
      await until(5_000, "extras", () => page.evaluate(() => document.querySelector("wingman-badge") !== null));
      return page;
    };
    /** Opens a WebSocket and keeps what happens to it in `window.log`. */
    const openSocket = (page) =>
      page.evaluate(async () => {
        window.log = [];
        window.socket = new WebSocket("/ws/echo");
        for (const type of ["open", "message", "error", "close"]) {
          socket.addEventListener(type, (event) => log.push([type, event.code ?? event.data ?? ""].join(" ").trim()));
        }
        await new Promise((resolve) => socket.addEventListener("open", resolve));
        return socket.url;
      });
    /** Milliseconds of `act` in the page until the path is no longer direct. */
    const fall = (page) => page.evaluate(() => new Promise((resolve) => {
      const start = performance.now();
      if (__wingman.state !== "direct") resolve([0, __wingman.why]);
      __wingman.addEventListener("change", () => {
        if (__wingman.state !== "direct") resolve([performance.now() - start, __wingman.why]);
      });
    }));
    const onHost = (act, ...args) => host.evaluate(act, ...args);
    const state = (page) => page.evaluate(() => ({ state: __wingman.state, why: __wingman.why, stats: __wingman.stats }));
    const isUp = (page) => until(15_000, "direct", async () => (await state(page)).state === "direct", async () => JSON.stringify(await state(page)));

    test("comes up, and says so", async () => {
      const page = await open();
      const { stats } = await state(page);
      console.log(name, "time to direct", stats.timeToDirectMs, "round trips", stats.roundTrip);
      assert.ok(stats.timeToDirectMs < 5_000);
      assert.ok(stats.roundTrip.direct < 100);
      await page.close();
    });

    test("its WebSocket is as the browser's own", async () => {
      const page = await open();
      const before = (await state(page)).stats.exchanges.direct;
      const ours = await page.evaluate(checks, "WebSocket");
      assert.ok((await state(page)).stats.exchanges.direct >= before + 15, "they were direct");
      const native = await page.evaluate(checks, "NativeWebSocket");
      assert.ok(Object.keys(native).length > 50);
      assert.deepEqual(ours, native);
      await page.close();
    });

    /** Runs in a page before its scripts: makes sockets as soon as they could be direct, then asks the lab to go on. */
    const openSocketsEarly = () => {
      window.log = [];
      const note = (name, socket) => {
        for (const type of ["open", "message", "error", "close"]) {
          socket.addEventListener(type, ({ code, data }) => log.push([name, type, code ?? data ?? ""].join(" ").trim()));
        }
      };
      new MutationObserver((_, observer) => {
        if (!document.querySelector("wingman-badge")) return;
        observer.disconnect();
        window.wasUp = __wingman.state === "direct";
        window.kept = new WebSocket("/ws/echo");
        note("kept", kept);
        kept.onopen = () => kept.send("hello");
        const closed = new WebSocket("/ws/echo");
        note("closed", closed);
        closed.close();
        try {
          kept.send("too early");
        } catch (error) {
          log.push(error.name);
        }
        if (!location.search) fetch("/api/release");
      }).observe(document, { childList: true, subtree: true });
    };
    const early = ["InvalidStateError", "closed error", "closed close 1006"];

    test("a socket that is made while the document loads waits for the path", async () => {
      const asked = await onHost(() => lab.requests);
      lab.hold();
      const page = await visitor.open(lab.url, openSocketsEarly);
      await until(10_000, "echo", () => page.evaluate(() => log.includes("kept message hello")));
      assert.equal(await page.evaluate(() => wasUp), false);
      assert.deepEqual(await page.evaluate(() => log), [...early, "kept open", "kept message hello"]);
      assert.equal((await state(page)).stats.exchanges.direct, 1);
      assert.equal((await onHost(() => lab.requests)) - asked, 1, "the one that was closed was never asked for");
      await page.close();
    });

    test("but not for long", async () => {
      lab.hold();
      const page = await visitor.open(`${lab.url}/?hold`, openSocketsEarly);
      await until(4_000, "echo", () => page.evaluate(() => log.includes("kept message hello")));
      assert.deepEqual(await page.evaluate(() => log), [...early, "kept open", "kept message hello"]);
      assert.equal((await state(page)).stats.exchanges.direct, 0);
      lab.release();
      await isUp(page);
      await page.close();
    });

    for (const [what, breakIt] of [
      ["a channel that is closed", () => connections.at(-1).channels[2].close()],
      ["a connection that is closed", () => connections.at(-1).close()],
    ]) {
      test(`comes back after ${what}`, async () => {
        const page = await open();
        await openSocket(page);
        const fell = fall(page);
        await page.evaluate(breakIt);
        console.log(name, what, await fell);
        await until(2_000, "closed", () => page.evaluate(() => log.at(-1) === "close 1006"));
        assert.deepEqual(await page.evaluate(() => log), ["open", "close 1006"]);
        const start = performance.now();
        await isUp(page);
        console.log(name, "back after", performance.now() - start);
        await openSocket(page);
        assert.ok((await state(page)).stats.exchanges.direct >= 2);
        assert.equal((await state(page)).stats.fallbacks, 1);
        await page.close();
      });
    }

    test("a peer of another visitor is replaced, and one without a visitor given up", async () => {
      lab.visitor = "of-the-relay";
      await onHost(() => (lab.visitor = "of-the-peer"));
      const page = await visitor.open(lab.url, collectConnections);
      await until(10_000, "a second peer", () => page.evaluate(() => connections.length === 2));
      await onHost(() => (lab.visitor = "of-the-relay"));
      await page.reload();
      await isUp(page);
      await until(5_000, "round trip", async () => (await state(page)).stats.roundTrip.relay !== undefined);
      assert.equal(await page.evaluate(() => connections.length), 1);
      lab.visitor = undefined;
      await page.reload();
      await until(10_000, "relay", async () => (await state(page)).state === "relay");
      await onHost(() => (lab.visitor = undefined));
      await page.close();
    });

    test("a silent host is noticed while somebody waits for it, and found again", async () => {
      const page = await open();
      await openSocket(page);
      await onHost(() => (lab.frozen = true));
      const start = performance.now();
      const fell = fall(page);
      // Not yet connected: it waits for the host.
      await page.evaluate(() => void (window.second = new WebSocket("/ws/echo")));
      const [ms, why] = await fell;
      console.log(name, "silence noticed after", ms, why, performance.now() - start);
      assert.ok(ms < 1_500, `${ms}`);
      assert.equal(why, "the host is silent");
      // It never got an answer: it is a native one now.
      await until(3_000, "native", () => page.evaluate(() => second.readyState === 1));
      await page.evaluate(() => new Promise((resolve) => {
        second.onmessage = resolve;
        second.send("x");
      }));
      await sleep(1_000);
      await onHost(() => (lab.frozen = false));
      await isUp(page);
      console.log(name, "offers", await onHost(() => [lab.offers, lab.peers]));
      assert.deepEqual(await page.evaluate(() => log), ["open", "close 1006"]);
      await page.close();
    });

    test("a slow answer is no silence", async () => {
      const page = await open();
      const [status, path, ms] = await page.evaluate(async () => {
        const start = performance.now();
        const response = await fetch("/api/slow?wait=3000");
        return [response.status, response.headers.get("x-path"), performance.now() - start];
      });
      assert.deepEqual([status, path], [200, null]);
      assert.ok(ms > 2_900);
      assert.equal((await state(page)).stats.fallbacks, 0);
      await page.close();
    });

    test("a blocked page does not blame the host", async () => {
      const page = await open();
      await page.evaluate(() => {
        void fetch("/api/slow?wait=3000");
        setTimeout(() => {
          for (const end = performance.now() + 2_000; performance.now() < end; );
        }, 100);
      });
      await sleep(3_500);
      assert.equal((await state(page)).stats.fallbacks, 0);
      await page.close();
    });

    test("goes on without signaling, which comes back", async () => {
      const page = await open();
      lab.cutSignaling();
      await until(5_000, "signaling", () => lab.signaling > 0);
      assert.equal((await state(page)).stats.fallbacks, 0);
      assert.equal((await state(page)).state, "direct");
      await page.close();
    });

    test("the host's bye sends it to the relay", async () => {
      const page = await open();
      const fell = fall(page);
      await onHost(() => lab.bye("shutdown"));
      const [ms, why] = await fell;
      assert.equal(why, "the host stops");
      await isUp(page);
      await page.close();
    });

    test("says bye when it goes", async () => {
      const page = await open();
      const before = await onHost(() => lab.byes);
      await page.goto(`${lab.url}/other`);
      await until(2_000, "bye", async () => (await onHost(() => lab.byes)) > before);
      await page.goBack();
      await isUp(page);
      await page.close();
    });

    test("without data channels it is the relay, in silence", async () => {
      const before = visitor.problems.length;
      const page = await visitor.open(lab.url, () => delete window.RTCPeerConnection);
      const { state: path, why } = await state(page);
      assert.deepEqual([path, why], ["relay", "this browser has no data channels"]);
      assert.equal(await page.evaluate(() => WebSocket === NativeWebSocket), true);
      assert.equal(visitor.problems.length, before);
      await page.close();
    });

    test("without its extras requests are direct all the same, sockets native", async () => {
      const before = visitor.problems.length;
      lab.missing = "extras.js";
      const page = await visitor.open(lab.url);
      await isUp(page);
      assert.equal(await openSocket(page), lab.url.replace("http", "ws") + "/ws/echo");
      const [status, path] = await page.evaluate(async () => {
        const response = await fetch("/api/x");
        return [response.status, response.headers.get("x-path")];
      });
      lab.missing = undefined;
      assert.deepEqual([status, path], [200, null]);
      const { stats } = await state(page);
      assert.ok(stats.exchanges.direct >= 1);
      assert.ok(stats.exchanges.relay >= 1, "the socket");
      assert.equal(await page.evaluate(() => document.querySelector("wingman-badge")), null);
      assert.deepEqual(visitor.problems.slice(before).filter((problem) => problem.startsWith("exception")), []);
      await page.close();
    });

    test("an app that stops clocks, and wraps fetch and sockets, does not stop it", async () => {
      const page = await visitor.open(lab.url, () => {
        // Behind the page script, before it has begun to connect.
        new MutationObserver((_, observer) => {
          if (!("__wingman" in window)) return;
          observer.disconnect();
          const never = () => 0;
          Object.assign(window, { setTimeout: never, setInterval: never, queueMicrotask: never });
          performance.now = Date.now = never;
          window.fetch = window.WebSocket = function () {
            throw new Error("the app's");
          };
        }).observe(document, { childList: true, subtree: true });
      });
      await isUp(page);
      await until(5_000, "the relay's round trip", async () => (await state(page)).stats.roundTrip.relay > 0);
      await onHost(() => (lab.frozen = true));
      await until(10_000, "relay", async () => (await state(page)).state === "relay");
      await onHost(() => (lab.frozen = false));
      await isUp(page);
      await page.close();
    });

    test("leaves nothing but its name", async () => {
      const page = await open();
      const seen = await page.evaluate(() => {
        const frame = document.body.appendChild(document.createElement("iframe"));
        const usual = new Set(Object.getOwnPropertyNames(frame.contentWindow));
        frame.remove();
        const badge = document.querySelector("wingman-badge");
        return {
          names: Object.getOwnPropertyNames(window).filter((name) => !usual.has(name) && Number.isNaN(Number(name))),
          enumerable: Object.keys(window).includes("__wingman"),
          frozen: Object.isFrozen(__wingman),
          badge: [badge?.shadowRoot, badge?.parentNode === document.documentElement, document.body.contains(badge)],
          size: [badge.getBoundingClientRect().width, badge.getBoundingClientRect().height],
          scripts: document.querySelectorAll("script").length,
          scroll: [document.documentElement.scrollWidth <= innerWidth],
        };
      });
      console.log(name, seen);
      assert.equal(seen.enumerable, false);
      assert.equal(seen.scripts, 1, "the document's own");
      assert.equal(seen.frozen, true);
      assert.deepEqual(seen.badge, [null, true, false]);
      assert.deepEqual(seen.size, [0, 0]);
      assert.deepEqual(seen.names.filter((one) => !["NativeWebSocket", "beforeScript", "afterScript", "connections"].includes(one)), ["__wingman"]);
      await page.close();
    });

    test("its badge can be moved and opened, and the app notices nothing", async () => {
      const page = await open();
      const at = (x, y) => page.evaluate((x, y) => document.elementFromPoint(x, y)?.localName, x, y);
      const { height } = page.viewport();
      assert.equal(await at(40, height - 25), "wingman-badge");
      await page.evaluate(() => {
        window.clicks = 0;
        for (const type of ["click", "mousedown", "pointerdown", "pointerup"]) document.addEventListener(type, () => clicks++);
        document.body.append(Object.assign(document.createElement("input"), { id: "app" }));
        document.getElementById("app").focus();
      });
      await page.mouse.move(40, height - 25);
      await page.mouse.down();
      await page.mouse.move(300, 200, { steps: 5 });
      await page.mouse.up();
      assert.equal(await at(300, 200), "wingman-badge");
      assert.equal(await at(40, height - 25), "html");
      await page.mouse.click(300, 200);
      await visitor.screenshot(page, "page-badge");
      assert.equal(await page.evaluate(() => clicks), 0);
      assert.equal(await page.evaluate(() => document.activeElement.id), "app");
      // An app that renders the whole document anew.
      await page.evaluate(() => {
        document.documentElement.replaceChildren(document.createElement("head"), document.createElement("body"));
      });
      await until(1_000, "badge is back", async () => (await at(300, 200)) === "wingman-badge");
      await page.reload();
      await until(2_000, "it stays there", async () => (await at(300, 200)) === "wingman-badge");
      await page.close();
    });

    test("no badge, no direct path: as the host wishes", async () => {
      lab.config = { badge: false, direct: false, why: "switched off at the edge" };
      const page = await visitor.open(lab.url);
      lab.config = {};
      const { state: path, why } = await state(page);
      assert.deepEqual([path, why], ["relay", "switched off at the edge"]);
      assert.equal(await page.evaluate(() => document.querySelector("wingman-badge")), null);
      await page.close();
    });

    test("does not live where it was not configured", async () => {
      lab.config = { session: 5 };
      const page = await visitor.open(lab.url);
      lab.config = {};
      assert.equal(await page.evaluate(() => "__wingman" in window), false);
      await page.close();
    });

    test("costs a document less than 5 ms", async () => {
      const page = await open();
      const times = [];
      for (let run = 0; run < 10; run++) {
        await page.reload();
        times.push(await page.evaluate(() => afterScript - beforeScript));
      }
      console.log(name, "script", times);
      assert.ok(Math.min(...times) < 5, `${times}`);
      await page.close();
    });
  });
}
