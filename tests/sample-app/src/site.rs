//! The pages and what they load, embedded in the program.

use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, X_CONTENT_TYPE_OPTIONS};

use crate::reply::{self, Reply};

/// The file at `path`, `None` if there is none.
pub(crate) fn file(path: &str) -> Option<Reply> {
    let (media_type, content): (_, &'static [u8]) = match path {
        "/" => (HTML, include_bytes!("pages/index.html")),
        "/second" => (HTML, include_bytes!("pages/second.html")),
        "/style.css" => ("text/css; charset=utf-8", include_bytes!("pages/style.css")),
        "/app.js" => ("text/javascript; charset=utf-8", include_bytes!("pages/app.js")),
        "/favicon.svg" => ("image/svg+xml", include_bytes!("pages/favicon.svg")),
        _ => return None,
    };
    Some(sealed(reply::whole(StatusCode::OK, media_type, content)))
}

/// The page for a path that leads nowhere.
pub(crate) fn not_found() -> Reply {
    let page: &'static [u8] = include_bytes!("pages/not-found.html");
    sealed(reply::whole(StatusCode::NOT_FOUND, HTML, page))
}

/// `reply` with a policy as strict as a careful app has: whoever relays it must live with that.
fn sealed(reply: Reply) -> Reply {
    let policy = HeaderValue::from_static("default-src 'self'; object-src 'none'; base-uri 'none'");
    let reply = reply::with(reply, CONTENT_SECURITY_POLICY, policy);
    let reply = reply::with(reply, X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply::with(reply, CACHE_CONTROL, HeaderValue::from_static("no-cache"))
}

const HTML: &str = "text/html; charset=utf-8";
