// Which requests of the app the page marks for the relay.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { markRequests } from "../../src/page/marks.ts";
import { MAX_CONTENT, RELAY_FIELD } from "../../src/port.ts";

const ORIGIN = "http://session.localhost:8080";

class XMLHttpRequest {
  readonly lines: string[] = [];
  get upload(): object {
    return {};
  }
  open(_method: string, _url: string, _async?: boolean): void {}
  send(_content?: unknown): void {}
  setRequestHeader(name: string): void {
    this.lines.push(name);
  }
}

/** What the native `fetch` got. */
const fetched: unknown[][] = [];
const nativeFetch = (...args: unknown[]): Promise<string> => {
  fetched.push(args);
  return Promise.resolve("native");
};

const kept = Object.getOwnPropertyDescriptors(globalThis);
const keptMembers = Object.getOwnPropertyDescriptors(Request.prototype);
beforeEach(() => {
  fetched.length = 0;
  const globals = {
    window: globalThis,
    location: new URL(ORIGIN),
    document: { baseURI: `${ORIGIN}/folder/` },
    XMLHttpRequest: class extends XMLHttpRequest {},
    fetch: nativeFetch,
  };
  Object.setPrototypeOf(globals.XMLHttpRequest.prototype, Object.prototype);
  Object.defineProperties(globals.XMLHttpRequest.prototype, Object.getOwnPropertyDescriptors(XMLHttpRequest.prototype));
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, enumerable: true, writable: true });
  }
  markRequests();
});
afterEach(() => {
  for (const name of ["window", "location", "document", "XMLHttpRequest", "fetch", "Request"]) {
    if (kept[name]) Object.defineProperty(globalThis, name, kept[name]);
    else Reflect.deleteProperty(globalThis, name);
  }
  Object.defineProperties(Request.prototype, keptMembers);
});

describe("fetch", () => {
  const most = new Uint8Array(MAX_CONTENT);
  const more = new Uint8Array(MAX_CONTENT + 1);
  const form = (...values: (string | Blob)[]): FormData => {
    const form = new FormData();
    for (const value of values) form.append("name", value as string);
    return form;
  };

  const large: [string, BodyInit][] = [
    ["bytes", more],
    ["a buffer", more.buffer],
    ["a blob", new Blob([more])],
    ["text", "x".repeat(MAX_CONTENT + 1)],
    ["a form", form("x", new Blob([more]))],
    ["a form of many", form(...Array.from({ length: 20 }, () => "x".repeat(60_000)))],
  ];
  for (const [what, body] of large) {
    test(`${what} above the limit is marked, and nothing else changes`, async () => {
      const signal = new AbortController().signal;
      const init = { method: "PUT", body, headers: { "x-app": "1" }, credentials: "omit", signal } as const;
      assert.equal(await fetch(`${ORIGIN}/x`, init), "native");
      const [[request, ...rest]] = fetched as [[Request]];
      assert.deepEqual(rest, []);
      const { method, url, credentials, headers } = request;
      assert.deepEqual([method, url, credentials, headers.get("x-app")], ["PUT", `${ORIGIN}/x`, "omit", "1"]);
      assert.equal(headers.get(RELAY_FIELD), "1");
      const plain = new Request(`${ORIGIN}/x`, init);
      if (!(body instanceof FormData)) {
        assert.equal(headers.get("content-type"), plain.headers.get("content-type"));
        assert.ok((await request.blob()).size === (await plain.blob()).size);
      }
    });
  }

  test("with a request of the app, the content given beside it counts", async () => {
    await fetch(new Request(`${ORIGIN}/x`, { method: "POST", body: "small" }), { body: more });
    const [[request]] = fetched as [[Request]];
    assert.equal(request.headers.get(RELAY_FIELD), "1");
    assert.equal((await request.arrayBuffer()).byteLength, more.length);
  });

  const put = { method: "PUT", body: more };
  const requests: [string, () => Request, boolean][] = [
    ["with large content", () => new Request(`${ORIGIN}/x`, put), true],
    ["cloned", () => new Request(`${ORIGIN}/x`, put).clone(), true],
    ["made of another", () => new Request(new Request(`${ORIGIN}/x`, put), { headers: { "x-app": "1" } }), true],
    ["of a class of the app", () => new (class extends Request {})(`${ORIGIN}/x`, put), true],
    ["that got another content", () => new Request(new Request(`${ORIGIN}/x`, put), { body: "small" }), false],
    ["with small content", () => new Request(`${ORIGIN}/x`, { ...put, body: "small" }).clone(), false],
    ["of another origin", () => new Request("http://elsewhere.test/x", put), false],
  ];
  for (const [what, make, isMarked] of requests) {
    test(`a request object ${what} is ${isMarked ? "" : "not "}marked`, async () => {
      const given = make();
      assert.ok(given instanceof Request);
      assert.equal(given.headers.has(RELAY_FIELD), false, "the app sees no mark");
      const length = (await given.clone().arrayBuffer()).byteLength;
      await fetch(given);
      const [[request]] = fetched as [[Request]];
      assert.equal(request.headers.has(RELAY_FIELD), isMarked);
      assert.equal((await request.arrayBuffer()).byteLength, length);
    });
  }

  test("Request looks native", () => {
    const native = kept.Request.value as typeof Request;
    assert.deepEqual([Request.name, Request.length, Request.prototype], [native.name, native.length, native.prototype]);
    const request = new Request(ORIGIN);
    assert.equal(request.constructor, Request);
    assert.equal(Object.getPrototypeOf(request), Request.prototype);
    assert.throws(() => {
      (Request as unknown as () => void)();
    }, TypeError);
  });

  test("another origin's is not marked, or it would have a preflight", async () => {
    await fetch("http://elsewhere.test/x", { method: "POST", body: more });
    assert.equal((fetched as [[Request]])[0][0].headers.has(RELAY_FIELD), false);
  });

  const untouched: [string, unknown[]][] = [
    ["no more than the limit", [`${ORIGIN}/x`, { method: "PUT", body: most }]],
    ["a stream, whose length nobody knows", [`${ORIGIN}/x`, { method: "PUT", body: new ReadableStream(), duplex: "half" }]],
    ["no content", ["/x"]],
    ["nothing", []],
    ["what is no request", ["http://:0:", { method: "GET", body: more }]],
    ["what throws when it is looked at", ["/x", { get body(): never { throw new Error("app"); } }]],
  ];
  for (const [what, args] of untouched) {
    test(`${what} reaches the native function as it is`, async () => {
      assert.equal(await (fetch as (...args: unknown[]) => unknown)(...args), "native");
      assert.deepEqual(fetched, [args]);
      args.forEach((arg, at) => {
        assert.equal(fetched[0]![at], arg);
      });
    });
  }

  test("looks native", () => {
    assert.equal(fetch.name, nativeFetch.name);
    assert.equal(fetch.length, nativeFetch.length);
    assert.deepEqual(Object.keys(Object.getOwnPropertyDescriptor(globalThis, "fetch")!), ["value", "writable", "enumerable", "configurable"]);
    assert.throws(() => Reflect.construct(fetch, []), TypeError);
  });
});

describe("XMLHttpRequest", () => {
  function sent(act: (xhr: XMLHttpRequest) => void, content?: unknown, url = "/x", ...more: boolean[]): string[] {
    const xhr = new globalThis.XMLHttpRequest() as unknown as XMLHttpRequest;
    xhr.open("POST", url, ...(more as [boolean]));
    act(xhr);
    xhr.send(content);
    return xhr.lines;
  }
  const nothing = (): void => undefined;

  test("is marked when it is large, synchronous or watched, and only then", () => {
    assert.deepEqual(sent(nothing, "x"), []);
    assert.deepEqual(sent(nothing, "x".repeat(MAX_CONTENT + 1)), [RELAY_FIELD]);
    assert.deepEqual(sent(nothing, "x", "/x", false), [RELAY_FIELD]);
    assert.deepEqual(sent(nothing, "x", "/x", true), []);
    assert.deepEqual(sent((xhr) => xhr.upload, "x"), [RELAY_FIELD]);
    assert.deepEqual(sent((xhr) => xhr.upload, "x", "http://elsewhere.test/"), []);
  });
});
