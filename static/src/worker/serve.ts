/**
 * Answers one request of the app: by the page, and by relay with the same request id where the page cannot. In every
 * case exactly one response reaches the app, and the origin executes the request once (the host joins copies by id).
 */

import { type FallbackCause, MAX_CONTENT } from "../port.ts";
import { join } from "../wire/buffer.ts";
import { newId } from "../wire/id.ts";
import type { RelayCause } from "./exchange.ts";
import { needsBrowser } from "./guards.ts";
import type { Page } from "./pages.ts";
import { fetchCookies, repeat, resumable } from "./relay.ts";
import { decoded, makeResponse, readHead } from "./response.ts";

/** Asks `page` on behalf of the client `asker`; `teller` counts what goes by relay. Rejects as `fetch` does. */
export async function serve(request: Request, page: Page, asker: string, teller: Page): Promise<Response> {
  const content = await smallContent(request);
  if (content === "large") {
    teller.relayed({});
    return fetch(request);
  }
  const begun = performance.now();
  const requestId = newId();
  const exchange = page.ask(request, content, requestId, asker);
  const relay = async (cause: RelayCause, executed: boolean): Promise<Response> => {
    if (cause !== "declined") teller.tell({ type: "fallback", cause, ms: performance.now() - begun });
    teller.relayed({ sent: content?.byteLength ?? 0 });
    // What was not executed goes as it is: an id would make it a copy, which lacks what only a browser can say
    // (`Sec-CH-UA`, the destination).
    return executed ? repeat(request, content, requestId) : fetch(request);
  };

  const answer = await exchange.answer;
  switch (answer.kind) {
    case "gone":
      return Response.error();
    case "relay":
      // Only when the copy is at the host: until then a cancel would end what the copy is to take over.
      return relay(answer.cause, answer.executed).finally(() => {
        exchange.cancel();
      });
    case "head": {
      let cause: FallbackCause = "head";
      try {
        const read = readHead(answer.fields);
        const { head, ticket } = read;
        if (needsBrowser(request, content, answer.status, head, navigator.userAgent)) {
          const refused = answer.status === 401;
          page.needsBrowser ||= refused;
          return await relay("declined", !refused).finally(() => {
            exchange.cancel();
          });
        }
        if (ticket !== undefined) {
          cause = "cookies";
          await fetchCookies(ticket);
          cause = "head";
        }
        const resume = resumable(request, answer.status, head);
        const length = Number(head.get("content-length") ?? Infinity);
        const plain = decoded(answer.content, read);
        const response = makeResponse(answer.status, head, plain, request.method);
        // A small content is here in a moment. Until the app has the head, the host's copy can take the place of all of it.
        const moment = length <= SMALL ? MOMENT : length === Infinity ? BRIEF : 0;
        if (moment) await Promise.race([exchange.ended, pause(moment)]);
        exchange.deliver(
          resume &&
            (() => {
              teller.tell({ type: "fallback", cause: "resumed", ms: performance.now() - begun });
              // The page keeps us alive while it hears of use.
              const use = setInterval(() => {
                teller.tell({ type: "relayed", exchanges: 0, sent: 0, received: 0 });
              }, USE_PERIOD);
              void resume(plain).finally(() => {
                clearInterval(use);
              });
            }),
        );
        return response;
      } catch {
        return relay(cause, true).finally(() => {
          exchange.cancel();
        });
      }
    }
  }
}

/** Milliseconds between two signs of use. */
const USE_PERIOD = 60_000;
/** Bytes of a content that is not worth a response without it. */
const SMALL = 64 * 1024;
/** How long it may keep the head waiting, milliseconds; and one of unknown length, which may be a stream. */
const MOMENT = 50;
const BRIEF = 10;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * The content of a request, whose own is left unread: undefined if there is none, "large" if it is above the limit. Of
 * that no more is read than the limit; what is known to be large before it is read never comes here.
 */
async function smallContent(request: Request): Promise<ArrayBuffer | undefined | "large"> {
  if (request.method === "GET" || request.method === "HEAD") return undefined;
  const copy = request.clone();
  // Firefox shows no stream.
  const { body = (await copy.blob()).stream() } = copy as Partial<Request>;
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  const reader = body?.getReader();
  for (let next = await reader?.read(); next?.value; next = await reader?.read()) {
    pieces.push(next.value);
    length += next.value.length;
    if (length > MAX_CONTENT) {
      // Settles only when the request itself was read.
      void reader?.cancel().catch(() => undefined);
      return "large";
    }
  }
  return length ? join(pieces) : undefined;
}
