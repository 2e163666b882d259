//! Visitors that take their time.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use wingman_tests::{EdgeOptions, HostOptions, Share, until};

use super::stage::{error, is_closed, settled};

async fn impatient() -> Share {
    let edge = EdgeOptions::default()
        .set("timeouts.request_head", "1s")
        .set("timeouts.keepalive_idle", "1s")
        .set("timeouts.request_content_idle", "1s");
    Share::with(edge, HostOptions::default(), |mut connection| async move {
        while let Some(head) = connection.request().await {
            if connection.content(&head, false).await.is_err() {
                return;
            }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    })
    .await
}

#[tokio::test]
async fn a_head_that_trickles_is_cut_at_its_deadline() {
    let share = impatient().await;
    let mut visitor = share.visit().await;
    let began = Instant::now();
    let head = share.request("GET /", &"X-A: a\r\n".repeat(100));
    let trickle = async {
        for byte in head.as_bytes() {
            if visitor.try_send([*byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    trickle.await;
    let took = began.elapsed();
    assert!(Duration::from_secs(1) < took && took < Duration::from_secs(8), "{took:?}");
    assert!(is_closed(&mut visitor).await);
    assert_eq!(share.get("/").await.text(), "ok");
    assert_eq!(share.origin.requests(), 1, "the slow one never came");
    settled(&share.edge).await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let share = impatient().await;
    let mut silent = share.visit().await;
    let mut used = share.visit().await;
    used.send(share.request("GET /", "")).await;
    assert_eq!(used.response(false).await.expect("an answer").text(), "ok");
    let before = share.edge.metrics().await.get("visitor_connections");
    assert!(is_closed(&mut silent).await, "from the beginning");
    assert!(is_closed(&mut used).await, "after a request");
    until("connections are gone", Duration::from_secs(5), async || {
        share.edge.metrics().await.get("visitor_connections") <= before - 2.0
    })
    .await;
}

#[tokio::test]
async fn content_that_pauses_too_long_is_answered_408() {
    let share = impatient().await;
    let mut visitor = share.visit().await;
    visitor.send(share.request("POST /slow", "Content-Length: 10\r\n") + "half").await;
    let answer = visitor.response(false).await.expect("an answer");
    assert_eq!((answer.status(), error(&answer)), (408, "request-timeout"));
    assert!(is_closed(&mut visitor).await);
    settled(&share.edge).await;
}

#[tokio::test]
async fn content_that_is_slow_but_moves_is_served() {
    let share = impatient().await;
    let mut visitor = share.visit().await;
    visitor.send(share.request("POST /steady", "Content-Length: 8\r\n")).await;
    // Longer in all than the pause that is allowed.
    for byte in b"abcdefgh" {
        sleep(Duration::from_millis(300)).await;
        visitor.send([*byte]).await;
    }
    assert_eq!(visitor.response(false).await.expect("an answer").text(), "ok");
    settled(&share.edge).await;
}

#[tokio::test]
async fn a_visitor_that_leaves_amid_its_content_leaves_nothing() {
    let share = impatient().await;
    for _ in 0..10 {
        let mut visitor = share.visit().await;
        visitor.send(share.request("POST /left", "Content-Length: 100000\r\n") + "half").await;
        visitor.abort();
    }
    settled(&share.edge).await;
    assert_eq!(share.get("/").await.text(), "ok");
    until("the origin is left alone", Duration::from_secs(10), async || share.origin.open() <= 2)
        .await;
}
