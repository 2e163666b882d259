//! A session with a good origin, and the proof that an edge is as it was.

use std::time::Duration;

use wingman_tests::{Edge, Message, Share, Wire, until};

/// Answers every request with `echo METHOD TARGET LENGTH`.
pub(crate) async fn echo() -> Share {
    Share::of(|mut connection| async move {
        while let Some(head) = connection.request().await {
            let Ok((content, _)) = connection.content(&head, false).await else { return };
            let text = format!("echo {} {} {}", head.method(), head.target(), content.len());
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
            if connection.try_send(&answer).await.is_err() {
                return;
            }
        }
    })
    .await
}

/// A good request is answered, and no exchange, stream or upgrade is left on the edge.
pub(crate) async fn still_good(share: &Share) {
    assert_eq!(share.get("/good").await.text(), "echo GET /good 0");
    settled(&share.edge).await;
}

/// No exchange, stream or upgrade is left on the edge.
pub(crate) async fn settled(edge: &Edge) {
    until("nothing is left behind", Duration::from_secs(10), async || {
        let metrics = edge.metrics().await;
        ["exchanges_in_flight", "streams", "upgrades"].iter().all(|name| metrics.get(name) == 0.0)
    })
    .await;
}

/// Sends raw bytes on a connection of its own and takes what is answered; `None`: it was closed without
/// an answer.
pub(crate) async fn ask(edge: &Edge, bytes: impl AsRef<[u8]>) -> Option<Message> {
    let mut visitor = edge.visit().await;
    // An edge that refuses early may have closed already.
    let _ = visitor.try_send(bytes).await;
    visitor.response(false).await.ok()
}

/// The `Wingman-Error` of a response of the edge.
pub(crate) fn error(message: &Message) -> &str {
    message.head.get("wingman-error").unwrap_or("(none)")
}

/// Whether the peer closes after what it has sent.
pub(crate) async fn is_closed(visitor: &mut Wire<tokio::net::TcpStream>) -> bool {
    tokio::time::timeout(Duration::from_secs(5), visitor.closed()).await.is_ok()
}
