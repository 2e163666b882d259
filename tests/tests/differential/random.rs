//! Cases that are put together by a seeded generator: what nobody thought of writing by hand.

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::{
    case::{Answer, Ask, Case},
    compare::is_refused,
};

/// `count` cases, the same for the same seed.
pub(crate) fn all(seed: u64, count: usize) -> Vec<Case> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..count).map(|number| case(&mut rng, number)).collect()
}

fn case(rng: &mut StdRng, number: usize) -> Case {
    let method = *METHODS.choose(rng).expect("is not empty");
    let lines = rng.random_range(0..24);
    let mut ask = Ask::new(method, target(rng)).host_at(rng.random_range(0..lines + 1));
    for _ in 0..lines {
        ask = ask.line(name(rng), value(rng));
    }
    ask = match rng.random_range(0..4) {
        0 => ask.content(bytes(rng)),
        1 => {
            let parts: Vec<Vec<u8>> = (0..rng.random_range(1..6)).map(|_| bytes(rng)).collect();
            let chunks: Vec<&[u8]> =
                parts.iter().map(Vec::as_slice).filter(|chunk| !chunk.is_empty()).collect();
            ask.chunked(&chunks, |size| format!("{size:x}"), "")
        }
        _ => ask,
    };
    let answer = answer(rng, method);
    Case { label: format!("random {number}"), ask, answer }
}

fn target(rng: &mut StdRng) -> Vec<u8> {
    loop {
        let mut target = b"/".to_vec();
        for _ in 0..rng.random_range(0..40) {
            target.extend_from_slice(TARGET_PARTS.choose(rng).expect("is not empty").as_bytes());
        }
        // These have cases of their own; here they would hide everything else.
        if !is_refused(&target) {
            return target;
        }
    }
}

/// One of few names, so that they repeat, in any case.
fn name(rng: &mut StdRng) -> Vec<u8> {
    let name = NAMES.choose(rng).expect("is not empty");
    name.bytes()
        .map(|byte| match rng.random_bool(0.5) {
            true => byte.to_ascii_uppercase(),
            false => byte.to_ascii_lowercase(),
        })
        .collect()
}

fn value(rng: &mut StdRng) -> Vec<u8> {
    let length = if rng.random_bool(0.05) { 3_000 } else { rng.random_range(0..60) };
    (0..length)
        .map(|_| match rng.random_range(0..20) {
            0 => b'\t',
            1 => rng.random_range(0x80..=0xff),
            _ => rng.random_range(b' '..=b'~'),
        })
        .collect()
}

fn bytes(rng: &mut StdRng) -> Vec<u8> {
    let length = match rng.random_range(0..4) {
        0 => rng.random_range(0..8),
        1 => rng.random_range(0..3_000),
        2 => rng.random_range(16_000..17_000),
        _ => rng.random_range(60_000..70_000),
    };
    (0..length).map(|_| rng.random()).collect()
}

fn answer(rng: &mut StdRng, method: &str) -> Answer {
    let lines: Vec<(String, String)> = (0..rng.random_range(0..16))
        .map(|_| {
            let name = String::from_utf8(name(rng)).expect("names are ASCII");
            let value = value(rng).into_iter().filter(u8::is_ascii).collect();
            (name, String::from_utf8(value).expect("is ASCII"))
        })
        .collect();
    let lines: Vec<(&str, &str)> =
        lines.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let status = *STATUSES.choose(rng).expect("is not empty");
    let content = bytes(rng);
    let halves = content.split_at(content.len() / 3);
    let chunks: Vec<&[u8]> =
        [halves.0, halves.1].into_iter().filter(|chunk| !chunk.is_empty()).collect();
    let answer = match (status, rng.random_range(0..4)) {
        ("204 No Content" | "304 Not Modified", _) => Answer::bare(status, &lines),
        _ if method == "HEAD" => {
            let length = content.len().to_string();
            Answer::bare(status, &[&lines[..], &[("Content-Length", length.as_str())]].concat())
        }
        (_, 0) => Answer::chunked(status, &lines, &chunks, "", ""),
        (_, 1) => Answer::until_close(status, &lines, &content),
        _ => Answer::length(status, &lines, &content),
    };
    match rng.random_range(0..6) {
        0 => answer.after(&[("103 Early Hints", &[("Link", "</x>; rel=preload")])]),
        _ => answer,
    }
}

const METHODS: &[&str] =
    &["GET", "GET", "GET", "POST", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "QUERY"];

const STATUSES: &[&str] = &[
    "200 OK",
    "200 OK",
    "200 OK",
    "201 Created",
    "204 No Content",
    "206 Partial Content",
    "301 Moved",
    "304 Not Modified",
    "404 Not Found",
    "422 Unprocessable Content",
    "500 Internal Server Error",
];

const TARGET_PARTS: &[&str] = &[
    "a", "B", "/", "//", ".", "..", "%20", "%2F", "%00", "%", "?", "&", "=", ";", ":", "@", "|",
    "{", "}", "[", "]", "\"", "'", "(", ")", "*", "+", ",", "!", "$", "~", "^", "\\", "`",
    "\u{e9}", "\u{4e2d}", "%c3%a9",
];

/// End-to-end fields without a meaning to proxies.
const NAMES: &[&str] = &[
    "accept",
    "accept-language",
    "x-a",
    "x-b",
    "x-c",
    "x-request-id",
    "cookie2",
    "cache-control",
    "dnt",
    "user-agent",
    "x-forward",
    "x-under_score",
    "etag",
    "vary",
    "link",
    "x",
    "server-timing",
];
