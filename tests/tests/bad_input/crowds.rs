//! What one address may have at once, behind which there may be many.

use std::time::Duration;

use futures_util::future::select_all;
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};
use tokio_tungstenite::tungstenite::{Error, handshake::client::Request};
use wingman_tests::{Edge, EdgeOptions, HostOptions, Share, h2, soon, until};

use super::fake_host::{connect, handshake};

fn from(edge: &Edge, address: &str) -> Request {
    let mut request = handshake(edge.port());
    request.headers_mut().insert("x-forwarded-for", address.parse().expect("a value"));
    request
}

fn is_refused<T>(linked: Result<T, Error>) -> bool {
    matches!(linked, Err(Error::Http(response)) if response.status() == 429)
}

#[tokio::test]
async fn hosts_behind_a_trusted_proxy_are_told_apart() {
    let edge = EdgeOptions::default()
        .set("limits.links_per_address", "1")
        .set("trusted_proxies", "127.0.0.0/8");
    let edge = edge.start().await;
    let _one = connect(edge.port(), from(&edge, "192.0.2.1")).await.expect("a link");
    let _other = connect(edge.port(), from(&edge, "192.0.2.2")).await.expect("a link");
    assert!(is_refused(connect(edge.port(), from(&edge, "192.0.2.1")).await));
    // A household is one, whatever its machines are called today.
    let _home = connect(edge.port(), from(&edge, "2001:db8::1")).await.expect("a link");
    assert!(is_refused(connect(edge.port(), from(&edge, "2001:db8::1:2:3:4")).await));
}

#[tokio::test]
async fn hosts_that_name_another_address_are_not_believed() {
    let edge = EdgeOptions::default().set("limits.links_per_address", "1").start().await;
    let _one = connect(edge.port(), from(&edge, "192.0.2.1")).await.expect("a link");
    assert!(is_refused(connect(edge.port(), from(&edge, "192.0.2.2")).await));
}

#[tokio::test]
async fn connections_before_their_tls_handshake_are_counted() {
    let edge = EdgeOptions::default()
        .set("limits.visitor_connections_per_address", "2")
        .tls()
        .start()
        .await;
    let silent = async || {
        let stream = TcpStream::connect(("127.0.0.1", edge.https_port())).await;
        let mut stream = stream.expect("the edge listens");
        // An error is an end as well.
        let _ = stream.read(&mut [0]).await;
    };
    let three = [(); 3].map(|()| Box::pin(silent()));
    // Any of them may be the third.
    let ((), _, left) = soon(select_all(three)).await;
    // Those that have a place keep it, and give it back.
    assert!(timeout(Duration::from_secs(1), select_all(left)).await.is_err());
    until("their places are free again", Duration::from_secs(5), async || {
        timeout(Duration::from_millis(200), silent()).await.is_err()
    })
    .await;
    h2::tls(&edge, "localhost", &["h2"]).await;
}

#[tokio::test]
async fn visitors_of_a_proxy_that_ends_tls_came_by_https() {
    let edge = EdgeOptions::default().set("public_scheme", "https");
    let (share, mut handed) = Share::handing_over_with(edge, HostOptions::default()).await;
    let mut visitor = share.visit().await;
    visitor.send(share.request("GET /", "")).await;
    let (_origin, head) = handed.next().await;
    assert_eq!(head.get("x-forwarded-proto"), Some("https"));
}
