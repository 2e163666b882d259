//! How a link's WebSocket ends, whatever its peer does.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::{io::DuplexStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role as Side},
};
use wingman_link::{Closed, Link, drive, websocket_config};
use wingman_mux::{Config, Role};
use wingman_wire::code::CloseCode;

/// A link and its peer's socket, with so much room between them.
async fn link(
    room: usize,
) -> (Link, tokio::task::JoinHandle<Closed>, WebSocketStream<DuplexStream>) {
    let (ours, theirs) = tokio::io::duplex(room);
    let config = Some(websocket_config());
    let ours = WebSocketStream::from_raw_socket(ours, Side::Server, config).await;
    let theirs = WebSocketStream::from_raw_socket(theirs, Side::Client, config).await;
    let mut config = Config::new(Role::Acceptor);
    // Not what ends it here.
    config.heartbeat.deadline = Duration::from_secs(600);
    let link = Link::new(config);
    let driver = tokio::spawn(drive(ours, link.clone()));
    (link, driver, theirs)
}

#[tokio::test]
async fn what_was_said_before_a_close_arrives_before_it() {
    let (link, driver, mut peer) = link(1024).await;
    for _ in 0..10 {
        link.send_control(vec![b'x'; 1_000]);
    }
    link.close(CloseCode::Ended, "");
    let mut received = 0;
    let code = loop {
        match peer.next().await {
            Some(Ok(Message::Binary(bytes))) => received += bytes.len(),
            Some(Ok(Message::Close(Some(frame)))) => break u16::from(frame.code),
            other => panic!("{other:?}"),
        }
    };
    assert!(received > 10_000, "{received}");
    assert_eq!(code, CloseCode::Ended.to_wire());
    // The peer's answer goes out with its next look at the socket.
    assert!(peer.next().await.is_none_or(|message| message.is_err()));
    assert_eq!(driver.await.expect("no panic"), Closed::Locally(CloseCode::Ended));
}

#[tokio::test]
async fn a_peer_that_takes_nothing_does_not_keep_it() {
    let (link, driver, peer) = link(1024).await;
    link.send_control(vec![b'x'; 10_000]);
    // The driver is stuck before it hears that it is to close.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!driver.is_finished());
    link.close(CloseCode::Ended, "");
    let closed = timeout(Duration::from_secs(10), driver).await.expect("in time");
    assert_eq!(closed.expect("no panic"), Closed::Locally(CloseCode::Ended));
    drop(peer);
}
