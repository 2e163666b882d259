//! Who gets a link and a name, and what the others are told.

use tokio_tungstenite::tungstenite::{Error, handshake::client::Request};
use wingman_tests::Edge;
use wingman_wire::control::{EdgeToHost, Open, RefusedReason};

use super::{
    fake_host::{FakeHost, connect, handshake, open},
    stage::{ask, error},
    token_edge::TokenEdge,
};

/// Status, `Wingman-Error` and the offered protocol of a refused handshake.
async fn refused(port: u16, request: Request) -> (u16, String, Option<String>) {
    match connect(port, request).await {
        Err(Error::Http(response)) => {
            let field = |name: &str| {
                response.headers().get(name).map(|value| value.to_str().expect("ASCII").to_owned())
            };
            let code = field("wingman-error").unwrap_or_default();
            (response.status().as_u16(), code, field("sec-websocket-protocol"))
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("the link was accepted"),
    }
}

fn with(port: u16, name: &'static str, value: &str) -> Request {
    let mut request = handshake(port);
    request.headers_mut().insert(name, value.parse().expect("a value"));
    request
}

async fn linked(port: u16, token: &str) -> FakeHost {
    let request = with(port, "authorization", &format!("Bearer {token}"));
    connect(port, request).await.expect("a link")
}

async fn reason(host: &mut FakeHost, name: Option<&str>) -> Option<RefusedReason> {
    match host.claim(open(name)).await {
        EdgeToHost::Opened { .. } => None,
        EdgeToHost::Refused { reason, message } => {
            assert!(message.len() > 10, "a sentence for a person: {message:?}");
            assert_eq!(host.closed().await, 4005);
            Some(reason)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn tokens_are_asked_for_and_checked() {
    let edge = TokenEdge::start().await;
    let port = edge.port;
    let mut almost = edge.token.clone();
    let last = almost.pop().expect("is not empty");
    almost.push(if last == 'a' { 'b' } else { 'a' });
    for (authorization, code) in [
        (None, "token-missing"),
        (Some("Basic dTpw".to_owned()), "token-missing"),
        (Some("Bearer".to_owned()), "token-missing"),
        (Some("Bearer nonsense".to_owned()), "token-unknown"),
        (Some(format!("Bearer {almost}")), "token-unknown"),
        (Some(format!("Bearer {}x", edge.token)), "token-unknown"),
        (Some(format!("Bearer {}", edge.token.to_uppercase())), "token-unknown"),
    ] {
        let request = match &authorization {
            Some(value) => with(port, "authorization", value),
            None => handshake(port),
        };
        let (status, told, _) = refused(port, request).await;
        assert_eq!((status, &*told), (401, code), "{authorization:?}");
    }
    let mut host = linked(port, &edge.token).await;
    assert_eq!(reason(&mut host, Some("demo")).await, None);
}

#[tokio::test]
async fn names_are_checked_and_kept_for_their_owner() {
    let edge = TokenEdge::start().await;
    let mut owner = linked(edge.port, &edge.token).await;
    assert_eq!(reason(&mut owner, Some("demo")).await, None);
    for (name, expected) in [
        ("", RefusedReason::NameInvalid),
        ("two words", RefusedReason::NameInvalid),
        ("a.b", RefusedReason::NameInvalid),
        ("-a", RefusedReason::NameInvalid),
        ("a-", RefusedReason::NameInvalid),
        ("caf\u{e9}", RefusedReason::NameInvalid),
        ("xn--caf-dma", RefusedReason::NameInvalid),
        ("www", RefusedReason::NameInvalid),
        (&*"a".repeat(64), RefusedReason::NameInvalid),
        ("demo2", RefusedReason::NameNotAllowed),
        ("team", RefusedReason::NameNotAllowed),
        ("mydemo", RefusedReason::NameNotAllowed),
    ] {
        let mut host = linked(edge.port, &edge.token).await;
        assert_eq!(reason(&mut host, Some(name)).await, Some(expected), "{name:?}");
    }
    // Another host, for it has another key; upper case is the same name.
    for name in ["demo", "DEMO"] {
        let mut host = linked(edge.port, &edge.token).await;
        let mut other = open(Some(name));
        other.resume_key = "another key of another host".to_owned();
        match host.claim(other).await {
            EdgeToHost::Refused { reason, .. } => assert_eq!(reason, RefusedReason::NameTaken),
            other => panic!("{other:?}"),
        }
    }
    let mut second = linked(edge.port, &edge.token).await;
    assert_eq!(reason(&mut second, Some("team-a")).await, None);
    let mut third = linked(edge.port, &edge.token).await;
    assert_eq!(reason(&mut third, Some("team-b")).await, Some(RefusedReason::SessionLimit));
}

type Spoil = fn(&mut Open);

#[tokio::test]
async fn open_messages_that_make_no_sense_are_refused() {
    let edge = Edge::start().await;
    let cases: [(&str, Spoil); 3] = [
        ("a weak key", |open| open.resume_key = "short".to_owned()),
        ("an endless key", |open| open.resume_key = "k".repeat(1_000)),
        ("no exchanges", |open| open.max_exchanges = 0),
    ];
    for (what, spoil) in cases {
        let mut host = connect(edge.port(), handshake(edge.port())).await.expect("a link");
        let mut message = open(Some("weak"));
        spoil(&mut message);
        match host.claim(message).await {
            EdgeToHost::Refused { reason, .. } => {
                assert_eq!(reason, RefusedReason::BadRequest, "{what}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    FakeHost::start(edge.port(), "weak").await;
}

#[tokio::test]
async fn another_version_of_the_protocol_is_refused_with_ours() {
    let edge = Edge::start().await;
    let port = edge.port();
    let (status, code, offered) =
        refused(port, with(port, "sec-websocket-protocol", "wingman.999")).await;
    assert_eq!((status, &*code), (426, "version-mismatch"));
    assert_eq!(offered.as_deref(), Some("wingman.1"));
    // One that speaks several gets the one that the edge speaks.
    let several = with(port, "sec-websocket-protocol", "wingman.999, wingman.1");
    connect(port, several).await.expect("a link");
    let refused = edge.metrics().await.get("links_refused_total{reason=\"version\"}");
    assert_eq!(refused, 1.0);
}

#[tokio::test]
async fn requests_to_the_link_endpoint_that_are_no_handshake() {
    let edge = Edge::start().await;
    let request = |start: &str, fields: &str| {
        format!("{start} /_wingman/link HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")
    };
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (what, bytes) in [
        ("a browser", request("GET", "")),
        ("no key", request("GET", &format!("{upgrade}Sec-WebSocket-Version: 13\r\n"))),
        ("an old version", request("GET", &format!("{upgrade}{key}Sec-WebSocket-Version: 8\r\n"))),
        ("POST", request("POST", &format!("{upgrade}{key}Sec-WebSocket-Version: 13\r\n"))),
        ("no upgrade", request("GET", &format!("{key}Sec-WebSocket-Version: 13\r\n"))),
        (
            "another upgrade",
            request("GET", &format!("Connection: Upgrade\r\nUpgrade: h2c\r\n{key}")),
        ),
    ] {
        let answer = ask(&edge, bytes).await.expect("an answer");
        assert!(matches!(answer.status(), 400 | 426), "{what}: {}", answer.status());
        assert_eq!(error(&answer), "not-websocket", "{what}");
    }
    // Hosts connect at the base domain; a session's path is not theirs.
    let elsewhere = request("GET", upgrade).replace("Host: localhost", "Host: a.localhost");
    assert_eq!(ask(&edge, elsewhere).await.expect("an answer").status(), 404);
    FakeHost::start(edge.port(), "after").await;
}
