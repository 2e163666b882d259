//! A request's content on its way to the origin.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The content handed to hyper: the visitor's, watched, or none.
///
/// `None` exists apart from an ended `Stream` because a request without content can be sent again,
/// and then there is no `B` to make the second one from.
pub(super) enum Upload<B> {
    None,
    Stream { content: B, length: Option<u64>, progress: Arc<Progress> },
}

impl<B: Body> Upload<B> {
    /// The content and, where there is any, a view of its progress. `length` is what the head
    /// promises; content that is shorter or longer is an error, because hyper sends it as if
    /// nothing were wrong and leaves the origin waiting.
    pub(super) fn new(content: B, length: Option<u64>) -> (Self, Option<Arc<Progress>>) {
        if content.is_end_stream() {
            return (Self::None, None);
        }
        let progress = Arc::new(Progress::new());
        (Self::Stream { content, length, progress: Arc::clone(&progress) }, Some(progress))
    }
}

impl<B> Body for Upload<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::None => Poll::Ready(None),
            Self::Stream { content, length, progress } => {
                let polled = Pin::new(content).poll_frame(cx).map_err(Into::into);
                progress.record(polled.is_pending());
                let polled = match length {
                    Some(left) => polled.map(|frame| measure(frame, left)),
                    None => polled,
                };
                if let Poll::Ready(Some(Err(_))) = &polled {
                    progress.failed.store(true, Ordering::Relaxed);
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::None => true,
            Self::Stream { content, length, .. } => {
                matches!(length, None | Some(0)) && content.is_end_stream()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::None => SizeHint::with_exact(0),
            Self::Stream { content, .. } => content.size_hint(),
        }
    }
}

impl<B> Drop for Upload<B> {
    fn drop(&mut self) {
        if let Self::Stream { progress, .. } = self {
            progress.over.store(true, Ordering::Release);
        }
    }
}

/// Counts a frame against what is left of the length; `None` is the content's end.
fn measure(
    frame: Option<Result<Frame<Bytes>, BoxError>>,
    left: &mut u64,
) -> Option<Result<Frame<Bytes>, BoxError>> {
    let size = match &frame {
        Some(Ok(frame)) => frame.data_ref().map_or(0, |data| data.len() as u64),
        Some(Err(_)) => return frame,
        None if *left == 0 => return None,
        None => return Some(Err(WrongLength.into())),
    };
    match left.checked_sub(size) {
        Some(rest) => {
            *left = rest;
            frame
        }
        None => Some(Err(WrongLength.into())),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the content is shorter or longer than its Content-Length")]
struct WrongLength;

/// Whose turn it is in an upload, and since when.
///
/// The origin is blamed for silence only while it has all that the visitor gave: hyper asks for
/// content only when the connection takes more.
#[derive(Debug)]
pub(super) struct Progress {
    start: Instant,
    /// Milliseconds since `start`, shifted by one; the low bit says that the visitor's content is
    /// waited for. One atomic, so that both are read together.
    state: AtomicU64,
    failed: AtomicBool,
    over: AtomicBool,
}

/// What [`Progress`] saw last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// More content is waited for: the visitor's turn.
    Visitor,
    /// All content so far was taken at this time: the origin's turn.
    Origin(Instant),
}

impl Progress {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            state: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            over: AtomicBool::new(false),
        }
    }

    fn record(&self, waiting_for_visitor: bool) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX >> 1);
        self.state.store((millis << 1) | u64::from(waiting_for_visitor), Ordering::Relaxed);
    }

    /// Whether the visitor's content ended in an error.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Whether hyper has let go of the content: all of it is written, or none of it is wanted.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    pub(super) fn turn(&self) -> Turn {
        let state = self.state.load(Ordering::Relaxed);
        match state & 1 {
            1 => Turn::Visitor,
            _ => Turn::Origin(self.start + Duration::from_millis(state >> 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use http_body_util::{BodyExt, Empty, Full, StreamBody};

    #[test]
    fn no_content_is_known_at_once() {
        let (upload, progress) = Upload::new(Empty::<Bytes>::new(), None);
        assert!(matches!(upload, Upload::None) && progress.is_none());
        assert!(upload.is_end_stream());
        let (upload, progress) = Upload::new(Full::new(Bytes::from_static(b"abc")), None);
        assert!(progress.is_some());
        assert_eq!(upload.size_hint().exact(), Some(3));
    }

    #[tokio::test]
    async fn content_must_have_its_length() {
        for (length, fits) in [(2, false), (3, true), (4, false)] {
            let content = Full::new(Bytes::from_static(b"abc"));
            let (upload, progress) = Upload::new(content, Some(length));
            assert_eq!(upload.collect().await.is_ok(), fits, "{length}");
            assert_eq!(progress.expect("content").has_failed(), !fits, "{length}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn turns_follow_the_content() {
        let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, BoxError>>(1);
        let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|item| (item, receiver))
        });
        let (mut upload, progress) = Upload::new(StreamBody::new(Box::pin(stream)), None);
        let progress = progress.expect("content");
        let start = Instant::now();
        assert_eq!(progress.turn(), Turn::Origin(start));
        assert!(upload.frame().now_or_never().is_none());
        assert_eq!(progress.turn(), Turn::Visitor);
        tokio::time::advance(Duration::from_secs(7)).await;
        sender.send(Ok(Frame::data(Bytes::from_static(b"x")))).await.expect("send");
        upload.frame().await.expect("frame").expect("data");
        assert_eq!(progress.turn(), Turn::Origin(start + Duration::from_secs(7)));
    }
}
