//! Visitors that take their time.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use wingman_tests::{EdgeOptions, HostOptions, Share, Wire, h2, soon, until};

use super::stage::{error, is_closed, settled};

async fn impatient() -> Share {
    impatient_at(EdgeOptions::default()).await
}

async fn impatient_at(edge: EdgeOptions) -> Share {
    let edge = edge
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
async fn content_that_pauses_too_long_over_http2_is_answered_408() {
    let share = impatient_at(EdgeOptions::default().tls()).await;
    let mut sender = h2::connect(&share.edge, share.authority()).await;
    let post = http::Request::post(format!("https://{}/slow", share.authority()));
    let (response, mut content) =
        sender.send_request(post.body(()).expect("a request"), false).expect("is open");
    content.send_data("half".into(), false).expect("is open");
    let response = soon(response).await.expect("an answer");
    assert_eq!(response.status(), 408);
    assert_eq!(response.headers()["wingman-error"], "request-timeout");
    settled(&share.edge).await;
}

#[tokio::test]
async fn an_http2_connection_that_says_nothing_is_closed() {
    let share = impatient_at(EdgeOptions::default().tls()).await;
    let mut silent = Wire::new(h2::tls(&share.edge, share.authority(), &["h2"]).await);
    soon(silent.closed()).await;
    // One that is used lives on through pauses below the limit, and ends with a longer one.
    let mut sender = h2::connect(&share.edge, share.authority()).await;
    for _ in 0..4 {
        let get = http::Request::get(format!("https://{}/", share.authority()));
        let (response, _) =
            sender.send_request(get.body(()).expect("a request"), true).expect("is open");
        assert_eq!(soon(response).await.expect("an answer").status(), 200);
        sleep(Duration::from_millis(400)).await;
    }
    until("it is closed", Duration::from_secs(5), async || sender.clone().ready().await.is_err())
        .await;
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
