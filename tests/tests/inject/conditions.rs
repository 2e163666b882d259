//! HEAD, entity tags and what caches ask.

use crate::stage::{FETCH, NAVIGATION, PAGE, Stage, answer, assert_injected, assert_untouched};

const FIELDS: &str = "Content-Type: text/html\r\nETag: \"a\"\r\nAccept-Ranges: bytes\r\n\
    Last-Modified: Tue, 01 Jan 2030 00:00:00 GMT\r\nContent-MD5: x\r\nRepr-Digest: x\r\n";
const OURS: &str = "W/\"a-wingman\"";

#[tokio::test]
async fn fields_about_the_bytes_are_about_the_new_ones() {
    let mut stage = Stage::start().await;
    let (_, response) = stage.exchange("GET /", NAVIGATION, answer("200 OK", FIELDS, PAGE)).await;
    assert_injected(&response, PAGE);
    let (_, to_head) = stage.exchange("HEAD /", NAVIGATION, answer("200 OK", FIELDS, "")).await;
    for head in [&response.head, &to_head.head] {
        assert_eq!(head.get("etag"), Some(OURS));
        assert_eq!(head.get("last-modified"), Some("Tue, 01 Jan 2030 00:00:00 GMT"));
        assert_eq!(head.get("vary"), Some("Sec-Fetch-Dest"));
        for gone in ["content-length", "accept-ranges", "content-md5", "repr-digest"] {
            assert_eq!(head.get(gone), None, "{gone}");
        }
    }
}

#[tokio::test]
async fn head_of_a_document_promises_no_length_and_the_connection_goes_on() {
    let mut stage = Stage::start().await;
    let mut visitor = stage.share.visit().await;
    let bytes = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 99\r\n\r\n";
    for _ in 0..3 {
        visitor.send(stage.share.request("HEAD /", NAVIGATION)).await;
        let (mut origin, _) = stage.handed.next().await;
        origin.send(bytes).await;
        let response = visitor.response(true).await.expect("whole");
        assert_eq!((response.status(), response.head.get("content-length")), (200, None));
    }
    // Of what scripts ask it is the origin's.
    let (_, response) = stage.exchange("HEAD /", FETCH, bytes).await;
    assert_eq!(response.head.get("content-length"), Some("99"));
}

#[tokio::test]
async fn a_cached_document_is_asked_about_by_the_origins_tag() {
    let mut stage = Stage::start().await;
    let not_modified =
        "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nCache-Control: no-cache\r\n\r\n";
    for (sent, origin_gets, answers) in [
        ("W/\"a-wingman\"", "\"a\"", OURS),
        ("W/\"a-wingman-weak\"", "W/\"a\"", OURS),
        ("\"b\", W/\"a-wingman\"", "\"b\", \"a\"", OURS),
        // A tag of the origin's own, from a time without us.
        ("\"a\"", "\"a\"", "\"a\""),
        ("*", "*", "\"a\""),
    ] {
        let date = "If-Modified-Since: Tue, 01 Jan 2030 00:00:00 GMT\r\n";
        let fields = format!("{NAVIGATION}If-None-Match: {sent}\r\n{date}");
        let (asked, response) = stage.exchange("GET /", &fields, not_modified).await;
        assert_eq!(asked.get("if-none-match"), Some(origin_gets));
        assert!(asked.get("if-modified-since").is_some());
        assert_eq!((response.status(), response.head.get("etag")), (304, Some(answers)), "{sent}");
        assert!(response.content.is_empty());
    }
}

/// Chromium and Firefox ask with the tag of a stored response even where `Vary` says that it is for others.
#[tokio::test]
async fn a_script_never_gets_a_cached_document() {
    let mut stage = Stage::start().await;
    let date = "If-Modified-Since: Tue, 01 Jan 2030 00:00:00 GMT\r\n";
    let fields = format!("{FETCH}If-None-Match: {OURS}\r\n{date}");
    let (asked, response) = stage.exchange("GET /", &fields, answer("200 OK", FIELDS, PAGE)).await;
    assert_eq!((asked.get("if-none-match"), asked.get("if-modified-since")), (None, None));
    assert_untouched(&response, PAGE);
    assert_eq!(response.head.get("etag"), Some("\"a\""));
    let fields = format!("{FETCH}If-None-Match: \"a\"\r\n{date}");
    let not_modified = "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n";
    let (asked, response) = stage.exchange("GET /", &fields, not_modified).await;
    assert_eq!(asked.get("if-none-match"), Some("\"a\""));
    assert!(asked.get("if-modified-since").is_some());
    assert_eq!((response.status(), response.head.get("etag")), (304, Some("\"a\"")));
}
