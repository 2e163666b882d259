use std::io::Read as _;

use flate2::read::GzDecoder;

use super::*;

const CONTENT: &[u8] = b"'use strict'; // a script, a script, a script, a script, a script\n";

fn request(fields: &[(HeaderName, &str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
}

fn field<'a>(page: &'a Page, name: &str) -> Option<&'a str> {
    let mut found = page.fields.iter().filter(|(known, _)| known == name);
    let value = found.next().map(|(_, value)| value.to_str().unwrap());
    assert!(found.next().is_none(), "{name} twice");
    value
}

#[test]
fn both_encodings_are_the_script() {
    let script = Script::new(CONTENT, None);
    let plain = script.answer(&HeaderMap::new());
    assert_eq!((plain.status, &plain.content[..]), (StatusCode::OK, CONTENT));
    assert_eq!(field(plain, "content-encoding"), None);
    assert_eq!(field(plain, "content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(field(plain, "cache-control"), Some("no-cache"));
    let gzip = script.answer(&request(&[(header::ACCEPT_ENCODING, "br, gzip;q=0.5")]));
    assert_eq!(field(gzip, "content-encoding"), Some("gzip"));
    let mut unpacked = Vec::new();
    GzDecoder::new(&gzip.content[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, CONTENT);
    for page in [plain, gzip] {
        let length = page.content.len().to_string();
        assert_eq!(field(page, "content-length"), Some(length.as_str()));
        assert_eq!(field(page, "vary"), Some("accept-encoding"));
    }
    assert_ne!(field(plain, "etag"), field(gzip, "etag"));
}

#[test]
fn what_is_known_is_not_sent_again() {
    let script = Script::new(CONTENT, None);
    let etag = field(script.answer(&HeaderMap::new()), "etag").unwrap().to_owned();
    for known in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_owned()] {
        let page = script.answer(&request(&[(header::IF_NONE_MATCH, &known)]));
        assert_eq!(page.status, StatusCode::NOT_MODIFIED, "{known}");
        assert!(page.content.is_empty());
        assert_eq!(field(page, "etag"), Some(etag.as_str()));
        assert_eq!(field(page, "content-length"), None);
    }
    for unknown in ["\"other\"", "", "other"] {
        let page = script.answer(&request(&[(header::IF_NONE_MATCH, unknown)]));
        assert_eq!(page.status, StatusCode::OK, "{unknown}");
    }
    let newer = Script::new(b"another", None);
    let page = newer.answer(&request(&[(header::IF_NONE_MATCH, &etag)]));
    assert_eq!(page.status, StatusCode::OK);
    // The other encoding's validator is not this one's.
    let crossed = request(&[(header::IF_NONE_MATCH, &etag), (header::ACCEPT_ENCODING, "gzip")]);
    assert_eq!(script.answer(&crossed).status, StatusCode::OK);
}

#[test]
fn gzip_is_only_for_those_who_take_it() {
    for (value, takes) in [
        ("gzip", true),
        ("GZIP", true),
        ("gzip, deflate, br, zstd", true),
        ("br;q=1.0, gzip;q=0.001", true),
        ("gzip;q=0", false),
        ("gzip; q=0.000", false),
        ("gzip;q=x", false),
        ("identity", false),
        ("xgzip", false),
        ("", false),
    ] {
        assert_eq!(takes_gzip(&request(&[(header::ACCEPT_ENCODING, value)])), takes, "{value}");
    }
}

#[test]
fn only_the_worker_may_reach_above_its_path() {
    let scripts = Scripts::new();
    let allowed = |script: &Script| {
        let page = script.answer(&HeaderMap::new()).clone();
        field(&page, "service-worker-allowed").map(str::to_owned)
    };
    assert_eq!(allowed(&scripts.worker).as_deref(), Some("/"));
    assert_eq!([allowed(&scripts.page), allowed(&scripts.extras)], [None, None]);
}
