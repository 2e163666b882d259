//! Who gets no signaling socket, and what it is told.

use tokio_tungstenite::tungstenite::handshake::client::Request;
use wingman_tests::{Edge, EdgeOptions, fake_host::FakeHost, h2, soon};
use wingman_wire::control::{EdgeToHost, HostToEdge, Pages};

use super::page::{Visit, answer, from_host, peer, visitor};

const SESSION: &str = "demo";

fn visit(edge: &Edge) -> Visit<'_> {
    Visit { edge, session: SESSION, visitor: visitor(1), peer: peer(1) }
}

/// The status and code that answer a changed handshake.
async fn refusal(visit: Visit<'_>, change: impl FnOnce(&mut Request)) -> (u16, String) {
    let mut request = visit.handshake();
    change(&mut request);
    visit.try_open(request).await.err().expect("a refusal")
}

fn set(name: &'static str, value: &str) -> impl FnOnce(&mut Request) {
    let value = value.parse().expect("a value");
    move |request| {
        request.headers_mut().insert(name, value);
    }
}

#[tokio::test]
async fn pages_of_others_and_strangers_are_refused() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let visit = visit(&edge);
    let own = format!("http://demo.localhost:{}", edge.port());
    let forbidden = (403, "forbidden".to_owned());
    for origin in [
        "https://evil.example",
        "null",
        &own.replace("demo", "other"),
        &own.replace("http:", "https:"),
        &format!("{own}0"),
        "http://demo.localhost",
    ] {
        assert_eq!(refusal(visit, set("origin", origin)).await, forbidden, "{origin}");
    }
    let without = |name: &'static str| {
        move |request: &mut Request| {
            request.headers_mut().remove(name);
        }
    };
    assert_eq!(refusal(visit, without("origin")).await, forbidden);
    assert_eq!(refusal(visit, without("cookie")).await, forbidden);
    assert_eq!(refusal(visit, set("cookie", "wingman=guess")).await, forbidden);
    let secure = format!("__Host-wingman={}", visit.visitor);
    assert_eq!(refusal(visit, set("cookie", &secure)).await, forbidden, "not over plain HTTP");
    let metrics = edge.metrics().await;
    let refused =
        |why| metrics.get(&format!("signaling_sockets_refused_total{{reason=\"{why}\"}}"));
    assert_eq!(["origin", "visitor"].map(refused), [7.0, 3.0]);
    // The host has heard of none of them.
    let _page = visit.open().await;
    let expected = EdgeToHost::PeerOpened { peer: visit.peer, visitor: visit.visitor };
    assert_eq!(host.told().await, expected);
}

#[tokio::test]
async fn what_is_no_handshake_is_refused() {
    let edge = Edge::start().await;
    let _host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let visit = visit(&edge);
    let bad = (400, "bad-request".to_owned());
    for (name, value) in
        [("upgrade", "h2c"), ("connection", "close"), ("sec-websocket-version", "8")]
    {
        assert_eq!(refusal(visit, set(name, value)).await, bad, "{name}");
    }
    let at = |path: &str| {
        let uri = format!("ws://demo.localhost:{}{path}", edge.port());
        let uri = uri.parse().expect("a URI");
        move |request: &mut Request| *request.uri_mut() = uri
    };
    for path in ["/_wingman/signal", "/_wingman/signal?peer=1", "/_wingman/signal?peer="] {
        assert_eq!(refusal(visit, at(path)).await, bad, "{path}");
    }
    let missing = (404, "not-found".to_owned());
    let path = format!("/_wingman/signal/?peer={}", visit.peer);
    assert_eq!(refusal(visit, at(&path)).await, missing);
    let mut plain = edge.visit().await;
    let host = format!("Host: demo.localhost:{}\r\n\r\n", edge.port());
    for method in ["GET", "HEAD", "POST"] {
        let path = format!("/_wingman/signal?peer={}", visit.peer);
        plain.send(format!("{method} {path} HTTP/1.1\r\n{host}")).await;
        let answer = plain.response(method == "HEAD").await.expect("a response");
        assert_eq!(answer.status(), 400, "{method}");
    }
}

#[tokio::test]
async fn sessions_without_a_direct_path_have_no_sockets() {
    let edge = Edge::start().await;
    let forbidden = (403, "forbidden".to_owned());
    let _bare = FakeHost::start(edge.port(), "bare").await;
    let bare = Visit { session: "bare", ..visit(&edge) };
    assert_eq!(refusal(bare, |_| ()).await, forbidden);
    let unknown = Visit { session: "unknown", ..visit(&edge) };
    // An edge that has just started waits for its hosts.
    let answer = soon(refusal(unknown, |_| ())).await;
    assert_eq!(answer, (404, "unknown-session".to_owned()));
    let mut relayed = FakeHost::start(edge.port(), "relayed").await;
    relayed.control(&HostToEdge::End).await;
    relayed.closed().await;
    let mut open = wingman_tests::fake_host::open_with_pages("relayed");
    open.pages = open.pages.map(|pages| Pages { direct: false, ..pages });
    let handshake = wingman_tests::fake_host::handshake(edge.port());
    let mut relayed =
        wingman_tests::fake_host::connect(edge.port(), handshake).await.expect("a link");
    relayed.claim(open).await;
    let relayed = Visit { session: "relayed", ..visit(&edge) };
    assert_eq!(refusal(relayed, |_| ()).await, forbidden);
}

#[tokio::test]
async fn an_edge_can_forbid_it_to_all() {
    let edge = EdgeOptions::default().set("p2p_enabled", "false").start().await;
    let _host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    assert_eq!(refusal(visit(&edge), |_| ()).await, (403, "forbidden".to_owned()));
}

#[tokio::test]
async fn a_peer_id_of_another_visitor_is_refused() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let visit = visit(&edge);
    let mut page = visit.open().await;
    host.told().await;
    let thief = Visit { visitor: visitor(2), ..visit };
    assert_eq!(refusal(thief, |_| ()).await, (403, "forbidden".to_owned()));
    let message = from_host(SESSION, answer("mine"));
    host.control(&HostToEdge::Signaling { peer: visit.peer, message: message.clone() }).await;
    assert_eq!(page.hears().await, Ok(message), "its owner still has it");
    // In another session the same id means nothing.
    let mut other = FakeHost::start_with_pages(edge.port(), "other").await;
    let elsewhere = Visit { session: "other", ..thief };
    let _page = elsewhere.open().await;
    let expected = EdgeToHost::PeerOpened { peer: visit.peer, visitor: visitor(2) };
    assert_eq!(other.told().await, expected);
}

#[tokio::test]
async fn http2_has_no_sockets() {
    let edge = EdgeOptions::default().tls().start().await;
    let _host = tls_host(&edge).await;
    let authority = format!("app.localhost:{}", edge.https_port());
    let mut sender = h2::connect(&edge, &authority).await;
    let request =
        http::Request::get(format!("https://{authority}/_wingman/signal?peer={}", peer(1)))
            .header("origin", format!("https://{authority}"))
            .header("cookie", format!("__Host-wingman={}", visitor(1)))
            .body(())
            .expect("a request");
    let (response, _) = sender.send_request(request, true).expect("takes it");
    assert_eq!(soon(response).await.expect("a response").status(), 400);
}

/// A host of the session `app` on an edge with TLS, whose plain port only redirects.
async fn tls_host(edge: &Edge) -> impl Sized {
    use futures_util::SinkExt as _;
    use tokio_tungstenite::{client_async, tungstenite::Message};
    let stream = h2::tls(edge, "localhost", &["http/1.1"]).await;
    let mut request = wingman_tests::fake_host::handshake(edge.https_port());
    request
        .headers_mut()
        .insert("host", format!("localhost:{}", edge.https_port()).parse().expect("a value"));
    let (mut socket, _) = soon(client_async(request, stream)).await.expect("a link");
    let open = HostToEdge::Open(wingman_tests::fake_host::open_with_pages("app"));
    let json = wingman_wire::control::encode(&open).expect("is small");
    let mut out = bytes::BytesMut::new();
    wingman_wire::frame::Frame::Control(json.into()).put(&mut out);
    socket.send(Message::Binary(out.freeze())).await.expect("the edge takes it");
    wingman_tests::until("there is a session", std::time::Duration::from_secs(5), async || {
        edge.metrics().await.get("sessions") == 1.0
    })
    .await;
    socket
}
