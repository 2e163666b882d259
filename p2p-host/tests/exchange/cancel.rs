//! A visitor that goes away takes the origin's work with it.

use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::origin::*;

/// An origin that says when it has the request and when its connection ends.
async fn watched(answer: &'static [u8]) -> (Origin, mpsc::Receiver<&'static str>) {
    let (sender, receiver) = mpsc::channel(4);
    let origin = Origin::new(move |mut stream, _| {
        let sender = sender.clone();
        async move {
            if read_head(&mut stream).await.is_empty() {
                return;
            }
            stream.write_all(answer).await.expect("write");
            sender.send("request").await.expect("test waits");
            let mut buffer = [0; 64];
            while !matches!(stream.read(&mut buffer).await, Ok(0) | Err(_)) {}
            sender.send("closed").await.expect("test waits");
        }
    })
    .await;
    (origin, receiver)
}

#[tokio::test]
async fn dropping_the_future_closes_the_connection() {
    let (origin, mut events) = watched(b"").await;
    let service = origin.service();
    let exchange = tokio::spawn(async move { service.call(get("/")).await });
    assert_eq!(soon(events.recv()).await, Some("request"));
    exchange.abort();
    assert_eq!(soon(events.recv()).await, Some("closed"));
}

#[tokio::test]
async fn dropping_the_content_closes_the_connection() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\n\r\nfirst"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfirst",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
    ] {
        let (origin, mut events) = watched(answer).await;
        let service = origin.service();
        let mut response = soon(service.call(get("/"))).await.expect("response");
        soon(response.body_mut().frame()).await.expect("frame").expect("data");
        assert_eq!(soon(events.recv()).await, Some("request"));
        drop(response);
        assert_eq!(soon(events.recv()).await, Some("closed"));
    }
}

#[tokio::test]
async fn dropping_amid_an_upload_closes_the_connection() {
    let (origin, mut events) = watched(b"").await;
    let service = origin.service();
    let (sender, content) = Content::stream();
    let exchange = tokio::spawn(async move { service.call(request("POST", "/", content)).await });
    assert_eq!(soon(events.recv()).await, Some("request"));
    exchange.abort();
    assert_eq!(soon(events.recv()).await, Some("closed"));
    soon(sender.closed()).await;
}

#[tokio::test]
async fn a_stuck_echo_is_torn_down() {
    let (sender, mut events) = mpsc::channel(1);
    let origin = Origin::new(move |mut stream, _| {
        let sender = sender.clone();
        async move {
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("write");
            let (mut read, mut write) = stream.split();
            // Ends only with an error: each side waits for the other to read.
            let _ = tokio::io::copy(&mut read, &mut write).await;
            sender.send("closed").await.expect("test waits");
        }
    })
    .await;
    let (sender, content) = Content::stream();
    let service = origin.service();
    let response = soon(service.call(request("POST", "/", content))).await.expect("head");
    let piece = Bytes::from(vec![0; 64 * 1024]);
    // Until nothing moves any more.
    let send = || sender.send(Ok(Frame::data(piece.clone())));
    while tokio::time::timeout(Duration::from_millis(300), send()).await.is_ok() {}
    drop(response);
    soon(sender.closed()).await;
    assert_eq!(soon(events.recv()).await, Some("closed"));
}

#[tokio::test]
async fn an_unwanted_upload_ends_with_the_answer() {
    let answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
    let (origin, mut events) = watched(answer).await;
    let service = origin.service();
    let (sender, content) = Content::stream();
    let response = soon(service.call(request("POST", "/", content))).await.expect("head");
    assert_eq!(response.status(), 413);
    assert_eq!(soon(events.recv()).await, Some("request"));
    drop(response);
    soon(sender.closed()).await;
    assert_eq!(soon(events.recv()).await, Some("closed"));
}

#[tokio::test]
async fn idle_connections_are_closed_before_node_would() {
    let (origin, mut events) = watched(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    let service = origin.service();
    service.call(get("/")).await.expect("response");
    assert_eq!(soon(events.recv()).await, Some("request"));
    let start = std::time::Instant::now();
    assert_eq!(soon(events.recv()).await, Some("closed"));
    let idle = start.elapsed();
    assert!(idle < Duration::from_millis(4_900), "{idle:?}");
    assert!(idle > Duration::from_millis(3_000), "{idle:?}");
}
