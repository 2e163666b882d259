// An origin whose service worker answers by itself: what the browser alone takes for that. Ends with its stdin.

import { createServer } from "node:http";

const WORKER = `
addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {
  if (!event.request.url.endsWith("/status/200")) return;
  const content = new ReadableStream({ start: (controller) => { controller.enqueue(new Uint8Array(3)); controller.close(); } });
  event.respondWith(new Response(content));
});`;
const PAGE = `<!doctype html><script>
navigator.serviceWorker.oncontrollerchange = () => { window.isReady = true; };
navigator.serviceWorker.register("/worker.js");
</script>`;

const server = createServer((request, response) => {
  const isWorker = request.url === "/worker.js";
  response.setHeader("content-type", isWorker ? "text/javascript" : "text/html");
  response.end(isWorker ? WORKER : PAGE);
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify(server.address())));
process.stdin.on("close", () => process.exit(0)).resume();
