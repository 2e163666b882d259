//! When a request may be sent a second time.
//!
//! The rule is "never twice, never lost": a request that may have reached the origin is repeated
//! only if repeating it changes nothing (RFC 9110 §9.2.2), and only after a connection that had
//! served before turned out to be closed. One that hyper gives back was never written and may
//! always go again.

use http::{Method, Request};

use super::upload::Upload;

/// Whether the request can be made again from a copy of its head.
pub(super) fn is_replayable<B>(request: &Request<Upload<B>>) -> bool {
    matches!(request.body(), Upload::None) && is_idempotent(request.method())
}

/// A copy of a request without content.
pub(super) fn copy<B>(request: &Request<Upload<B>>) -> Request<Upload<B>> {
    let mut copy = Request::new(Upload::None);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    copy
}

/// Whether the connection broke before an answer, as one does that was closed when idle.
pub(super) fn is_broken_connection(error: &hyper::Error) -> bool {
    !error.is_parse() && !error.is_user()
}

fn is_idempotent(method: &Method) -> bool {
    // Registered as idempotent at IANA; extension methods are matched by their name.
    matches!(
        method.as_str(),
        "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE" | "PROPFIND" | "REPORT" | "SEARCH"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body_util::Full;

    fn request(method: &str, content: &'static [u8]) -> Request<Upload<Full<Bytes>>> {
        let (upload, _) = Upload::new(Full::new(Bytes::from_static(content)), None);
        Request::builder()
            .method(method)
            .uri("/a?b")
            .header("x", "1")
            .body(upload)
            .expect("request")
    }

    #[test]
    fn only_idempotent_requests_without_content_are_replayed() {
        for method in ["GET", "HEAD", "PUT", "DELETE", "PROPFIND"] {
            assert!(is_replayable(&request(method, b"")), "{method}");
            assert!(!is_replayable(&request(method, b"x")), "{method} with content");
        }
        for method in ["POST", "PATCH", "CUSTOM", "get"] {
            assert!(!is_replayable(&request(method, b"")), "{method}");
        }
    }

    #[test]
    fn a_copy_is_whole() {
        let request = request("DELETE", b"");
        let copy = copy(&request);
        assert_eq!(copy.method(), request.method());
        assert_eq!(copy.uri(), request.uri());
        assert_eq!(copy.headers(), request.headers());
    }
}
