use http::HeaderValue;

use super::*;

fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
    let pairs = fields.iter().map(|(name, value)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    });
    let mut map = HeaderMap::new();
    pairs.for_each(|(name, value)| {
        map.append(name, value);
    });
    map
}

fn pages() -> Arc<PageConfig> {
    Arc::new(PageConfig {
        session: "demo".to_owned(),
        direct: true,
        why: None,
        badge: true,
        timeout_ms: 10_000,
        stun: Vec::new(),
        relay_only_paths: Vec::new(),
    })
}

/// The fields as the host gets them.
fn passed(
    fields: &[(&'static str, &str)],
    pages: Option<Arc<PageConfig>>,
) -> Vec<(String, String)> {
    let fields = map(fields);
    let injection = Injection::of(pages, &fields, Scheme::Https);
    let edited = fields.iter().filter_map(|(name, value)| {
        let value = match injection.request_field(name, value.as_bytes()) {
            FieldEdit::Keep => value.as_bytes().to_vec(),
            FieldEdit::Drop => return None,
            FieldEdit::Replace(value) => value,
        };
        Some((name.to_string(), String::from_utf8(value).unwrap()))
    });
    edited.collect()
}

fn is_document(fields: &[(&'static str, &str)]) -> bool {
    let injection = Injection::of(Some(pages()), &map(fields), Scheme::Https);
    matches!(injection.subject, Subject::Document { .. })
}

const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
const NAVIGATION: (&str, &str) = ("sec-fetch-dest", "document");
const FETCH: (&str, &str) = ("sec-fetch-dest", "empty");
const OURS: (&str, &str) = ("if-none-match", "W/\"a-wingman\"");

#[test]
fn documents_are_what_browsers_show() {
    for dest in ["document", "iframe", "frame"] {
        assert!(is_document(&[("sec-fetch-dest", dest)]), "{dest}");
    }
    for dest in ["empty", "script", "image", "worker", "embed", "object", "serviceworker", "x"] {
        assert!(!is_document(&[HTML, ("sec-fetch-dest", dest)]), "{dest}");
    }
    assert!(is_document(&[HTML]), "old browsers, and plain HTTP");
    assert!(!is_document(&[("accept", "*/*")]) && !is_document(&[]));
    assert!(!is_document(&[HTML, ("x-requested-with", "XMLHttpRequest")]));
}

#[test]
fn without_pages_nothing_changes() {
    let fields = [NAVIGATION, HTML, ("accept-encoding", "gzip, br"), OURS];
    let plain: Vec<_> = map(&fields)
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    assert_eq!(passed(&fields, None), plain);
}

#[test]
fn documents_are_asked_for_without_coding_and_with_the_origins_tag() {
    let fields = [NAVIGATION, ("accept-encoding", "gzip, br"), OURS, ("if-modified-since", "x")];
    let pairs = passed(&fields, Some(pages()));
    let expected = [
        ("sec-fetch-dest", "document"),
        ("accept-encoding", "identity"),
        ("if-none-match", "\"a\""),
        ("if-modified-since", "x"),
    ];
    assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn scripts_do_not_get_a_cached_document() {
    let common = [FETCH, ("accept-encoding", "gzip")];
    let kept = |more: &[(&'static str, &str)]| {
        let fields = [&common[..], more].concat();
        let pairs = passed(&fields, Some(pages()));
        pairs[2..].iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>()
    };
    assert_eq!(kept(&[OURS, ("if-modified-since", "x")]), [""; 0]);
    let mixed = ("if-none-match", "\"b\", W/\"a-wingman-weak\"");
    assert_eq!(kept(&[mixed, ("if-modified-since", "x")]), ["if-none-match: \"b\""]);
    let others = [("if-none-match", "\"b\""), ("if-modified-since", "x")];
    assert_eq!(kept(&others), ["if-none-match: \"b\"", "if-modified-since: x"]);
    let pairs = passed(&common, Some(pages()));
    assert_eq!(pairs[1].1, "gzip", "what is no document keeps its codings");
}
