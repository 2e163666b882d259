// The field lines that browsers add below a worker, of requests as a worker gets them.

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { acceptLanguage } from "../../src/language.ts";
import { requestFields } from "../../src/worker/fields.ts";
import { BROWSER, ORIGIN, request } from "./stage.ts";

const ID = "0".repeat(32);

beforeEach(() => {
  Object.defineProperty(globalThis, "location", { value: new URL(ORIGIN + "/_wingman/worker.js"), configurable: true });
});

function lines(init: RequestInit = {}, more: Record<string, unknown> = {}, content?: ArrayBuffer): Record<string, string> {
  const fields = requestFields(request("/x?y", init, more), content, ID, BROWSER);
  const names = fields.map(([name]) => name);
  assert.equal(new Set(names).size, names.length, "each once");
  return Object.fromEntries(fields);
}

describe("field lines", () => {
  test("what a browser adds to a GET", () => {
    assert.deepEqual(lines(), {
      accept: "*/*",
      "user-agent": "Test/1",
      "accept-language": "de-CH,de;q=0.9,en;q=0.8",
      "accept-encoding": "gzip",
      referer: ORIGIN + "/",
      "sec-fetch-site": "same-origin",
      "sec-fetch-mode": "cors",
      "sec-fetch-dest": "empty",
      "wingman-te": "gzip",
      "wingman-request-id": ID,
    });
  });

  test("what is there already stays as it is, and stands first", () => {
    const headers = { accept: "x/y", "user-agent": "of the app", "accept-language": "de", range: "bytes=0-" };
    const got = lines({ headers });
    assert.equal(got["accept"], "x/y");
    assert.equal(got["user-agent"], "of the app");
    assert.equal(got["accept-language"], "de");
    assert.equal(got["accept-encoding"], "identity");
    assert.deepEqual(Object.keys(got).slice(0, 4).toSorted(), Object.keys(headers).toSorted());
  });

  test("methods with content, and without", () => {
    const content = new TextEncoder().encode("12345").buffer;
    const post = lines({ method: "POST", body: "12345" }, {}, content);
    assert.deepEqual([post["origin"], post["content-length"]], [ORIGIN, "5"]);
    assert.equal(lines({ method: "POST" })["content-length"], "0");
    assert.equal(lines({ method: "PUT" })["content-length"], "0");
    const remove = lines({ method: "DELETE" });
    assert.deepEqual([remove["origin"], remove["content-length"]], [ORIGIN, undefined]);
    const head = lines({ method: "HEAD" });
    assert.deepEqual([head["origin"], head["content-length"]], [undefined, undefined]);
  });

  test("cache modes", () => {
    const of = (cache: RequestCache): (string | undefined)[] => {
      const got = lines({}, { cache });
      return [got["cache-control"], got["pragma"]];
    };
    assert.deepEqual(of("default"), [undefined, undefined]);
    assert.deepEqual(of("no-cache"), ["max-age=0", undefined]);
    assert.deepEqual(of("reload"), ["no-cache", "no-cache"]);
    assert.deepEqual(of("no-store"), ["no-cache", "no-cache"]);
  });

  test("credentials, referrer, mode and destination", () => {
    const omit = lines({ credentials: "omit" }, { referrer: "", mode: "no-cors", destination: "image" });
    assert.equal(omit["wingman-credentials"], "omit");
    assert.equal(omit["referer"], undefined);
    assert.deepEqual([omit["sec-fetch-mode"], omit["sec-fetch-dest"]], ["no-cors", "image"]);
    assert.equal(lines({}, { referrer: "about:client" })["referer"], undefined);
    assert.equal(lines({ credentials: "include" })["wingman-credentials"], undefined);
  });

  test("languages weigh less and less, but never nothing", () => {
    assert.equal(acceptLanguage([]), "");
    assert.equal(acceptLanguage(["en"]), "en");
    const many = acceptLanguage(Array.from({ length: 12 }, (_, at) => `l${at}`));
    assert.match(many, /^l0,l1;q=0\.9,.*,l9;q=0\.1,l10;q=0\.1,l11;q=0\.1$/);
  });
});
