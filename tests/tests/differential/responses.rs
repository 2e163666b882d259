//! Cases that are about the response, each written by hand.

use super::case::{Answer, Ask, Case};

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    statuses(&mut cases);
    framings(&mut cases);
    bodiless(&mut cases);
    interim(&mut cases);
    ranges(&mut cases);
    redirects(&mut cases);
    cookies(&mut cases);
    fields(&mut cases);
    cases
}

fn add(cases: &mut Vec<Case>, label: impl Into<String>, answer: Answer) {
    cases.push(Case { label: label.into(), ask: Ask::get("/r"), answer });
}

/// Responses of an origin that dies in the middle of them.
pub(crate) fn cut() -> Vec<Case> {
    let cut = |label: &str, framing: &str, part: &str| {
        let head = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n");
        let answer = Answer { pieces: vec![head.into_bytes(), part.into()], close: true };
        Case { label: label.to_owned(), ask: Ask::get("/r"), answer }
    };
    vec![
        cut("cut content of a known length", "Content-Length: 100", "the last words"),
        cut("content cut between chunks", "Transfer-Encoding: chunked", "e\r\nthe last words\r\n"),
        cut("content cut in a chunk", "Transfer-Encoding: chunked", "64\r\nthe last words"),
    ]
}

fn statuses(cases: &mut Vec<Case>) {
    for status in [
        "200 OK",
        "201 Created",
        "202 Accepted",
        "203 Non-Authoritative Information",
        "207 Multi-Status",
        "226 IM Used",
        "299 Own",
        "300 Multiple Choices",
        "305 Use Proxy",
        "400 Bad Request",
        "401 Unauthorized",
        "402 Payment Required",
        "404 Not Found",
        "405 Method Not Allowed",
        "407 Proxy Authentication Required",
        "408 Request Timeout",
        "409 Conflict",
        "410 Gone",
        "411 Length Required",
        "413 Content Too Large",
        "417 Expectation Failed",
        "418 I'm a teapot",
        "421 Misdirected Request",
        "425 Too Early",
        "429 Too Many Requests",
        "431 Request Header Fields Too Large",
        "451 Unavailable For Legal Reasons",
        "499 Own",
        "500 Internal Server Error",
        "501 Not Implemented",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
        "511 Network Authentication Required",
        "599 Own",
    ] {
        let lines = [("Content-Type", "text/plain"), ("Retry-After", "1")];
        add(cases, format!("status {status}"), Answer::length(status, &lines, b"with content\n"));
    }
    for reason in ["200 Fine", "200 ", "200", "404 caf\u{e9}", "500 a b  c"] {
        add(cases, format!("reason phrase {reason:?}"), Answer::length(reason, &[], b"x"));
    }
    let asks = ("WWW-Authenticate", "Basic realm=\"a, b\", Bearer");
    add(cases, "401 that asks", Answer::length("401 Unauthorized", &[asks], b"who?"));
}

fn framings(cases: &mut Vec<Case>) {
    let large: Vec<u8> = (0..200_000).map(|at| (at % 253) as u8).collect();
    for length in [0, 1, 1_459, 1_460, 1_461, 16_384, 65_536, 200_000] {
        let content = &large[..length];
        add(cases, format!("{length} bytes"), Answer::length("200 OK", &[], content));
        let halves = content.split_at(length / 2);
        let chunks: Vec<&[u8]> =
            [halves.0, halves.1].into_iter().filter(|chunk| !chunk.is_empty()).collect();
        add(cases, format!("{length} bytes chunked"), {
            Answer::chunked("200 OK", &[], &chunks, "", "")
        });
        add(cases, format!("{length} bytes until close"), {
            Answer::until_close("200 OK", &[], content)
        });
    }
    let chunks = [&b"one"[..], b"\r\n0\r\n\r\n", b"t"];
    add(cases, "chunk extensions", Answer::chunked("200 OK", &[], &chunks, ";a=\"b\"", ""));
    let announced = [("Trailer", "X-Sum, Server-Timing")];
    for trailers in ["X-Sum: 1\r\n", "X-Sum: 1\r\nServer-Timing: a;dur=1\r\nX-Sum: 2\r\n"] {
        let answer = Answer::chunked("200 OK", &announced, &chunks, "", trailers);
        add(cases, format!("response trailers {trailers:?}"), answer);
    }
    let close = [("Connection", "close")];
    add(cases, "Connection: close", Answer::length("200 OK", &close, b"last").closing());
    add(cases, "chunked, then closes", {
        Answer::chunked("200 OK", &close, &[b"last"], "", "").closing()
    });
    let keep = [("Keep-Alive", "timeout=5"), ("Connection", "Keep-Alive")];
    add(cases, "Keep-Alive", Answer::length("200 OK", &keep, b"x"));
    let nominated = [("Connection", "X-Hop"), ("X-Hop", "1"), ("X-End", "2")];
    add(cases, "nominated field of a response", Answer::length("200 OK", &nominated, b"x"));
}

fn bodiless(cases: &mut Vec<Case>) {
    for (status, lines) in [
        ("204 No Content", &[("X-A", "1")][..]),
        ("205 Reset Content", &[("Content-Length", "0")]),
        ("304 Not Modified", &[("ETag", "\"e\"")]),
        ("304 Not Modified", &[("ETag", "W/\"e\""), ("Content-Length", "1234")]),
        ("304 Not Modified", &[("Content-Type", "a/b"), ("Vary", "accept"), ("Expires", "0")]),
        ("200 OK", &[("Content-Length", "0")]),
        ("201 Created", &[("Content-Length", "0"), ("Location", "/new")]),
    ] {
        add(cases, format!("{status} with {lines:?}"), Answer::bare(status, lines));
        for method in ["POST", "DELETE"] {
            let ask = Ask::new(method, "/r").content("given");
            let label = format!("{status} with {lines:?} to {method}");
            cases.push(Case { label, ask, answer: Answer::bare(status, lines) });
        }
    }
    for (status, lines) in [
        ("200 OK", &[("Content-Length", "1000"), ("Content-Type", "a/b")][..]),
        ("200 OK", &[("Transfer-Encoding", "chunked")]),
        ("200 OK", &[("Content-Type", "a/b")]),
        ("206 Partial Content", &[("Content-Range", "bytes 0-4/10"), ("Content-Length", "5")]),
        ("204 No Content", &[]),
        ("304 Not Modified", &[("Content-Length", "7")]),
        ("404 Not Found", &[("Content-Length", "9")]),
        ("302 Found", &[("Location", "/x"), ("Content-Length", "0")]),
    ] {
        let ask = Ask::new("HEAD", "/r");
        let label = format!("HEAD answered {status} with {lines:?}");
        cases.push(Case { label, ask, answer: Answer::bare(status, lines) });
    }
}

fn interim(cases: &mut Vec<Case>) {
    let link = [("Link", "</a.css>; rel=preload; as=style"), ("link", "</b.js>; rel=preload")];
    let early = ("103 Early Hints", &link[..]);
    let final_head = || Answer::length("200 OK", &[("X-Final", "1")], b"after hints");
    add(cases, "103", final_head().after(&[early]));
    add(cases, "103 three times", final_head().after(&[early, early, early]));
    add(cases, "103 twenty times", final_head().after(&[early; 20]));
    add(cases, "102", final_head().after(&[("102 Processing", &[])]));
    add(cases, "102 and 103", final_head().after(&[("102 Processing", &[]), early]));
    add(cases, "199", final_head().after(&[("199 Own", &[("X-Own", "1")])]));
    add(cases, "103 before 304", Answer::bare("304 Not Modified", &[]).after(&[early]));
    add(cases, "103 before chunked content", {
        Answer::chunked("200 OK", &[], &[b"a", b"b"], "", "").after(&[early])
    });
    let ask = Ask::new("POST", "/r").content("given");
    cases.push(Case { label: "103 to POST".into(), ask, answer: final_head().after(&[early]) });
    let ask = Ask::new("HEAD", "/r");
    let answer = Answer::bare("200 OK", &[("Content-Length", "3")]).after(&[early]);
    cases.push(Case { label: "103 to HEAD".into(), ask, answer });
}

fn ranges(cases: &mut Vec<Case>) {
    for (range, status, lines, content) in [
        ("bytes=0-4", "206 Partial Content", "bytes 0-4/10", &b"01234"[..]),
        ("bytes=-2", "206 Partial Content", "bytes 8-9/10", b"89"),
        ("bytes=5-", "206 Partial Content", "bytes 5-9/*", b"56789"),
        ("bytes=99-", "416 Range Not Satisfiable", "bytes */10", b""),
        ("lines=1-2", "200 OK", "", b"0123456789"),
    ] {
        let fields = [("Accept-Ranges", "bytes"), ("ETag", "\"v1\""), ("Content-Range", lines)];
        let fields = if lines.is_empty() { &fields[..2] } else { &fields[..] };
        for condition in ["", "\"v1\"", "Sun, 06 Nov 1994 08:49:37 GMT"] {
            let ask = Ask::get("/file").line("Range", range);
            let ask = if condition.is_empty() { ask } else { ask.line("If-Range", condition) };
            let answer = Answer::length(status, fields, content);
            cases.push(Case { label: format!("{range} if {condition:?}"), ask, answer });
        }
    }
    let parts = b"--p\r\nContent-Range: bytes 0-0/9\r\n\r\na\r\n--p--\r\n";
    let lines = [("Content-Type", "multipart/byteranges; boundary=p")];
    let ask = Ask::get("/file").line("Range", "bytes=0-0,-1");
    let answer = Answer::length("206 Partial Content", &lines, parts);
    cases.push(Case { label: "several ranges".into(), ask, answer });
    for (name, value) in [
        ("If-None-Match", "\"v1\""),
        ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("If-Match", "\"other\""),
    ] {
        let status =
            if name == "If-Match" { "412 Precondition Failed" } else { "304 Not Modified" };
        let ask = Ask::get("/file").line(name, value);
        let lines = [("ETag", "\"v1\""), ("Cache-Control", "max-age=60"), ("Age", "3")];
        let answer = match name {
            "If-Match" => Answer::length(status, &lines, b"no"),
            _ => Answer::bare(status, &lines),
        };
        cases.push(Case { label: format!("{name}: {value}"), ask, answer });
    }
}

fn redirects(cases: &mut Vec<Case>) {
    for location in [
        "/a",
        "a/b?c#d",
        "?q",
        "",
        "//elsewhere.example/x",
        "http://elsewhere.example/",
        "https://elsewhere.example:8443/a?b=http://{self}/",
        "http://{self}",
        "http://{self}/a?b#c",
        "HTTP://{self}/a",
        "//{self}/a",
        "https://{self}/a",
        "http://user@{self}/a",
        "/caf\u{e9}?\u{4e2d}",
        "/a b",
    ] {
        let lines = [("Location", location)];
        add(cases, format!("302 to {location}"), Answer::length("302 Found", &lines, b"moved"));
    }
    for status in ["301 Moved Permanently", "303 See Other", "307 Temporary Redirect", "308 P"] {
        let lines = [("Location", "http://{self}/next"), ("Content-Length", "0")];
        let ask = Ask::new("POST", "/r").content("form=1");
        cases.push(Case { label: status.to_owned(), ask, answer: Answer::bare(status, &lines) });
    }
    for (name, value) in [
        ("Content-Location", "http://{self}/doc"),
        ("Refresh", "0; url=http://{self}/next"),
        ("Refresh", "5"),
        ("Access-Control-Allow-Origin", "http://{self}"),
        ("Access-Control-Allow-Origin", "*"),
        ("Link", "<http://{self}/a>; rel=next"),
        ("Content-Security-Policy", "default-src http://{self}"),
    ] {
        let lines = [(name, value)];
        add(cases, format!("{name}: {value}"), Answer::length("200 OK", &lines, b"x"));
    }
}

fn cookies(cases: &mut Vec<Case>) {
    for cookie in [
        "a=1",
        "a=1; Path=/; HttpOnly; Secure; SameSite=None; Partitioned",
        "a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0",
        "a=\"quoted; value\"",
        "__Host-a=1; Secure; Path=/",
        "a=caf\u{e9}; Domain=elsewhere.example",
        "a=1; Domain=localhost",
        "a=1; Path=/; domain=.localhost; HttpOnly",
        "=;;",
    ] {
        let lines = [("Set-Cookie", cookie)];
        add(cases, format!("Set-Cookie: {cookie}"), Answer::length("200 OK", &lines, b"x"));
    }
    let several =
        [("Set-Cookie", "a=1"), ("X-Between", "1"), ("set-cookie", "b=2"), ("Set-Cookie", "a=3")];
    add(cases, "several cookies", Answer::length("200 OK", &several, b"x"));
    let long = format!("a={}", "x".repeat(4_000));
    let lines = [("Set-Cookie", &*long), ("Set-Cookie", &long), ("Set-Cookie", "b=1")];
    add(cases, "long cookies", Answer::length("302 Found", &lines, b""));
}

fn fields(cases: &mut Vec<Case>) {
    for (name, value) in [
        ("Server", "own/1.0 (x)"),
        ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("Via", "1.1 other"),
        ("X-Powered-By", "a"),
        ("Content-Encoding", "gzip"),
        ("Content-Encoding", "br, identity"),
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Type", ""),
        ("Cache-Control", "no-store, private=\"x, y\""),
        ("Vary", "*"),
        ("Alt-Svc", "h3=\":443\""),
        ("Strict-Transport-Security", "max-age=1"),
        ("Content-Disposition", "attachment; filename*=UTF-8''%e2%82%ac.txt"),
        ("Last-Modified", "yesterday"),
        ("X-Tab", "a\tb"),
        ("X-Latin", "caf\u{e9}"),
        ("X-Empty", ""),
        ("Proxy-Status", "own; error=x"),
        ("Service-Worker-Allowed", "/"),
        ("SourceMap", "/a.map"),
        ("Upgrade", "h2c"),
    ] {
        let lines = [(name, value)];
        add(cases, format!("{name}: {value}"), Answer::length("200 OK", &lines, b"\x1f\x8b<html>"));
    }
    let repeated =
        [("X-B", "1"), ("x-a", "2"), ("X-b", "3"), ("X-A", "4"), ("VARY", "a"), ("Vary", "b")];
    add(cases, "repeated fields of a response", Answer::length("200 OK", &repeated, b"x"));
    let names: Vec<String> = (0..100).map(|n| format!("X-{n}")).collect();
    let lines: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
    add(cases, "100 field lines of a response", Answer::length("200 OK", &lines, b"x"));
    let long = "v".repeat(10_000);
    add(cases, "field of 10 KB", Answer::length("200 OK", &[("X-Long", &long)], b"x"));
}
