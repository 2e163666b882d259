//! A visitor that goes away takes its request along: the origin sees its connection closed within a
//! second, and nothing of it stays.

use std::time::Duration;

use tokio::net::TcpStream;
use wingman_tests::{
    EdgeOptions, Handed, HostOptions, OriginConnection, Share, Wire, content, h2, soon, until,
    within,
};

/// How a visitor leaves.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    /// Closes its connection in order.
    Close,
    /// Its process dies: the connection is reset.
    Reset,
}

impl Leaving {
    const BOTH: [Self; 2] = [Self::Close, Self::Reset];

    fn act(self, visitor: Wire<TcpStream>) {
        match self {
            Self::Close => drop(visitor),
            Self::Reset => visitor.abort(),
        }
    }
}

const AT_ONCE: Duration = Duration::from_secs(1);

async fn nothing_stays(share: &Share, before: &wingman_tests::Metrics) {
    for level in ["exchanges_in_flight", "streams", "upgrades", "visitor_connections"] {
        until(&format!("{level} is back"), Duration::from_secs(2), async || {
            share.edge.metrics().await.get(level) <= before.get(level)
        })
        .await;
    }
    until("the origin's connections close", Duration::from_secs(2), async || {
        share.origin.open() == 0
    })
    .await;
}

/// The request `start` with `fields` and `part` of its content has reached the origin, which has
/// answered with `answer`; then the visitor leaves.
async fn left(start: &str, fields: &str, part: &str, answer: &str) {
    let (share, mut handed) = Share::handing_over().await;
    let before = share.edge.metrics().await;
    for leaving in Leaving::BOTH {
        let (visitor, mut origin) =
            under_way(&share, &mut handed, start, fields, part, answer).await;
        leaving.act(visitor);
        within(AT_ONCE, origin.closed()).await;
        drop(origin);
        nothing_stays(&share, &before).await;
    }
}

async fn under_way(
    share: &Share,
    handed: &mut Handed,
    start: &str,
    fields: &str,
    part: &str,
    answer: &str,
) -> (Wire<TcpStream>, OriginConnection) {
    let mut visitor = share.visit().await;
    visitor.send(share.request(start, fields) + part).await;
    let (mut origin, head) = handed.next().await;
    if !part.is_empty() {
        origin.begin(&head, false);
        let mut got = 0;
        while got < 5 {
            got += soon(origin.piece()).await.expect("is there").expect("is there").len();
        }
    }
    if !answer.is_empty() {
        origin.send(answer).await;
        let head = soon(visitor.head()).await.expect("whole").expect("a head");
        visitor.begin(&head, false);
        soon(visitor.piece()).await.expect("is there").expect("is there");
    }
    (visitor, origin)
}

#[tokio::test]
async fn while_the_origin_thinks() {
    left("GET /", "", "", "").await;
}

#[tokio::test]
async fn while_the_origin_thinks_about_an_upload() {
    left("POST /", "Content-Length: 5\r\n", "hello", "").await;
}

#[tokio::test]
async fn while_an_event_stream_is_silent() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n";
    left("GET /", "", "", answer).await;
}

#[tokio::test]
async fn while_content_of_known_length_is_awaited() {
    left("GET /", "", "", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
}

#[tokio::test]
async fn within_an_upload_of_known_length() {
    left("POST /", "Content-Length: 10\r\n", "hello", "").await;
}

#[tokio::test]
async fn within_an_upload_that_is_being_answered() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
    left("POST /", "Content-Length: 10\r\n", "hello", answer).await;
}

/// A chunked upload that breaks off must not look complete to the origin.
#[tokio::test]
async fn within_a_chunked_upload() {
    let (share, mut handed) = Share::handing_over().await;
    let before = share.edge.metrics().await;
    for leaving in Leaving::BOTH {
        let fields = "Transfer-Encoding: chunked\r\n";
        let part = "5\r\nhello\r\n";
        let (visitor, mut origin) =
            under_way(&share, &mut handed, "POST /", fields, part, "").await;
        leaving.act(visitor);
        let end = within(AT_ONCE, origin.piece()).await;
        assert!(end.is_err(), "{leaving:?}: the upload ended with {end:?}");
        drop(origin);
        nothing_stays(&share, &before).await;
    }
}

/// The origin sends as fast as it can; the visitor has read some of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn within_a_large_download() {
    let (share, mut handed) = Share::handing_over().await;
    let before = share.edge.metrics().await;
    for leaving in Leaving::BOTH {
        let mut visitor = share.visit().await;
        visitor.send(share.request("GET /", "")).await;
        let (mut origin, _) = handed.next().await;
        let sending = tokio::spawn(async move {
            let _ = origin.try_send("HTTP/1.1 200 OK\r\n\r\n").await;
            let mut sent = 0_u64;
            loop {
                let piece = content::piece(sent, 64 * 1024);
                if origin.try_send(&piece).await.is_err() {
                    return;
                }
                sent += piece.len() as u64;
            }
        });
        soon(visitor.read_exact(1_000_000)).await.expect("flows");
        leaving.act(visitor);
        within(AT_ONCE, sending).await.expect("no panic");
        nothing_stays(&share, &before).await;
    }
}

/// RST_STREAM ends one request and leaves the others of its connection alone.
#[tokio::test]
async fn one_stream_of_an_http2_connection() {
    let edge = EdgeOptions::default().tls();
    let (share, mut handed) = Share::handing_over_with(edge, HostOptions::default()).await;
    let before = share.edge.metrics().await;
    let mut sender = h2::connect(&share.edge, share.authority()).await;
    let get = |method: &str| {
        let uri = format!("https://{}/", share.authority());
        http::Request::builder().method(method).uri(uri).body(()).expect("a request")
    };
    // A neighbour that goes on through all of it.
    let (neighbour, _) = sender.send_request(get("GET"), true).expect("is open");
    let (mut its_origin, _) = handed.next().await;

    {
        // The origin thinks.
        let (_response, mut stream) = sender.send_request(get("GET"), true).expect("is open");
        let (mut origin, _) = handed.next().await;
        stream.send_reset(::h2::Reason::CANCEL);
        within(AT_ONCE, origin.closed()).await;
    }
    {
        // A download.
        let (response, mut stream) = sender.send_request(get("GET"), true).expect("is open");
        let (mut origin, _) = handed.next().await;
        origin.send("HTTP/1.1 200 OK\r\n\r\nhello").await;
        let mut content = soon(response).await.expect("a response").into_body();
        soon(content.data()).await.expect("content").expect("no reset");
        stream.send_reset(::h2::Reason::CANCEL);
        within(AT_ONCE, origin.closed()).await;
    }
    {
        // An upload, which must not look complete.
        let (_response, mut stream) = sender.send_request(get("POST"), false).expect("is open");
        stream.send_data("hello".into(), false).expect("is open");
        let (mut origin, head) = handed.next().await;
        origin.begin(&head, false);
        assert_eq!(&soon(origin.piece()).await.expect("whole").expect("a piece")[..], b"hello");
        stream.send_reset(::h2::Reason::CANCEL);
        let end = within(AT_ONCE, origin.piece()).await;
        assert!(end.is_err(), "the upload ended with {end:?}");
    }
    its_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(soon(neighbour).await.expect("was left alone").status(), 200);
    drop((its_origin, sender));
    nothing_stays(&share, &before).await;
}

/// The whole HTTP/2 connection breaks: every request on it ends.
#[tokio::test]
async fn an_http2_connection_with_many_requests() {
    const MANY: usize = 20;
    let edge = EdgeOptions::default().tls();
    let (share, mut handed) = Share::handing_over_with(edge, HostOptions::default()).await;
    let before = share.edge.metrics().await;
    let stream = h2::tls(&share.edge, share.authority(), &["h2"]).await;
    let (mut sender, connection) = ::h2::client::handshake(stream).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let mut responses = Vec::new();
    let mut origins = Vec::new();
    for _ in 0..MANY {
        let request = http::Request::get(format!("https://{}/", share.authority()));
        let request = request.body(()).expect("a request");
        sender = soon(sender.ready()).await.expect("takes more");
        responses.push(sender.send_request(request, true).expect("is open"));
        origins.push(handed.next().await.0);
    }
    connection.abort();
    for mut origin in origins {
        within(AT_ONCE, origin.closed()).await;
    }
    nothing_stays(&share, &before).await;
}
