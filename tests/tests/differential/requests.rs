//! Cases that are about the request, each written by hand.

use super::case::{Answer, Ask, Case};

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    methods(&mut cases);
    targets(&mut cases);
    lines(&mut cases);
    cookies(&mut cases);
    names(&mut cases);
    upgrades(&mut cases);
    content(&mut cases);
    cases
}

fn add(cases: &mut Vec<Case>, label: impl Into<String>, ask: Ask) {
    cases.push(Case { label: label.into(), ask, answer: Answer::ok() });
}

fn methods(cases: &mut Vec<Case>) {
    for method in METHODS {
        add(cases, format!("method {method}"), Ask::new(method, "/m"));
        // RFC 9110 gives none of these content a meaning, and forbids none of it.
        if *method != "TRACE" {
            let ask = Ask::new(method, "/m").content("content of any method");
            add(cases, format!("method {method} with content"), ask);
        }
    }
    for case in cases.iter_mut().filter(|case| case.ask.method == b"HEAD") {
        case.answer = Answer::bare("200 OK", &[("Content-Length", "5")]);
    }
}

fn targets(cases: &mut Vec<Case>) {
    for target in TARGETS {
        add(cases, format!("target {target}"), Ask::get(target));
    }
    add(cases, "target * of OPTIONS", Ask::new("OPTIONS", "*"));
    for (what, target) in [
        ("utf-8", "/\u{e9}\u{4e2d}\u{1f600}?\u{e9}=\u{fc}".as_bytes()),
        ("latin-1", b"/caf\xe9?x=\xff"),
    ] {
        add(cases, format!("target in {what}"), Ask::get(target));
    }
    for length in [1_000, 8_000, 30_000] {
        add(
            cases,
            format!("target of {length} bytes"),
            Ask::get(format!("/{}", "a".repeat(length))),
        );
        let query = Ask::get(format!("/?q={}", "%20".repeat(length / 3)));
        add(cases, format!("query of {length} bytes"), query);
    }
}

fn lines(cases: &mut Vec<Case>) {
    let repeated = [("X-A", "1"), ("x-b", "2"), ("X-a", "3"), ("X-B", "4"), ("x-A", "5")];
    add(cases, "repeated fields", Ask::get("/").lines(&repeated));
    let lists = [("Accept", "a/b;q=0.5"), ("accept", "*/*"), ("ACCEPT", ",, ,x")];
    add(cases, "lists in several lines", Ask::get("/").lines(&lists));
    for (what, value) in [
        ("empty", &b""[..]),
        ("a comma", b","),
        ("a tab", b"a\tb"),
        ("quotes", b"\"a, \\\"b\\\"\"; x='"),
        ("utf-8", "\u{4e2d}\u{6587}".as_bytes()),
        ("latin-1", b"caf\xe9 \xa0\xff"),
        ("white space around", b"  \t a b \t "),
        ("only punctuation", b"!#$%&'*+-.^_`|~(){}[]<>@,;:\\/?="),
    ] {
        add(cases, format!("field value: {what}"), Ask::get("/").line("X-Value", value));
    }
    for length in [1_000, 8_000, 16_000] {
        let ask = Ask::get("/").line("X-Long", "v".repeat(length));
        add(cases, format!("field value of {length} bytes"), ask);
        let ask = Ask::get("/").line("X-".to_owned() + &"n".repeat(length / 8), "long name");
        add(cases, format!("field name of {} bytes", length / 8), ask);
    }
    for count in [50, 100, 200] {
        let ask =
            (0..count).fold(Ask::get("/"), |ask, n| ask.line(format!("X-{n}"), n.to_string()));
        add(cases, format!("{count} field lines"), ask.host_at(count / 2));
    }
    for (name, value) in ORDINARY {
        add(cases, format!("field {name}"), Ask::get("/").line(name, value).host_at(9));
    }
    for name in ["X!#$%&'*+-.^_`|~", "A", "1", "_", "x_under_score", "X--Y"] {
        add(cases, format!("field name {name}"), Ask::get("/").line(name, "odd"));
    }
    let browser = Ask::get("/page").lines(BROWSER).host_at(0);
    add(cases, "a browser's navigation", browser.clone());
    add(cases, "a browser's navigation with Keep-Alive", browser.line("Keep-Alive", "timeout=5"));
    add(cases, "nominated field", Ask::get("/").lines(&[("Connection", "x-hop"), ("X-Hop", "1")]));
    add(cases, "TE", Ask::get("/").lines(&[("TE", "trailers"), ("Connection", "TE")]));
    add(cases, "TE of codings", Ask::get("/").lines(&[("TE", "gzip"), ("Connection", "TE")]));
    add(cases, "Proxy-Connection", Ask::get("/").line("Proxy-Connection", "keep-alive"));
    add(cases, "Connection: close", Ask::get("/").line("Connection", "close"));
    add(cases, "HTTP/1.0", Ask::get("/old").version("HTTP/1.0"));
    add(cases, "HTTP/1.0 that keeps alive", {
        Ask::get("/old").version("HTTP/1.0").line("Connection", "keep-alive")
    });
}

fn cookies(cases: &mut Vec<Case>) {
    for cookie in [
        "a=1",
        "a=1; b=2; c=3",
        "a=1;b=2",
        "=x; y; z=",
        "a=\"quoted value\"; b={json:[1,2]}",
        "a=1; a=2; A=3",
        "%20=%3D; token=a==",
        "a=caf\u{e9}",
    ] {
        add(cases, format!("cookie {cookie}"), Ask::get("/").line("Cookie", cookie));
    }
    let several = [("Cookie", "a=1"), ("cookie", "b=2"), ("Cookie", "c=3")];
    add(cases, "cookies in several lines", Ask::get("/").lines(&several));
    let long = format!("a={}; b={}", "x".repeat(4_000), "y".repeat(3_900));
    add(cases, "cookies of 8 KB", Ask::get("/").line("Cookie", long));
}

/// Fields with the names that visitor and origin have for the same server.
fn names(cases: &mut Vec<Case>) {
    for (name, value) in [
        ("Origin", "http://{self}"),
        ("Origin", "null"),
        ("Origin", "http://elsewhere.example"),
        ("Origin", "https://other.localhost"),
        ("Referer", "http://{self}"),
        ("Referer", "http://{self}/a/b?c=d"),
        ("Referer", "http://elsewhere.example/http://localhost/"),
        ("Referer", "about:blank"),
        ("Authorization", "Basic dTpw"),
        ("Authorization", "Bearer not-of-the-edge"),
        ("Destination", "http://elsewhere.example/x"),
    ] {
        add(
            cases,
            format!("{name}: {value}"),
            Ask::new("POST", "/n").line(name, value).content("x"),
        );
    }
}

fn upgrades(cases: &mut Vec<Case>) {
    let websocket = [
        ("Connection", "keep-alive, Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Protocol", "chat, superchat"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
    ];
    for (status, lines) in [
        ("200 OK", &[][..]),
        ("400 Bad Request", &[("Connection", "close")]),
        ("403 Forbidden", &[("X-Why", "origin")]),
        ("426 Upgrade Required", &[("Upgrade", "websocket"), ("Connection", "Upgrade")]),
    ] {
        let answer = Answer::length(status, lines, b"no upgrade");
        let answer = if status.starts_with("400") { answer.closing() } else { answer };
        let ask = Ask::get("/socket").lines(&websocket);
        cases.push(Case { label: format!("upgrade answered {status}"), ask, answer });
    }
    let h2c = [
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"),
    ];
    add(cases, "upgrade to h2c", Ask::get("/").lines(&h2c));
    let other = [("Connection", "Upgrade"), ("Upgrade", "foo/2")];
    add(cases, "upgrade to something else", Ask::get("/").lines(&other));
}

fn content(cases: &mut Vec<Case>) {
    for length in [0, 1, 100, 16_383, 16_384, 16_385, 65_535, 65_537, 300_000] {
        let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let ask = Ask::new("POST", "/up").content(&bytes);
        add(cases, format!("content of {length} bytes"), ask);
        let halves = bytes.split_at(length / 2);
        let chunks: Vec<&[u8]> =
            [halves.0, halves.1].into_iter().filter(|chunk| !chunk.is_empty()).collect();
        let ask = Ask::new("PUT", "/up").chunked(&chunks, |size| format!("{size:x}"), "");
        add(cases, format!("chunked content of {length} bytes"), ask);
    }
    let chunks = [&b"first"[..], b"\r\n0\r\n\r\n", b"a-chunk-of-26-bytes-exactly"];
    let sizes: [(&str, Written); 5] = [
        ("upper case", |size| format!("{size:X}")),
        ("leading zeros", |size| format!("000{size:x}")),
        ("an extension", |size| format!("{size:x};name=value")),
        ("a quoted extension", |size| format!("{size:x};a=\"b;\\\"c\"")),
        ("an extension without value", |size| format!("{size:x};flag")),
    ];
    for (what, written) in sizes {
        let ask = Ask::new("POST", "/up").chunked(&chunks, written, "");
        add(cases, format!("chunk sizes with {what}"), ask);
    }
    for trailers in ["X-Sum: abc\r\n", "X-One: 1\r\nX-Two: 2\r\n", "Content-Length: 5\r\n"] {
        let ask = Ask::new("POST", "/up").chunked(&chunks, |size| format!("{size:x}"), trailers);
        add(cases, format!("request trailers {trailers:?}"), ask.line("Trailer", "X-Sum"));
    }
    for method in ["GET", "DELETE", "OPTIONS", "PROPFIND"] {
        let ask = Ask::new(method, "/up").chunked(&chunks, |size| format!("{size:x}"), "");
        add(cases, format!("{method} with chunked content"), ask);
    }
    let form = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.bin\"\r\n\r\n\0\x01\r\n\
                --b\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\n\u{e9}\r\n--b--\r\n";
    let ask = Ask::new("POST", "/form").line("Content-Type", "multipart/form-data; boundary=b");
    add(cases, "multipart form", ask.clone().content(form));
    add(cases, "chunked multipart form", {
        ask.chunked(&[form.as_bytes()], |size| format!("{size:x}"), "")
    });
    let ask = Ask::new("POST", "/gz").line("Content-Encoding", "gzip").content(b"\x1f\x8b\x08junk");
    add(cases, "coded content", ask);
    let ask = Ask::new("POST", "/wait").line("Expect", "100-continue").content("at once");
    add(cases, "Expect: 100-continue", ask);
}

/// Writes the size of a chunk.
type Written = fn(usize) -> String;

const METHODS: &[&str] = &[
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "OPTIONS",
    "TRACE",
    "PROPFIND",
    "REPORT",
    "M-SEARCH",
    "get",
    "PURGE",
    "X!#$%&'*+-.^_`|~9",
];

const TARGETS: &[&str] = &[
    "/",
    "//x",
    "///",
    "//evil.example/x",
    "/a;b?c=%00",
    "/%00",
    "/%2e%2e/%2E",
    "/../..",
    "/a/./b/",
    "/a//b//",
    "/?",
    "/??",
    "/?a=b&&=&c",
    "/?a=http://h/p?q",
    "/%zz",
    "/%",
    "/a%20b+c",
    "/%E2%82%AC",
    "/~user/,;:@!$&'()*+=",
    "/|",
    "/a|b?c|d",
    "/\"",
    "/?\"",
    "/?a=\"b\"",
    "/{}",
    "/{id}?{x}",
    "/[]",
    "/?a[]=1&a[0]=2",
    "/^",
    "/\\",
    "/a\\..\\b",
    "/`",
    "/?`",
    "/<x>",
    "/?<y>",
    "/a#b",
    "/?a#b",
    "/@host",
    "/:80",
    "/http://other/",
    "/.well-known/x",
    "/_wingman",
    "/_wingmanx/y",
    "/%5Fwingman/x",
    "/a/_wingman/x",
];

/// Fields that proxies like to touch.
const ORDINARY: &[(&str, &str)] = &[
    ("User-Agent", "wingman test (x; y) z/1.0"),
    ("Accept-Encoding", "gzip, br, zstd;q=0.1, *;q=0"),
    ("Accept-Language", "de-CH, fr;q=0.9"),
    ("Range", "bytes=0-4,10-,-5"),
    ("If-Range", "\"tag\""),
    ("If-None-Match", "W/\"a\", \"b\", *"),
    ("If-Match", "\"a\""),
    ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("If-Unmodified-Since", "not a date"),
    ("Cache-Control", "no-cache, max-age=0"),
    ("Pragma", "no-cache"),
    ("Via", "1.1 other"),
    ("Max-Forwards", "3"),
    ("From", "a@b.example"),
    ("DNT", "1"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Priority", "u=1, i"),
    ("X-Requested-With", "XMLHttpRequest"),
    ("X-Real", "not X-Real-IP"),
    ("Forwarded-By", "not Forwarded"),
    ("Accept-Charset", "utf-8"),
    ("Content-Type", "text/plain; charset=\"utf-8\""),
    ("Prefer", "return=minimal"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("Upgrade-Insecure-Requests", "1"),
];

const BROWSER: &[(&str, &str)] = &[
    ("Connection", "keep-alive"),
    ("Cache-Control", "max-age=0"),
    ("sec-ch-ua", "\"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\""),
    ("sec-ch-ua-mobile", "?0"),
    ("Upgrade-Insecure-Requests", "1"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"),
    ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
    ("Sec-Fetch-Site", "none"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "en-US,en;q=0.9"),
    ("Cookie", "session=abc; theme=dark"),
];
