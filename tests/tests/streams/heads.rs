//! Responses whose head decides what follows: interim ones, and those without content.

use std::time::Duration;

use wingman_tests::{EdgeOptions, HostOptions, Share, content, h2, soon, within};

#[tokio::test]
async fn early_hints_come_before_the_response() {
    let (share, mut handed) = Share::handing_over().await;
    let mut visitor = share.visit().await;
    visitor.send(share.request("GET /", "")).await;
    let (mut origin, _) = handed.next().await;
    for number in 0..2 {
        let hints =
            format!("HTTP/1.1 103 Early Hints\r\nLink: </{number}.css>; rel=preload\r\n\r\n");
        origin.send(hints).await;
        // It is there while the origin still works on the response.
        let hints = soon(visitor.head()).await.expect("whole").expect("a head");
        assert_eq!(hints.status(), Some(103));
        assert_eq!(hints.get("link"), Some(&*format!("</{number}.css>; rel=preload")));
    }
    origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Final: yes\r\n\r\nok").await;
    let response = visitor.response(false).await.expect("whole");
    assert_eq!((response.status(), response.text()), (200, "ok".into()));
    assert_eq!(response.head.get("link"), None);
    assert_eq!(response.head.get("x-final"), Some("yes"));
}

/// Pingora drops interim responses to HTTP/2 visitors (pingora-core 0.9.1, v2/server.rs
/// `write_response_header`), which RFC 9110 §15.2 allows; the response behind them must not suffer.
#[tokio::test]
async fn early_hints_do_no_harm_over_http2() {
    let edge = EdgeOptions::default().tls();
    let (share, mut handed) = Share::handing_over_with(edge, HostOptions::default()).await;
    let mut sender = h2::connect(&share.edge, share.authority()).await;
    let request = http::Request::get(format!("https://{}/", share.authority()));
    let request = request.body(()).expect("a request");
    let (response, _) = sender.send_request(request, true).expect("is open");
    let (mut origin, _) = handed.next().await;
    origin.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n").await;
    origin.send("HTTP/1.1 200 OK\r\nX-Final: yes\r\nContent-Length: 2\r\n\r\nok").await;
    let response = soon(response).await.expect("a response");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-final"]),
        (200, &"yes".parse().expect("a value"))
    );
    assert!(!response.headers().contains_key("link"), "a hint is no field of the response");
    let mut content = response.into_body();
    assert_eq!(&soon(content.data()).await.expect("content").expect("no reset")[..], b"ok");
}

/// HTTP/2 visitors send cookies as they like; an HTTP/1 origin understands one line (RFC 9113 §8.2.3).
#[tokio::test]
async fn cookies_of_http2_are_one_line_for_the_origin() {
    let edge = EdgeOptions::default().tls();
    let (share, mut handed) = Share::handing_over_with(edge, HostOptions::default()).await;
    let mut sender = h2::connect(&share.edge, share.authority()).await;
    let request = http::Request::get(format!("https://{}/", share.authority()))
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("cookie", "c=3");
    let (_response, _) =
        sender.send_request(request.body(()).expect("a request"), true).expect("is open");
    let (_origin, head) = handed.next().await;
    let cookies = head.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("cookie"));
    assert_eq!(cookies.map(|(_, value)| &**value).collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
}

/// A response without content leaves the connection in step, whatever its fields say: the next
/// request on it is answered. Tells the fields of the response.
async fn bodiless(method: &str, answer: &str) -> wingman_tests::Head {
    let (share, mut handed) = Share::handing_over().await;
    let mut visitor = share.visit().await;
    visitor.send(share.request(&format!("{method} /"), "")).await;
    let (mut origin, head) = handed.next().await;
    assert_eq!(head.method(), method);
    origin.send(answer).await;
    let first = visitor.response(method == "HEAD").await.expect("whole");
    assert_eq!(first.content, b"");
    visitor.send(share.request("GET /next", "")).await;
    // On either connection: this one if wingman could keep it.
    let (mut origin, head) = tokio::select! {
        next = handed.next() => next,
        Some(head) = origin.request() => (origin, head),
    };
    assert_eq!(head.target(), "/next");
    origin.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext").await;
    assert_eq!(visitor.response(false).await.expect("in step").text(), "next");
    first.head
}

#[tokio::test]
async fn head_keeps_the_length_it_announces() {
    let head = bodiless("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n").await;
    assert_eq!(head.get("content-length"), Some("1234"));
}

#[tokio::test]
async fn head_without_a_length_has_no_content_either() {
    let head = bodiless("HEAD", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n").await;
    assert_eq!(head.get("content-length"), None);
    assert_eq!(head.get("content-type"), Some("text/plain"));
}

#[tokio::test]
async fn no_content_is_no_content() {
    let head = bodiless("DELETE", "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n").await;
    assert_eq!((head.status(), head.get("x-a")), (Some(204), Some("b")));
    assert_eq!(head.get("transfer-encoding"), None);
}

#[tokio::test]
async fn not_modified_keeps_its_fields() {
    let answer = "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\nContent-Length: 99\r\n\r\n";
    let head = bodiless("GET", answer).await;
    assert_eq!((head.status(), head.get("etag")), (Some(304), Some("\"v1\"")));
}

#[tokio::test]
async fn an_empty_response_is_empty() {
    let head = bodiless("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(head.get("content-length"), Some("0"));
}

#[tokio::test]
async fn ranges_are_the_origins_business() {
    let (share, mut handed) = Share::handing_over().await;
    let mut visitor = share.visit().await;
    let fields = "Range: bytes=100-199\r\nIf-Range: \"v1\"\r\n";
    visitor.send(share.request("GET /film", fields)).await;
    let (mut origin, head) = handed.next().await;
    assert_eq!(head.get("range"), Some("bytes=100-199"));
    assert_eq!(head.get("if-range"), Some("\"v1\""));
    let all = content::whole(1000);
    origin
        .send(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 100-199/1000\r\n\
             Accept-Ranges: bytes\r\nContent-Length: 100\r\n\r\n",
        )
        .await;
    origin.send(&all[100..200]).await;
    let part = visitor.response(false).await.expect("whole");
    assert_eq!(part.status(), 206);
    assert_eq!(part.head.get("content-range"), Some("bytes 100-199/1000"));
    assert_eq!(part.head.get("accept-ranges"), Some("bytes"));
    assert_eq!(part.content, all[100..200]);
}

#[tokio::test]
async fn content_announced_by_expect_is_asked_for_and_comes() {
    let (share, mut handed) = Share::handing_over().await;
    let mut visitor = share.visit().await;
    let fields = "Expect: 100-continue\r\nContent-Length: 5\r\n";
    visitor.send(share.request("POST /", fields)).await;
    let go_on = soon(visitor.head()).await.expect("whole").expect("a head");
    assert_eq!(go_on.status(), Some(100));
    visitor.send("hello").await;
    let (mut origin, head) = handed.next().await;
    let (got, _) = soon(origin.content(&head, false)).await.expect("whole");
    assert_eq!(got, b"hello");
    origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let response = visitor.response(false).await.expect("whole");
    assert_eq!((response.status(), response.text()), (200, "ok".into()));
}

#[tokio::test]
async fn content_announced_by_expect_can_be_refused() {
    let (share, mut handed) = Share::handing_over().await;
    let mut visitor = share.visit().await;
    let fields = "Expect: 100-continue\r\nContent-Length: 5000000\r\n";
    visitor.send(share.request("POST /", fields)).await;
    let (mut origin, _) = handed.next().await;
    origin
        .send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        .await;
    let response = visitor.response(false).await.expect("whole");
    assert_eq!((response.status(), response.text()), (401, "no".into()));
}

/// An origin refuses an upload at its head; the visitor, who has sent only part of it, gets the
/// refusal at once and can go on sending until it has read it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_response_does_not_wait_for_the_upload() {
    const LENGTH: usize = 30_000_000;
    let (share, mut handed) = Share::handing_over().await;
    let visitor = share.visit().await;
    let (stream, _) = visitor.into_parts();
    let (reading, mut writing) = stream.into_split();
    let head = share.request("POST /upload", &format!("Content-Length: {LENGTH}\r\n"));
    let upload = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        writing.write_all(head.as_bytes()).await?;
        let mut sent = 0;
        while sent < LENGTH {
            let piece = content::piece(sent as u64, (LENGTH - sent).min(16 * 1024));
            writing.write_all(&piece).await?;
            sent += piece.len();
        }
        Ok::<_, std::io::Error>(())
    });
    let (mut origin, _) = handed.next().await;
    origin
        .send(
            "HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfull",
        )
        .await;
    // The origin holds its connection and reads nothing: the answer alone must do.
    let mut visitor = wingman_tests::Wire::new(tokio::io::join(reading, tokio::io::sink()));
    let response = within(Duration::from_secs(2), visitor.response(false)).await.expect("whole");
    assert_eq!((response.status(), response.text()), (413, "full".into()));
    // Whether the rest was taken or cut is the edge's choice; it must not hang.
    let _ = soon(upload).await.expect("no panic");
    drop(origin);
}

/// A connection that is closed while something on it is unread is reset, and the answer can be lost on its way: the edge
/// hears the visitor out, for a while.
#[tokio::test]
async fn whoever_is_answered_early_is_not_reset() {
    let (share, mut handed) = Share::handing_over().await;
    let mut visitor = share.visit().await;
    visitor.send(share.request("POST /upload", "Content-Length: 3000000\r\n")).await;
    let (mut origin, _) = handed.next().await;
    origin.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nfull").await;
    // The answer is there, and the visitor has not looked at it: it goes on for a while.
    tokio::time::sleep(Duration::from_millis(300)).await;
    for _ in 0..30 {
        visitor.try_send(&vec![0; 100_000]).await.expect("it is heard out");
    }
    let response = within(Duration::from_secs(2), visitor.response(false)).await.expect("whole");
    assert_eq!((response.status(), response.text()), (413, "full".into()));
    soon(visitor.closed()).await;
}
