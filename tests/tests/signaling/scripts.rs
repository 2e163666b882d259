//! What is at `/_wingman/` beside signaling.

use wingman_tests::{
    Edge, Message,
    fake_host::{FakeHost, head, head_frame},
};
use wingman_wire::{control::HostToEdge, frame::Flags};

async fn ask(edge: &Edge, session: &str, start: &str, fields: &str) -> Message {
    let mut visitor = edge.visit().await;
    let host = format!("Host: {session}.localhost:{}\r\n", edge.port());
    visitor.send(format!("{start} HTTP/1.1\r\n{host}{fields}\r\n")).await;
    visitor.response(start.starts_with("HEAD")).await.expect("a response")
}

#[tokio::test]
async fn scripts_are_served_on_session_hosts() {
    let edge = Edge::start().await;
    let _host = FakeHost::start_with_pages(edge.port(), "demo").await;
    for (path, file, allowed) in [
        ("/_wingman/page.js", "page.js", None),
        ("/_wingman/extras.js", "extras.js", None),
        ("/_wingman/worker.js", "worker.js", Some("/")),
    ] {
        let source = format!("{}/../static/dist/{file}", env!("CARGO_MANIFEST_DIR"));
        let source = std::fs::read(source).expect("is committed");
        let get = ask(&edge, "demo", &format!("GET {path}"), "").await;
        assert_eq!(get.status(), 200);
        assert_eq!(get.content, source, "build the edge after the scripts");
        assert_eq!(get.head.get("content-type"), Some("text/javascript; charset=utf-8"));
        assert_eq!(get.head.get("cache-control"), Some("no-cache"));
        assert_eq!(get.head.get("service-worker-allowed"), allowed);
        assert_eq!(get.head.get("set-cookie"), None);
        let etag = get.head.get("etag").expect("a validator");
        let head = ask(&edge, "demo", &format!("HEAD {path}"), "").await;
        assert_eq!((head.status(), head.content.len()), (200, 0));
        assert_eq!(head.head.get("etag"), Some(etag));
        assert_eq!(head.head.get("content-length"), get.head.get("content-length"));
        let known = format!("If-None-Match: {etag}\r\n");
        let unchanged = ask(&edge, "demo", &format!("GET {path}"), &known).await;
        assert_eq!((unchanged.status(), unchanged.content.len()), (304, 0));
        let gzip = ask(&edge, "demo", &format!("GET {path}"), "Accept-Encoding: gzip\r\n").await;
        assert_eq!(gzip.head.get("content-encoding"), Some("gzip"));
        assert!(gzip.content.starts_with(&[0x1f, 0x8b]));
        assert_ne!(gzip.head.get("etag"), Some(etag));
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let refused = ask(&edge, "demo", &format!("{method} {path}"), "").await;
            assert_eq!(refused.status(), 405, "{method}");
            assert_eq!(refused.head.get("allow"), Some("GET, HEAD"));
        }
        let missing = ask(&edge, "demo", &format!("GET {path}x"), "").await;
        assert_eq!(missing.status(), 404);
    }
    let unknown = ask(&edge, "unknown", "GET /_wingman/page.js", "").await;
    assert_eq!(unknown.head.get("wingman-error"), Some("unknown-session"));
}

#[tokio::test]
async fn an_ended_session_is_gone_everywhere() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start_with_pages(edge.port(), "demo").await;
    host.control(&HostToEdge::End).await;
    assert_eq!(host.closed().await, 4000);
    let ours =
        ["page.js", "extras.js", "worker.js", "echo"].map(|name| format!("/_wingman/{name}"));
    for path in ["/", "/api?x=1"].map(str::to_owned).into_iter().chain(ours) {
        for (accept, kind) in [
            ("text/html", "text/html; charset=utf-8"),
            ("application/json", "application/json"),
            ("text/plain", "text/plain; charset=utf-8"),
        ] {
            let fields = format!("Accept: {accept}\r\n");
            let gone = ask(&edge, "demo", &format!("GET {path}"), &fields).await;
            assert_eq!(gone.status(), 410, "{path}");
            assert_eq!(gone.head.get("wingman-error"), Some("session-ended"));
            assert_eq!(gone.head.get("content-type"), Some(kind));
            assert_eq!(gone.head.get("cache-control"), Some("no-store"));
        }
    }
    // Another host may take the name: it is free.
    let mut open = wingman_tests::fake_host::open_with_pages("demo");
    open.resume_key = "another host's own key, long enough".to_owned();
    let handshake = wingman_tests::fake_host::handshake(edge.port());
    let mut other =
        wingman_tests::fake_host::connect(edge.port(), handshake).await.expect("a link");
    other.claim(open).await;
    assert_eq!(ask(&edge, "demo", "GET /_wingman/page.js", "").await.status(), 200);
}

#[tokio::test]
async fn echo_and_tickets_are_the_hosts() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start_with_pages(edge.port(), "demo").await;
    for path in ["/_wingman/echo", "/_wingman/cookies/abc123"] {
        let start = format!("GET {path}");
        let asks = ask(&edge, "demo", &start, "");
        let answers = async {
            let stream = host.request().await;
            let fields =
                [("set-cookie", "sid=1; Path=/; HttpOnly"), ("wingman-visitor-tag", "0a1b2c3d")];
            host.send([head_frame(stream, Flags::END, head(204, &fields))]).await;
        };
        let (answer, ()) = tokio::join!(asks, answers);
        assert_eq!(answer.status(), 204, "{path}");
        assert_eq!(answer.head.get("set-cookie"), Some("sid=1; Path=/; HttpOnly"));
        assert_eq!(answer.head.get("wingman-visitor-tag"), Some("0a1b2c3d"));
    }
    for path in [
        "/_wingman/",
        "/_wingman/cookies/",
        "/_wingman/cookies/a/b",
        "/_wingman/echo/",
        "/_wingman/x",
    ] {
        let missing = ask(&edge, "demo", &format!("GET {path}"), "").await;
        assert_eq!(missing.head.get("wingman-error"), Some("not-found"), "{path}");
    }
    // A host that said nothing of pages would ask its origin.
    let _bare = FakeHost::start(edge.port(), "bare").await;
    let missing = ask(&edge, "bare", "GET /_wingman/echo", "").await;
    assert_eq!(missing.head.get("wingman-error"), Some("not-found"));
}
