//! Content that moves in both directions, and upgraded connections.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wingman_host::exchange::{Blame, ExchangeError, InvalidAnswer};
use wingman_host::origin::Options;

use crate::origin::*;

/// Reads until the text has come; all of it.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).ends_with(end) {
        seen.push(stream.read_u8().await.expect("more"));
    }
    String::from_utf8_lossy(&seen).into_owned()
}

fn data(bytes: &'static str) -> Result<Frame<Bytes>, BoxError> {
    Ok(Frame::data(Bytes::from_static(bytes.as_bytes())))
}

#[tokio::test]
async fn content_is_chunked_and_has_trailers() {
    let origin = Origin::new(|mut stream, _| async move {
        let head = read_head(&mut stream).await;
        let content = read_until(&mut stream, "0\r\nx-sum: 42\r\n\r\n").await;
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", content.len());
        stream.write_all((answer + &content).as_bytes()).await.expect("write");
    })
    .await;
    let (sender, content) = Content::stream();
    let mut request = request("POST", "/", content);
    request.headers_mut().insert("trailer", HeaderValue::from_static("X-Sum"));
    let service = origin.service();
    let exchange = tokio::spawn(async move { service.call(request).await });
    sender.send(data("hello")).await.expect("send");
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("42"));
    sender.send(Ok(Frame::trailers(trailers))).await.expect("send");
    let response = soon(exchange).await.expect("task").expect("response");
    assert_eq!(text(response).await, "5\r\nhello\r\n0\r\nx-sum: 42\r\n\r\n");
}

#[tokio::test]
async fn a_get_may_have_content() {
    let origin = Origin::new(|mut stream, _| async move {
        let head = read_head(&mut stream).await;
        assert!(head.starts_with("GET / "), "{head}");
        read_until(&mut stream, "5\r\nquery\r\n0\r\n\r\n").await;
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("write");
    })
    .await;
    let content = Content::Whole(Some(Bytes::from_static(b"query")));
    let response = soon(origin.service().call(request("GET", "/", content))).await;
    assert_eq!(response.expect("response").status(), 204);
}

#[tokio::test]
async fn both_directions_move_at_once() {
    let origin = Origin::new(|mut stream, _| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("write");
        for _ in 0..3 {
            read_until(&mut stream, "4\r\nping\r\n").await;
            stream.write_all(b"pong").await.expect("write");
        }
    })
    .await;
    let (sender, content) = Content::stream();
    let service = origin.service();
    let response = soon(service.call(request("POST", "/", content))).await.expect("head at once");
    let mut answer = response.into_body();
    for _ in 0..3 {
        sender.send(data("ping")).await.expect("send");
        let frame = soon(answer.frame()).await.expect("frame").expect("data");
        assert_eq!(frame.into_data().expect("data"), "pong");
    }
}

#[tokio::test]
async fn a_large_echo_is_whole() {
    const PIECES: usize = 500;
    const PIECE: usize = 16 * 1024;
    let origin = Origin::new(|mut stream, _| async move {
        read_head(&mut stream).await;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", PIECES * PIECE);
        stream.write_all(head.as_bytes()).await.expect("write");
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.expect("copy");
    })
    .await;
    let (sender, content) = Content::stream();
    let mut request = request("POST", "/", content);
    let length = HeaderValue::from(u64::try_from(PIECES * PIECE).expect("length"));
    request.headers_mut().insert("content-length", length);
    let feed = tokio::spawn(async move {
        for number in 0..PIECES {
            let byte = u8::try_from(number % 251).expect("byte");
            let piece = Bytes::from(vec![byte; PIECE]);
            sender.send(Ok(Frame::data(piece))).await.expect("send");
        }
    });
    let response = soon(origin.service().call(request)).await.expect("response");
    let echo = soon(response.into_body().collect()).await.expect("content").to_bytes();
    feed.await.expect("all sent");
    assert_eq!(echo.len(), PIECES * PIECE);
    let right = |(at, byte): (usize, &u8)| usize::from(*byte) == (at / PIECE) % 251;
    assert!(echo.iter().enumerate().all(right));
}

#[tokio::test]
async fn an_answer_may_come_before_the_content_is_sent() {
    let origin = Origin::new(|mut stream, _| async move {
        read_head(&mut stream).await;
        let answer = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig";
        stream.write_all(answer).await.expect("write");
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
    let (sender, content) = Content::stream();
    sender.send(data("first")).await.expect("send");
    let response = soon(origin.service().call(request("POST", "/", content))).await;
    let response = response.expect("response");
    assert_eq!(response.status(), 413);
    assert_eq!(soon(text(response)).await, "big");
}

#[tokio::test]
async fn broken_off_content_is_the_visitors_fault() {
    let origin = Origin::new(|mut stream, _| async move {
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
    let (sender, content) = Content::stream();
    let service = origin.service();
    let exchange =
        tokio::spawn(async move { failure(&service, request("POST", "/", content)).await });
    sender.send(data("part")).await.expect("send");
    sender.send(Err("visitor gone".into())).await.expect("send");
    let error = exchange.await.expect("task");
    assert!(matches!(error, ExchangeError::RequestContent(_)), "{error:?}");
    assert_eq!(error.blame(), Blame::Visitor);
}

#[tokio::test]
async fn content_shorter_than_its_length_is_the_visitors_fault() {
    let origin = Origin::new(|mut stream, _| async move {
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
    let mut request = post("short");
    request.headers_mut().insert("content-length", HeaderValue::from_static("50"));
    let error = failure(&origin.service(), request).await;
    assert!(matches!(error, ExchangeError::RequestContent(_)), "{error:?}");
}

fn upgrade(target: &str) -> http::Request<Content> {
    let mut request = get(target);
    request.headers_mut().insert("upgrade", HeaderValue::from_static("websocket"));
    request.headers_mut().insert("connection", HeaderValue::from_static("keep-alive, Upgrade"));
    request
}

const SWITCHING: &str =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";

#[tokio::test]
async fn an_upgraded_connection_is_a_byte_stream() {
    let origin = Origin::new(|mut stream, _| async move {
        let head = read_head(&mut stream).await;
        assert!(head.contains("upgrade: websocket\r\n"), "{head}");
        assert!(head.contains("connection: Upgrade\r\n"), "{head}");
        // The first bytes come in the same packet as the head.
        stream.write_all(format!("{SWITCHING}hello").as_bytes()).await.expect("write");
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.expect("copy");
        write.write_all(b"bye").await.expect("the other half is still open");
    })
    .await;
    let options = Options { head_deadline: Some(Duration::from_millis(300)), ..Options::default() };
    let response = soon(origin.service_with(options).call(upgrade("/"))).await.expect("response");
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()["upgrade"], "websocket");
    let upgraded = soon(hyper::upgrade::on(response)).await.expect("upgrade");
    let mut stream = TokioIo::new(upgraded);
    let mut buffer = [0; 5];
    soon(stream.read_exact(&mut buffer)).await.expect("read");
    assert_eq!(&buffer, b"hello");
    // Longer than the deadline for heads.
    tokio::time::sleep(Duration::from_millis(400)).await;
    stream.write_all(b"echo").await.expect("write");
    stream.shutdown().await.expect("half close");
    let mut rest = String::new();
    soon(stream.read_to_string(&mut rest)).await.expect("read");
    assert_eq!(rest, "echobye");
}

#[tokio::test]
async fn an_upgrade_may_be_refused() {
    let origin = Origin::closing("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
    let response = soon(origin.service().call(upgrade("/"))).await.expect("response");
    assert_eq!(response.status(), 403);
    assert_eq!(text(response).await, "no");
}

#[tokio::test]
async fn switching_unasked_is_invalid() {
    let origin = Origin::closing(SWITCHING).await;
    let error = failure(&origin.service(), get("/")).await;
    let unasked = ExchangeError::OriginInvalid(InvalidAnswer::UnaskedUpgrade);
    assert_eq!(format!("{error:?}"), format!("{unasked:?}"));
}
