//! Where the origin is found, and which request targets reach it unchanged.

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::io::AsyncWriteExt;
use tower::ServiceExt;
use wingman_host::exchange::{ExchangeError, InvalidRequest, request_target};
use wingman_host::origin::Options;

use crate::origin::*;

/// An origin that answers with the request line it got.
async fn echo(bind: &str) -> Origin {
    Origin::on(bind, |mut stream, _| async move {
        let head = read_head(&mut stream).await;
        let line = head.lines().next().unwrap_or_default();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{line}", line.len());
        stream.write_all(answer.as_bytes()).await.expect("write");
    })
    .await
}

#[tokio::test]
async fn localhost_is_both_addresses() {
    for bind in ["127.0.0.1:0", "[::1]:0"] {
        let origin = echo(bind).await;
        let service = origin.service();
        service.client().probe().await.expect(bind);
        soon(service.call(get("/"))).await.expect(bind);
    }
}

#[tokio::test]
async fn odd_targets_pass_unchanged() {
    let origin = echo("127.0.0.1:0").await;
    let service = origin.service();
    for target in [
        "/",
        "//double//slash",
        "/a/../b/./c",
        "/%2e%2E/%zz%",
        "/pipe|quote\"brace{}",
        "/a?b=[1]&c={2}|'`^\\&d=?/",
        "/a;b=c,d:e@f!$&'()*+~",
        "/?",
        "/\u{e9}\u{4e2d}?q=\u{e9}",
        "/caret^back\\slash",
    ] {
        let mut request = get("/");
        *request.uri_mut() = request_target(Bytes::from(target)).expect(target);
        let line = text(soon(service.call(request)).await.expect(target)).await;
        assert_eq!(line, format!("GET {target} HTTP/1.1"));
    }
}

#[tokio::test]
async fn odd_methods_pass() {
    let origin = echo("127.0.0.1:0").await;
    let service = origin.service();
    for (method, target) in
        [("PROPFIND", "/"), ("x-Custom!", "/"), ("OPTIONS", "*"), ("TRACE", "/"), ("M-SEARCH", "*")]
    {
        let response = soon(service.call(request(method, target, Content::Empty))).await;
        let line = text(response.expect(method)).await;
        assert_eq!(line, format!("{method} {target} HTTP/1.1"));
    }
    let connect = request("CONNECT", "example.com:443", Content::Empty);
    let error = failure(&service, connect).await;
    assert!(matches!(error, ExchangeError::RequestInvalid(InvalidRequest::Connect)), "{error:?}");
}

#[tokio::test]
async fn it_is_a_tower_service() {
    let origin = echo("127.0.0.1:0").await;
    let service = service(&origin.address.to_string(), Options::default());
    let response = soon(service.oneshot(get("/tower"))).await.expect("response");
    let content = response.into_body().collect().await.expect("content").to_bytes();
    assert_eq!(content, "GET /tower HTTP/1.1");
}
