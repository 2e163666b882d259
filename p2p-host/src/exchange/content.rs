//! The request content of an exchange, as the origin's client pulls it.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use wingman_link::Exchange;
use wingman_mux::Incoming;
use wingman_wire::{code::ResetCode, head::FieldLines};

/// Content that comes over the carrier as fast as the origin takes it; credit follows from that.
#[derive(Debug)]
pub enum Content {
    /// There is none.
    Empty,
    /// It came before the request was sent on.
    Held(Bytes),
    /// Pulled from the exchange.
    Pulled {
        /// Where from.
        exchange: Arc<Exchange>,
        /// Read ahead to see whether there is any.
        ahead: Option<Incoming>,
        /// Bytes pulled so far, for the log.
        pulled: Arc<AtomicU64>,
    },
}

/// Why content broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// The exchange was reset.
    #[error("the request was reset: {0:?}")]
    Reset(ResetCode),
    /// The carrier was lost.
    #[error("the path to the visitor was lost")]
    PathLost,
    /// The peer's trailers are not field lines.
    #[error("malformed trailers")]
    Trailers,
}

impl Body for Content {
    type Data = Bytes;
    type Error = ContentError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ContentError>>> {
        let (exchange, ahead, pulled) = match &mut *self {
            Self::Empty => return Poll::Ready(None),
            Self::Held(content) => {
                let content = std::mem::take(content);
                *self = Self::Empty;
                return Poll::Ready(Some(Ok(Frame::data(content))));
            }
            Self::Pulled { exchange, ahead, pulled } => (exchange, ahead, pulled),
        };
        let item = match ahead.take() {
            Some(item) => Some(item),
            None => std::task::ready!(exchange.poll_read(context)),
        };
        match item {
            Some(Incoming::Data(content)) => {
                pulled.fetch_add(content.len() as u64, Ordering::Relaxed);
                Poll::Ready(Some(Ok(Frame::data(content))))
            }
            Some(Incoming::Finish { trailers }) => {
                *self = Self::Empty;
                if trailers.is_empty() {
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(
                    fields(FieldLines::new(trailers))
                        .map(Frame::trailers)
                        .ok_or(ContentError::Trailers),
                ))
            }
            Some(Incoming::Reset(code)) => {
                *self = Self::Empty;
                Poll::Ready(Some(Err(ContentError::Reset(code))))
            }
            // A second head is refused by the mux.
            Some(Incoming::Head { .. }) | None => {
                *self = Self::Empty;
                Poll::Ready(Some(Err(ContentError::PathLost)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Held(content) => SizeHint::with_exact(content.len() as u64),
            Self::Pulled { .. } => SizeHint::default(),
        }
    }
}

/// Field lines as a map; `None` when one of them is not HTTP.
pub(super) fn fields(lines: FieldLines) -> Option<HeaderMap> {
    let mut map = HeaderMap::with_capacity(16);
    for line in lines {
        let (name, value) = line.ok()?;
        map.append(
            HeaderName::from_bytes(&name).ok()?,
            HeaderValue::from_maybe_shared(value).ok()?,
        );
    }
    Some(map)
}
