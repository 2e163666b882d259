/** Responses made of what a page says. */

import { field } from "../wire/direct.ts";
import type { FieldLine } from "../port.ts";
import { Content } from "./content.ts";

/** What a page says of a response. */
export interface Head {
  readonly head: Headers;
  /** Its cookies wait under it. */
  readonly ticket: string | undefined;
  /** What the host has put on the content for the way. */
  readonly coding: string | undefined;
}

/** Throws what is no head for a worker. */
export function readHead(fields: readonly FieldLine[]): Head {
  const head = new Headers();
  let ticket: string | undefined;
  let coding: string | undefined;
  for (const [name, value] of fields) {
    // Browsers obey it only from the network.
    if (name === "clear-site-data") throw new TypeError(name);
    if (name === field.ticket) ticket = value;
    else if (name === field.transferCoding) coding = value;
    else if (!NOT_FOR_APPS.test(name)) head.append(name, value);
  }
  return { head, ticket, coding };
}

/** `content` without the coding that the host has put on it. */
export function decoded(content: Content, { head, coding }: Head): Content {
  if (coding !== field.gzip) return content;
  const plain = new Content({ credit: () => undefined, cancel: () => undefined });
  void plain.continueWith(content.stream.pipeThrough(new DecompressionStream(coding)), Number(head.get("content-length")));
  return plain;
}

/** The response for the app. Throws if it cannot be expressed: then the relay has to answer. */
export function makeResponse(status: number, head: Headers, content: Content, method: string): Response {
  const followed = status >= 300 && status < 400 && head.has("location");
  if (method === "HEAD" || NO_CONTENT.includes(status) || followed) {
    // There is none, or nobody can see it. It is read to its end so that the exchange ends.
    void content.stream.pipeTo(new WritableStream()).catch(() => undefined);
    return new Response(null, { status, headers: head });
  }
  let body: ReadableStream<Uint8Array<ArrayBuffer>> = content.stream;
  const coding = head.get("content-encoding")?.toLowerCase() ?? "identity";
  if (coding === "gzip" || coding === "x-gzip") {
    // Of nothing at all it makes an error.
    if (head.get("content-length") !== "0") body = body.pipeThrough(new DecompressionStream("gzip"));
    head.delete("content-encoding");
    head.delete("content-length");
  } else if (coding !== "identity") throw new TypeError("a coding that was not asked for");
  return new Response(body, { status, headers: head });
}

/** Of a connection, or ours. `Set-Cookie` cannot be in a response that a worker makes. */
const NOT_FOR_APPS = /^(connection|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade|wingman-.*)$/;
const NO_CONTENT = [204, 205, 304];
