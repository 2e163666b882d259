//! Between the origin's side of an exchange and the frames of its carrier.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use wingman_link::Exchange;
use wingman_mux::Incoming;
use wingman_wire::{
    code::{Blame, ResetCode},
    head::{self, ResponseHead},
};

use super::{
    OriginContent, classify_body_error,
    content::Content,
    progress::{Failed, Progress},
};

/// Bytes read from an upgraded connection at once.
const UPGRADED_READ: usize = 16 * 1024;

/// How long the origin's client may take to hand over an upgraded connection.
const UPGRADE_DEADLINE: Duration = Duration::from_secs(10);

/// One piece of a response, as it is sent.
pub(super) enum Piece {
    Data(Bytes),
    /// Encoded field lines.
    Trailers(Bytes),
}

/// The next piece of the origin's content; `None` at its end.
pub(super) async fn next_piece(content: &mut OriginContent) -> Option<Result<Piece, Failed>> {
    loop {
        let frame =
            std::future::poll_fn(|context| Pin::new(&mut *content).poll_frame(context)).await?;
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return Some(Err(Failed::origin(classify_body_error(error)))),
        };
        match frame.into_data().map_err(Frame::into_trailers) {
            Ok(data) if data.is_empty() => {}
            Ok(data) => return Some(Ok(Piece::Data(data))),
            Err(Ok(fields)) => {
                let mut out = BytesMut::new();
                put_fields(&mut out, &fields);
                return Some(Ok(Piece::Trailers(out.freeze())));
            }
            Err(Err(_)) => {}
        }
    }
}

/// Pulls the response content from the origin as fast as the carrier takes it.
pub(super) async fn download(
    mut content: OriginContent,
    exchange: &Exchange,
    mut gone: Pin<&mut impl Future<Output = Option<ResetCode>>>,
    bytes_out: &mut u64,
) -> Result<(), Failed> {
    let mut trailers = Bytes::new();
    // Known by its length: then the end leaves in the same message as the content.
    while !content.is_end_stream() {
        let piece = tokio::select! {
            biased;
            piece = next_piece(&mut content) => piece,
            code = &mut gone => return Err(Failed::ByPeer(code)),
        };
        match piece {
            None => break,
            Some(Err(failed)) => return Err(failed),
            Some(Ok(Piece::Trailers(fields))) => trailers = fields,
            Some(Ok(Piece::Data(mut data))) => {
                *bytes_out += data.len() as u64;
                exchange.send_data(&mut data).await.map_err(Failed::send)?;
            }
        }
    }
    exchange.finish(trailers).map_err(Failed::send)
}

/// Copies both directions of an upgraded connection, each to its own end.
pub(super) async fn upgraded(
    response: Response<OriginContent>,
    exchange: &Exchange,
    progress: &mut Progress,
) -> Result<(), Failed> {
    let reset = |reason: String| Failed::Ours {
        code: ResetCode::OriginReset,
        blame: Blame::Origin,
        reason,
    };
    let origin = match timeout(UPGRADE_DEADLINE, hyper::upgrade::on(response)).await {
        Ok(Ok(upgraded)) => upgraded,
        Ok(Err(error)) => return Err(reset(error.to_string())),
        Err(_) => return Err(reset("no upgraded connection in time".to_owned())),
    };
    let (mut from_origin, mut to_origin) = tokio::io::split(TokioIo::new(origin));
    let bytes_in = progress.bytes_in.clone();
    // Once the origin has said all it had to say, an end of the other direction is no failure, however it
    // comes: the visitor's side lets go of a connection that is over, and the origin may take no more.
    let said_all = AtomicBool::new(false);
    let up = async {
        let ended = loop {
            match exchange.read().await {
                Some(Incoming::Data(bytes)) => {
                    bytes_in.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    let written = async {
                        to_origin.write_all(&bytes).await?;
                        to_origin.flush().await
                    };
                    if let Err(error) = written.await {
                        break Err(reset(error.to_string()));
                    }
                }
                Some(Incoming::Finish { .. }) => {
                    // The origin may have closed first.
                    let _ = to_origin.shutdown().await;
                    return Ok(());
                }
                Some(Incoming::Reset(code)) => break Err(Failed::ByPeer(Some(code))),
                Some(Incoming::Head { .. }) | None => return Err(Failed::ByPeer(None)),
            }
        };
        if said_all.load(Ordering::Relaxed) { Ok(()) } else { ended }
    };
    let bytes_out = &mut progress.bytes_out;
    let down = async {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(UPGRADED_READ);
            let length = from_origin
                .read_buf(&mut buffer)
                .await
                .map_err(|error| reset(error.to_string()))?;
            if length == 0 {
                said_all.store(true, Ordering::Relaxed);
                return exchange.finish(Bytes::new()).map_err(Failed::send);
            }
            *bytes_out += length as u64;
            let mut bytes = buffer.split().freeze();
            exchange.send_data(&mut bytes).await.map_err(Failed::send)?;
        }
    };
    tokio::try_join!(up, down).map(|((), ())| ())
}

/// Looks whether content is on its way; an origin must not be sent empty chunked content.
pub(super) fn first_content(exchange: &Arc<Exchange>, pulled: &Arc<AtomicU64>) -> Content {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let ahead = match exchange.poll_read(&mut context) {
        std::task::Poll::Ready(Some(Incoming::Finish { trailers })) if trailers.is_empty() => {
            return Content::Empty;
        }
        std::task::Poll::Ready(item) => item,
        std::task::Poll::Pending => None,
    };
    Content::Pulled { exchange: exchange.clone(), ahead, pulled: pulled.clone() }
}

pub(super) fn encode_head(status: StatusCode, fields: &HeaderMap) -> Bytes {
    let mut out = BytesMut::with_capacity(512);
    ResponseHead::put(&mut out, status.as_u16());
    put_fields(&mut out, fields);
    out.freeze()
}

fn put_fields(out: &mut BytesMut, fields: &HeaderMap) {
    for (name, value) in fields {
        head::put_field(out, name.as_str().as_bytes(), value.as_bytes());
    }
}
