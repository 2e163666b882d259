//! Origins of HTTP/2 without TLS.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use wingman_host::origin::{Options, Protocol};

use crate::origin::*;

type Frames = futures_util::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>;

/// Answers with what it was asked, and a trailer.
pub(crate) async fn answer(
    request: http::Request<hyper::body::Incoming>,
) -> Result<Response<StreamBody<Frames>>, hyper::Error> {
    let asked = format!("{:?} {} {}", request.version(), request.method(), request.uri());
    let sent = request.into_body().collect().await?;
    let sum = sent.trailers().and_then(|trailers| trailers.get("x-sum")).cloned();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    if let Some(sum) = sum {
        trailers.insert("x-sum", sum);
    }
    let frames = vec![
        Ok(Frame::data(Bytes::from(asked + " "))),
        Ok(Frame::data(sent.to_bytes())),
        Ok(Frame::trailers(trailers)),
    ];
    let mut response = Response::new(StreamBody::new(futures_util::stream::iter(frames)));
    let location = HeaderValue::from_static("/next");
    response.headers_mut().insert("location", location);
    Ok(response)
}

async fn serve_http2(stream: TcpStream, _: usize) {
    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = builder.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

/// Serves both versions, as told by the client's first bytes.
async fn serve_both(stream: TcpStream, number: usize) {
    let mut first = [0; 3];
    let mut seen = 0;
    while seen < first.len() {
        match stream.peek(&mut first).await {
            Ok(0) | Err(_) => return,
            Ok(count) => seen = count,
        }
        tokio::task::yield_now().await;
    }
    if &first == b"PRI" {
        serve_http2(stream, number).await;
    } else {
        let builder = hyper::server::conn::http1::Builder::new();
        let _ = builder.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
    }
}

#[tokio::test]
async fn an_http2_origin_is_recognized() {
    let origin = Origin::new(serve_http2).await;
    for probe in [true, false] {
        let service = origin.service();
        if probe {
            service.client().probe().await.expect("probe");
        }
        let before = origin.connections();
        for _ in 0..5 {
            let response = soon(service.call(post("hello"))).await.expect("response");
            let content = soon(response.into_body().collect()).await.expect("content");
            assert_eq!(content.trailers().expect("trailers")["grpc-status"], "0");
            let port = origin.address.port();
            let asked = format!("HTTP/2.0 POST http://localhost:{port}/ hello");
            assert_eq!(content.to_bytes(), asked);
        }
        assert_eq!(origin.connections(), before + 1, "all on one connection");
    }
}

#[tokio::test]
async fn request_trailers_pass() {
    let origin = Origin::new(serve_http2).await;
    let service = origin.service_with(Options { protocol: Protocol::H2c, ..Options::default() });
    let (sender, content) = Content::stream();
    let exchange = tokio::spawn(async move { service.call(request("POST", "/", content)).await });
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("42"));
    sender.send(Ok(Frame::data(Bytes::from_static(b"x")))).await.expect("send");
    sender.send(Ok(Frame::trailers(trailers))).await.expect("send");
    drop(sender);
    let response = soon(exchange).await.expect("task").expect("response");
    let content = soon(response.into_body().collect()).await.expect("content");
    assert_eq!(content.trailers().expect("trailers")["x-sum"], "42");
}

#[tokio::test]
async fn grpc_goes_by_http2_and_the_rest_by_http1() {
    let origin = Origin::new(serve_both).await;
    let service = origin.service();
    service.client().probe().await.expect("probe");
    let plain = soon(service.call(get("/"))).await.expect("response");
    assert!(text(plain).await.starts_with("HTTP/1.1 GET"));
    let mut call = post("hello");
    call.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc+proto"));
    let called = soon(service.call(call)).await.expect("response");
    assert!(text(called).await.starts_with("HTTP/2.0 POST"));
}

#[tokio::test]
async fn a_new_connection_follows_a_closed_one() {
    let origin = Origin::new(|stream, number| async move {
        if number == 1 {
            let served = serve_http2(stream, number);
            let _ = tokio::time::timeout(std::time::Duration::from_millis(200), served).await;
        } else {
            serve_http2(stream, number).await;
        }
    })
    .await;
    let service = origin.service_with(Options { protocol: Protocol::H2c, ..Options::default() });
    soon(service.call(get("/"))).await.expect("first");
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    soon(service.call(post("x"))).await.expect("second");
    assert_eq!(origin.connections(), 2);
}

#[tokio::test]
async fn broken_off_content_is_the_visitors_fault() {
    let origin = Origin::new(serve_http2).await;
    let service = origin.service_with(Options { protocol: Protocol::H2c, ..Options::default() });
    let (sender, content) = Content::stream();
    let exchange =
        tokio::spawn(async move { failure(&service, request("POST", "/", content)).await });
    sender.send(Err("visitor gone".into())).await.expect("send");
    let error = exchange.await.expect("task");
    assert_eq!(error.blame(), wingman_host::exchange::Blame::Visitor, "{error:?}");
}

#[tokio::test]
async fn an_origin_of_http1_is_no_http2_origin() {
    let origin = Origin::closing("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let service = origin.service_with(Options { protocol: Protocol::H2c, ..Options::default() });
    let error = failure(&service, get("/")).await;
    assert_eq!(error.blame(), wingman_host::exchange::Blame::Origin, "{error:?}");
}
