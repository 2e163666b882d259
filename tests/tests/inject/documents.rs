//! What gets the script.

use serde_json::Value;
use wingman_tests::{EdgeOptions, HostOptions, h2, soon};

use crate::stage::{NAVIGATION, PAGE, Stage, answer, assert_injected, html, split};

#[tokio::test]
async fn a_document_has_the_script_before_its_own_and_is_else_the_same() {
    let mut stage = Stage::start().await;
    let (asked, response) = stage.exchange("GET /", NAVIGATION, html(PAGE)).await;
    assert_eq!(asked.all("accept-encoding").collect::<Vec<_>>(), ["identity"]);
    assert_eq!(response.status(), 200);
    assert_injected(&response, PAGE);
    let text = response.text();
    let place = |what| text.find(what).unwrap_or_else(|| panic!("no {what} in {text}"));
    assert!(text.starts_with("<!doctype html>"), "no quirks");
    assert!(place("<head>") < place("/_wingman/page.js"));
    assert!(place("/_wingman/page.js") < place("<title>"));
    assert!(place("/_wingman/page.js") < place("first()"));
    stage.counts("injected", 1.0).await;

    let (_, tag) = split(&response.content);
    let config: Value = serde_json::from_str(&tag.expect("there is one")).expect("JSON");
    let session = stage.share.authority().split('.').next().expect("a name").to_owned();
    assert_eq!(config["session"], session);
    let timeout = config["timeoutMs"].as_u64().expect("a number");
    assert!(timeout > 0 && config["badge"].is_boolean() && config["direct"].is_boolean());
    assert!(config["relayOnlyPaths"].is_array());
    let stun = config["stun"][0].as_str().expect("the edge's own is the first");
    assert!(stun.starts_with("stun:localhost:") && !stun.ends_with(":0"), "{stun}");
}

#[tokio::test]
async fn pages_of_any_shape() {
    let mut stage = Stage::start().await;
    for (page, has_place) in [
        ("<p>fragment", true),
        ("<html><body>no head</body></html>", true),
        (
            "\u{feff}<!-- comment <head> --> <!doctype html><HTML><HEAD lang=a><meta charset=utf-8><TITLE>",
            true,
        ),
        ("<header>not a head</header>", true),
        ("<html><head></head></html>", true),
        ("text only", false),
        ("", false),
    ] {
        let response = stage.navigate(html(page)).await;
        let (without, tag) = split(&response.content);
        assert_eq!(String::from_utf8_lossy(&without), page);
        assert_eq!(tag.is_some(), has_place, "{page}");
    }
    stage.counts("no-place", 2.0).await;
}

#[tokio::test]
async fn error_pages_iframes_forms_and_old_browsers() {
    let mut stage = Stage::start().await;
    let kind = "Content-Type: text/html\r\n";
    for status in ["404 Not Found", "500 Internal Server Error", "201 Created"] {
        let response = stage.navigate(answer(status, kind, PAGE)).await;
        assert!(status.starts_with(&response.status().to_string()));
        assert_injected(&response, PAGE);
    }
    let iframe = NAVIGATION.replace("document", "iframe");
    let old = "Accept: text/html,*/*;q=0.8\r\n";
    let form = format!("{NAVIGATION}Content-Length: 0\r\n");
    for (start, fields) in [("GET /", &*iframe), ("GET /", old), ("POST /", &form)] {
        let (_, response) = stage.exchange(start, fields, html(PAGE)).await;
        assert_injected(&response, PAGE);
    }
}

#[tokio::test]
async fn every_framing_of_the_origin() {
    let mut stage = Stage::start().await;
    let kind = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n";
    let (one, two) = PAGE.split_at(20);
    let chunks = format!("{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n", one.len(), two.len());
    let chunked = format!("{kind}Transfer-Encoding: chunked\r\n\r\n{chunks}");
    let until_close = format!("{kind}Connection: close\r\n\r\n{PAGE}");
    for bytes in [chunked, until_close] {
        let response = stage.navigate(bytes).await;
        assert_injected(&response, PAGE);
        assert_eq!(response.head.get("transfer-encoding"), Some("chunked"));
    }
    // A connection goes on after a document that grew.
    let mut visitor = stage.share.visit().await;
    for _ in 0..3 {
        visitor.send(stage.share.request("GET /", NAVIGATION)).await;
        let (mut origin, _) = stage.handed.next().await;
        origin.send(html(PAGE)).await;
        assert_injected(&visitor.response(false).await.expect("whole"), PAGE);
    }
}

#[tokio::test]
async fn over_http_2_and_tls() {
    let edge = EdgeOptions::default().tls();
    let mut stage = Stage::with(edge, HostOptions::default()).await;
    let mut sender = h2::connect(&stage.share.edge, stage.share.authority()).await;
    let request = http::Request::get(format!("https://{}/", stage.share.authority()))
        .header("sec-fetch-dest", "document")
        .header("accept-encoding", "br");
    let (response, _) = sender.send_request(request.body(()).expect("good"), true).expect("open");
    let (mut origin, asked) = stage.handed.next().await;
    assert_eq!(asked.get("accept-encoding"), Some("identity"));
    origin.send(html(PAGE)).await;
    let response = soon(response).await.expect("a response");
    assert_eq!(response.headers().get("content-length"), None);
    let mut content = Vec::new();
    let mut body = response.into_body();
    while let Some(piece) = soon(body.data()).await {
        content.extend_from_slice(&piece.expect("no reset"));
    }
    let (without, tag) = split(&content);
    assert!(tag.is_some());
    assert_eq!(String::from_utf8_lossy(&without), PAGE);
}

#[tokio::test]
async fn who_does_not_want_it_does_not_get_it() {
    for (edge, host) in [
        (EdgeOptions::default(), HostOptions::default().argument("--no-inject")),
        (EdgeOptions::default().set("inject.enabled", "false"), HostOptions::default()),
    ] {
        let mut stage = Stage::with(edge, host).await;
        let (asked, response) = stage.exchange("GET /", NAVIGATION, html(PAGE)).await;
        assert_eq!(asked.get("accept-encoding"), Some("gzip, br, zstd"), "as without us");
        crate::stage::assert_untouched(&response, PAGE);
        let metrics = stage.share.edge.metrics().await;
        assert_eq!(metrics.sum("injections_total"), 0.0);
    }
}
