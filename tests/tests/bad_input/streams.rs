//! Hosts that break the rules of a stream that is under way: the link is closed, the visitor is told.

use wingman_tests::{Cut, Edge, Wire};
use wingman_wire::frame::{Flags, Frame, StreamId};

use super::{
    fake_host::{FakeHost, PROTOCOL, data, finish, head, head_frame},
    stage::{error, settled},
};

type Frames = fn(StreamId) -> Vec<Frame>;

/// Sends a request to the session of `host` and gives its stream and the visitor.
pub(crate) async fn request(
    edge: &Edge,
    host: &mut FakeHost,
    start: &str,
) -> (StreamId, Wire<tokio::net::TcpStream>) {
    let mut visitor = edge.visit().await;
    visitor.send(format!("{start} HTTP/1.1\r\nHost: bad.localhost\r\n\r\n")).await;
    (host.request().await, visitor)
}

/// The same host name served well again.
pub(crate) async fn serves_well(edge: &Edge) {
    let mut host = FakeHost::start(edge.port(), "well").await;
    let mut visitor = edge.visit().await;
    visitor.send("GET / HTTP/1.1\r\nHost: well.localhost\r\n\r\n").await;
    let stream = host.request().await;
    let fields = [("content-length", "4")];
    host.send([
        head_frame(stream, 0, head(200, &fields)),
        data(stream, b"good"),
        finish(stream, 4),
    ])
    .await;
    assert_eq!(visitor.response(false).await.expect("an answer").text(), "good");
    host.control(&wingman_wire::control::HostToEdge::End).await;
    host.closed().await;
    settled(edge).await;
}

fn large_head(stream: StreamId) -> Vec<Frame> {
    let part = || vec![b'a'; 16_000].into();
    (0..17).map(|_| head_frame(stream, Flags::MORE, part())).collect()
}

fn interim_flood(stream: StreamId) -> Vec<Frame> {
    (0..100).map(|_| head_frame(stream, Flags::INTERIM, head(103, &[]))).collect()
}

#[tokio::test]
async fn broken_rules_before_a_head_give_the_visitor_a_page() {
    let cases: [(&str, Frames); 5] = [
        ("content before the head", |stream| vec![data(stream, b"early")]),
        ("the end before the head", |stream| vec![finish(stream, 0)]),
        ("a head above the limit", large_head),
        ("an interim head that ends", |stream| {
            vec![head_frame(stream, Flags::INTERIM | Flags::END, head(103, &[]))]
        }),
        ("a credit beyond all", |stream| {
            vec![
                Frame::Credit { stream, bytes: u32::MAX },
                Frame::Credit { stream, bytes: u32::MAX },
            ]
        }),
    ];
    let edge = Edge::start().await;
    for (what, frames) in cases {
        let mut host = FakeHost::start(edge.port(), "bad").await;
        let (stream, mut visitor) = request(&edge, &mut host, "GET /").await;
        // A large head does not fit one message.
        for frame in frames(stream) {
            host.send([frame]).await;
        }
        assert_eq!(host.closed().await, PROTOCOL, "{what}");
        let answer = visitor.response(false).await.expect("an answer");
        assert_eq!((answer.status(), error(&answer)), (502, "link-lost"), "{what}");
        serves_well(&edge).await;
    }
}

#[tokio::test]
async fn broken_rules_after_a_head_cut_the_response() {
    let cases: [(&str, Frames); 5] = [
        ("a second head", |stream| {
            vec![head_frame(stream, 0, head(200, &[])), head_frame(stream, 0, head(200, &[]))]
        }),
        ("an interim head after the final one", |stream| {
            let late = head_frame(stream, Flags::INTERIM, head(103, &[]));
            vec![head_frame(stream, 0, head(200, &[])), late]
        }),
        ("a total that is too large", |stream| {
            vec![head_frame(stream, 0, head(200, &[])), data(stream, b"abc"), finish(stream, 4)]
        }),
        ("a total that is too small", |stream| {
            vec![head_frame(stream, 0, head(200, &[])), data(stream, b"abc"), finish(stream, 2)]
        }),
        ("interim heads without end", interim_flood),
    ];
    let edge = Edge::start().await;
    for (what, frames) in cases {
        let mut host = FakeHost::start(edge.port(), "bad").await;
        let (stream, mut visitor) = request(&edge, &mut host, "GET /").await;
        host.send(frames(stream)).await;
        assert_eq!(host.closed().await, PROTOCOL, "{what}");
        match visitor.response(false).await {
            Err(Cut::Amid(..) | Cut::Nothing) => {}
            Ok(answer) => {
                assert_eq!((answer.status(), error(&answer)), (502, "link-lost"), "{what}")
            }
        }
        serves_well(&edge).await;
    }
}

#[tokio::test]
async fn content_beyond_the_credit_closes_the_link() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start(edge.port(), "bad").await;
    let before = wingman_tests::process::memory(edge.pid());
    // The visitor does not read, so the edge gives no more credit.
    let (stream, visitor) = request(&edge, &mut host, "GET /").await;
    host.send([head_frame(stream, 0, head(200, &[]))]).await;
    let piece = [7_u8; 16_000];
    let mut sent = 0_usize;
    let message = || {
        let mut out = bytes::BytesMut::new();
        (0..4).for_each(|_| data(stream, &piece).put(&mut out));
        tokio_tungstenite::tungstenite::Message::Binary(out.freeze())
    };
    while host.raw(message()).await.is_ok() {
        sent += 4 * piece.len();
        assert!(sent < 256 << 20, "the edge takes without end");
    }
    let grown = wingman_tests::process::memory(edge.pid()).saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes held");
    drop(visitor);
    serves_well(&edge).await;
    let metrics = edge.metrics().await;
    assert_eq!(metrics.get("links_closed_total{reason=\"protocol\"}"), 1.0);
}

#[tokio::test]
async fn a_stream_that_is_over_takes_nothing_more() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start(edge.port(), "bad").await;
    let (stream, mut visitor) = request(&edge, &mut host, "GET /").await;
    let fields = [("content-length", "4")];
    let good =
        [head_frame(stream, 0, head(200, &fields)), data(stream, b"good"), finish(stream, 4)];
    host.send(good).await;
    assert_eq!(visitor.response(false).await.expect("an answer").text(), "good");
    settled(&edge).await;
    // Late frames may be on their way when a stream ends: they are dropped.
    host.send([data(stream, b"late"), finish(stream, 8), Frame::Credit { stream, bytes: 5 }]).await;
    visitor.send("GET /next HTTP/1.1\r\nHost: bad.localhost\r\n\r\n").await;
    let next = host.request().await;
    host.send([head_frame(next, Flags::END, head(204, &[]))]).await;
    assert_eq!(visitor.response(false).await.expect("an answer").status(), 204);
    settled(&edge).await;
}
