//! Garbage on the link: the edge closes it at once, says so, and all other links go on.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio_tungstenite::tungstenite::Message;
use wingman_tests::{Edge, EdgeOptions, until};
use wingman_wire::{
    code::ResetCode,
    control::HostToEdge,
    frame::{Flags, Frame, FrameType, StreamId, put_header},
};

use super::{
    fake_host::{FakeHost, PROTOCOL, connect, data, finish, handshake, head, head_frame, open},
    stage::{echo, still_good},
};

/// A frame header with this payload, whether it fits or not.
fn frame(stream: u32, kind: u8, flags: u8, length: u16, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u32(stream);
    out.put_u8(kind);
    out.put_u8(flags);
    out.put_u16(length);
    out.put_slice(payload);
    out.freeze()
}

fn encoded(frame: &Frame) -> Bytes {
    let mut out = BytesMut::new();
    frame.put(&mut out);
    out.freeze()
}

/// Bytes that no edge may take from a host without a request under way.
fn garbage() -> Vec<(&'static str, Bytes)> {
    let open = |stream| {
        let mut out = BytesMut::new();
        put_header(&mut out, StreamId(stream), FrameType::Open, Flags(Flags::END), 3);
        out.put_slice(b"abc");
        out.freeze()
    };
    let control = |json: &'static [u8]| encoded(&Frame::Control(Bytes::from_static(json)));
    let one = StreamId(1);
    vec![
        ("half a header", Bytes::from_static(b"\0\0\0")),
        ("half a payload", frame(0, 10, 0, 100, b"{}")),
        ("an unknown type", frame(1, 99, 0, 0, b"")),
        ("type 0", frame(1, 0, 0, 0, b"")),
        ("a type that is kept for later", frame(1, 11, 0, 1, b"x")),
        ("a payload above the limit", frame(1, 3, 0, 16_385, &[0; 16_385])),
        ("a length of 65,535", frame(1, 3, 0, u16::MAX, b"")),
        ("an unknown flag", frame(1, 2, 0x80, 2, b"\0\xc8")),
        ("a flag of another type", frame(1, 3, 1, 1, b"x")),
        ("content on the carrier", frame(0, 3, 0, 1, b"x")),
        ("a ping on a stream", frame(1, 7, 0, 8, b"12345678")),
        ("a short ping", frame(0, 7, 0, 3, b"123")),
        ("a drain with a payload", frame(0, 9, 0, 1, b"x")),
        ("an empty DATA", frame(1, 3, 0, 0, b"")),
        ("a short RESET", frame(1, 5, 0, 1, b"x")),
        ("a CREDIT of 0", frame(1, 6, 0, 4, b"\0\0\0\0")),
        ("a FINISH of nothing", frame(1, 4, 0, 0, b"")),
        ("HTTP", Bytes::from_static(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")),
        ("an OPEN with an odd id", open(1)),
        ("an OPEN with an even id", open(2)),
        ("endless OPENs", (0..1_000).flat_map(|n| open(2 * n + 2)).collect::<Vec<u8>>().into()),
        ("a head for no request", encoded(&head_frame(one, 0, head(200, &[])))),
        ("content for no request", encoded(&data(one, b"x"))),
        ("an end for no request", encoded(&finish(one, 0))),
        (
            "a reset of no request",
            encoded(&Frame::Reset { stream: one, code: ResetCode::Internal }),
        ),
        ("credit for no request", encoded(&Frame::Credit { stream: one, bytes: 1 })),
        ("content on an even stream", encoded(&data(StreamId(2), b"x"))),
        ("control that is no JSON", control(b"hello")),
        ("control of nothing", control(b"")),
        ("control that is no object", control(b"[1]")),
        ("control of an unknown type", control(b"{\"type\":\"become-root\"}")),
        ("control without its keys", control(b"{\"type\":\"open\"}")),
        ("control in half of UTF-8", control(b"{\"type\":\"\xc3\"}")),
    ]
}

#[tokio::test]
async fn garbage_closes_the_link_and_nothing_else() {
    let share = echo().await;
    let mut wrong = Vec::new();
    for (number, (what, bytes)) in garbage().into_iter().enumerate() {
        let mut host = FakeHost::start(share.edge.port(), &format!("garbage-{number}")).await;
        if host.raw(Message::Binary(bytes)).await.is_ok() {
            let code = host.closed().await;
            if code != PROTOCOL {
                wrong.push(format!("{what}: {code}"));
            }
        }
        until("only the good link is left", Duration::from_secs(5), async || {
            share.edge.metrics().await.get("links") == 1.0
        })
        .await;
        still_good(&share).await;
    }
    assert!(wrong.is_empty(), "not closed with {PROTOCOL}: {wrong:#?}");
}

/// Many times, for what wakes whom at the end of the link depends on the moment.
#[tokio::test]
async fn endless_control_messages_close_the_link() {
    let share = echo().await;
    let flood = encoded(&Frame::Control(Bytes::from_static(b"{\"type\":\"end\"}"))).repeat(1_000);
    for round in 0..10 {
        let mut host = FakeHost::start(share.edge.port(), &format!("flood-{round}")).await;
        host.raw(Message::Binary(flood.clone().into())).await.expect("the edge takes it");
        // It may begin with something good: the end of a session.
        assert!(matches!(host.closed().await, PROTOCOL | 4000));
        until("the link is gone", Duration::from_secs(5), async || {
            share.edge.metrics().await.get("links") == 1.0
        })
        .await;
    }
    still_good(&share).await;
}

#[tokio::test]
async fn messages_that_are_no_carrier_messages_close_the_link() {
    let share = echo().await;
    for (number, message) in [
        Message::Text("{\"type\":\"open\"}".into()),
        Message::Binary(vec![0; 70_000].into()),
        Message::Binary(vec![0; 8 << 20].into()),
        Message::Close(None),
    ]
    .into_iter()
    .enumerate()
    {
        let mut host = FakeHost::start(share.edge.port(), &format!("message-{number}")).await;
        // The edge may hang up while a large one is sent.
        let _ = host.raw(message).await;
        host.closed().await;
        until("the link is gone", Duration::from_secs(5), async || {
            share.edge.metrics().await.get("links") == 1.0
        })
        .await;
        still_good(&share).await;
    }
}

#[tokio::test]
async fn pings_without_end_do_not_fill_the_edge() {
    let share = echo().await;
    let mut host = FakeHost::start(share.edge.port(), "pings").await;
    let before = wingman_tests::process::memory(share.edge.pid());
    for round in 0..200 {
        host.send((0..1_000).map(|n| Frame::Ping(round * 1_000 + n))).await;
    }
    // Whatever it answers, or if it hangs up: it does not keep what it cannot send.
    still_good(&share).await;
    let grown = wingman_tests::process::memory(share.edge.pid()).saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes");
}

#[tokio::test]
async fn a_link_that_opens_no_session_is_closed() {
    let edge = EdgeOptions::default().set("timeouts.link_handshake", "500ms").start().await;
    let mut host = connect(edge.port(), handshake(edge.port())).await.expect("a link");
    assert_eq!(host.closed().await, PROTOCOL, "silent");
    let mut host = connect(edge.port(), handshake(edge.port())).await.expect("a link");
    host.control(&HostToEdge::End).await;
    assert_eq!(host.closed().await, PROTOCOL, "another message first");
    good_link(&edge).await;
}

#[tokio::test]
async fn a_second_open_message_closes_the_link() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start(edge.port(), "twice").await;
    host.control(&HostToEdge::Open(open(Some("other")))).await;
    assert_eq!(host.closed().await, PROTOCOL);
    good_link(&edge).await;
}

#[tokio::test]
async fn a_link_that_keeps_silent_is_given_up() {
    let edge = EdgeOptions::default()
        .set("timeouts.heartbeat_period", "300ms")
        .set("timeouts.heartbeat_deadline", "900ms")
        .start()
        .await;
    let _silent = FakeHost::start(edge.port(), "silent").await;
    // It does not read, so it answers no ping.
    until("the link is given up", Duration::from_secs(6), async || {
        let metrics = edge.metrics().await;
        metrics.get("links") == 0.0 && metrics.get("links_closed_total{reason=\"silent\"}") == 1.0
    })
    .await;
    good_link(&edge).await;
}

async fn good_link(edge: &Edge) {
    let mut host = FakeHost::start(edge.port(), "good").await;
    assert_eq!(edge.metrics().await.get("links"), 1.0);
    host.control(&HostToEdge::End).await;
    host.closed().await;
}
