//! Heads and content of HTTP/1.1, as they are.

use std::sync::{Arc, Mutex};

use http_body_util::BodyExt;
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use wingman_host::exchange::OnInformational;
use wingman_host::origin::Options;
use wingman_mux::MAX_UNREAD_INTERIM;

use crate::origin::*;

#[tokio::test]
async fn names_are_rewritten_both_ways() {
    let (sender, head) = oneshot::channel();
    let sender = Mutex::new(Some(sender));
    let origin = Origin::new(move |mut stream, _| {
        let sender = sender.lock().expect("lock").take();
        async move {
            let head = read_head(&mut stream).await;
            let host = head.lines().find_map(|line| line.strip_prefix("host: ")).expect("host");
            let answer = format!(
                "HTTP/1.1 302 Found\r\nLocation: http://{host}/next\r\nContent-Length: 0\r\n\
                 Set-Cookie: a=b; Domain=localhost; Path=/\r\nSet-Cookie: c=d\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.expect("write");
            if let Some(sender) = sender {
                sender.send(head).expect("test waits");
            }
        }
    })
    .await;
    let service = origin.service();
    let mut request = get("/a?b=c");
    request.headers_mut().insert("origin", "https://abc.wingman.dev".parse().expect("value"));
    request.headers_mut().insert("x-forwarded-host", "abc.wingman.dev".parse().expect("value"));
    let response = soon(service.call(request)).await.expect("response");
    assert_eq!(response.headers()["location"], "https://abc.wingman.dev/next");
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=b; Path=/", "c=d"]);
    let head = head.await.expect("head");
    let port = origin.address.port();
    assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: localhost:{port}\r\n")), "{head}");
    assert!(head.contains(&format!("origin: http://localhost:{port}\r\n")), "{head}");
    assert!(head.contains("x-forwarded-host: abc.wingman.dev\r\n"), "{head}");
}

#[tokio::test]
async fn connections_are_kept() {
    let origin = Origin::keeping("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let service = origin.service_with(Options {
        protocol: wingman_host::origin::Protocol::Http1,
        ..Options::default()
    });
    for _ in 0..20 {
        let response = soon(service.call(get("/"))).await.expect("response");
        assert_eq!(text(response).await, "ok");
        // The connection is through with the response a moment after its content.
        tokio::task::yield_now().await;
    }
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn large_heads_pass() {
    let value = "v".repeat(10 * 1024);
    let mut head = String::from("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
    for number in 0..20 {
        head.push_str(&format!("X-Large-{number}: {value}\r\n"));
    }
    for number in 0..300 {
        head.push_str(&format!("X-Many: {number}\r\n"));
    }
    let origin = Origin::closing(head + "\r\n").await;
    let response = soon(origin.service().call(get("/"))).await.expect("response");
    assert_eq!(response.headers()["x-large-19"].len(), value.len());
    let many: Vec<_> = response.headers().get_all("x-many").iter().collect();
    assert_eq!(many.len(), 300);
    assert_eq!((many[0].as_bytes(), many[299].as_bytes()), (&b"0"[..], &b"299"[..]));
}

#[tokio::test]
async fn early_hints_come_before_the_response() {
    let origin = Origin::closing(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n\
         HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut request = get("/");
    let log = Arc::clone(&seen);
    request.extensions_mut().insert(OnInformational::new(move |status, headers| {
        let link = headers.get("link").map(|value| value.to_str().expect("text").to_owned());
        log.lock().expect("lock").push((status.as_u16(), link));
    }));
    let response = soon(origin.service().call(request)).await.expect("response");
    assert_eq!(response.status(), 200);
    let seen = seen.lock().expect("lock");
    assert_eq!(*seen, [(103, Some("</a.css>; rel=preload".to_owned())), (102, None)]);
}

#[tokio::test]
async fn endless_interim_responses_are_cut_off() {
    let flood = "HTTP/1.1 102 Processing\r\n\r\n".repeat(1000);
    let origin = Origin::closing(flood + "HTTP/1.1 204 No Content\r\n\r\n").await;
    let count = Arc::new(Mutex::new(0));
    let mut request = get("/");
    let counter = Arc::clone(&count);
    let callback = OnInformational::new(move |_, _| *counter.lock().expect("lock") += 1);
    request.extensions_mut().insert(callback);
    let response = soon(origin.service().call(request)).await.expect("response");
    assert_eq!(response.status(), 204);
    assert_eq!(*count.lock().expect("lock"), MAX_UNREAD_INTERIM);
}

#[tokio::test]
async fn responses_without_content_end_at_once() {
    for (method, answer, status) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", 200),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: \"a\"\r\n\r\n", 304),
    ] {
        let origin = Origin::keeping(answer).await;
        let service = origin.service();
        for _ in 0..2 {
            let response =
                soon(service.call(request(method, "/", Content::Empty))).await.expect("response");
            assert_eq!(response.status(), status, "{answer}");
            let length = response.headers().get("content-length").cloned();
            assert_eq!(length.is_some(), answer.contains("Content-Length"), "{answer}");
            assert_eq!(soon(text(response)).await, "", "{answer}");
        }
    }
}

#[tokio::test]
async fn content_may_end_with_the_connection() {
    for version in ["1.0", "1.1"] {
        let origin = Origin::closing(format!("HTTP/{version} 200 OK\r\n\r\nto the end")).await;
        let response = soon(origin.service().call(get("/"))).await.expect("response");
        assert_eq!(soon(text(response)).await, "to the end");
    }
}

#[tokio::test]
async fn old_syntax_is_repaired() {
    let origin = Origin::closing(
        "HTTP/1.1 200 OK\r\nX-Fold: one\r\n  two\r\nX-Space : three\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let response = soon(origin.service().call(get("/"))).await.expect("response");
    assert_eq!(response.headers()["x-fold"], "one two");
    assert_eq!(response.headers()["x-space"], "three");
}

#[tokio::test]
async fn response_trailers_pass() {
    let origin = Origin::closing(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n\
         2\r\nok\r\n0\r\nX-Sum: 42\r\n\r\n",
    )
    .await;
    let response = soon(origin.service().call(get("/"))).await.expect("response");
    assert!(!response.headers().contains_key("transfer-encoding"));
    let content = soon(response.into_body().collect()).await.expect("content");
    assert_eq!(content.trailers().expect("trailers")["x-sum"], "42");
    assert_eq!(content.to_bytes(), "ok");
}
