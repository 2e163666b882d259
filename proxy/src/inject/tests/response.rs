use std::sync::Arc;

use wingman_wire::head::Scheme;

use super::*;
use crate::session::PageConfig;

fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    map
}

fn injection(dest: &str, has_document: bool) -> Injection {
    let pages = Arc::new(PageConfig {
        session: "demo".to_owned(),
        direct: true,
        why: None,
        badge: true,
        timeout_ms: 10_000,
        stun: Vec::new(),
        relay_only_paths: Vec::new(),
    });
    let mut request = map(&[("sec-fetch-dest", dest)]);
    if has_document {
        request.insert(header::IF_NONE_MATCH, HeaderValue::from_static("W/\"a-wingman\""));
    }
    Injection::of(Some(pages), &request, Scheme::Https)
}

fn verdict(status: u16, fields: &[(&'static str, &str)]) -> Verdict {
    let status = StatusCode::from_u16(status).unwrap();
    injection("document", false).response(status, &map(fields), false)
}

const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");

/// The fields after the edits.
fn edited(fields: &[(&'static str, &str)], edits: &HeadEdits) -> Vec<String> {
    let mut map = map(fields);
    for name in &edits.remove {
        map.remove(name);
    }
    for (name, value) in &edits.append {
        map.append(name, value.clone());
    }
    let line =
        |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
    let mut lines: Vec<_> = map.iter().map(line).collect();
    lines.sort();
    lines
}

#[test]
fn html_of_any_status_with_content_is_changed() {
    for status in [200, 201, 203, 400, 401, 404, 422, 500, 503, 300] {
        let verdict = verdict(status, &[HTML]);
        assert!(matches!(verdict, Verdict::Document(..)), "{status}: {verdict:?}");
    }
    for content_type in
        ["text/html", "TEXT/HTML;charset=Shift_JIS", "text/html ; charset=\"utf-8\""]
    {
        let verdict = verdict(200, &[("content-type", content_type)]);
        assert!(matches!(verdict, Verdict::Document(..)), "{content_type}: {verdict:?}");
    }
    assert!(matches!(verdict(201, &[HTML, ("location", "/a")]), Verdict::Document(..)));
    for harmless in [
        ("content-disposition", "inline; filename=\"a.html\""),
        ("content-encoding", "identity"),
        ("cache-control", "no-store, max-age=0"),
        ("content-security-policy", "default-src 'self'"),
    ] {
        assert!(matches!(verdict(200, &[HTML, harmless]), Verdict::Document(..)), "{harmless:?}");
    }
}

#[test]
fn everything_else_is_left() {
    for (status, fields, reason) in [
        (204, &[HTML][..], Injected::NoContent),
        (205, &[HTML], Injected::NoContent),
        (206, &[HTML], Injected::NoContent),
        (304, &[HTML], Injected::NoContent),
        (302, &[HTML, ("location", "/")], Injected::NoContent),
        (200, &[], Injected::NotHtml),
        (200, &[("content-type", "text/plain")], Injected::NotHtml),
        (200, &[("content-type", "text/htmlx")], Injected::NotHtml),
        (200, &[("content-type", "application/xhtml+xml")], Injected::NotHtml),
        (200, &[("content-type", "application/json")], Injected::NotHtml),
        (200, &[HTML, ("content-type", "text/plain")], Injected::NotHtml),
        (200, &[("content-type", "text/html; charset=utf-16le")], Injected::Encoding),
        (200, &[("content-type", "text/html; charset=\"UTF-16\"")], Injected::Encoding),
        (200, &[("content-type", "text/html;charset=iso-2022-jp")], Injected::Encoding),
        (200, &[("content-type", "text/html;x=y; charset=unicode")], Injected::Encoding),
        (200, &[HTML, ("content-encoding", "gzip")], Injected::Encoded),
        (200, &[HTML, ("content-encoding", "br")], Injected::Encoded),
        (
            200,
            &[HTML, ("content-encoding", "identity"), ("content-encoding", "zstd")],
            Injected::Encoded,
        ),
        (200, &[HTML, ("content-disposition", "attachment")], Injected::Download),
        (200, &[HTML, ("content-disposition", "Attachment ; filename=a.html")], Injected::Download),
        (200, &[HTML, ("content-disposition", "form-data")], Injected::Download),
        (200, &[HTML, ("cache-control", "no-cache, No-Transform")], Injected::Policy),
        (200, &[HTML, ("content-security-policy", "script-src 'nonce-a'")], Injected::Policy),
        (200, &[HTML, ("content-security-policy", "sandbox allow-scripts")], Injected::Policy),
    ] {
        let verdict = verdict(status, fields);
        assert!(
            matches!(&verdict, Verdict::Leave(why) if *why == reason),
            "{status} {fields:?}: {verdict:?}"
        );
    }
    for dest in ["empty", "script", "embed"] {
        let verdict = injection(dest, true).response(StatusCode::OK, &map(&[HTML]), false);
        assert!(matches!(verdict, Verdict::Ignore), "{dest}");
    }
}

#[test]
fn heads_say_nothing_of_the_origins_bytes() {
    let fields = [
        HTML,
        ("content-length", "10"),
        ("accept-ranges", "bytes"),
        ("content-md5", "x"),
        ("digest", "x"),
        ("content-digest", "x"),
        ("repr-digest", "x"),
        ("etag", "\"a\""),
        ("last-modified", "Tue, 01 Jan 2030 00:00:00 GMT"),
        ("vary", "Cookie"),
        ("x-other", "1"),
    ];
    let expected = [
        "content-type: text/html; charset=utf-8",
        "etag: W/\"a-wingman\"",
        "last-modified: Tue, 01 Jan 2030 00:00:00 GMT",
        "vary: Cookie",
        "vary: Sec-Fetch-Dest",
        "x-other: 1",
    ];
    let Verdict::Document(edits, _) = verdict(200, &fields) else { panic!("it is a document") };
    assert_eq!(edited(&fields, &edits), expected);
    // RFC 9110 §9.3.2: HEAD says what GET would say.
    let to_head = injection("document", false).response(StatusCode::OK, &map(&fields), true);
    assert!(matches!(to_head, Verdict::Head(head) if head == edits));
    let json = [("content-type", "application/json"), ("content-length", "10")];
    let to_head = injection("document", false).response(StatusCode::OK, &map(&json), true);
    assert!(matches!(to_head, Verdict::Leave(Injected::NotHtml)));
}

#[test]
fn a_tag_that_is_none_is_no_validator() {
    let fields = [HTML, ("etag", "abc")];
    let Verdict::Document(edits, _) = verdict(200, &fields) else { panic!("it is a document") };
    assert!(edited(&fields, &edits).iter().all(|line| !line.starts_with("etag")));
}

#[test]
fn a_304_keeps_the_tag_of_the_document_it_is_about() {
    let fields = [("etag", "\"a\""), ("content-length", "10"), ("cache-control", "no-cache")];
    let answer =
        injection("document", true).response(StatusCode::NOT_MODIFIED, &map(&fields), false);
    let Verdict::Head(edits) = answer else { panic!("{answer:?}") };
    let expected = [
        "cache-control: no-cache",
        "content-length: 10",
        "etag: W/\"a-wingman\"",
        "vary: Sec-Fetch-Dest",
    ];
    assert_eq!(edited(&fields, &edits), expected);
}
