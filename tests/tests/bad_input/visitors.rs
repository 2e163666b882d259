//! Visitors that do not speak HTTP as it is written.

use wingman_tests::Share;

use super::stage::{ask, echo, error, is_closed, still_good};

/// Sends each and checks the status; a refused one never reaches the origin.
async fn refused(share: &Share, cases: &[(&str, u16, String)]) {
    let mut wrong = Vec::new();
    for (what, status, request) in cases {
        let before = share.origin.requests();
        match ask(&share.edge, request).await {
            Some(answer) if answer.status() == *status => {}
            Some(answer) => wrong.push(format!("{what}: {} and not {status}", answer.status())),
            None => wrong.push(format!("{what}: closed without an answer and not {status}")),
        }
        if share.origin.requests() != before {
            wrong.push(format!("{what}: it came to the origin"));
        }
        still_good(share).await;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn get(share: &Share, fields: &str) -> String {
    share.request("GET /bad", fields)
}

fn post(share: &Share, fields: &str, content: &str) -> String {
    share.request("POST /bad", fields) + content
}

#[tokio::test]
async fn framing_that_contradicts_itself_is_refused() {
    let share = echo().await;
    let case = |what, fields: &str, content: &str| (what, 400, post(&share, fields, content));
    let chunked = "Transfer-Encoding: chunked\r\n";
    refused(
        &share,
        &[
            case("two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"),
            case("a list of lengths", "Content-Length: 5, 5\r\n", "hello"),
            case("a signed length", "Content-Length: +5\r\n", "hello"),
            case("a negative length", "Content-Length: -5\r\n", "hello"),
            case("a hexadecimal length", "Content-Length: 0x5\r\n", "hello"),
            case("a length beyond all", "Content-Length: 99999999999999999999\r\n", ""),
            case("another coding", "Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
            case("an unknown coding", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
            case("chunked twice", &chunked.repeat(2), "0\r\n\r\n"),
            case("a coding hidden by a tab", "Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"),
        ],
    )
    .await;
}

#[tokio::test]
async fn content_that_is_not_what_its_head_says_is_refused() {
    let share = echo().await;
    let case =
        |what, content: &str| (what, 400, post(&share, "Transfer-Encoding: chunked\r\n", content));
    // The head is good, so these may open an exchange; the origin must not get a whole request.
    let mut wrong = Vec::new();
    for (what, status, request) in [
        case("a chunk size that is none", "zz\r\nhello\r\n0\r\n\r\n"),
        case("a chunk size beyond all", "ffffffffffffffffff\r\n"),
        case("a negative chunk size", "-5\r\nhello\r\n0\r\n\r\n"),
        case("a chunk longer than its size", "3\r\nhello\r\n0\r\n\r\n"),
    ] {
        match ask(&share.edge, request).await {
            Some(answer) if answer.status() == status => {}
            Some(answer) => wrong.push(format!("{what}: {}", answer.status())),
            None => wrong.push(format!("{what}: closed without an answer")),
        }
        still_good(&share).await;
    }
    assert!(wrong.is_empty(), "not answered 400: {wrong:#?}");
}

#[tokio::test]
async fn nothing_can_be_smuggled_behind_a_request() {
    let share = echo().await;
    let smuggled = share.request("GET /smuggled", "");
    let both = |first: &str, second: &str| format!("{first}\r\n{second}\r\n");
    let (length, chunked) = ("Content-Length: 4", "Transfer-Encoding: chunked");
    for fields in [both(length, chunked), both(chunked, length)] {
        let request = post(&share, &fields, "0\r\n\r\n") + &smuggled;
        let mut visitor = share.visit().await;
        visitor.send(&request).await;
        // RFC 9112 §6.1 gives the choice: 400, or chunked and the end of the connection.
        if let Ok(answer) = visitor.response(false).await {
            assert!(matches!(answer.status(), 200 | 400), "{answer:?}");
        }
        assert!(is_closed(&mut visitor).await, "what follows is not a request");
        still_good(&share).await;
    }
    let share_of = share.origin.requests();
    // In HTTP/1.0 there is no chunked: its content would be a request.
    let request = format!(
        "POST /bad HTTP/1.0\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}",
        share.authority()
    );
    assert_eq!(ask(&share.edge, request).await.map(|answer| answer.status()), Some(400));
    assert_eq!(share.origin.requests(), share_of);
    still_good(&share).await;
}

#[tokio::test]
async fn malformed_heads_are_refused() {
    let share = echo().await;
    let host = format!("Host: {}\r\n", share.authority());
    let case = |what, fields: &str| (what, 400, get(&share, fields));
    let start = |what, line: &str| (what, 400, format!("{line}\r\n{host}\r\n"));
    refused(
        &share,
        &[
            case("obs-fold", "X-A: a\r\n b\r\n"),
            case("obs-fold of nothing", "X-A:\r\n\tb\r\n"),
            case("a bare CR in a value", "X-A: a\rb\r\n"),
            case("a bare CR before a field", "X-A: a\rX-B: b\r\n"),
            case("NUL in a value", "X-A: a\0b\r\n"),
            case("DEL in a name", "X\x7f: a\r\n"),
            case("a space before the colon", "X-A : a\r\n"),
            case("a field without a name", ": a\r\n"),
            case("a line without a colon", "just words\r\n"),
            case("Connection that names Cookie", "Connection: cookie\r\nCookie: a=1\r\n"),
            case("Connection that is no list", "Connection: a b\r\n"),
            case("Connection that names much", "Connection: a,b,c,d,e,f,g,h,i,j,k,l\r\n"),
            start("no target", "GET HTTP/1.1"),
            start("no version", "GET /"),
            start("an unknown version", "GET / HTTP/1.2"),
            start("version 2 in text", "GET / HTTP/2.0"),
            start("a method that is none", "G(T / HTTP/1.1"),
            ("TLS to the plain port", 400, "\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n".into()),
            (
                "HTTP/2's preface to an HTTP/1.1 port",
                400,
                "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_bare_lf_ends_a_line_for_all_or_for_none() {
    // RFC 9112 §2.2 lets a recipient take it. Then the origin must get the same lines, with CRLF.
    let share = Share::of(|mut connection| async move {
        while let Some(head) = connection.request().await {
            let bare = head.raw.windows(2).any(|two| two[1] == b'\n' && two[0] != b'\r');
            let text = format!("{bare} {:?}", head.get("x-b"));
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
            connection.send(&answer).await;
        }
    })
    .await;
    let answer = ask(&share.edge, get(&share, "X-A: a\nX-B: b\r\n")).await.expect("an answer");
    assert!(
        answer.status() == 400 || answer.text() == "false Some(\"b\")",
        "{} {}",
        answer.status(),
        answer.text()
    );
}

#[tokio::test]
async fn heads_beyond_the_limits_are_refused() {
    let share = echo().await;
    let lines = |count: usize| (0..count).map(|n| format!("X-{n}: 1\r\n")).collect::<String>();
    let value = |length: usize| format!("X-Long: {}\r\n", "a".repeat(length));
    for (what, fields) in [
        ("300 field lines", lines(300)),
        ("4000 field lines", lines(4_000)),
        ("a field of 70 KB", value(70_000)),
        ("a field of 1 MB", value(1_000_000)),
        ("a field of 3 MB", value(3_000_000)),
        ("a name of 70 KB", format!("{}: 1\r\n", "n".repeat(70_000))),
    ] {
        let before = share.origin.requests();
        let answer = ask(&share.edge, get(&share, &fields)).await;
        // Pingora's own limits (256 lines, 1 MB) come first and have one status, 400. A large head may
        // be refused while it is still sent, which can cost the visitor the answer.
        let status = answer.map(|answer| answer.status());
        let large = fields.len() > 500_000;
        assert!(
            matches!(status, Some(400 | 431)) || (large && status.is_none()),
            "{what}: {status:?}"
        );
        assert_eq!(share.origin.requests(), before, "{what}");
        still_good(&share).await;
    }
    let target = "/".to_owned() + &"a".repeat(70_000);
    let answer = ask(&share.edge, share.request(&format!("GET {target}"), "")).await;
    assert!(matches!(answer.map(|answer| answer.status()), Some(400 | 414 | 431)));
    // Up to them, all is well.
    let answer = ask(&share.edge, get(&share, &lines(200))).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let answer = ask(&share.edge, get(&share, &value(50_000))).await.expect("an answer");
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn other_forms_of_the_target() {
    let share = echo().await;
    let authority = share.authority().to_owned();
    let to = |target: &str| share.request(&format!("GET {target}"), "");
    for (target, seen) in [
        (format!("http://{authority}/abs?q=1"), "/abs?q=1"),
        (format!("http://{authority}"), "/"),
        (format!("http://{authority}?q"), "/?q"),
    ] {
        let answer = ask(&share.edge, to(&target)).await.expect("an answer");
        assert_eq!(answer.text(), format!("echo GET {seen} 0"), "{target}");
    }
    let connect =
        |authority: &str| format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    refused(
        &share,
        &[
            ("another authority", 400, to("http://elsewhere.example/abs")),
            ("another session", 400, to("http://other.localhost/abs")),
            ("authority-form", 400, to(&authority)),
            ("a path without its slash", 400, to("index.html")),
            ("another scheme", 400, to("ftp:file")),
            ("CONNECT to the session", 405, connect(&authority)),
            ("CONNECT elsewhere", 405, connect("elsewhere.example:443")),
        ],
    )
    .await;
}

#[tokio::test]
async fn hosts_in_every_spelling() {
    let share = echo().await;
    let (name, port) = share.authority().rsplit_once(':').expect("has a port");
    let request = |host: &str| format!("GET /h HTTP/1.1\r\nHost: {host}\r\n\r\n");
    for host in [
        share.authority().to_owned(),
        name.to_owned(),
        format!("{name}."),
        format!("{name}.:{port}"),
        share.authority().to_uppercase(),
        format!("{name}:1"),
        format!("{name}:"),
    ] {
        let answer = ask(&share.edge, request(&host)).await.expect("an answer");
        assert_eq!(answer.text(), "echo GET /h 0", "{host}");
    }
    let without = "GET /h HTTP/1.1\r\n\r\n".to_owned();
    let old = "GET /h HTTP/1.0\r\n\r\n".to_owned();
    let two = |other: &str| format!("GET /h HTTP/1.1\r\nHost: {name}\r\nHost: {other}\r\n\r\n");
    refused(
        &share,
        &[
            ("no Host", 400, without),
            ("no Host in HTTP/1.0", 400, old),
            ("two hosts", 400, two("other.localhost")),
            ("the same host twice", 400, two(name)),
            ("an empty Host", 400, request("")),
            ("garbage", 400, request("a b")),
            ("bytes", 400, request("caf\u{e9}.localhost")),
            ("a URL", 400, request(&format!("http://{name}/"))),
            ("a path", 400, request(&format!("{name}/x"))),
            ("a user", 400, request(&format!("user@{name}"))),
            ("a port that is none", 400, request(&format!("{name}:http"))),
            ("a port beyond all", 400, request(&format!("{name}:100000"))),
            ("half an IPv6 address", 400, request("[::1")),
            ("a list", 400, request(&format!("{name}, {name}"))),
            ("an IPv6 address", 404, request(&format!("[::1]:{port}"))),
            ("an IPv4 address", 404, request(&format!("127.0.0.1:{port}"))),
            ("another domain", 404, request("elsewhere.example")),
            ("below the session", 404, request(&format!("x.{name}"))),
            ("an empty label", 404, request("a..localhost")),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_unknown_session_is_told_from_one_that_is_away() {
    let share = echo().await;
    for (accept, kind) in [
        ("text/html", "text/html"),
        ("application/json", "application/json"),
        ("x/y", "text/plain"),
    ] {
        let request =
            format!("GET / HTTP/1.1\r\nHost: nobody.localhost\r\nAccept: {accept}\r\n\r\n");
        let answer = ask(&share.edge, request).await.expect("an answer");
        assert_eq!((answer.status(), error(&answer)), (404, "unknown-session"));
        assert!(answer.head.get("content-type").is_some_and(|t| t.starts_with(kind)), "{accept}");
    }
    let reserved = ask(&share.edge, share.request("GET /_wingman/anything", "")).await;
    assert_eq!(reserved.as_ref().map(error), Some("not-found"));
    still_good(&share).await;
}

#[tokio::test]
async fn http_1_0_gets_an_answer_it_can_read() {
    let share = Share::of(|mut connection| async move {
        while let Some(head) = connection.request().await {
            let answer: &[u8] = match head.target() {
                "/chunked" => {
                    b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n\
                      HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
                }
                _ => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            };
            connection.send(answer).await;
        }
    })
    .await;
    for target in ["/chunked", "/length"] {
        let mut visitor = share.visit().await;
        let head = format!("GET {target} HTTP/1.0\r\nHost: {}\r\n\r\n", share.authority());
        visitor.send(head).await;
        let answer = visitor.response(false).await.expect("an answer");
        assert_eq!((answer.status(), &*answer.text()), (200, "hello"));
        assert!(answer.interim.is_empty(), "RFC 9110 §15.2");
        assert_eq!(answer.head.get("transfer-encoding"), None, "RFC 9112 §6.1");
        assert!(is_closed(&mut visitor).await);
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let share = echo().await;
    let mut visitor = share.visit().await;
    let one = share.request("GET /1", "");
    let two = share.request("POST /2", "Content-Length: 3\r\n") + "abc";
    let chunked =
        share.request("POST /3", "Transfer-Encoding: chunked\r\n") + "2\r\nde\r\n0\r\n\r\n";
    let four = share.request("GET /4", "Connection: close\r\n");
    visitor.send([one, two, chunked, four].concat()).await;
    for expected in ["echo GET /1 0", "echo POST /2 3", "echo POST /3 2", "echo GET /4 0"] {
        assert_eq!(visitor.response(false).await.expect("an answer").text(), expected);
    }
    assert!(is_closed(&mut visitor).await);
    still_good(&share).await;
}
