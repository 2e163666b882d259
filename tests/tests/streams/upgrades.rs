//! Upgraded connections: bytes in both directions, each with its own end.

use std::time::Duration;

use tokio::net::TcpStream;
use wingman_tests::{OriginConnection, Share, Wire, soon, until, within, ws};

const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// An upgraded connection, after both ends have seen the 101. `early` bytes of each side travel with
/// the handshake, in the same segment.
async fn upgraded(early: bool) -> (Share, Wire<TcpStream>, OriginConnection) {
    let (share, mut handed) = Share::handing_over().await;
    let mut visitor = share.visit().await;
    let ahead = |text| if early { text } else { "" };
    visitor.send(share.request("GET /socket", HANDSHAKE) + ahead("from visitor")).await;
    let (mut origin, head) = handed.next().await;
    assert_eq!(head.get("upgrade"), Some("websocket"));
    assert!(head.get("connection").is_some_and(|value| value.eq_ignore_ascii_case("upgrade")));
    origin.send(ws::switching(&head, "X-Extra: 1\r\n") + ahead("from origin")).await;
    let switched = soon(visitor.head()).await.expect("whole").expect("a head");
    assert_eq!(switched.status(), Some(101));
    assert_eq!(switched.get("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(switched.get("x-extra"), Some("1"));
    (share, visitor, origin)
}

async fn expect(wire: &mut Wire<TcpStream>, bytes: &str) {
    match soon(wire.read_exact(bytes.len())).await {
        Ok(got) => assert_eq!(String::from_utf8_lossy(&got), bytes),
        Err(error) => panic!("{bytes:?} does not come: {error}"),
    }
}

#[tokio::test]
async fn bytes_flow_both_ways_at_once() {
    let (_share, mut visitor, mut origin) = upgraded(false).await;
    for _ in 0..10 {
        origin.send("ping").await;
        expect(&mut visitor, "ping").await;
        visitor.send("pong\0\r\n").await;
        expect(&mut origin, "pong\0\r\n").await;
    }
}

#[tokio::test]
async fn bytes_right_behind_the_handshake_are_not_lost() {
    let (_share, mut visitor, mut origin) = upgraded(true).await;
    expect(&mut origin, "from visitor").await;
    expect(&mut visitor, "from origin").await;
}

#[tokio::test]
async fn the_visitor_can_finish_first() {
    let (share, mut visitor, mut origin) = upgraded(false).await;
    visitor.send("last words").await;
    visitor.finish().await;
    expect(&mut origin, "last words").await;
    assert!(soon(origin.read()).await.expect("ends in order").is_empty());
    for _ in 0..3 {
        origin.send("still talking").await;
        expect(&mut visitor, "still talking").await;
    }
    drop(origin);
    assert!(soon(visitor.read()).await.expect("ends in order").is_empty());
    over(&share).await;
}

#[tokio::test]
async fn the_origin_can_finish_first() {
    let (share, mut visitor, mut origin) = upgraded(false).await;
    origin.send("last words").await;
    origin.finish().await;
    expect(&mut visitor, "last words").await;
    assert!(soon(visitor.read()).await.expect("ends in order").is_empty());
    for _ in 0..3 {
        visitor.send("still talking").await;
        expect(&mut origin, "still talking").await;
    }
    drop(visitor);
    assert!(soon(origin.read()).await.expect("ends in order").is_empty());
    over(&share).await;
}

#[tokio::test]
async fn a_visitor_that_dies_is_noticed() {
    let (share, visitor, mut origin) = upgraded(false).await;
    visitor.abort();
    within(Duration::from_secs(1), origin.closed()).await;
    over(&share).await;
}

#[tokio::test]
async fn an_origin_that_dies_is_noticed() {
    let (share, mut visitor, origin) = upgraded(false).await;
    origin.into_wire().abort();
    within(Duration::from_secs(1), visitor.closed()).await;
    over(&share).await;
}

async fn over(share: &Share) {
    until("the edge forgets it", Duration::from_secs(2), async || {
        let now = share.edge.metrics().await;
        now.get("upgrades") == 0.0 && now.get("streams") == 0.0
    })
    .await;
}
