//! WebSockets through a session: the relay passes them byte by byte and understands none of it.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message, Utf8Bytes,
        protocol::{
            CloseFrame, Role,
            frame::{
                Frame,
                coding::{CloseCode, Data, OpCode},
            },
        },
    },
};
use wingman_tests::{
    EdgeOptions, Handed, HostOptions, Share, content, h2, soon, until, within, ws,
};

/// Longer than Pingora's read timeout of 60 s, which must not cut a silent WebSocket.
const SILENCE: Duration = Duration::from_secs(70);

const HANDSHAKE: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Both ends of an open WebSocket.
async fn open() -> (Share, WebSocketStream<TcpStream>, WebSocketStream<TcpStream>) {
    let (share, mut handed) = Share::handing_over().await;
    let (visitor, origin) = connect(&share, &mut handed).await;
    (share, visitor, origin)
}

async fn connect(
    share: &Share,
    handed: &mut Handed,
) -> (WebSocketStream<TcpStream>, WebSocketStream<TcpStream>) {
    let visitor = ws::connect(&share.edge, &share.host, "/chat?a=b", &[]);
    let origin = async {
        let (connection, head) = handed.next().await;
        assert_eq!(head.target(), "/chat?a=b");
        ws::accept(connection.into_wire(), &head, "").await
    };
    let (visitor, origin) = tokio::join!(visitor, origin);
    (visitor.expect("a WebSocket").0, origin)
}

async fn send(socket: &mut WebSocketStream<TcpStream>, message: Message) {
    soon(socket.send(message)).await.expect("is open");
}

async fn receive(socket: &mut WebSocketStream<TcpStream>) -> Message {
    soon(socket.next()).await.expect("is open").expect("is sound")
}

async fn no_upgrade_is_left(share: &Share) {
    until("the edge forgets it", Duration::from_secs(2), async || {
        let now = share.edge.metrics().await;
        now.get("upgrades") == 0.0 && now.get("streams") == 0.0
    })
    .await;
}

#[tokio::test]
async fn text_and_binary_of_any_size_go_both_ways() {
    let (_share, mut visitor, mut origin) = open().await;
    for length in [0, 1, 125, 126, 65_535, 65_536, 1_000_000] {
        let bytes = content::whole(length);
        let text: String = bytes.iter().map(|byte| char::from(byte & 0x7f)).collect();
        for message in [Message::binary(bytes.clone()), Message::text(text)] {
            // A large one does not fit into the buffers on the way: both ends at once.
            let (got, ()) = tokio::join!(receive(&mut origin), send(&mut visitor, message.clone()));
            assert!(got == message, "{length} bytes to the origin");
            let (got, ()) = tokio::join!(receive(&mut visitor), send(&mut origin, message.clone()));
            assert!(got == message, "{length} bytes to the visitor");
        }
    }
}

#[tokio::test]
async fn fragments_with_a_ping_in_between_make_one_message() {
    const FRAGMENTS: usize = 16;
    let (_share, mut visitor, mut origin) = open().await;
    let whole = content::whole(1 << 20);
    let sending = async {
        for (number, part) in whole.chunks(whole.len() / FRAGMENTS).enumerate() {
            let kind = if number == 0 { Data::Binary } else { Data::Continue };
            let last = number == FRAGMENTS - 1;
            let frame = Frame::message(part.to_vec(), OpCode::Data(kind), last);
            send(&mut visitor, Message::Frame(frame)).await;
            if number == FRAGMENTS / 2 {
                send(&mut visitor, Message::Ping("amid".into())).await;
            }
        }
    };
    let receiving = async {
        assert_eq!(receive(&mut origin).await, Message::Ping("amid".into()));
        receive(&mut origin).await
    };
    let (got, ()) = tokio::join!(receiving, sending);
    assert!(got.into_data() == whole);
}

#[tokio::test]
async fn pings_are_answered_by_the_other_end() {
    let (_share, mut visitor, mut origin) = open().await;
    send(&mut visitor, Message::Ping("to origin".into())).await;
    assert_eq!(receive(&mut origin).await, Message::Ping("to origin".into()));
    // tungstenite has an answer ready, and sends it when it is told to.
    soon(origin.flush()).await.expect("is open");
    assert_eq!(receive(&mut visitor).await, Message::Pong("to origin".into()));
    send(&mut origin, Message::Ping("to visitor".into())).await;
    assert_eq!(receive(&mut visitor).await, Message::Ping("to visitor".into()));
    soon(visitor.flush()).await.expect("is open");
    assert_eq!(receive(&mut origin).await, Message::Pong("to visitor".into()));
}

#[tokio::test]
async fn close_codes_reach_the_other_end() {
    let close = |code: u16, reason: &'static str| CloseFrame {
        code: CloseCode::from(code),
        reason: Utf8Bytes::from_static(reason),
    };
    for (code, reason) in [(1000, ""), (1001, "going away"), (1011, "broken"), (4321, "own code")] {
        let (share, mut visitor, mut origin) = open().await;
        let frame = close(code, reason);
        soon(visitor.close(Some(frame.clone()))).await.expect("is open");
        assert_eq!(receive(&mut origin).await, Message::Close(Some(frame.clone())));
        // The answer of the origin's end, then the end.
        assert!(soon(origin.next()).await.is_none());
        drop(origin);
        assert_eq!(receive(&mut visitor).await, Message::Close(Some(frame.clone())));
        assert!(soon(visitor.next()).await.is_none());
        drop(visitor);
        no_upgrade_is_left(&share).await;

        let (share, mut visitor, mut origin) = open().await;
        soon(origin.close(Some(frame.clone()))).await.expect("is open");
        assert_eq!(receive(&mut visitor).await, Message::Close(Some(frame.clone())));
        // tungstenite has an answer ready, and sends it when it is told to.
        let _ = soon(visitor.flush()).await;
        assert!(soon(origin.next()).await.is_some_and(|message| message.is_ok()));
        drop(origin);
        assert!(soon(visitor.next()).await.is_none());
        drop(visitor);
        no_upgrade_is_left(&share).await;
    }
}

#[tokio::test]
async fn an_origin_that_vanishes_closes_abnormally() {
    let (share, mut visitor, mut origin) = open().await;
    send(&mut origin, Message::text("last")).await;
    drop(origin);
    assert_eq!(receive(&mut visitor).await, Message::text("last"));
    let end = soon(visitor.next()).await;
    // What browsers report as 1006.
    assert!(matches!(end, Some(Err(Error::Protocol(_) | Error::Io(_)))), "{end:?}");
    // Its half is still open, and ends as with browsers.
    drop(visitor);
    no_upgrade_is_left(&share).await;
}

#[tokio::test]
async fn the_log_knows_who_broke_off() {
    let outcome = async |share: &mut Share| {
        share.host.event("exchange", 0, Duration::from_secs(5)).await["outcome"].clone()
    };
    let (mut share, mut visitor, mut origin) = open().await;
    soon(origin.close(None)).await.expect("is open");
    assert_eq!(receive(&mut visitor).await, Message::Close(None));
    // The origin does not wait for the answer, as Node's `terminate` does not.
    drop(origin);
    assert!(soon(visitor.next()).await.is_none_or(|end| end.is_err()));
    // Its half is still open, and ends as with browsers.
    drop(visitor);
    assert_eq!(outcome(&mut share).await, "finished");

    let (mut share, mut visitor, origin) = open().await;
    soon(visitor.close(None)).await.expect("is open");
    drop((visitor, origin));
    assert_eq!(outcome(&mut share).await, "finished");

    let (mut share, visitor, _origin) = open().await;
    visitor.get_ref().set_zero_linger().expect("is open");
    drop(visitor);
    assert_eq!(outcome(&mut share).await["reset"]["by"], "visitor");
}

#[tokio::test]
async fn subprotocols_are_negotiated_by_the_ends() {
    let (share, mut handed) = Share::handing_over().await;
    let fields = [("sec-websocket-protocol", "vite-hmr, graphql-ws")];
    let visitor = ws::connect(&share.edge, &share.host, "/", &fields);
    let origin = async {
        let (connection, head) = handed.next().await;
        assert_eq!(head.get("sec-websocket-protocol"), Some("vite-hmr, graphql-ws"));
        let answer = "Sec-WebSocket-Protocol: graphql-ws\r\n";
        ws::accept(connection.into_wire(), &head, answer).await
    };
    let (visitor, _origin) = tokio::join!(visitor, origin);
    let (_, response) = visitor.expect("a WebSocket");
    assert_eq!(response.headers()["sec-websocket-protocol"], "graphql-ws");
}

/// Offer, answer, and frames with a reserved bit that only the ends understand.
#[tokio::test]
async fn compression_is_between_the_ends() {
    const OFFER: &str = "permessage-deflate; client_max_window_bits; server_max_window_bits=10";
    const ANSWER: &str = "permessage-deflate; server_no_context_takeover";
    let (share, mut handed) = Share::handing_over().await;
    let mut visitor = share.visit().await;
    let handshake = format!("{HANDSHAKE}Sec-WebSocket-Extensions: {OFFER}\r\n");
    visitor.send(share.request("GET /", &handshake)).await;
    let (mut origin, head) = handed.next().await;
    assert_eq!(head.get("sec-websocket-extensions"), Some(OFFER));
    let answer = format!("Sec-WebSocket-Extensions: {ANSWER}\r\n");
    origin.send(ws::switching(&head, &answer)).await;
    let switched = soon(visitor.head()).await.expect("whole").expect("a head");
    assert_eq!(switched.get("sec-websocket-extensions"), Some(ANSWER));
    // RFC 7692 §7.2.3.2: "Hello" compressed, unmasked and masked.
    let hello = [0xc1, 0x07, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    origin.send(hello).await;
    assert_eq!(soon(visitor.read_exact(hello.len())).await.expect("flows")[..], hello);
    let masked = [0xc1, 0x87, 1, 2, 3, 4, 0xf3, 0x4a, 0xce, 0xcd, 0xc8, 0x05, 0x03];
    visitor.send(masked).await;
    assert_eq!(soon(origin.read_exact(masked.len())).await.expect("flows")[..], masked);
}

#[tokio::test]
async fn a_refused_upgrade_is_an_ordinary_response() {
    let (share, mut handed) = Share::handing_over().await;
    let mut visitor = share.visit().await;
    for (status, fields) in [
        ("403 Forbidden", "Content-Length: 9\r\n"),
        ("401 Unauthorized", "WWW-Authenticate: Basic\r\nContent-Length: 9\r\n"),
        ("200 OK", "Content-Type: text/html\r\n"),
    ] {
        visitor.send(share.request("GET /", HANDSHAKE)).await;
        let (mut origin, _) = handed.next().await;
        origin.send(format!("HTTP/1.1 {status}\r\n{fields}\r\nnot today")).await;
        drop(origin);
        // Also the next one is read on this connection: it never was anything but HTTP.
        let response = visitor.response(false).await.expect("whole");
        assert_eq!(response.head.start, format!("HTTP/1.1 {status}"));
        assert_eq!(response.head.get("www-authenticate").is_some(), fields.contains("WWW"));
        assert_eq!(response.text(), "not today");
    }
    no_upgrade_is_left(&share).await;
}

/// Thousands of messages of many sizes, both ways at the same time: all come, in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_messages_keep_their_order() {
    const MESSAGES: usize = 5_000;
    let (_share, visitor, origin) = open().await;
    let message = |number: usize| {
        let mut bytes = number.to_be_bytes().to_vec();
        bytes.extend_from_slice(&content::piece(number as u64, number * 37 % 3000));
        Message::binary(bytes)
    };
    let (mut to_origin, mut from_origin) = visitor.split();
    let (mut to_visitor, mut from_visitor) = origin.split();
    let tasks = [
        tokio::spawn(async move {
            for number in 0..MESSAGES {
                to_origin.send(message(number)).await.expect("is open");
            }
        }),
        tokio::spawn(async move {
            for number in (0..MESSAGES).rev() {
                to_visitor.send(message(number)).await.expect("is open");
            }
        }),
        tokio::spawn(async move {
            for number in 0..MESSAGES {
                let got = from_visitor.next().await.expect("is open").expect("is sound");
                assert!(got == message(number), "message {number} to the origin");
            }
        }),
        tokio::spawn(async move {
            for number in (0..MESSAGES).rev() {
                let got = from_origin.next().await.expect("is open").expect("is sound");
                assert!(got == message(number), "message {number} to the visitor");
            }
        }),
    ];
    for task in tasks {
        within(Duration::from_secs(60), task).await.expect("no panic");
    }
}

#[tokio::test]
async fn silent_websockets_stay_open() {
    let (share, mut visitor, mut origin) = open().await;
    // Silence is what is tested: nothing can be polled for it.
    tokio::time::sleep(SILENCE).await;
    send(&mut origin, Message::text("still")).await;
    assert_eq!(receive(&mut visitor).await, Message::text("still"));
    send(&mut visitor, Message::text("here")).await;
    assert_eq!(receive(&mut origin).await, Message::text("here"));
    assert_eq!(share.edge.metrics().await.get("upgrades"), 1.0);
}

#[tokio::test]
async fn they_work_over_tls() {
    let (share, mut handed) =
        Share::handing_over_with(EdgeOptions::default().tls(), HostOptions::default()).await;
    let stream = h2::tls(&share.edge, share.authority(), &["http/1.1"]).await;
    let mut visitor = wingman_tests::Wire::new(stream);
    visitor.send(share.request("GET /", HANDSHAKE)).await;
    let (connection, head) = handed.next().await;
    assert_eq!(head.get("x-forwarded-proto"), Some("https"));
    let mut origin = ws::accept(connection.into_wire(), &head, "").await;
    let switched = soon(visitor.head()).await.expect("whole").expect("a head");
    assert_eq!(switched.status(), Some(101));
    let (stream, ahead) = visitor.into_parts();
    let mut visitor =
        WebSocketStream::from_partially_read(stream, ahead.to_vec(), Role::Client, None).await;
    soon(visitor.send(Message::text("secret"))).await.expect("is open");
    assert_eq!(receive(&mut origin).await, Message::text("secret"));
    send(&mut origin, Message::binary(content::whole(100_000))).await;
    let got = soon(visitor.next()).await.expect("is open").expect("is sound");
    assert!(got.into_data() == content::whole(100_000));
}
