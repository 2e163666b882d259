//! The visitor's cookie: set on documents, told to the host, kept from the origin.

use wingman_tests::{
    Edge, EdgeOptions, Message,
    fake_host::{FakeHost, connect, data, finish, handshake, head, head_frame, open_with_pages},
};
use wingman_wire::{frame::Frame, head::RequestHead, id::VisitorId};

/// One exchange: what the host was asked, and what the visitor got.
struct Exchanged {
    asked: Vec<(String, String)>,
    got: Message,
}

impl Exchanged {
    fn asked(&self, name: &str) -> Vec<&str> {
        let lines = self.asked.iter().filter(|(known, _)| known == name);
        lines.map(|(_, value)| value.as_str()).collect()
    }

    fn set_cookies(&self) -> Vec<&str> {
        self.got.head.all("set-cookie").collect()
    }
}

async fn exchange(
    edge: &Edge,
    host: &mut FakeHost,
    fields: &str,
    answer: &[(&str, &str)],
) -> Exchanged {
    let asks = async {
        let mut visitor = edge.visit().await;
        let host = format!("Host: demo.localhost:{}\r\n", edge.port());
        visitor.send(format!("GET / HTTP/1.1\r\n{host}{fields}\r\n")).await;
        visitor.response(false).await.expect("a response")
    };
    let answers = async {
        loop {
            if let Frame::Open { stream, head: encoded, .. } = host.next().await.expect("a frame") {
                let request = RequestHead::decode(encoded).expect("a head");
                let lines = request.fields.map(|line| {
                    let (name, value) = line.expect("a field line");
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("is text");
                    (text(&name), text(&value))
                });
                let lines = lines.collect();
                let response = head_frame(stream, 0, head(200, answer));
                host.send([response, data(stream, b"hello"), finish(stream, 5)]).await;
                return lines;
            }
        }
    };
    let (got, asked) = tokio::join!(asks, answers);
    Exchanged { asked, got }
}

const DOCUMENT: &str = "Sec-Fetch-Dest: document\r\n";
const ID: &str = "00112233445566778899aabbccddeeff";

#[tokio::test]
async fn a_browser_gets_its_id_with_its_first_document() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start_with_pages(edge.port(), "demo").await;
    for fields in [DOCUMENT, "Sec-Fetch-Dest: iframe\r\n", "Accept: text/html,*/*;q=0.8\r\n"] {
        let answer = [("set-cookie", "a=1"), ("cache-control", "max-age=60")];
        let done = exchange(&edge, &mut host, fields, &answer).await;
        let [other, ours] = done.set_cookies()[..] else { panic!("{:?}", done.set_cookies()) };
        assert_eq!(other, "a=1");
        let id = ours.strip_prefix("wingman=").expect("our cookie");
        let id = id.strip_suffix("; Path=/; HttpOnly; SameSite=Lax").expect("our attributes");
        let _: VisitorId = id.parse().expect("an id");
        assert_eq!(done.asked("wingman-visitor"), [id], "the host knows it already");
        let cache: Vec<_> = done.got.head.all("cache-control").collect();
        assert_eq!(cache, ["max-age=60", "private"], "no cache may give the id to others");
    }
    let kept = exchange(&edge, &mut host, DOCUMENT, &[("cache-control", "No-Store")]).await;
    assert_eq!(kept.got.head.all("cache-control").collect::<Vec<_>>(), ["No-Store"]);
}

#[tokio::test]
async fn who_has_an_id_keeps_it_and_origins_never_see_it() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start_with_pages(edge.port(), "demo").await;
    for (cookies, left) in [
        (format!("wingman={ID}"), vec![]),
        (format!("a=1; wingman={ID}"), vec!["a=1"]),
        (format!("wingman={ID}; a=1; b=\"x y\""), vec!["a=1; b=\"x y\""]),
        (format!("a=1\r\nCookie: wingman={ID}\r\nCookie: b=2"), vec!["a=1", "b=2"]),
    ] {
        let fields = format!("{DOCUMENT}Cookie: {cookies}\r\n");
        let done = exchange(&edge, &mut host, &fields, &[]).await;
        assert_eq!(done.asked("wingman-visitor"), [ID], "{cookies}");
        assert_eq!(done.asked("cookie"), left, "{cookies}");
        assert!(done.set_cookies().is_empty());
        assert_eq!(done.got.head.get("cache-control"), None);
    }
    // Not one of ours: it goes, and a new one comes.
    let fields = format!("{DOCUMENT}Cookie: wingman=guess; a=1\r\n");
    let done = exchange(&edge, &mut host, &fields, &[]).await;
    assert_eq!(done.asked("cookie"), ["a=1"]);
    assert_eq!(done.set_cookies().len(), 1);
}

#[tokio::test]
async fn other_requests_change_nothing() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start_with_pages(edge.port(), "demo").await;
    for fields in ["", "Accept: */*\r\n", "Sec-Fetch-Dest: empty\r\nAccept: text/html\r\n"] {
        let fields = format!("{fields}Cookie: a=1;b=2;;c\r\n");
        let done = exchange(&edge, &mut host, &fields, &[("set-cookie", "a=1")]).await;
        assert_eq!(done.set_cookies(), ["a=1"]);
        assert!(done.asked("wingman-visitor").is_empty());
        assert_eq!(done.asked("cookie"), ["a=1;b=2;;c"]);
        assert_eq!(done.got.head.get("cache-control"), None);
    }
}

#[tokio::test]
async fn sessions_without_pages_have_no_visitors() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start(edge.port(), "demo").await;
    let done = exchange(&edge, &mut host, DOCUMENT, &[]).await;
    assert!(done.set_cookies().is_empty());
    assert!(done.asked("wingman-visitor").is_empty());
}

#[tokio::test]
async fn nobody_else_says_who_a_visitor_is() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start_with_pages(edge.port(), "demo").await;
    let request = "ffeeddccbbaa99887766554433221100";
    let fields = format!(
        "Wingman-Visitor: {ID}\r\nWingman-Request-Id: {request}\r\nWingman-Document-Cookie: a\r\n\
         wingman-credentials: omit\r\n"
    );
    let answer = [
        ("set-cookie", "wingman=stolen; Path=/"),
        ("set-cookie", "WINGMAN=stolen"),
        ("set-cookie", "wingmans=1"),
        ("wingman-ticket", "x"),
    ];
    let done = exchange(&edge, &mut host, &fields, &answer).await;
    let ours: Vec<_> = done.asked.iter().filter(|(name, _)| name.starts_with("wingman-")).collect();
    assert_eq!(ours, [&("wingman-request-id".to_owned(), request.to_owned())]);
    assert_eq!(done.set_cookies(), ["wingmans=1"]);
    assert_eq!(done.got.head.get("wingman-ticket"), None);
    for bad in [
        "Wingman-Request-Id: x\r\n".to_owned(),
        format!("Wingman-Request-Id: {}\r\n", request.to_uppercase()),
        format!("Wingman-Request-Id: {request}\r\nWingman-Request-Id: {request}\r\n"),
    ] {
        let done = exchange(&edge, &mut host, &bad, &[]).await;
        assert!(done.asked("wingman-request-id").is_empty(), "{bad}");
    }
}

/// Behind a proxy that ends TLS the browser sees HTTPS, and the cookie is guarded accordingly.
#[tokio::test]
async fn secure_sessions_have_a_guarded_cookie() {
    let edge = EdgeOptions::default().set("public_scheme", "https").start().await;
    let mut host = connect(edge.port(), handshake(edge.port())).await.expect("a link");
    host.claim(open_with_pages("demo")).await;
    let done = exchange(&edge, &mut host, DOCUMENT, &[]).await;
    let [ours] = done.set_cookies()[..] else { panic!("{:?}", done.set_cookies()) };
    assert!(ours.starts_with("__Host-wingman="), "{ours}");
    assert!(ours.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{ours}");
    let fields = format!("Cookie: __Host-wingman={ID}; wingman=app\r\n");
    let done = exchange(&edge, &mut host, &fields, &[]).await;
    assert_eq!(done.asked("wingman-visitor"), [ID]);
    assert_eq!(done.asked("cookie"), ["wingman=app"], "the other name is the app's own");
}
