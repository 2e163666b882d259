//! Visitors that do not read what they asked for.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use wingman_tests::{EdgeOptions, HostOptions, Share, content, h2, soon};

use super::stage::settled;

/// An origin that sends as long as anybody reads, at an edge that waits for readers for a second.
async fn flood(edge: EdgeOptions) -> Share {
    let edge = edge.set("timeouts.response_content_idle", "1s");
    Share::with(edge, HostOptions::default(), |mut connection| async move {
        if connection.request().await.is_none() {
            return;
        }
        let _ = connection.try_send("HTTP/1.1 200 OK\r\n\r\n").await;
        let mut sent = 0_u64;
        loop {
            let piece = content::piece(sent, 64 * 1024);
            if connection.try_send(&piece).await.is_err() {
                return;
            }
            sent += piece.len() as u64;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_that_stops_reading_is_cut() {
    let share = flood(EdgeOptions::default()).await;
    let mut visitor = share.visit().await;
    visitor.send(share.request("GET /", "")).await;
    soon(visitor.head()).await.expect("whole").expect("a head");
    settled(&share.edge).await;
    // What was on its way, and then the end.
    soon(visitor.closed()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_that_stops_reading_over_http2_is_cut() {
    let share = flood(EdgeOptions::default().tls()).await;
    let mut sender = h2::connect(&share.edge, share.authority()).await;
    let get = || {
        let get = http::Request::get(format!("https://{}/", share.authority()));
        get.body(()).expect("a request")
    };
    let (response, _) = sender.send_request(get(), true).expect("is open");
    let mut stopped = soon(response).await.expect("a response").into_body();
    settled(&share.edge).await;
    // Only that stream: its connection is good for more.
    let (response, _) = sender.send_request(get(), true).expect("is open");
    assert_eq!(soon(response).await.expect("a response").status(), 200);
    soon(async {
        while let Some(piece) = stopped.data().await {
            match piece {
                Ok(piece) => stopped.flow_control().release_capacity(piece.len()).expect("ours"),
                Err(error) => {
                    assert!(error.is_reset(), "{error}");
                    return;
                }
            }
        }
        panic!("it looks complete");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_that_reads_slowly_is_served() {
    let share = flood(EdgeOptions::default()).await;
    let mut visitor = share.visit().await;
    visitor.send(share.request("GET /", "")).await;
    let began = Instant::now();
    // So slow that buffers are full for longer than the limit between two writes of the edge.
    while began.elapsed() < Duration::from_secs(6) {
        soon(visitor.read_exact(30_000)).await.expect("flows");
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(share.edge.metrics().await.get("streams"), 1.0);
    drop(visitor);
    settled(&share.edge).await;
}
