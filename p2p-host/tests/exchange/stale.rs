//! Kept connections that the origin has closed: no request is lost, none is executed twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use wingman_host::exchange::ExchangeError;
use wingman_host::origin::{Options, Protocol};

use crate::origin::{Content, Origin, failure, get, read_head, request, soon, text};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Not to be sent twice, and over with its head.
fn post() -> http::Request<Content> {
    request("POST", "/", Content::Empty)
}

/// An origin whose connections answer one request and die while they take the second, and the
/// number of requests that reached it.
async fn dying() -> (Origin, Arc<AtomicUsize>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let origin = Origin::new(move |mut stream, _| {
        let count = Arc::clone(&count);
        async move {
            read_head(&mut stream).await;
            count.fetch_add(1, Ordering::SeqCst);
            stream.write_all(OK).await.expect("write");
            if !read_head(&mut stream).await.is_empty() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    (origin, requests)
}

fn http1() -> Options {
    Options { protocol: Protocol::Http1, ..Options::default() }
}

#[tokio::test]
async fn a_get_is_sent_again() {
    let (origin, requests) = dying().await;
    let service = origin.service_with(http1());
    assert_eq!(text(service.call(get("/1")).await.expect("first")).await, "ok");
    // At once: the connection is not trusted yet.
    assert_eq!(text(soon(service.call(get("/2"))).await.expect("second")).await, "ok");
    assert_eq!(origin.connections(), 2);
    assert_eq!(requests.load(Ordering::SeqCst), 3, "one was sent twice, which a GET allows");
}

#[tokio::test]
async fn a_post_waits_for_no_dying_connection() {
    let (origin, requests) = dying().await;
    let service = origin.service_with(http1());
    assert_eq!(text(service.call(get("/1")).await.expect("first")).await, "ok");
    assert_eq!(text(soon(service.call(post())).await.expect("second")).await, "ok");
    assert_eq!(origin.connections(), 2, "not on the connection that had just served");
    assert_eq!(requests.load(Ordering::SeqCst), 2, "and not twice");
}

#[tokio::test]
async fn a_post_is_never_executed_twice() {
    let (origin, requests) = dying().await;
    let service = origin.service_with(http1());
    text(service.call(get("/1")).await.expect("first")).await;
    // Now the connection is trusted, wrongly.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let error = failure(&service, post()).await;
    assert!(matches!(error, ExchangeError::OriginReset(_)), "{error:?}");
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn closed_connections_are_not_used() {
    let origin = Origin::new(|mut stream, _| async move {
        read_head(&mut stream).await;
        stream.write_all(OK).await.expect("write");
    })
    .await;
    let service = origin.service_with(http1());
    for number in 0..30 {
        let request = if number % 2 == 0 { get("/") } else { post() };
        let response = soon(service.call(request)).await.expect("response");
        assert_eq!(text(response).await, "ok");
    }
    assert_eq!(origin.connections(), 30);
}

#[tokio::test]
async fn a_restarted_origin_is_found() {
    let origin = Origin::keeping(OK).await;
    let port = origin.address.port();
    let service = origin.service_with(http1());
    text(service.call(get("/")).await.expect("first")).await;
    // The same port, another listener: as after a restart. SO_REUSEPORT is not set, so it has to
    // be the other family.
    let second = Origin::on(&format!("[::1]:{port}"), |mut stream, _| async move {
        read_head(&mut stream).await;
        stream.write_all(OK).await.expect("write");
    })
    .await;
    assert_eq!(text(soon(service.call(get("/"))).await.expect("second")).await, "ok");
    assert_eq!(second.connections(), 0, "the kept connection still serves");
}
