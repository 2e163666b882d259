//! How responses are made.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::Stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio::time::{Duration, timeout};

/// Content of a response: whole, or produced as the connection asks for it.
pub(crate) type Content = UnsyncBoxBody<Bytes, Infallible>;
/// A finished response.
pub(crate) type Reply = Response<Content>;

/// A response with `content` of type `media_type`.
pub(crate) fn whole(
    status: StatusCode,
    media_type: &'static str,
    content: impl Into<Bytes>,
) -> Reply {
    let mut reply = Response::new(Full::new(content.into()).boxed_unsync());
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    reply
}

/// A plain-text response that ends with a line feed.
pub(crate) fn text(status: StatusCode, line: &str) -> Reply {
    whole(status, "text/plain; charset=utf-8", format!("{line}\n"))
}

/// `value` as JSON, never from a cache.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(encoded) => no_store(whole(status, "application/json", encoded)),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// A response without content.
pub(crate) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Full::default().boxed_unsync());
    *reply.status_mut() = status;
    reply
}

/// A redirect to `location`.
pub(crate) fn redirect(status: StatusCode, location: &str) -> Reply {
    match HeaderValue::from_str(location) {
        Ok(location) => with(empty(status), LOCATION, location),
        Err(_) => text(StatusCode::BAD_REQUEST, "not a usable location"),
    }
}

/// Content that is produced chunk by chunk, each sent as soon as it is there.
///
/// The stream is polled only while the connection has room, so it needs no queue of its own.
pub(crate) fn streamed<S>(media_type: &'static str, chunks: S) -> Reply
where
    S: Stream<Item = Bytes> + Send + 'static,
{
    use futures_util::StreamExt as _;
    let frames = chunks.map(|chunk| Ok(Frame::data(chunk)));
    let mut reply = Response::new(StreamBody::new(frames).boxed_unsync());
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    reply
}

/// `reply` with one more field line.
pub(crate) fn with(mut reply: Reply, name: HeaderName, value: HeaderValue) -> Reply {
    reply.headers_mut().append(name, value);
    reply
}

/// `reply` that no cache may keep.
pub(crate) fn no_store(reply: Reply) -> Reply {
    with(reply, CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

/// Reads content of at most `limit` bytes; the error is the response to give.
pub(crate) async fn collect(mut content: Incoming, limit: usize) -> Result<Vec<u8>, Reply> {
    let mut collected = Vec::new();
    while let Some(data) = next_data(&mut content).await? {
        if collected.len() + data.len() > limit {
            let line = format!("at most {limit} bytes, please");
            return Err(text(StatusCode::PAYLOAD_TOO_LARGE, &line));
        }
        collected.extend_from_slice(&data);
    }
    Ok(collected)
}

/// The next piece of content, `None` at its end; the error is the response to give.
pub(crate) async fn next_data(content: &mut Incoming) -> Result<Option<Bytes>, Reply> {
    loop {
        match timeout(CONTENT_DEADLINE, content.frame()).await {
            Err(_) => {
                return Err(text(StatusCode::REQUEST_TIMEOUT, "the content stopped coming"));
            }
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => {
                tracing::debug!(%error, "content broke off");
                return Err(text(StatusCode::BAD_REQUEST, "the content broke off"));
            }
            Ok(Some(Ok(frame))) => {
                // Trailers are of no use here.
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// How long a sender of content may be silent.
const CONTENT_DEADLINE: Duration = Duration::from_secs(60);
