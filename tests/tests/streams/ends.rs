//! How responses end: a visitor can always tell a whole response from one that was cut.

use wingman_tests::{Cut, EdgeOptions, HostOptions, Message, OriginConnection, Share, h2, soon};

/// What an origin does after it has sent part of its response.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// Closes its connection in order.
    Closes,
    /// Dies: the kernel resets the connection.
    Dies,
}

impl Then {
    fn act(self, origin: OriginConnection) {
        match self {
            Self::Closes => drop(origin),
            Self::Dies => origin.into_wire().abort(),
        }
    }
}

/// The visitor's view of a response of which the origin sends `bytes`, waits until the visitor has
/// `seen` bytes of content, and then ends its connection.
async fn visitor_sees(bytes: &str, seen: usize, then: Then) -> Result<Message, Cut> {
    let (share, mut handed) = Share::handing_over().await;
    let mut visitor = share.visit().await;
    visitor.send(share.request("GET /", "")).await;
    let (mut origin, _) = handed.next().await;
    origin.send(bytes).await;
    let head = soon(visitor.head()).await.expect("whole").expect("a head");
    visitor.begin(&head, false);
    let mut content = Vec::new();
    while content.len() < seen {
        content
            .extend_from_slice(&soon(visitor.piece()).await.expect("is there").expect("is there"));
    }
    then.act(origin);
    loop {
        match soon(visitor.piece()).await? {
            Some(piece) => content.extend_from_slice(&piece),
            None => {
                let message = Message { interim: vec![], head, content, trailers: vec![] };
                return Ok(message);
            }
        }
    }
}

#[tokio::test]
async fn the_end_of_the_connection_can_be_the_end_of_the_content() {
    let bytes = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello";
    let whole = visitor_sees(bytes, 5, Then::Closes).await.expect("whole");
    assert_eq!(whole.text(), "hello");
}

#[tokio::test]
async fn an_http_1_0_origin_is_understood() {
    let whole = visitor_sees("HTTP/1.0 200 OK\r\n\r\nhello", 5, Then::Closes).await.expect("whole");
    assert_eq!(whole.text(), "hello");
}

#[tokio::test]
async fn a_cut_response_looks_cut() {
    const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    const IN_CHUNK: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello";
    const CLOSE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello";
    for (what, bytes, then) in [
        ("known length, closed", LENGTH, Then::Closes),
        ("known length, reset", LENGTH, Then::Dies),
        ("between chunks, closed", CHUNKED, Then::Closes),
        ("between chunks, reset", CHUNKED, Then::Dies),
        ("within a chunk, closed", IN_CHUNK, Then::Closes),
        ("close-delimited, reset", CLOSE, Then::Dies),
    ] {
        let seen = visitor_sees(bytes, 5, then).await;
        assert!(matches!(seen, Err(Cut::Amid(..))), "{what}: {seen:?}");
    }
}

#[tokio::test]
async fn an_http2_visitor_sees_a_cut_as_a_reset_and_goes_on() {
    let edge = EdgeOptions::default().tls();
    let (share, mut handed) = Share::handing_over_with(edge, HostOptions::default()).await;
    let mut sender = h2::connect(&share.edge, share.authority()).await;
    let get = || {
        let request = http::Request::get(format!("https://{}/", share.authority()));
        request.body(()).expect("a request")
    };
    let (response, _) = sender.send_request(get(), true).expect("is open");
    let (mut origin, _) = handed.next().await;
    origin.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
    let mut content = soon(response).await.expect("a response").into_body();
    assert_eq!(&soon(content.data()).await.expect("content").expect("no reset")[..], b"hello");
    origin.into_wire().abort();
    let end = soon(content.data()).await;
    assert!(matches!(end, Some(Err(ref error)) if error.is_reset()), "{end:?}");
    // Only the stream is over.
    let (response, _) = sender.send_request(get(), true).expect("the connection is open");
    let (mut origin, _) = handed.next().await;
    origin.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(soon(response).await.expect("a response").status(), 204);
}

/// Programs that do not know the length of what they send end it by a frame of its own, and browsers do so as well.
#[tokio::test]
async fn an_http2_upload_may_end_by_an_empty_frame() {
    let edge = EdgeOptions::default().tls();
    let (share, mut handed) = Share::handing_over_with(edge, HostOptions::default()).await;
    let mut sender = h2::connect(&share.edge, share.authority()).await;
    for content in ["", "hello"] {
        let request = http::Request::post(format!("https://{}/", share.authority()));
        let (response, mut upload) =
            sender.send_request(request.body(()).expect("a request"), false).expect("is open");
        if !content.is_empty() {
            upload.send_data(content.into(), false).expect("is open");
        }
        let (origin, head) = handed.next().await;
        // Everything before is on its way.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        upload.send_data("".into(), true).expect("is open");
        let mut wire = origin.into_wire();
        wire.begin(&head, false);
        let mut got = Vec::new();
        while let Some(piece) = soon(wire.piece()).await.expect("whole") {
            got.extend_from_slice(&piece);
        }
        assert_eq!(got, content.as_bytes());
        wire.send("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(soon(response).await.expect("a response").status(), 204);
    }
}

#[tokio::test]
async fn a_dead_origin_before_the_head_is_named() {
    for then in [Then::Closes, Then::Dies] {
        let (share, mut handed) = Share::handing_over().await;
        let mut visitor = share.visit().await;
        // Not one that may be repeated: the origin may have acted on it.
        let fields = "Content-Length: 1\r\nAccept: application/json\r\n";
        visitor.send(share.request("POST /", fields) + "x").await;
        let (origin, _) = handed.next().await;
        then.act(origin);
        let page = visitor.response(false).await.expect("whole");
        assert_eq!(page.status(), 502, "{then:?}");
        assert!(page.text().contains("origin-reset"), "{then:?}: {}", page.text());
        assert!(handed.is_empty(), "it was sent twice");
    }
}

const WITH_TRAILERS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
                             5\r\nhello\r\n0\r\nX-Sum: 42\r\nX-More: a\r\n\r\n";

#[tokio::test]
async fn trailers_reach_http2_visitors() {
    let edge = EdgeOptions::default().tls();
    let (share, mut handed) = Share::handing_over_with(edge, HostOptions::default()).await;
    let mut sender = h2::connect(&share.edge, share.authority()).await;
    let request = http::Request::get(format!("https://{}/", share.authority()));
    let request = request.header("te", "trailers").body(()).expect("a request");
    let (response, _) = sender.send_request(request, true).expect("is open");
    let (mut origin, head) = handed.next().await;
    assert_eq!(head.get("te"), Some("trailers"));
    origin.send(WITH_TRAILERS).await;
    let mut content = soon(response).await.expect("a response").into_body();
    let mut got = Vec::new();
    while let Some(piece) = soon(content.data()).await {
        got.extend_from_slice(&piece.expect("no reset"));
    }
    assert_eq!(got, b"hello");
    let trailers = soon(content.trailers()).await.expect("no reset").expect("trailers");
    assert_eq!(trailers["x-sum"], "42");
    assert_eq!(trailers["x-more"], "a");
}

#[tokio::test]
async fn a_response_with_trailers_is_whole_for_http_1_visitors() {
    let (share, mut handed) = Share::handing_over().await;
    let mut visitor = share.visit().await;
    visitor.send(share.request("GET /", "TE: trailers\r\nConnection: TE\r\n")).await;
    let (mut origin, _) = handed.next().await;
    origin.send(WITH_TRAILERS).await;
    let response = visitor.response(false).await.expect("whole");
    assert_eq!(response.text(), "hello");
    // RFC 9110 §6.5.1 lets intermediaries drop them; what comes must be what was sent.
    for (name, value) in &response.trailers {
        assert!(matches!(
            (&**name, &**value),
            ("x-sum" | "X-Sum", "42") | ("x-more" | "X-More", "a")
        ));
    }
    // The connection is in step.
    drop(origin);
    visitor.send(share.request("GET /next", "")).await;
    let (mut origin, head) = handed.next().await;
    assert_eq!(head.target(), "/next");
    origin.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext").await;
    assert_eq!(visitor.response(false).await.expect("in step").text(), "next");
}
