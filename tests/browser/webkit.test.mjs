// WebKitGTK, a browser without data channels: everything works by relay, the badge says why, the console is clean.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launchWebkit, showInWebkit, startDocuments, startRelay, startSampleApp, until } from "./harness.mjs";

const WHY = "this browser has no data channels";

/** Runs in the page: what apps do, and what a person sees. */
async function check() {
  const attach = Element.prototype.attachShadow;
  const roots = [];
  // Ours is closed, so its text is to be had only at its birth.
  Element.prototype.attachShadow = function (init) {
    const root = attach.call(this, init);
    if (this.localName === "wingman-badge") roots.push(root);
    return root;
  };
  const report = { title: document.title, dataChannels: "RTCPeerConnection" in window };
  report.fetched = (await fetch("/api")).status;
  report.redirected = new URL((await fetch("/login")).url).pathname;
  report.cookie = (await (await fetch("/api")).json()).cookie;
  report.echoed = (await (await fetch("/echo", { method: "POST", body: new Uint8Array(300_000) })).arrayBuffer()).byteLength;
  const xhr = new XMLHttpRequest();
  xhr.open("POST", "/echo");
  report.xhr = await new Promise((resolve) => {
    xhr.onloadend = () => resolve(xhr.responseText);
    xhr.send("by XHR");
  });
  const picture = Object.assign(new Image(), { src: "/picture.svg" });
  await picture.decode();
  report.picture = picture.naturalWidth;
  report.module = (await import("/module.js")).answer;
  const socket = new WebSocket("/echo");
  report.socket = await new Promise((resolve, reject) => {
    socket.onopen = () => socket.send("by WebSocket");
    socket.onmessage = ({ data }) => resolve(data);
    socket.onerror = reject;
  });
  socket.close();
  const events = new EventSource("/events");
  report.event = await new Promise((resolve, reject) => {
    events.onmessage = ({ data }) => resolve(data);
    events.onerror = reject;
  });
  events.close();
  while (!roots[0]?.textContent.includes("Relay")) await new Promise((resolve) => requestAnimationFrame(resolve));
  report.badge = roots[0].querySelector("div").textContent;
  report.state = window.__wingman.state;
  report.why = window.__wingman.why;
  report.direct = window.__wingman.stats.exchanges.direct;
  console.log(`${document.title} is done`);
  await fetch("/report", { method: "POST", body: JSON.stringify(report) });
  if (location.pathname === "/") location.href = "/second";
}

const page = (title) =>
  `<!doctype html><meta charset="utf-8"><title>${title}</title><link rel="icon" href="data:,"><body><script>void (${check})()</script>`;

describe("WebKitGTK", () => {
  let relay;
  before(async () => {
    relay = await startRelay();
  });
  after(() => relay?.stop());

  test("an app works by relay, the badge says why, the console is clean", async (t) => {
    const origin = await startDocuments({ "/": page("first"), "/second": page("second") });
    t.after(() => origin.stop());
    const { url } = await relay.share(origin.port);
    const browser = await showInWebkit(url);
    t.after(() => browser.close());
    await until(60_000, "both reports", async () => origin.reports.length === 2).catch((error) => {
      throw new Error(`${error.message}\n${browser.output}`);
    });
    const expected = {
      dataChannels: false,
      fetched: 200,
      redirected: "/",
      cookie: "session=secret",
      echoed: 300_000,
      xhr: "by XHR",
      picture: 7,
      module: 42,
      socket: "by WebSocket",
      event: "first",
      badge: `Relay · ${WHY}`,
      state: "relay",
      why: WHY,
      direct: 0,
    };
    assert.deepEqual(origin.reports, [
      { title: "first", ...expected },
      { title: "second", ...expected },
    ]);
    // What the pages said themselves shows that it is heard at all.
    await until(5_000, "the console", async () => browser.console.some((line) => line.includes("second is done")));
    assert.deepEqual(browser.console, ["LOG first is done", "LOG second is done"]);
  });

  test("the sample app, as a person uses it", async (t) => {
    const app = await startSampleApp();
    t.after(() => app.stop());
    const { url } = await relay.share(app.ready.port);
    const browser = await launchWebkit();
    t.after(() => browser.close());
    await browser.open(url);
    const text = (selector) => browser.evaluate((selector) => document.querySelector(selector)?.textContent ?? "", selector);
    const reads = (selector, expected) =>
      until(20_000, `${selector} ${expected}`, async () => expected.test(await text(selector)));
    const click = (selector) => browser.evaluate((selector) => document.querySelector(selector).click(), selector);
    const fill = (selector, value) =>
      browser.evaluate((selector, value) => void (document.querySelector(selector).value = value), selector, value);

    await until(15_000, "the page's script", () => browser.evaluate(() => document.documentElement.dataset.ready === "yes"));
    assert.deepEqual(await browser.evaluate(() => [window.__wingman.state, window.__wingman.why]), ["relay", WHY]);
    await fill("#todo-title", "feed the cat");
    await click("#todo-form button");
    await reads("#todo-list", /feed the cat/);
    await reads("#clock-state", /^live$/);
    await reads("#chat-state", /^live$/);
    await fill("#chat-text", "hello from WebKit");
    await click("#chat-form button");
    await reads("#chat-lines", /hello from WebKit/);
    await click("#download-check");
    await reads("#download-result", /^3000000 bytes, the hash is right$/);
    await fill("#login-name", "Ada");
    await click("#login-form button");
    await reads("#login-who", /^Ada$/);
    assert.ok(await browser.evaluate(() => document.querySelector("wingman-badge") !== null));
    assert.equal(await browser.evaluate(() => window.__wingman.stats.exchanges.direct), 0);
  });
});
