//! Whether a visitor is still there while the edge does not read from it.
//!
//! Reading would tell, but there are three states in which there is no reading: a piece of the upload waits
//! for credit, the visitor has ended its half of an upgraded connection, or it has sent the beginning of its
//! next request, which Pingora keeps without reading on (pingora-core 0.9.1, v1/server.rs
//! `read_body_or_idle`). For HTTP/1 the kernel is asked now and then; HTTP/2 tells by itself.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use pingora::{
    Error, ErrorType,
    protocols::{SocketDigest, http::ServerSession},
};

/// Between two looks at a connection.
pub(super) const PERIOD: Duration = Duration::from_secs(5);

/// What is expected of a visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attention {
    /// More content.
    Content,
    /// Nothing but its end: the request is whole.
    Idle,
    /// Nothing may be read.
    Presence,
}

/// What comes from the visitor, or the error that it is gone. Cancel-safe.
pub(super) async fn attend(
    session: &mut ServerSession,
    attention: Attention,
) -> Result<Option<Bytes>, Box<Error>> {
    match (attention, session) {
        (Attention::Presence, ServerSession::H2(stream)) => {
            let reason = stream.idle().await?;
            Err(Error::explain(ErrorType::ConnectionClosed, format!("reset: {reason}")))
        }
        (Attention::Presence, _) => std::future::pending().await,
        (attention, session) => session.read_body_or_idle(attention == Attention::Idle).await,
    }
}

/// Whether the connection of an HTTP/1 visitor is over; when it is `half_closed` its half is, as known.
pub(super) fn has_left(session: &ServerSession, half_closed: bool) -> bool {
    let info = socket(session).and_then(|socket| socket.tcp_info());
    match info.map(|info| info.tcpi_state) {
        None | Some(TCP_ESTABLISHED) => false,
        Some(TCP_CLOSE_WAIT) => !half_closed,
        Some(_) => true,
    }
}

/// The socket of an HTTP/1 visitor. That of HTTP/2 belongs to another task, which may have closed it.
pub(super) fn socket(session: &ServerSession) -> Option<Arc<SocketDigest>> {
    match session {
        ServerSession::H1(connection) => connection.digest().socket_digest.clone(),
        _ => None,
    }
}

/// How many bytes the visitor has taken so far.
pub(super) fn taken(socket: Option<&SocketDigest>) -> Option<u64> {
    Some(socket?.tcp_info()?.tcpi_bytes_acked)
}

// include/net/tcp_states.h
const TCP_ESTABLISHED: u8 = 1;
const TCP_CLOSE_WAIT: u8 = 8;
