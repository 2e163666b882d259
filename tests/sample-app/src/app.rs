//! The routes.

use hyper::body::Incoming;
use hyper::header::{ALLOW, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};

use crate::chat::{self, Chat, Kind, Upgrade};
use crate::login::Logins;
use crate::query::Query;
use crate::reply::{self, Reply};
use crate::todos::Todos;
use crate::{events, gallery, site, transfer};

/// All that outlives an exchange.
#[derive(Debug, Default)]
pub(crate) struct App {
    /// The open chat.
    pub(crate) chat: Chat,
    todos: Todos,
    logins: Logins,
}

impl App {
    /// Answers one request, with the WebSocket to run afterwards if it opened one.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> (Reply, Option<Upgrade>) {
        match request.uri().path() {
            "/ws/chat" => chat::open(request, Kind::Chat),
            "/ws/echo" => chat::open(request, Kind::Echo),
            _ => (self.exchange(request).await, None),
        }
    }

    async fn exchange(&self, request: Request<Incoming>) -> Reply {
        let path = request.uri().path().to_owned();
        if let Some(below) = path.strip_prefix("/api/todos") {
            match below.strip_prefix('/') {
                Some(id) => return self.todos.answer(request, Some(id)).await,
                None if below.is_empty() => return self.todos.answer(request, None).await,
                None => return site::not_found(),
            }
        }
        match (request.method(), path.as_str()) {
            (&Method::POST | &Method::PUT, "/upload") => transfer::upload(request).await,
            (&Method::POST, "/login") => self.logins.login(request).await,
            (&Method::POST, "/logout") => self.logins.logout(request.headers()),
            (_, "/headers") => head_of(&request),
            (_, "/upload") => refused("POST, PUT"),
            (_, "/login" | "/logout") => refused("POST"),
            (&Method::GET | &Method::HEAD, path) => self.get(path, &request).await,
            (_, path) if path.starts_with("/redirect/") => redirect(path, &request),
            _ => refused("GET, HEAD"),
        }
    }

    async fn get(&self, path: &str, request: &Request<Incoming>) -> Reply {
        let fields = request.headers();
        let query = Query::parse(request.uri().query());
        match path {
            "/api/me" => self.logins.me(fields),
            "/sse" => events::sse(&query, fields),
            "/stream" => events::lines(&query),
            "/ndjson" => events::ndjson(&query),
            "/slow" => events::slow(&query).await,
            "/download" => transfer::download(&query, fields),
            "/download/sha256" => transfer::download_hash(&query).await,
            _ => {
                if let Some(code) = path.strip_prefix("/status/") {
                    status(code)
                } else if path.starts_with("/redirect/") {
                    redirect(path, request)
                } else if let Some(name) = path.strip_prefix("/images/") {
                    gallery::picture(name, fields).unwrap_or_else(site::not_found)
                } else {
                    site::file(path).unwrap_or_else(site::not_found)
                }
            }
        }
    }
}

/// `/headers`: the request head as it arrived here.
fn head_of(request: &Request<Incoming>) -> Reply {
    let fields: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let head = serde_json::json!({
        "method": request.method().as_str(),
        "target": request.uri().to_string(),
        "version": format!("{:?}", request.version()),
        "fields": fields,
    });
    reply::json(StatusCode::OK, &head)
}

/// `/status/<code>`: an answer with that status.
fn status(code: &str) -> Reply {
    match code.parse().ok().and_then(|code| StatusCode::from_u16(code).ok()) {
        Some(status) if status.as_u16() >= 200 => match status {
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED => {
                reply::empty(status)
            }
            _ => reply::text(status, &status.to_string()),
        },
        _ => reply::text(StatusCode::BAD_REQUEST, "a status is a number from 200 to 999"),
    }
}

/// `/redirect/relative` and `/redirect/absolute`, with `code=` and `to=` (a path of this app).
fn redirect(path: &str, request: &Request<Incoming>) -> Reply {
    let query = Query::parse(request.uri().query());
    let code = u16::try_from(query.number("code", 302, 399)).unwrap_or(302);
    let status = match code {
        301 | 302 | 303 | 307 | 308 => StatusCode::from_u16(code).unwrap_or(StatusCode::FOUND),
        _ => return reply::text(StatusCode::BAD_REQUEST, "not a redirect"),
    };
    let to = query.text("to").unwrap_or("/second");
    if !is_own_path(to) {
        return reply::text(StatusCode::BAD_REQUEST, "only to a path of this app");
    }
    match (path, request.headers().get(HOST).and_then(|host| host.to_str().ok())) {
        ("/redirect/relative", _) => reply::redirect(status, to),
        ("/redirect/absolute", Some(host)) => {
            reply::redirect(status, &format!("http://{host}{to}"))
        }
        ("/redirect/absolute", None) => reply::text(StatusCode::BAD_REQUEST, "no Host"),
        _ => site::not_found(),
    }
}

/// Whether `to` stays in this app: `//elsewhere`, `/\elsewhere` and what a browser makes the same of
/// by dropping control characters would lead a visitor away.
fn is_own_path(to: &str) -> bool {
    let plain = to.bytes().all(|byte| byte.is_ascii_graphic());
    plain && to.strip_prefix('/').is_some_and(|rest| !rest.starts_with(['/', '\\']))
}

fn refused(allowed: &'static str) -> Reply {
    let refusal = reply::text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
    reply::with(refusal, ALLOW, HeaderValue::from_static(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_in_the_app() {
        for to in ["/", "/second?from=here", "/a//b"] {
            assert!(is_own_path(to), "{to:?}");
        }
        for to in ["", "second", "//evil", "/\\evil", "/\t/evil", "http://evil", "/a b"] {
            assert!(!is_own_path(to), "{to:?}");
        }
    }

    #[test]
    fn statuses_without_content_have_none() {
        for (code, expected) in [("204", 204), ("304", 304), ("418", 418), ("100", 400), ("x", 400)]
        {
            assert_eq!(status(code).status().as_u16(), expected, "{code}");
        }
    }
}
