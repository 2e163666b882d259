//! WebSockets: both ends.

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        client::IntoClientRequest,
        handshake::{client, derive_accept_key},
        protocol::Role,
    },
};

use crate::{
    edge::Edge,
    host::Host,
    time::soon,
    wire::{Head, Wire},
};

/// Connects a visitor's WebSocket, with these extra request fields.
///
/// # Errors
/// The handshake was refused; an HTTP error has the response.
pub async fn connect(
    edge: &Edge,
    host: &Host,
    path: &str,
    fields: &[(&'static str, &str)],
) -> Result<(WebSocketStream<TcpStream>, client::Response), tokio_tungstenite::tungstenite::Error> {
    let url = format!("ws://{}{path}", host.authority());
    let mut request = url.into_client_request().expect("a URL");
    for (name, value) in fields {
        request.headers_mut().append(*name, value.parse().expect("a value"));
    }
    let stream = soon(TcpStream::connect(("127.0.0.1", edge.port()))).await;
    soon(client_async(request, stream.expect("the edge listens"))).await
}

/// The origin's end: answers the handshake in `head` with 101 and these extra lines (each with its
/// CRLF), and speaks WebSocket from then on.
pub async fn accept<S>(mut wire: Wire<S>, head: &Head, fields: &str) -> WebSocketStream<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    wire.send(switching(head, fields)).await;
    let (stream, ahead) = wire.into_parts();
    WebSocketStream::from_partially_read(stream, ahead.to_vec(), Role::Server, None).await
}

/// The 101 that answers the handshake in `head`.
pub fn switching(head: &Head, fields: &str) -> String {
    let key = head.get("sec-websocket-key").expect("is a handshake");
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{fields}\r\n"
    )
}
