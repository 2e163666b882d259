//! Taking a connection away from Pingora after the 101, to speak WebSocket on it ourselves.
//!
//! Pingora offers no such thing, but its session's downstream is a public field: we put a spent
//! stand-in there, which Pingora then finds answered and closes, and keep the real stream with no
//! timeouts and no copies in between.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pingora::{
    Error, ErrorType,
    http::ResponseHeader,
    protocols::{
        Stream,
        http::ServerSession,
        l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream},
    },
    proxy::Session,
    time::fast_timeout::fast_timeout,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Answers 101 with `fields` and takes the connection.
///
/// # Errors
/// The visitor is gone or does not read for `patience`, or the request did not come by HTTP/1.1.
pub(super) async fn steal(
    session: &mut Session,
    switching: ResponseHeader,
    patience: Duration,
) -> Result<Stream, Box<Error>> {
    if session.as_downstream().is_http2() {
        return Err(Error::explain(ErrorType::InternalError, "cannot take over HTTP/2"));
    }
    let write = session.as_downstream_mut().write_response_header(Box::new(switching));
    fast_timeout(patience, write)
        .await
        .map_err(|_| Error::explain(ErrorType::WriteTimedout, "a 101 is not read"))??;
    let stand_in =
        pingora::protocols::l4::stream::Stream::from(VirtualSocketStream::new(Box::new(Spent {
            unread: REQUEST,
        })));
    let mut stand_in = ServerSession::new_http1(Box::new(stand_in));
    stand_in.read_request().await?;
    match std::mem::replace(&mut *session.downstream_session, stand_in) {
        ServerSession::H1(taken) => Ok(taken.into_inner()),
        _ => Err(Error::explain(ErrorType::InternalError, "not an HTTP/1 connection")),
    }
}

/// What the stand-in was "asked": HTTP/1.0 without keep-alive, so Pingora closes it.
const REQUEST: &[u8] = b"GET / HTTP/1.0\r\nHost: spent\r\n\r\n";

/// A connection on which one request came and nothing else will.
#[derive(Debug)]
struct Spent {
    unread: &'static [u8],
}

impl AsyncRead for Spent {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = self.unread.len().min(buffer.remaining());
        let (now, later) = self.unread.split_at(length);
        buffer.put_slice(now);
        self.unread = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Spent {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl VirtualSocket for Spent {
    fn set_socket_option(&self, _: VirtualSockOpt) -> io::Result<()> {
        Ok(())
    }
}
