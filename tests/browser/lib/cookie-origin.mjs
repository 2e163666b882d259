// An origin that sets the cookies it is asked for and tells which ones it got.

import { once } from "node:events";
import { createServer } from "node:http";

export async function startCookieOrigin() {
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://origin");
    const set = url.searchParams.getAll("c");
    const fields = { "cache-control": "no-store", ...(set.length > 0 && { "set-cookie": set }) };
    request.resume();
    if (url.pathname.endsWith("/page")) {
      response.writeHead(200, { ...fields, "content-type": "text/html; charset=utf-8" });
      const got = JSON.stringify(request.headers.cookie ?? "");
      return response.end(`<!doctype html><html><head><title>cookies</title></head><body data-cookie='${got.replaceAll("'", "&#39;").replaceAll("&", "&amp;")}'></body></html>`);
    }
    if (url.pathname.endsWith("/redirect")) return response.writeHead(302, { ...fields, location: "read" }).end();
    response.writeHead(200, { ...fields, "content-type": "application/json" });
    response.end(JSON.stringify(request.headers.cookie ?? ""));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: server.address().port,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
