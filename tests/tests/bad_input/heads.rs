//! Hosts whose frames are right and whose HTTP is not: the visitor gets a clear answer or a clean cut,
//! never somebody else's response.

use bytes::{BufMut, Bytes, BytesMut};
use wingman_tests::{Edge, EdgeOptions, soon};
use wingman_wire::{
    code::ResetCode,
    frame::{Flags, Frame},
    head::put_field,
};

use super::{
    fake_host::{FakeHost, data, finish, head, head_frame},
    stage::{error, is_closed, settled},
    streams::{request, serves_well},
};

fn unchecked(status: u16, lines: &[(&[u8], &[u8])]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u16(status);
    lines.iter().for_each(|(name, value)| put_field(&mut out, name, value));
    out.freeze()
}

#[tokio::test]
async fn heads_that_are_not_http_are_502() {
    let cases: &[(&str, u8, Bytes)] = &[
        ("nothing", 0, Bytes::new()),
        ("half a status", 0, Bytes::from_static(b"\0")),
        ("status 99", 0, unchecked(99, &[])),
        ("status 600", 0, unchecked(600, &[])),
        ("status 0", 0, unchecked(0, &[])),
        ("status 65535", 0, unchecked(u16::MAX, &[])),
        ("an unasked 101", 0, head(101, &[("upgrade", "websocket")])),
        ("an interim 200", Flags::INTERIM, head(200, &[])),
        ("an interim 101", Flags::INTERIM, head(101, &[])),
        ("a final 103", 0, head(103, &[])),
        ("a final 100", 0, head(100, &[])),
        ("two lengths", 0, head(200, &[("content-length", "3"), ("content-length", "5")])),
        ("a length that is none", 0, head(200, &[("content-length", "five")])),
        ("a signed length", 0, head(200, &[("content-length", "+5")])),
        ("a list of lengths", 0, head(200, &[("content-length", "5, 5")])),
        ("a split response", 0, unchecked(200, &[(b"x-a", b"1\r\nSet-Cookie: evil=1")])),
        ("a split response by LF", 0, unchecked(200, &[(b"location", b"/\nX-Evil: 1")])),
        ("a split response by CR", 0, unchecked(200, &[(b"x-a", b"1\rX-Evil: 1")])),
        ("a whole response in a value", 0, {
            unchecked(200, &[(b"x-a", b"1\r\n\r\nHTTP/1.1 200 OK\r\n\r\nevil")])
        }),
        ("NUL in a value", 0, unchecked(200, &[(b"x-a", b"1\0")])),
        ("a split response in a name", 0, unchecked(200, &[(b"x-a: 1\r\nx-evil", b"1")])),
        ("a colon in a name", 0, unchecked(200, &[(b"x:a", b"1")])),
        ("a space in a name", 0, unchecked(200, &[(b"x a", b"1")])),
        ("an empty name", 0, unchecked(200, &[(b"", b"1")])),
        ("a name in upper case", 0, unchecked(200, &[(b"X-A", b"1")])),
        ("a line that is cut", 0, Bytes::from_static(b"\0\xc8\x05ab")),
        (
            "a length beyond the head",
            0,
            Bytes::from_static(b"\0\xc8\xff\xff\xff\xff\xff\xff\xff\xffab"),
        ),
        ("Connection that takes Set-Cookie", 0, {
            head(200, &[("connection", "set-cookie"), ("set-cookie", "a=1")])
        }),
    ];
    let edge = Edge::start().await;
    let mut host = FakeHost::start(edge.port(), "bad").await;
    let mut wrong = Vec::new();
    for (what, flags, bytes) in cases {
        let (stream, mut visitor) = request(&edge, &mut host, "GET /").await;
        host.send([head_frame(stream, *flags, bytes.clone())]).await;
        match visitor.response(false).await {
            Ok(answer) if (answer.status(), error(&answer)) == (502, "host-failed") => {
                assert_eq!(answer.head.get("x-evil"), None);
            }
            other => wrong.push(format!("{what}: {other:?}")),
        }
        // The same link goes on; it learns that the edge is done with the stream.
        let after = soon(async {
            loop {
                match host.next().await {
                    Ok(Frame::Reset { stream: reset, .. }) => return reset,
                    Ok(_) => {}
                    Err(code) => panic!("{what}: closed with {code}"),
                }
            }
        })
        .await;
        assert_eq!(after, stream);
        settled(&edge).await;
    }
    assert!(wrong.is_empty(), "not 502 host-failed: {wrong:#?}");
    serves_well(&edge).await;
}

#[tokio::test]
async fn framing_fields_of_a_host_are_not_believed() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start(edge.port(), "bad").await;
    for fields in [
        &[("transfer-encoding", "chunked")][..],
        &[("transfer-encoding", "gzip")],
        &[("content-length", "3"), ("transfer-encoding", "chunked")],
        &[("transfer-encoding", "chunked"), ("content-length", "500")],
        &[("connection", "close, transfer-encoding"), ("keep-alive", "timeout=1")],
        &[("upgrade", "h2c"), ("te", "trailers"), ("proxy-connection", "close")],
    ] {
        let (stream, mut visitor) = request(&edge, &mut host, "GET /").await;
        // As hex digits they would be a chunk's size.
        let content = b"5\r\nhello\r\n0\r\n\r\n";
        let total = content.len() as u64;
        let frames = [
            head_frame(stream, 0, head(200, fields)),
            data(stream, content),
            finish(stream, total),
        ];
        host.send(frames).await;
        let answer = visitor.response(false).await.expect("an answer");
        assert_eq!(answer.content, content, "{fields:?}");
        assert_eq!(answer.head.all("transfer-encoding").collect::<Vec<_>>(), ["chunked"]);
        for gone in ["content-length", "upgrade", "te", "keep-alive", "proxy-connection"] {
            assert_eq!(answer.head.get(gone), None, "{gone} of {fields:?}");
        }
        settled(&edge).await;
    }
    serves_well(&edge).await;
}

#[tokio::test]
async fn content_that_is_not_as_long_as_said_never_becomes_another_response() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start(edge.port(), "bad").await;
    let evil = b"good!HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let next = "GET /next HTTP/1.1\r\nHost: bad.localhost\r\n\r\n";
    for (what, start, status, length) in [
        ("too long", "GET /", 200, "5"),
        ("content of 204", "GET /", 204, "5"),
        ("content of 304", "GET /", 304, "5"),
        ("content of HEAD", "HEAD /", 200, "5"),
    ] {
        let (stream, mut visitor) = request(&edge, &mut host, start).await;
        let fields = [("content-length", length)];
        let total = evil.len() as u64;
        let frames = [
            head_frame(stream, 0, head(status, &fields)),
            data(stream, evil),
            finish(stream, total),
        ];
        host.send(frames).await;
        let answer = visitor.response(start.starts_with("HEAD")).await.expect("an answer");
        assert!(!answer.text().contains("evil"), "{what}: {answer:?}");
        // Closed, or in step: but never with bytes that nobody asked for.
        if visitor.try_send(next).await.is_ok() {
            let served = async {
                let stream = host.request().await;
                let fields = [("content-length", "4")];
                let head = head_frame(stream, 0, head(200, &fields));
                host.send([head, data(stream, b"next"), finish(stream, 4)]).await;
            };
            let answer = tokio::select! {
                answer = visitor.response(false) => answer,
                () = async { served.await; std::future::pending().await } => unreachable!(),
            };
            if let Ok(answer) = answer {
                assert_eq!(answer.text(), "next", "{what}");
            }
        }
        settled(&edge).await;
    }
    let (stream, mut visitor) = request(&edge, &mut host, "GET /").await;
    let fields = [("content-length", "10")];
    host.send([
        head_frame(stream, 0, head(200, &fields)),
        data(stream, b"short"),
        finish(stream, 5),
    ])
    .await;
    visitor.response(false).await.expect_err("too short is a cut response");
    assert!(is_closed(&mut visitor).await);
    serves_well(&edge).await;
}

#[tokio::test]
async fn every_reset_has_its_status() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start(edge.port(), "bad").await;
    for code in ResetCode::ALL {
        let (status, name) = match code {
            ResetCode::OriginRefused => (502, "origin-refused"),
            ResetCode::OriginReset => (502, "origin-reset"),
            ResetCode::OriginTimeout => (504, "origin-timeout"),
            ResetCode::OriginInvalid => (502, "origin-invalid"),
            ResetCode::OriginTls => (502, "origin-tls"),
            ResetCode::TooLarge => (413, "content-too-large"),
            ResetCode::BadRequest | ResetCode::RequestAborted => (400, "bad-request"),
            // Nothing was run: see the next test.
            ResetCode::Refused => continue,
            ResetCode::Enough
            | ResetCode::Cancelled
            | ResetCode::PathLost
            | ResetCode::Protocol
            | ResetCode::Internal
            | ResetCode::RelayOnly => (502, "host-failed"),
        };
        let (stream, mut visitor) = request(&edge, &mut host, "GET /").await;
        host.send([Frame::Reset { stream, code }]).await;
        let answer = visitor.response(false).await.expect("an answer");
        assert_eq!((answer.status(), error(&answer)), (status, name), "{code:?}");
        settled(&edge).await;
    }
    serves_well(&edge).await;
}

#[tokio::test]
async fn a_refused_request_is_offered_again_until_it_is_run_or_patience_ends() {
    let edge = EdgeOptions::default().set("timeouts.resume_wait", "1s").start().await;
    let mut host = FakeHost::start(edge.port(), "bad").await;
    let (first, mut visitor) = request(&edge, &mut host, "GET /").await;
    host.send([Frame::Reset { stream: first, code: ResetCode::Refused }]).await;
    let second = host.request().await;
    assert_ne!(second, first);
    host.send([head_frame(second, Flags::END, head(204, &[]))]).await;
    assert_eq!(visitor.response(false).await.expect("an answer").status(), 204);
    let (mut stream, mut visitor) = request(&edge, &mut host, "GET /").await;
    let answer = loop {
        host.send([Frame::Reset { stream, code: ResetCode::Refused }]).await;
        tokio::select! {
            answer = visitor.response(false) => break answer.expect("an answer"),
            again = host.request() => stream = again,
        }
    };
    assert_eq!((answer.status(), error(&answer)), (503, "too-many-exchanges"));
    settled(&edge).await;
}

#[tokio::test]
async fn a_host_that_never_answers_is_504() {
    let edge = EdgeOptions::default().set("timeouts.response_head", "500ms").start().await;
    let mut host = FakeHost::start(edge.port(), "bad").await;
    let (stream, mut visitor) = request(&edge, &mut host, "GET /").await;
    // Interim responses are no answer.
    host.send([head_frame(stream, Flags::INTERIM, head(103, &[]))]).await;
    let answer = visitor.response(false).await.expect("an answer");
    assert_eq!((answer.status(), error(&answer)), (504, "origin-timeout"));
    settled(&edge).await;
    serves_well(&edge).await;
}

#[tokio::test]
async fn a_host_that_is_full_makes_visitors_wait_and_then_says_so() {
    let edge = EdgeOptions::default()
        .set("limits.exchanges_per_session", "2")
        .set("timeouts.resume_wait", "1s")
        .start()
        .await;
    let mut host = FakeHost::start(edge.port(), "bad").await;
    let (first, mut one) = request(&edge, &mut host, "GET /1").await;
    let (_second, two) = request(&edge, &mut host, "GET /2").await;
    let mut three = edge.visit().await;
    three.send("GET /3 HTTP/1.1\r\nHost: bad.localhost\r\n\r\n").await;
    let answer = three.response(false).await.expect("an answer");
    assert_eq!((answer.status(), error(&answer)), (503, "too-many-exchanges"));
    assert!(answer.head.get("retry-after").is_some());
    // One that ends makes room for one that waits.
    three.send("GET /4 HTTP/1.1\r\nHost: bad.localhost\r\n\r\n").await;
    host.send([head_frame(first, Flags::END, head(204, &[]))]).await;
    assert_eq!(one.response(false).await.expect("an answer").status(), 204);
    let fourth = host.request().await;
    host.send([head_frame(fourth, Flags::END, head(204, &[]))]).await;
    assert_eq!(three.response(false).await.expect("an answer").status(), 204);
    drop(two);
    settled(&edge).await;
}

#[tokio::test]
async fn a_host_may_say_that_a_response_is_lost_and_nothing_else_in_our_name() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start(edge.port(), "bad").await;
    for (said, told) in [("replay-lost", Some("replay-lost")), ("host-away", None)] {
        let (stream, mut visitor) = request(&edge, &mut host, "POST /").await;
        let fields = [("wingman-error", said), ("content-length", "0")];
        host.send([head_frame(stream, Flags::END, head(502, &fields))]).await;
        let answer = visitor.response(false).await.expect("an answer");
        assert_eq!((answer.status(), answer.head.get("wingman-error")), (502, told));
    }
}

#[tokio::test]
async fn a_host_that_drains_and_refuses_what_has_begun_is_away() {
    for (drains, status) in [(true, (503, "host-away")), (false, (503, "too-many-exchanges"))] {
        let edge = Edge::start().await;
        let mut host = FakeHost::start(edge.port(), "bad").await;
        let mut visitor = edge.visit().await;
        let fields = "Host: bad.localhost\r\nContent-Length: 10";
        visitor.send(format!("POST / HTTP/1.1\r\n{fields}\r\n\r\nhello")).await;
        let stream = host.request().await;
        assert!(matches!(host.next().await, Ok(Frame::Data { .. })));
        let refusal = Frame::Reset { stream, code: ResetCode::Refused };
        host.send(drains.then_some(Frame::Drain).into_iter().chain([refusal])).await;
        let answer = visitor.response(false).await.expect("an answer");
        assert_eq!((answer.status(), error(&answer)), status);
    }
}
