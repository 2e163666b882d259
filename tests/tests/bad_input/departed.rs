//! Visitors that go away while the edge does not read from them.

use std::time::Duration;

use tokio::time::timeout;
use wingman_tests::{EdgeOptions, HostOptions, Share, soon, within, ws};

use super::stage::settled;

/// By when the edge has noticed: it looks every five seconds.
const NOTICED: Duration = Duration::from_secs(9);

const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test]
async fn with_the_beginning_of_another_request() {
    let (share, mut handed) = Share::handing_over().await;
    let mut visitor = share.visit().await;
    visitor.send(share.request("GET /silent", "")).await;
    let (mut origin, _) = handed.next().await;
    // Behind the first one, not together with it.
    visitor.send("G").await;
    drop(visitor);
    within(NOTICED, origin.closed()).await;
    settled(&share.edge).await;
}

#[tokio::test]
async fn with_an_upload_that_nobody_takes() {
    let (share, mut handed) = Share::handing_over().await;
    let mut visitor = share.visit().await;
    visitor.send(share.request("POST /", "Content-Length: 100000000\r\n")).await;
    let (mut origin, _) = handed.next().await;
    // Until everything on the way is full.
    let piece = vec![7; 64 * 1024];
    while let Ok(sent) = timeout(Duration::from_millis(500), visitor.try_send(&piece)).await {
        sent.expect("the edge is there");
    }
    visitor.abort();
    within(NOTICED, async {
        while share.edge.metrics().await.get("streams") > 0.0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon(origin.closed()).await;
    settled(&share.edge).await;
}

#[tokio::test]
async fn after_its_half_of_a_websocket() {
    let (share, mut handed) = Share::handing_over().await;
    let mut visitor = share.visit().await;
    visitor.send(share.request("GET /", HANDSHAKE)).await;
    let (mut origin, head) = handed.next().await;
    origin.send(ws::switching(&head, "")).await;
    soon(visitor.head()).await.expect("whole").expect("a head");
    visitor.finish().await;
    assert!(soon(origin.read()).await.expect("ends in order").is_empty());
    visitor.abort();
    within(NOTICED, async {
        while share.edge.metrics().await.get("upgrades") > 0.0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    settled(&share.edge).await;
}

/// Nobody can tell such a visitor from one that is gone.
#[tokio::test]
async fn half_a_websocket_may_not_be_silent_for_ever() {
    let edge = EdgeOptions::default().set("timeouts.request_content_idle", "1s");
    let (share, mut handed) = Share::handing_over_with(edge, HostOptions::default()).await;
    let mut visitor = share.visit().await;
    visitor.send(share.request("GET /", HANDSHAKE)).await;
    let (mut origin, head) = handed.next().await;
    origin.send(ws::switching(&head, "")).await;
    soon(visitor.head()).await.expect("whole").expect("a head");
    // A whole one may.
    assert!(timeout(Duration::from_secs(2), visitor.read()).await.is_err());
    visitor.finish().await;
    for _ in 0..4 {
        origin.send("still here").await;
        soon(visitor.read_exact(10)).await.expect("comes");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    within(Duration::from_secs(4), visitor.closed()).await;
    settled(&share.edge).await;
}
