//! Origins that refuse, break, stall and lie: each has its own error.

use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use wingman_host::exchange::{
    Blame, ExchangeError, InvalidAnswer, InvalidRequest, classify_body_error,
};
use wingman_host::origin::{ConnectError, Options, Protocol};

use crate::origin::*;

const SHORT: Duration = Duration::from_millis(300);

fn short() -> Options {
    Options { head_deadline: Some(SHORT), protocol: Protocol::Http1, ..Options::default() }
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("address").port();
    drop(listener);
    let service = service(&port.to_string(), Options::default());
    let probe = service.client().probe().await.expect_err("refused");
    assert_eq!(probe.to_string(), format!("nothing listens on localhost:{port}"));
    let error = failure(&service, get("/")).await;
    assert!(
        matches!(error, ExchangeError::OriginRefused(ConnectError::Refused { .. })),
        "{error:?}"
    );
    assert_eq!(error.blame(), Blame::Origin);
}

#[tokio::test]
async fn closing_without_an_answer() {
    let origin = Origin::closing("").await;
    for request in [get("/"), post("x")] {
        let error = failure(&origin.service(), request).await;
        assert!(matches!(error, ExchangeError::OriginReset(_)), "{error:?}");
    }
    // A fresh connection's failure is not repeated, not even for a GET.
    let service = origin.service_with(short());
    let before = origin.connections();
    failure(&service, get("/")).await;
    assert_eq!(origin.connections(), before + 1);
}

#[tokio::test]
async fn closing_amid_the_head() {
    let origin = Origin::closing("HTTP/1.1 200 OK\r\nContent-Le").await;
    let error = failure(&origin.service(), get("/")).await;
    assert!(matches!(error, ExchangeError::OriginReset(_)), "{error:?}");
}

#[tokio::test]
async fn garbage_is_invalid() {
    for garbage in [
        "hello world\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03",
    ] {
        let origin = Origin::closing(garbage).await;
        let error = failure(&origin.service(), get("/")).await;
        assert!(matches!(error, ExchangeError::OriginInvalid(_)), "{garbage:?}: {error:?}");
    }
}

#[tokio::test]
async fn an_endless_head_is_invalid() {
    let value = "v".repeat(300 * 1024);
    let lines = "X-Many: 1\r\n".repeat(500);
    for head in [format!("X: {value}\r\n"), lines] {
        let origin = Origin::closing(format!("HTTP/1.1 200 OK\r\n{head}\r\n")).await;
        let error = failure(&origin.service(), get("/")).await;
        assert!(
            matches!(error, ExchangeError::OriginInvalid(InvalidAnswer::Malformed(_))),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn content_that_breaks_off_is_an_error() {
    for (answer, malformed) in [
        ("Content-Length: 10\r\n\r\nhalf", false),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", false),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n", true),
    ] {
        let origin = Origin::closing(format!("HTTP/1.1 200 OK\r\n{answer}")).await;
        let response = soon(origin.service().call(get("/"))).await.expect("response");
        let mut content = response.into_body();
        let first = soon(content.frame()).await.expect("frame").expect("data");
        assert_eq!(first.into_data().expect("data"), "half");
        let error = soon(content.frame()).await.expect("frame").expect_err("broken");
        let error = classify_body_error(error);
        match malformed {
            false => assert!(matches!(error, ExchangeError::OriginCut(_)), "{error:?}"),
            true => assert!(matches!(error, ExchangeError::OriginInvalid(_)), "{error:?}"),
        }
    }
}

#[tokio::test]
async fn a_reset_amid_content_is_an_error() {
    let origin = Origin::new(|mut stream, _| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhalf").await.expect("write");
        tokio::time::sleep(Duration::from_millis(50)).await;
        // Closing with no linger sends RST.
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("linger");
    })
    .await;
    let response = soon(origin.service().call(get("/"))).await.expect("response");
    let error = soon(response.into_body().collect()).await.expect_err("no clean end");
    assert!(matches!(classify_body_error(error), ExchangeError::OriginCut(_)));
}

#[tokio::test]
async fn silence_runs_into_the_deadline() {
    let origin = Origin::new(|stream, _| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    for request in [get("/"), post("x")] {
        let error = failure(&origin.service_with(short()), request).await;
        assert!(matches!(error, ExchangeError::OriginTimeout { after: SHORT }), "{error:?}");
    }
}

#[tokio::test]
async fn an_upload_may_take_longer_than_the_deadline() {
    let origin = Origin::new(|mut stream, _| async move {
        read_head(&mut stream).await;
        let (mut read, mut write) = stream.split();
        let mut sink = tokio::io::sink();
        let _ = tokio::time::timeout(SHORT * 3, tokio::io::copy(&mut read, &mut sink)).await;
        write.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("write");
    })
    .await;
    let service = origin.service_with(short());
    // Bytes move; then the visitor pauses for longer than the deadline. Both are no fault.
    let (sender, content) = Content::stream();
    let feed = tokio::spawn(async move {
        for _ in 0..4 {
            sender.send(Ok(Frame::data(Bytes::from_static(b"x")))).await.expect("send");
            tokio::time::sleep(SHORT / 3).await;
        }
        tokio::time::sleep(SHORT * 2).await;
        drop(sender);
    });
    let response = soon(service.call(request("POST", "/", content))).await.expect("response");
    assert_eq!(response.status(), 204);
    feed.abort();
}

#[tokio::test]
async fn an_origin_that_takes_nothing_more_is_silent() {
    let origin = Origin::new(|mut stream, _| async move {
        read_head(&mut stream).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    })
    .await;
    let (sender, content) = Content::stream();
    let feed = tokio::spawn(async move {
        let piece = Bytes::from(vec![0; 64 * 1024]);
        while sender.send(Ok(Frame::data(piece.clone()))).await.is_ok() {}
    });
    let error = failure(&origin.service_with(short()), request("POST", "/", content)).await;
    assert!(matches!(error, ExchangeError::OriginTimeout { .. }), "{error:?}");
    soon(feed).await.expect("the content was dropped");
}

#[tokio::test]
async fn a_length_without_content_never_reaches_the_origin() {
    let origin = Origin::keeping("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let mut request = request("POST", "/", Content::Empty);
    request.headers_mut().insert("content-length", "5".parse().expect("value"));
    let error = failure(&origin.service(), request).await;
    assert!(
        matches!(error, ExchangeError::RequestInvalid(InvalidRequest::ContentLength)),
        "{error:?}"
    );
    assert_eq!(origin.connections(), 0);
}
