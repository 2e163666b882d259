// Which path a page's traffic takes: tests ask `window.__wingman`, and count native sockets for themselves.

import { sleep, until } from "./time.mjs";

/** Runs in a page before its scripts: notes what `stats` alone cannot tell. */
export function watchPath() {
  /** Addresses of the app's sockets that are the browser's own, and so go by relay. */
  window.nativeSockets = [];
  /** When the newest of them was made, and when extras.js was there, which makes all others. */
  window.nativeAt = 0;
  window.extrasAt = Infinity;
  window.CustomEvent = new Proxy(CustomEvent, {
    construct(target, parameters, newTarget) {
      if (parameters[0] === "wingman") window.extrasAt = performance.now();
      return Reflect.construct(target, parameters, newTarget);
    },
  });
  // The very prototype, for the page script patches it.
  window.WebSocket = new Proxy(WebSocket, {
    construct(target, parameters, newTarget) {
      const socket = Reflect.construct(target, parameters, newTarget);
      const { pathname } = new URL(socket.url);
      if (!pathname.startsWith("/_wingman/")) {
        window.nativeSockets.push(pathname);
        window.nativeAt = performance.now();
      }
      return socket;
    },
  });
  /** How often the worker has started since, without knowing this page. */
  window.workerStarts = 0;
  // A frame in a sandbox may not even ask for workers.
  if (origin === "null") return;
  navigator.serviceWorker.addEventListener("message", ({ data }) => {
    if (data?.wingman === "rebind") window.workerStarts++;
  });
}

/** Resolves when requests like this one go directly. */
export async function isDirect(page, target = "/", method = "GET") {
  await until(30_000, "direct", () => page.evaluate(() => window.__wingman?.state === "direct"));
  // One that goes directly says that the worker knows it, and that the host knows the cookies there: the first request
  // in a directory goes by relay, and so does the first one to a path that may change something.
  await until(10_000, "a direct request", () =>
    page.evaluate(
      async (target, method) => {
        const before = __wingman.stats.exchanges.direct;
        await fetch(target, { method }).then((response) => response.text());
        return __wingman.stats.exchanges.direct > before;
      },
      target,
      method,
    ),
  );
}

/** Begins to count on `page`; what this gives tells what moved: exchanges by path, native sockets, fallbacks. */
export async function counting(page) {
  const count = () =>
    page.evaluate(() => ({ ...__wingman.stats.exchanges, native: window.nativeSockets.length, fallbacks: __wingman.stats.fallbacks }));
  // The worker tells of relayed requests 200 ms later: that nothing more comes cannot be awaited otherwise.
  await sleep(400);
  const before = await count();
  return async () => {
    await sleep(400);
    return Object.fromEntries(Object.entries(await count()).map(([what, count]) => [what, count - before[what]]));
  };
}

/** What `act` moves on `page`, and the `result` of it. */
export async function moved(page, act) {
  const end = await counting(page);
  const result = await act();
  return { ...(await end()), result };
}
