//! A response's content on its way from the origin, and the end of the connection with it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::task::AbortHandle;

use super::upload::Progress;

/// The content of an origin's response.
///
/// Dropping it before its end cancels the exchange at the origin. So does dropping it at its end
/// while the request's content is still being sent: nobody waits for what that would bring.
pub struct OriginContent {
    content: Incoming,
    ended: bool,
    lease: Lease,
}

impl OriginContent {
    pub(super) fn new(content: Incoming, lease: Lease) -> Self {
        Self { content, ended: false, lease }
    }
}

impl Body for OriginContent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.content).poll_frame(cx);
        match &polled {
            Poll::Ready(None) => self.ended = true,
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => self.ended = true,
            Poll::Ready(Some(Ok(_) | Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}

impl Drop for OriginContent {
    fn drop(&mut self) {
        if self.ended || self.content.is_end_stream() {
            self.lease.answered();
        }
    }
}

impl fmt::Debug for OriginContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OriginContent").field(&self.content).finish()
    }
}

/// An exchange's hold on its HTTP/1.1 connection: ends the connection if it is dropped early.
///
/// hyper closes by itself, but only after it has written what it holds. An origin that does not
/// read would keep the socket, the buffers and the visitor's content for as long as it likes; one
/// that echoes is stuck for good, each side waiting for the other to read.
#[derive(Debug)]
pub(super) struct Lease {
    /// `None`: over, or a stream of HTTP/2, which is reset by itself.
    connection: Option<AbortHandle>,
    upload: Option<Arc<Progress>>,
}

impl Lease {
    pub(super) fn new(connection: Option<AbortHandle>, upload: Option<Arc<Progress>>) -> Self {
        Self { connection, upload }
    }

    /// The connection goes on without the exchange.
    pub(super) fn release(&mut self) {
        self.connection = None;
    }

    fn answered(&mut self) {
        if self.upload.as_ref().is_none_or(|upload| upload.is_over()) {
            self.release();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.abort();
        }
    }
}
