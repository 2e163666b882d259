import assert from "node:assert/strict";
import { test } from "node:test";
import { allows } from "../../src/page/policy.ts";

test("policies that let us work", () => {
  for (const policy of [
    "",
    ";;",
    "default-src 'self'",
    "default-src *",
    "Default-Src 'SELF'",
    "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'",
    "default-src 'none'; script-src 'self'; connect-src *",
    "script-src 'self' 'nonce-abc' 'unsafe-inline' https://cdn.example",
    "script-src-elem 'self'; script-src 'self'",
    "child-src 'self'; script-src 'self'",
    "img-src 'none'; style-src 'none'; font-src 'none'; object-src 'none'; base-uri 'none'",
    "trusted-types a b",
    "script-src 'self'; script-src 'none'",
    "\tscript-src\t'self'\n;\tconnect-src  'self'",
    // A document cannot put itself into a sandbox.
    "sandbox",
  ]) {
    assert.equal(allows(policy), true, policy);
  }
});

test("policies that keep us out", () => {
  for (const policy of [
    "default-src 'none'",
    "default-src",
    "default-src https://cdn.example",
    "script-src 'none'",
    "script-src 'nonce-abc'",
    "script-src 'strict-dynamic' 'nonce-abc' 'self'",
    "script-src-elem 'nonce-abc'; script-src 'self'",
    "script-src-elem 'self'; script-src 'nonce-abc'",
    "worker-src 'none'",
    "worker-src blob:",
    "child-src 'none'",
    "connect-src 'none'",
    "connect-src https://api.example",
    "default-src 'self'; connect-src https://api.example",
    "Require-Trusted-Types-For 'script'",
    "require-sri-for script",
    "default-src 'self', script-src 'none'",
  ]) {
    assert.equal(allows(policy), false, policy);
  }
});
