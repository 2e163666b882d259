//! An app to share.

use std::{convert::Infallible, net::SocketAddr, pin::Pin, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

type Content = BoxBody<Bytes, Infallible>;

/// Starts it; it ends with the test.
pub(crate) async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(
                http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)),
            );
        }
    });
    address
}

/// `/hello`; `/bytes/N`; `/hash` of what is posted; `/slow`: a head, then nothing; `/visitor`: what the origin sees.
async fn answer(request: Request<Incoming>) -> Result<Response<Content>, Infallible> {
    let path = request.uri().path().to_owned();
    let content: Content = if path == "/hello" {
        Full::from("hello").boxed()
    } else if let Some(length) = path.strip_prefix("/bytes/") {
        let length = length.parse().expect("a number");
        let pieces = pattern(length).map(|piece| Ok(Frame::data(piece)));
        StreamBody::new(futures_util::stream::iter(pieces)).boxed()
    } else if path == "/hash" {
        let mut content = request.into_body();
        let mut hash = Sha256::new();
        while let Some(Ok(frame)) = next(&mut content).await {
            hash.update(frame.into_data().unwrap_or_default());
        }
        Full::from(hex(&hash.finalize())).boxed()
    } else if path == "/slow" {
        tokio::time::sleep(Duration::from_secs(600)).await;
        Full::from("late").boxed()
    } else {
        let mut response = Response::new(Full::from("nothing here").boxed());
        *response.status_mut() = StatusCode::NOT_FOUND;
        return Ok(response);
    };
    Ok(Response::new(content))
}

async fn next(content: &mut Incoming) -> Option<Result<Frame<Bytes>, hyper::Error>> {
    std::future::poll_fn(|context| Pin::new(&mut *content).poll_frame(context)).await
}

/// `length` bytes in pieces, each of them with its place in it, so that none can be lost, doubled or moved.
pub(crate) fn pattern(length: usize) -> impl Iterator<Item = Bytes> + Send + Sync {
    (0..length).step_by(PIECE).map(move |start| {
        let mut piece = vec![0x5a; PIECE.min(length - start)];
        let place = start.to_be_bytes();
        let count = place.len().min(piece.len());
        piece[..count].copy_from_slice(&place[..count]);
        Bytes::from(piece)
    })
}

/// The hash of [`pattern`].
pub(crate) fn pattern_hash(length: usize) -> String {
    let mut hash = Sha256::new();
    pattern(length).for_each(|piece| hash.update(piece));
    hex(&hash.finalize())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const PIECE: usize = 32 * 1024;
