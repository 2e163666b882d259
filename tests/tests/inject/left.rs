//! What is left as it is.

use crate::stage::{
    FETCH, NAVIGATION, PAGE, Stage, answer, assert_injected, assert_untouched, html,
};

const HTML: &str = "Content-Type: text/html\r\n";

#[tokio::test]
async fn what_scripts_fetch() {
    let mut stage = Stage::start().await;
    let old_library = "Accept: text/html\r\nX-Requested-With: XMLHttpRequest\r\n";
    let dest = |dest: &str| FETCH.replace("empty", dest);
    let fields = [FETCH.to_owned(), dest("script"), dest("embed"), old_library.to_owned()];
    for fields in [&fields[..], &["Accept: */*\r\n".to_owned(), String::new()]].concat() {
        let (asked, response) = stage.exchange("GET /part", &fields, html(PAGE)).await;
        assert_untouched(&response, PAGE);
        assert_ne!(asked.get("accept-encoding"), Some("identity"), "{fields}");
    }
    let metrics = stage.share.edge.metrics().await;
    assert_eq!(metrics.sum("injections_total"), 0.0, "they are no documents");
}

#[tokio::test]
async fn what_is_no_html_or_not_shown() {
    let mut stage = Stage::start().await;
    let utf_16: Vec<u8> =
        format!("\u{feff}{PAGE}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let page = PAGE.as_bytes();
    let mut counted = std::collections::BTreeMap::new();
    for (status, fields, content, outcome) in [
        ("200 OK", "Content-Type: application/xhtml+xml\r\n", page, "not-html"),
        ("200 OK", "Content-Type: text/plain\r\n", page, "not-html"),
        ("200 OK", "Content-Type: application/pdf\r\n", page, "not-html"),
        ("200 OK", "", page, "not-html"),
        ("200 OK", "Content-Type: text/html; charset=UTF-16LE\r\n", &utf_16, "character-encoding"),
        (
            "200 OK",
            "Content-Type: text/html\r\nContent-Disposition: attachment\r\n",
            page,
            "download",
        ),
        (
            "200 OK",
            "Content-Type: text/html\r\nContent-Encoding: br\r\n",
            b"\x8b\x03\x80",
            "encoded",
        ),
        (
            "200 OK",
            "Content-Type: text/html\r\nContent-Encoding: gzip\r\n",
            b"\x1f\x8b<p>",
            "encoded",
        ),
        ("200 OK", "Content-Type: text/html\r\nCache-Control: no-transform\r\n", page, "policy"),
        (
            "206 Partial Content",
            "Content-Type: text/html\r\nContent-Range: bytes 0-9/99\r\n",
            b"<p>0123456",
            "no-content",
        ),
        ("302 Found", "Content-Type: text/html\r\nLocation: /a\r\n", page, "no-content"),
    ] {
        let response = stage.navigate(answer(status, fields, content)).await;
        assert_untouched(&response, content);
        let count: &mut f64 = counted.entry(outcome).or_default();
        *count += 1.0;
        stage.counts(outcome, *count).await;
    }
    assert_eq!(counted.len(), 6);
    // The byte order mark alone says it too, where the length is gone already.
    let response = stage.navigate(html(&utf_16)).await;
    assert!(response.content == utf_16);
}

#[tokio::test]
async fn a_range_of_a_document() {
    let mut stage = Stage::start().await;
    let fields = format!("{NAVIGATION}Range: bytes=0-9\r\nIf-Range: \"a\"\r\n");
    let part =
        format!("{HTML}Content-Range: bytes 0-9/99\r\nETag: \"a\"\r\nAccept-Ranges: bytes\r\n");
    let bytes = answer("206 Partial Content", &part, "<p>0123456");
    let (asked, response) = stage.exchange("GET /", &fields, bytes).await;
    assert_eq!((asked.get("range"), asked.get("if-range")), (Some("bytes=0-9"), Some("\"a\"")));
    assert_untouched(&response, "<p>0123456");
    assert_eq!(response.head.get("etag"), Some("\"a\""));
    assert_eq!(response.head.get("accept-ranges"), Some("bytes"));
    // An origin that knows no ranges sends the whole.
    let (_, response) = stage.exchange("GET /", &fields, html(PAGE)).await;
    assert_injected(&response, PAGE);
}

#[tokio::test]
async fn documents_whose_policies_forbid_it() {
    let mut stage = Stage::start().await;
    for (policy, works) in [
        ("Content-Security-Policy: default-src 'self'", true),
        ("Content-Security-Policy: script-src 'self'; worker-src 'self'; connect-src *", true),
        ("Content-Security-Policy-Report-Only: default-src 'none'", true),
        ("Content-Security-Policy: sandbox allow-scripts allow-same-origin", true),
        ("Content-Security-Policy: script-src 'nonce-abc'", false),
        ("Content-Security-Policy: script-src 'self' 'nonce-a' 'strict-dynamic'", false),
        ("Content-Security-Policy: worker-src 'none'", false),
        ("Content-Security-Policy: connect-src https://api.example", false),
        ("Content-Security-Policy: sandbox allow-scripts", false),
        ("Content-Security-Policy: require-trusted-types-for 'script'", false),
        ("Content-Security-Policy: webrtc 'block'", false),
        (
            "Content-Security-Policy: img-src *\r\nContent-Security-Policy: default-src 'none'",
            false,
        ),
        ("Content-Security-Policy: img-src *, default-src 'none'", false),
    ] {
        let fields = format!("{HTML}{policy}\r\n");
        let response = stage.navigate(answer("200 OK", &fields, PAGE)).await;
        if works {
            assert_injected(&response, PAGE);
        } else {
            assert_untouched(&response, PAGE);
        }
        let policies: Vec<_> =
            policy.split("\r\n").filter_map(|line| line.split_once(": ")).collect();
        let sent: Vec<_> = response.head.all(policies[0].0).collect();
        let same: Vec<_> = policies.iter().map(|(_, value)| *value).collect();
        assert_eq!(sent, same, "policies are not edited");
    }
    stage.counts("policy", 9.0).await;
}
