//! Each piece arrives when it is sent. The sender waits for each piece to arrive before it sends the
//! next one: a buffer anywhere would hold a piece for ever.

use std::time::{Duration, Instant};

use wingman_tests::{EdgeOptions, HostOptions, Share, h2, soon};

const PIECES: usize = 12;
const PIECE: &[u8] = b"0123456789";

/// How the content of a streamed message is framed.
#[derive(Clone, Copy)]
enum Framing {
    Length,
    Chunked,
    /// By the end of the connection.
    Close,
    /// Server-sent events.
    Events,
}

impl Framing {
    fn fields(self) -> String {
        match self {
            Self::Length => format!("Content-Length: {}\r\n", PIECES * PIECE.len()),
            Self::Chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
            Self::Close => String::new(),
            Self::Events => {
                "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n".to_owned()
            }
        }
    }

    fn encode(self, piece: &[u8]) -> Vec<u8> {
        match self {
            Self::Length | Self::Close => piece.to_vec(),
            Self::Chunked | Self::Events => {
                [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
            }
        }
    }

    const fn end(self) -> &'static [u8] {
        match self {
            Self::Length | Self::Close => b"",
            Self::Chunked | Self::Events => b"0\r\n\r\n",
        }
    }
}

/// Latencies of single pieces.
#[derive(Default)]
struct Latencies(Vec<Duration>);

impl Latencies {
    fn check(&self) {
        let worst = self.0.iter().max().expect("there were pieces");
        assert!(*worst < Duration::from_millis(50), "{:?}", self.0);
    }
}

mod alone {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn response_content_of_known_length_is_not_held_back() {
        response(Framing::Length).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn chunked_response_content_is_not_held_back() {
        response(Framing::Chunked).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn close_delimited_response_content_is_not_held_back() {
        response(Framing::Close).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn events_are_not_held_back() {
        response(Framing::Events).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn request_content_of_known_length_is_not_held_back() {
        request(Framing::Length).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn chunked_request_content_is_not_held_back() {
        request(Framing::Chunked).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_is_held_back_over_http2() {
        let edge = EdgeOptions::default().tls();
        let (share, mut handed) = Share::handing_over_with(edge, HostOptions::default()).await;
        let sender = h2::connect(&share.edge, share.authority()).await;
        let request = http::Request::post(format!("https://{}/", share.authority()));
        let request = request.body(()).expect("a request");
        let began = Instant::now();
        let (response, mut upload) = sender.clone().send_request(request, false).expect("is open");
        let (mut origin, head) = handed.next().await;
        assert!(began.elapsed() < Duration::from_millis(100), "head after {:?}", began.elapsed());
        origin.begin(&head, false);
        let mut latencies = Latencies::default();
        for _ in 0..PIECES {
            let sent = Instant::now();
            upload.send_data(PIECE.into(), false).expect("is open");
            let mut got = 0;
            while got < PIECE.len() {
                got += soon(origin.piece()).await.expect("whole").expect("a piece").len();
            }
            latencies.0.push(sent.elapsed());
        }
        // While the request is open: both directions at once.
        origin.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        let mut content = soon(response).await.expect("a response").into_body();
        for _ in 0..PIECES {
            let sent = Instant::now();
            origin.send(Framing::Chunked.encode(PIECE)).await;
            let mut got = 0;
            while got < PIECE.len() {
                got += soon(content.data()).await.expect("a piece").expect("no reset").len();
            }
            latencies.0.push(sent.elapsed());
        }
        latencies.check();
    }
}

async fn response(framing: Framing) {
    let (share, mut handed) = Share::handing_over().await;
    let mut visitor = share.visit().await;
    let began = Instant::now();
    visitor.send(share.request("GET /stream", "")).await;
    let (mut origin, _) = handed.next().await;
    origin.send(format!("HTTP/1.1 200 OK\r\n{}\r\n", framing.fields())).await;
    let head = soon(visitor.head()).await.expect("whole").expect("a head");
    assert_eq!(head.status(), Some(200));
    visitor.begin(&head, false);
    let mut latencies = Latencies::default();
    for number in 0..PIECES {
        let sent = Instant::now();
        origin.send(framing.encode(PIECE)).await;
        let mut got = Vec::new();
        while got.len() < PIECE.len() {
            got.extend_from_slice(&soon(visitor.piece()).await.expect("whole").expect("a piece"));
        }
        latencies.0.push(sent.elapsed());
        assert_eq!(got, PIECE, "piece {number}");
        if number == 0 {
            let first = began.elapsed();
            assert!(first < Duration::from_millis(100), "first byte after {first:?}");
        }
    }
    origin.send(framing.end()).await;
    if matches!(framing, Framing::Close) {
        drop(origin);
    }
    assert!(soon(visitor.piece()).await.expect("ends well").is_none());
    latencies.check();
}

async fn request(framing: Framing) {
    let (share, mut handed) = Share::handing_over().await;
    let mut visitor = share.visit().await;
    // The head arrives before there is any content.
    visitor.send(share.request("POST /upload", &framing.fields())).await;
    let (mut origin, head) = handed.next().await;
    origin.begin(&head, false);
    let mut latencies = Latencies::default();
    for number in 0..PIECES {
        let sent = Instant::now();
        visitor.send(framing.encode(PIECE)).await;
        let mut got = Vec::new();
        while got.len() < PIECE.len() {
            got.extend_from_slice(&soon(origin.piece()).await.expect("whole").expect("a piece"));
        }
        latencies.0.push(sent.elapsed());
        assert_eq!(got, PIECE, "piece {number}");
    }
    visitor.send(framing.end()).await;
    assert!(soon(origin.piece()).await.expect("ends well").is_none());
    origin.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(visitor.response(false).await.expect("whole").status(), 204);
    latencies.check();
}
