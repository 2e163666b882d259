/**
 * The worker: hears events and leaves each request to the network (the relay path) unless a page can carry it. What it
 * knows is a cache; browsers stop and start it at will.
 */

import { type PageToController, PORT_VERSION, type WorkerToClient } from "../port.ts";
import { observeTransferred } from "../transferred.ts";
import { WORKER_PATH } from "../wire/direct.ts";
import { isTheirs, mayGoDirectly } from "./guards.ts";
import { type Page, Pages } from "./pages.ts";
import { serve } from "./serve.ts";

declare const self: ServiceWorkerGlobalScope;

const pages = new Pages();

self.addEventListener("install", (event) => {
  // Chromium need not start us for documents.
  const routed = (event as RouterEvent).addRoutes?.({ condition: { requestMode: "navigate" }, source: "network" });
  routed?.catch(() => undefined);
  void self.skipWaiting();
});

self.addEventListener("activate", (event) => {
  event.waitUntil(self.clients.claim());
});

self.addEventListener("message", (event) => {
  const message = event.data as PageToController | undefined;
  const [port] = event.ports;
  if (message?.wingman === "claim") event.waitUntil(self.clients.claim());
  if (message?.wingman !== "bind" || !port || !(event.source instanceof Client)) return;
  if (message.version === PORT_VERSION) pages.bind(event.source.id, message, port);
  else event.waitUntil(self.registration.update());
});

self.addEventListener("fetch", (event) => {
  const { request, clientId } = event;
  const page = mayGoDirectly(request, self.location.origin) ? pages.choose(clientId, request.url) : undefined;
  if (page) event.respondWith(answer(request, page, clientId));
  else if (isTheirs(request.url, self.location.origin)) pages.of(clientId)?.relayed({});
});

async function answer(request: Request, page: Page, clientId: string): Promise<Response> {
  // A page that carries another's request may be gone by the time it goes by relay.
  const response = await serve(request, page, clientId, pages.of(clientId) ?? page);
  if (isEnd(response)) void end();
  return response;
}

/** After a start we know no page: those that are ours shall bind again, and the session may have ended meanwhile. */
async function recover(): Promise<void> {
  if (!self.registration.active) return;
  await tell("rebind");
  if (isEnd(await fetch(WORKER_PATH, { method: "HEAD", cache: "no-store" }))) await end();
}

/** The session is over for good: nothing of ours stays in the browser. */
async function end(): Promise<void> {
  await tell("ended");
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith("wingman")).map((name) => caches.delete(name)));
  await self.registration.unregister();
}

async function tell(wingman: WorkerToClient["wingman"]): Promise<void> {
  for (const client of await self.clients.matchAll()) client.postMessage({ wingman } satisfies WorkerToClient);
}

const isEnd = ({ headers }: Response): boolean => headers.get("wingman-error") === "session-ended";

// Whose it was is not said; one of them counts it.
observeTransferred((received) => pages.first?.relayed({ exchanges: 0, received }), "resource");

/** Of Chromium's static routing. */
interface RouterEvent {
  addRoutes?(rules: object): Promise<void>;
}

// Without the relay there is nothing to recover from; the next start tries again.
recover().catch(() => undefined);
