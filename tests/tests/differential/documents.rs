//! Documents, which get the page script, and what may differ because of it and of nothing else.

use std::{collections::BTreeSet, mem};

use super::{
    Seen,
    case::{Answer, Ask, Case},
    compare::Allowed,
    message::{Framing, Lines, Request, Response, values},
};

/// All cases.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |label: &str, ask: &Ask, answer: Answer| {
        cases.push(Case { label: format!("document: {label}"), ask: ask.clone(), answer });
    };
    let ask = &document("GET");
    for page in PAGES {
        let kind = [("Content-Type", "text/html"), ("ETag", "\"a\""), ("X-Last", "1")];
        add(page, ask, Answer::length("200 OK", &kind, page.as_bytes()));
        let halves = page.as_bytes().split_at(page.len() / 2);
        let (one, two) = halves;
        if !one.is_empty() {
            add(page, ask, Answer::chunked("200 OK", &kind, &[one, two], ";a=b", "T: 1\r\n"));
        }
        add(page, ask, Answer::until_close("404 Not Found", &kind, page.as_bytes()));
    }
    let page = PAGES[0].as_bytes();
    for (label, status, more) in [
        (
            "fields of the bytes",
            "200 OK",
            &[
                ("Accept-Ranges", "bytes"),
                ("Content-MD5", "x"),
                ("Digest", "x"),
                ("Repr-Digest", "x"),
                ("Last-Modified", "Tue, 01 Jan 2030 00:00:00 GMT"),
                ("ETag", "W/\"a\""),
                ("Vary", "Cookie"),
                ("Cache-Control", "max-age=60"),
            ][..],
        ),
        ("its own cookies", "200 OK", &[("Set-Cookie", "a=1"), ("Cache-Control", "private")]),
        ("a download", "200 OK", &[("Content-Disposition", "attachment"), ("ETag", "\"a\"")]),
        ("compressed", "200 OK", &[("Content-Encoding", "br"), ("ETag", "\"a\"")]),
        ("a policy", "200 OK", &[("Content-Security-Policy", "script-src 'nonce-a'")]),
        ("a harmless policy", "200 OK", &[("Content-Security-Policy", "default-src 'self'")]),
        ("a part", "206 Partial Content", &[("Content-Range", "bytes 0-9/99"), ("ETag", "\"a\"")]),
        ("a redirect", "302 Found", &[("Location", "/a")]),
    ] {
        let lines = [&[("Content-Type", "text/html")], more].concat();
        add(label, ask, Answer::length(status, &lines, page));
        let lines = [&[("Content-Length", "99")], &lines[..]].concat();
        add(label, &document("HEAD"), Answer::bare(status, &lines));
    }
    for kind in ["text/plain", "application/json", "image/png", "text/html; charset=utf-16"] {
        add(kind, ask, Answer::length("200 OK", &[("Content-Type", kind)], page));
    }
    let tag = [("ETag", "\"a\""), ("Cache-Control", "no-cache")];
    let asked = ask.clone().line("If-None-Match", "\"a\"");
    add("a condition", &asked, Answer::bare("304 Not Modified", &tag));
    add("no content", ask, Answer::bare("204 No Content", &[]));
    let fetched = Ask::get("/part").line("Accept", "text/html").line("Sec-Fetch-Dest", "empty");
    let kind = [("Content-Type", "text/html"), ("ETag", "\"a\"")];
    add("fetched", &fetched, Answer::length("200 OK", &kind, page));
    add("posted", &document("POST").content("a=1"), Answer::length("200 OK", &kind, page));
    cases
}

fn document(method: &str) -> Ask {
    let accept = "text/html,*/*;q=0.8";
    Ask::new(method, "/page")
        .line("Accept", accept)
        .line("Sec-Fetch-Dest", "document")
        .line("Accept-Encoding", "gzip, br")
        .line("X-Last", "1")
}

const PAGES: &[&str] = &[
    "<!doctype html><html><head><title>a</title><script>b</script></head><body>c</body></html>",
    "<p>fragment",
    "<!-- <head> --><HTML><meta charset=utf-8><body>",
    "text only",
    "<html><head></head></html>",
];

/// Puts back what a session may change in an exchange about a document. What it did else stays, and is
/// found by the comparison.
pub(crate) fn undo(alone: &Seen, shared: &mut Seen) -> BTreeSet<Allowed> {
    let mut allowed = BTreeSet::new();
    let ([asked], [got]) = (&alone.requests[..], &mut shared.requests[..]) else { return allowed };
    if !is_document(asked) {
        return allowed;
    }
    let coding = "accept-encoding";
    let all_identity = values(&got.lines, coding).all(|value| value == b"identity");
    if all_identity && values(&asked.lines, coding).count() == values(&got.lines, coding).count() {
        restore(&mut got.lines, &asked.lines, coding);
        allowed.insert(Allowed::Documents);
    }
    let (Ok(alone), Ok(shared)) = (&alone.response, &mut shared.response) else { return allowed };
    if take_line(&mut shared.lines, "set-cookie", is_visitor) {
        allowed.insert(Allowed::VisitorCookie);
        let count = |lines| values(lines, "cache-control").count();
        if count(&shared.lines) > count(&alone.lines) {
            take_line(&mut shared.lines, "cache-control", |value| value == b"private");
        }
    }
    if take_line(&mut shared.lines, "vary", |value| value == b"Sec-Fetch-Dest") {
        undo_script(alone, shared);
        allowed.insert(Allowed::Documents);
    }
    allowed
}

fn undo_script(alone: &Response, shared: &mut Response) {
    let text = String::from_utf8_lossy(&shared.content.bytes).into_owned();
    if let Some((before, rest)) =
        text.split_once("<script src=\"/_wingman/page.js\" data-wingman='")
        && let Some((_, after)) = rest.split_once("'></script>")
    {
        shared.content.bytes = [before, after].concat().into_bytes();
    }
    if shared.content.framing == Framing::Chunked {
        shared.content.framing = alone.content.framing;
    }
    for name in ["content-length", "accept-ranges", "content-md5", "digest", "repr-digest"] {
        if values(&shared.lines, name).count() == 0 {
            restore(&mut shared.lines, &alone.lines, name);
        }
    }
    let marked = values(&alone.lines, "etag").map(|tag| {
        let (weak, mark) = if tag.starts_with(b"W/") { (&tag[2..], "-weak") } else { (tag, "") };
        let opaque = String::from_utf8_lossy(&weak[1..weak.len() - 1]);
        format!("W/\"{opaque}-wingman{mark}\"").into_bytes()
    });
    if values(&shared.lines, "etag").map(<[u8]>::to_vec).eq(marked) {
        restore(&mut shared.lines, &alone.lines, "etag");
    }
}

fn is_document(request: &Request) -> bool {
    let dest = values(&request.lines, "sec-fetch-dest").next();
    let html = values(&request.lines, "accept").any(|value| value.starts_with(b"text/html"));
    dest.map_or(html, |dest| dest == b"document")
}

/// As docs/protocol.md has it, on plain HTTP.
fn is_visitor(value: &[u8]) -> bool {
    let Some((id, rest)) =
        value.strip_prefix(b"wingman=").and_then(|rest| rest.split_at_checked(32))
    else {
        return false;
    };
    id.iter().all(u8::is_ascii_hexdigit) && rest == b"; Path=/; HttpOnly; SameSite=Lax"
}

/// Removes the last line of this name, if its value is the one.
fn take_line(lines: &mut Lines, name: &str, is_it: impl Fn(&[u8]) -> bool) -> bool {
    let last = lines.iter().rposition(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
    let found = last.filter(|at| is_it(&lines[*at].1));
    found.map(|at| lines.remove(at)).is_some()
}

/// Puts the lines of a name where `from` has them.
fn restore(lines: &mut Lines, from: &Lines, name: &str) {
    lines.retain(|(known, _)| !known.eq_ignore_ascii_case(name.as_bytes()));
    let kept = mem::take(lines);
    let place = |line: &(Vec<u8>, Vec<u8>)| {
        from.iter().position(|(known, _)| known.eq_ignore_ascii_case(&line.0))
    };
    let mut back = from
        .iter()
        .enumerate()
        .filter(|(_, (known, _))| known.eq_ignore_ascii_case(name.as_bytes()))
        .peekable();
    for line in kept {
        while let Some((_, missing)) = back.next_if(|(at, _)| place(&line).is_some_and(|p| p > *at))
        {
            lines.push(missing.clone());
        }
        lines.push(line);
    }
    lines.extend(back.map(|(_, missing)| missing.clone()));
}
