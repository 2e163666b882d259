use http::{HeaderName, HeaderValue};

use super::*;

type Line = (&'static str, &'static str);

fn request(lines: &[Line]) -> Result<Vec<Line>, RequestError> {
    let bytes = || lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let mut rules = RequestRules::examine(Version::HTTP_11, bytes())?;
    let kept = |line: &&Line| rules.keeps(line.0.as_bytes(), line.1.as_bytes());
    Ok(lines.iter().filter(kept).copied().collect())
}

fn response(status: u16, websocket: bool, lines: &[Line]) -> Result<Vec<Line>, ResponseError> {
    let bytes = || lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let mut rules = ResponseRules::examine(status, websocket, bytes())?;
    let kept = |line: &&Line| rules.keeps(line.0.as_bytes(), line.1.as_bytes());
    Ok(lines.iter().filter(kept).copied().collect())
}

fn rules(version: Version, lines: &'static [Line]) -> Result<RequestRules<'static>, RequestError> {
    RequestRules::examine(version, lines.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())))
}

#[test]
fn ordinary_lines_pass_in_order_with_repeats() {
    let lines = [
        ("host", "demo.localhost"),
        ("Accept", "*/*"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("x-thing", ""),
        ("content-length", "12"),
        ("trailer", "digest"),
        ("te", "trailers"),
        ("upgrade-insecure-requests", "1"),
    ];
    assert_eq!(request(&lines).unwrap(), lines);
}

#[test]
fn connection_fields_are_dropped_in_any_case() {
    let dropped = [
        ("Connection", "keep-alive, X-Hop"),
        ("Keep-Alive", "timeout=5"),
        ("PROXY-CONNECTION", "keep-alive"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("Proxy-Authenticate", "Basic"),
        ("Proxy-Authentication-Info", "x"),
        ("TE", "gzip, trailers"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA"),
        ("Expect", "100-continue"),
        ("X-Hop", "1"),
        ("x-hop", "2"),
        ("Wingman-Visitor", "someone"),
        ("wingman-", ""),
    ];
    assert_eq!(request(&dropped).unwrap(), []);
    for (name, _) in dropped.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("x-hop")) {
        assert!(is_hop_by_hop(name.as_bytes()), "{name}");
    }
    for name in ["host", "content-length", "trailer", "keep-alivf", "wingman", "xx", "xxxxxxxxxx"] {
        assert!(!is_hop_by_hop(name.as_bytes()), "{name}");
    }
}

#[test]
fn hostile_connection_is_refused() {
    let eleven = "a,b,c,d,e,f,g,h,i,j,k";
    for (value, error) in [
        ("close, host", ConnectionError::EndToEnd),
        ("Content-Length", ConnectionError::EndToEnd),
        ("Cookie", ConnectionError::EndToEnd),
        ("AUTHORIZATION", ConnectionError::EndToEnd),
        ("x-forwarded-for", ConnectionError::EndToEnd),
        ("Sec-WebSocket-Key", ConnectionError::EndToEnd),
        ("wingman-request-id", ConnectionError::EndToEnd),
        ("keep alive", ConnectionError::Malformed),
        ("a;b", ConnectionError::Malformed),
        ("\"quoted\"", ConnectionError::Malformed),
        ("ä", ConnectionError::Malformed),
        (eleven, ConnectionError::TooMany),
    ] {
        let got = request(&[("connection", value)]).unwrap_err();
        assert_eq!(got, RequestError::Connection(error), "{value}");
        let got = response(200, false, &[("connection", value)]).unwrap_err();
        assert_eq!(got, ResponseError::Connection(error), "{value}");
    }
    // The bound holds over several lines, also for the short way.
    let repeated = [("connection", "close"); 11];
    assert_eq!(request(&repeated).unwrap_err(), RequestError::Connection(ConnectionError::TooMany));
    assert_eq!(request(&repeated[..10]).unwrap(), []);
    let ten = [("connection", &eleven[..19]), ("a", ""), ("j", ""), ("k", "")];
    assert_eq!(request(&ten).unwrap(), [("k", "")]);
    // RFC 9110 §5.6.1: empty list elements are to be borne.
    assert_eq!(request(&[("connection", " ,, close ,\t")]).unwrap(), []);
}

#[test]
fn content_length_of_requests() {
    for value in ["", "-1", "+1", "1 ", "0x10", "1,1", "1, 1", "9223372036854775808", "１"] {
        let error = request(&[("content-length", value)]).unwrap_err();
        assert_eq!(error, RequestError::Length(LengthError::Malformed), "{value}");
    }
    let differing = [("content-length", "5"), ("content-length", "6")];
    let error = request(&differing).unwrap_err();
    assert_eq!(error, RequestError::Length(LengthError::Differing));
    let agreeing = [("content-length", "5"), ("content-length", "05")];
    assert_eq!(request(&agreeing).unwrap(), [("content-length", "5")]);
}

#[test]
fn smuggling_is_refused() {
    let both = [("transfer-encoding", "chunked"), ("content-length", "5")];
    assert_eq!(request(&both).unwrap_err(), RequestError::LengthAndCoding);
    for value in ["gzip, chunked", "identity", "xchunked", "chunked, chunked", ""] {
        let error = request(&[("transfer-encoding", value)]).unwrap_err();
        assert_eq!(error, RequestError::Coding, "{value}");
    }
    let twice = [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")];
    assert_eq!(request(&twice).unwrap_err(), RequestError::Coding);
    for version in [Version::HTTP_10, Version::HTTP_2] {
        let error = rules(version, &[("transfer-encoding", "chunked")]).unwrap_err();
        assert_eq!(error, RequestError::Coding);
    }
}

#[test]
fn what_a_request_says_to_the_edge() {
    let post = rules(Version::HTTP_11, &[("expect", "100-Continue"), ("content-length", "7")]);
    let post = post.unwrap();
    assert!(post.expects_continue && !post.chunked && !post.websocket);
    assert_eq!(post.content_length, Some(7));
    let chunked = rules(Version::HTTP_11, &[("transfer-encoding", "Chunked")]).unwrap();
    assert!(chunked.chunked && !chunked.expects_continue);
    assert_eq!(chunked.content_length, None);
}

#[test]
fn only_genuine_websocket_upgrades() {
    const GENUINE: &[Line] = &[("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")];
    assert!(rules(Version::HTTP_11, GENUINE).unwrap().websocket);
    assert_eq!(request(GENUINE).unwrap(), [("upgrade", "WebSocket")]);
    assert!(!rules(Version::HTTP_10, GENUINE).unwrap().websocket);
    assert!(!rules(Version::HTTP_2, GENUINE).unwrap().websocket);
    let others: &[&[Line]] = &[
        &[("upgrade", "websocket")],
        &[("connection", "upgrade")],
        &[("connection", "upgrade"), ("upgrade", "h2c")],
        &[("connection", "upgrade"), ("upgrade", "websocket, h2c")],
        &[("connection", "upgrade"), ("upgrade", "websocket"), ("upgrade", "h2c")],
        &[("connection", "upgrade"), ("upgrade", "websocket"), ("content-length", "5")],
        &[("connection", "upgrade"), ("upgrade", "websocket"), ("transfer-encoding", "chunked")],
    ];
    for lines in others {
        assert!(!rules(Version::HTTP_11, lines).unwrap().websocket, "{lines:?}");
        assert!(request(lines).unwrap().iter().all(|(name, _)| *name != "upgrade"));
    }
}

#[test]
fn responses_lose_connection_fields() {
    let lines = [
        ("content-type", "text/html"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("connection", "close, x-hop"),
        ("keep-alive", "timeout=5"),
        ("upgrade", "h2,h2c"),
        ("proxy-authenticate", "Basic"),
        ("x-hop", "1"),
        ("wingman-error", "host-away"),
        ("content-length", "5"),
        ("content-length", "5"),
        ("wingman-ticket", "1"),
        ("wingman-visitor-tag", "0a1b2c3d"),
    ];
    let kept = response(200, false, &lines).unwrap();
    assert_eq!(kept, [lines[0], lines[1], lines[2], lines[9], lines[12]]);
}

#[test]
fn a_host_says_one_thing_in_our_name() {
    let lost = [("Wingman-Error", "replay-lost")];
    assert_eq!(response(502, false, &lost).unwrap(), lost);
    for other in [("wingman-error", "replay-lost, host-away"), ("wingman-path", "replay-lost")] {
        assert_eq!(response(502, false, &[other]).unwrap(), [], "{other:?}");
    }
}

#[test]
fn lengths_of_responses() {
    let length = [("content-length", "5")];
    for status in [100, 103, 204] {
        assert_eq!(response(status, false, &length).unwrap(), [], "{status}");
    }
    for status in [200, 206, 304, 404, 599] {
        assert_eq!(response(status, false, &length).unwrap(), length, "{status}");
    }
    // A hostile host that sends both: the visitor must see one framing only.
    let both = [("content-length", "5"), ("transfer-encoding", "chunked")];
    assert_eq!(response(200, false, &both).unwrap(), []);
    let differing = [("content-length", "5"), ("content-length", "6")];
    let error = response(200, false, &differing).unwrap_err();
    assert_eq!(error, ResponseError::Length(LengthError::Differing));
    let error = response(200, false, &[("content-length", "5, 5")]).unwrap_err();
    assert_eq!(error, ResponseError::Length(LengthError::Malformed));
}

#[test]
fn statuses_of_responses() {
    for status in [0, 1, 99, 600, 999, u16::MAX] {
        assert_eq!(response(status, true, &[]).unwrap_err(), ResponseError::Status(status));
    }
    let lines = [("upgrade", "websocket"), ("connection", "upgrade"), ("content-length", "0")];
    assert_eq!(response(101, true, &lines).unwrap(), [("upgrade", "websocket")]);
    assert_eq!(response(101, false, &lines).unwrap_err(), ResponseError::Unasked);
    // Refused upgrades are ordinary responses.
    assert_eq!(response(403, true, &lines).unwrap(), [("content-length", "0")]);
}

#[test]
fn mangled_lines_never_panic() {
    // A small xorshift: the same mangled heads on each run.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let names: [&[u8]; 6] =
        [b"connection", b"content-length", b"te", b"upgrade", b"transfer-encoding", b"wingman-"];
    for _ in 0..20_000 {
        let lines: Vec<(Vec<u8>, Vec<u8>)> = (0..next() % 6)
            .map(|_| {
                let mut name = names[(next() % 6) as usize].to_vec();
                let keep = (next() % 20) as usize;
                name.truncate(keep.max(1));
                let value = (0..next() % 40).map(|_| b" ,;aZ09-\xff"[(next() % 9) as usize]);
                (name, value.collect())
            })
            .collect();
        let pairs = || lines.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
        if let Ok(mut rules) = RequestRules::examine(Version::HTTP_11, pairs()) {
            assert!(pairs().filter(|(n, v)| rules.keeps(n, v)).count() <= lines.len());
        }
        if let Ok(mut rules) = ResponseRules::examine((next() % 700) as u16, true, pairs()) {
            assert!(pairs().filter(|(n, v)| rules.keeps(n, v)).count() <= lines.len());
        }
    }
}

fn browser_get() -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in [
        ("host", "demo.localhost:8080"),
        ("connection", "keep-alive"),
        ("sec-ch-ua", "\"Chromium\";v=\"130\""),
        ("sec-ch-ua-mobile", "?0"),
        ("sec-ch-ua-platform", "\"Linux\""),
        ("upgrade-insecure-requests", "1"),
        ("user-agent", "Mozilla/5.0"),
        ("accept", "text/html,*/*;q=0.8"),
        ("sec-fetch-site", "none"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-user", "?1"),
        ("sec-fetch-dest", "document"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("accept-language", "en-US,en;q=0.9"),
        ("cookie", "a=1"),
    ] {
        map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    map
}

#[test]
fn a_browsers_request_loses_connection_only() {
    let map = browser_get();
    let mut rules = RequestRules::examine(Version::HTTP_11, lines(&map)).unwrap();
    let kept = lines(&map).filter(|(name, value)| rules.keeps(name, value)).count();
    assert_eq!(kept, map.len() - 1);
}

/// Measured in release, on two busy cores: 0.3 to 0.5 µs for such a head, both passes. The assertion
/// only catches a change of its order; `-- --nocapture` prints the figure of this build.
#[test]
fn cleaning_is_cheap() {
    let map = browser_get();
    let rounds: u32 = 20_000;
    let start = std::time::Instant::now();
    let mut kept = 0;
    for _ in 0..rounds {
        let map = std::hint::black_box(&map);
        let mut rules = RequestRules::examine(Version::HTTP_11, lines(map)).unwrap();
        kept += lines(map).filter(|(name, value)| rules.keeps(name, value)).count();
    }
    let each = start.elapsed() / rounds;
    println!("one request head of 15 lines: {each:?}, {kept} lines kept");
    assert!(each < std::time::Duration::from_micros(100), "{each:?}");
}
