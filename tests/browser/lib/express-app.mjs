// An ordinary Express app: sessions in an HttpOnly cookie that slides, and a token against forged requests.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import express from "express";
import session from "express-session";

export async function startExpressApp() {
  const app = express();
  app.use(express.json());
  app.use(
    session({
      secret: "a secret of the test",
      name: "sid",
      resave: false,
      saveUninitialized: true,
      rolling: true,
      cookie: { httpOnly: true, sameSite: "lax", maxAge: 600_000 },
    }),
  );
  app.use((request, _response, next) => {
    request.session.token ??= randomBytes(16).toString("hex");
    next();
  });
  const guarded = (request, response, next) => {
    if (request.get("x-csrf-token") === request.session.token) return next();
    response.status(403).json({ error: "forged" });
  };
  const posts = [];

  app.get("/", (request, response) => {
    response.type("html").send(`<!doctype html><html><head><title>notes</title></head><body data-token="${request.session.token}" data-user="${request.session.user ?? ""}">notes</body></html>`);
  });
  app.get("/me", (request, response) => response.json({ user: request.session.user ?? null, token: request.session.token, visits: (request.session.visits = (request.session.visits ?? 0) + 1) }));
  app.post("/login", guarded, (request, response, next) => {
    const { user } = request.body;
    // A login gets a new session: whoever knew the old id knows nothing.
    request.session.regenerate((error) => {
      if (error) return next(error);
      request.session.user = user;
      request.session.token = randomBytes(16).toString("hex");
      response.json({ user, token: request.session.token });
    });
  });
  app.post("/notes", guarded, (request, response) => {
    if (!request.session.user) return response.status(401).json({ error: "who are you?" });
    posts.push({ user: request.session.user, text: request.body.text });
    response.status(201).json({ count: posts.length });
  });
  app.post("/logout", guarded, (request, response, next) => {
    request.session.destroy((error) => {
      if (error) return next(error);
      response.clearCookie("sid").json({});
    });
  });

  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: server.address().port,
    posts,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
