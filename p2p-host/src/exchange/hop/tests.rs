use bytes::Bytes;
use http_body_util::Full;

use super::*;

fn request(fields: &[(&'static str, &'static str)], content: &'static str) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(Bytes::from_static(content.as_bytes())));
    for (name, value) in fields {
        request.headers_mut().append(*name, HeaderValue::from_static(value));
    }
    request
}

/// Cleans a request and lists what is left, sorted.
#[track_caller]
fn check(
    fields: &[(&'static str, &'static str)],
    purpose: Purpose,
    left: &[(&'static str, &'static str)],
) {
    let mut request = request(fields, "");
    assert_eq!(clean_request(&mut request), Ok(purpose));
    assert_eq!(sorted(request.headers()), left);
}

fn sorted(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let mut fields: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().expect("text")))
        .collect();
    fields.sort_unstable();
    fields
}

#[test]
fn connection_fields_do_not_pass() {
    check(
        &[
            ("connection", "keep-alive, X-One"),
            ("connection", " x-two ,,"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("transfer-encoding", "chunked"),
            ("expect", "100-continue"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-three", "3"),
        ],
        Purpose::Ordinary,
        &[("x-three", "3")],
    );
}

#[test]
fn connection_cannot_take_what_gives_a_request_its_meaning() {
    check(
        &[
            ("connection", "host, x-forwarded-for, forwarded, cookie, authorization"),
            ("host", "a"),
            ("x-forwarded-for", "192.0.2.1"),
            ("forwarded", "for=192.0.2.1"),
            ("cookie", "a=b"),
            ("authorization", "x"),
        ],
        Purpose::Ordinary,
        &[
            ("authorization", "x"),
            ("cookie", "a=b"),
            ("forwarded", "for=192.0.2.1"),
            ("host", "a"),
            ("x-forwarded-for", "192.0.2.1"),
        ],
    );
}

#[test]
fn te_passes_only_for_trailers() {
    check(
        &[("te", "gzip;q=0.5, Trailers")],
        Purpose::Ordinary,
        &[("connection", "TE"), ("te", "trailers")],
    );
    check(&[("te", "gzip")], Purpose::Ordinary, &[]);
}

#[test]
fn genuine_upgrades_pass() {
    let left = [("connection", "Upgrade"), ("upgrade", "websocket")];
    check(&[("upgrade", "websocket")], Purpose::Upgrade, &left);
    check(
        &[("upgrade", "websocket"), ("connection", "keep-alive, UPGRADE, x-a"), ("x-a", "1")],
        Purpose::Upgrade,
        &left,
    );
}

#[test]
fn other_upgrades_do_not() {
    check(&[("upgrade", "websocket"), ("connection", "close")], Purpose::Ordinary, &[]);
    for protocol in ["h2c", "websocket, H2C", "TLS/1.0", "HTTP/2.0", "", ","] {
        check(&[("upgrade", protocol), ("connection", "upgrade")], Purpose::Ordinary, &[]);
    }
    check(
        &[
            ("upgrade", "h2c"),
            ("connection", "Upgrade, HTTP2-Settings"),
            ("http2-settings", "AAMAAABkAAQAAP__"),
        ],
        Purpose::Ordinary,
        &[],
    );
}

#[test]
fn lengths_that_contradict_the_content_are_refused() {
    let clean = |fields: &[_], content| clean_request(&mut request(fields, content));
    let refused = Err(InvalidRequest::ContentLength);
    assert_eq!(clean(&[("content-length", "5")], ""), refused);
    assert_eq!(clean(&[("content-length", "5"), ("content-length", "5")], "hello"), refused);
    for length in ["+5", "5,5", "0x5", "", "99999999999999999999"] {
        assert_eq!(clean(&[("content-length", length)], "hello"), refused, "{length}");
    }
    assert_eq!(clean(&[("content-length", "5")], "hello"), Ok(Purpose::Ordinary));
    assert_eq!(clean(&[("content-length", "0")], ""), Ok(Purpose::Ordinary));
}

#[test]
fn connect_is_refused() {
    let mut request = request(&[], "");
    *request.method_mut() = Method::CONNECT;
    assert_eq!(clean_request(&mut request), Err(InvalidRequest::Connect));
}

#[test]
fn content_of_a_get_is_framed() {
    let mut bare = request(&[], "x");
    clean_request(&mut bare).expect("clean");
    assert_eq!(bare.headers()["transfer-encoding"], "chunked");
    let mut sized = request(&[("content-length", "1")], "x");
    clean_request(&mut sized).expect("clean");
    assert!(!sized.headers().contains_key("transfer-encoding"));
}

fn response(status: u16, fields: &[(&'static str, &'static str)]) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).expect("status");
    for (name, value) in fields {
        response.headers_mut().append(*name, HeaderValue::from_static(value));
    }
    response
}

#[test]
fn responses_are_cleaned() {
    let mut answer = response(
        200,
        &[
            ("connection", "close, x-hop"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "Chunked"),
            ("content-length", "3"),
            ("upgrade", "h2"),
            ("x-hop", "1"),
            ("trailer", "x-sum"),
            ("etag", "a"),
        ],
    );
    clean_response(&mut answer, Purpose::Ordinary).expect("clean");
    assert_eq!(sorted(answer.headers()), [("etag", "a"), ("trailer", "x-sum")]);
}

#[test]
fn unknown_transfer_codings_are_refused() {
    for coding in ["gzip, chunked", "gzip", "chunked, chunked"] {
        let mut answer = response(200, &[("transfer-encoding", "x")]);
        answer.headers_mut().insert("transfer-encoding", HeaderValue::from_static(coding));
        assert!(matches!(
            clean_response(&mut answer, Purpose::Ordinary),
            Err(InvalidAnswer::TransferCoding)
        ));
    }
}

#[test]
fn switching_needs_to_be_asked_for() {
    let fields = [("connection", "upgrade"), ("upgrade", "websocket"), ("keep-alive", "1")];
    let mut answer = response(101, &fields);
    clean_response(&mut answer, Purpose::Upgrade).expect("clean");
    assert_eq!(sorted(answer.headers()), [("connection", "Upgrade"), ("upgrade", "websocket")]);
    let mut answer = response(101, &fields);
    assert!(matches!(
        clean_response(&mut answer, Purpose::Ordinary),
        Err(InvalidAnswer::UnaskedUpgrade)
    ));
}
