use super::*;

const TAG: &str = "<script src=\"/x\" data-wingman='{}'></script>";

/// Pages with `@` where the tag belongs; none where there is no `@`.
const SHAPES: &[&str] = &[
    "<!doctype html><html><head>@<title>a</title></head><body></body></html>",
    "<!doctype html>\n<html lang=en>\n<head>\n@<script>first()</script></head></html>",
    "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\"><HTML><HEAD PROFILE=\"a>b\">@<LINK></HEAD>",
    // Nothing is where it should be.
    "@<title>a</title><p>b",
    "@<p>fragment</p>",
    "text @<b>then</b> an element",
    "<html>@<body>no head</body></html>",
    "<html><head></head>@<body></body></html>",
    "<html>@<script>a</script></html>",
    "<head>@<style>a{}</style></head>",
    "@<body><head></head></body>",
    "@<header>not a head</header>",
    "<html>@<header></header></html>",
    "@<headx>",
    "<html>@<frameset><frame></frameset></html>",
    "@<svg><head></head></svg>",
    "@<template><head><script></script></head></template>",
    "@<plaintext><head>",
    "@<base href=\"https://elsewhere.example/\"><script></script>",
    "@<noscript><head></noscript>",
    "@<div/>",
    "@<x-element a=\"<head>\" b='<script>' c=<head>",
    // Things before the beginning.
    "\u{feff}<!doctype html><head>@<title></title></head>",
    "\n\t <!-- c --> <!doctype html> <!-- d --> <html> <!-- e --> <head> <!-- f --> @<title></title>",
    "<!-- <head> <script> --><html><head>@<link></head>",
    "<!--><html><head>@<link></head>",
    "<!---><head>@<link>--></head>",
    "<!-- --!><head>@<link>",
    "<!--[if lt IE 9]><html class=\"ie\"><head><script></script><![endif]--><html><head>@<link></head>",
    "<?xml version=\"1.0\" encoding=\"utf-8\"?><!doctype html><html xmlns=\"x\"><head>@<link/></head></html>",
    "<![CDATA[<head>]]><head>@<link>",
    "<!doctype html SYSTEM \"about:<head>legacy-compat\"><head>@<link>",
    "</p></head><head>@<link>",
    "</head>@<script></script>",
    "<1><<>< html><head>@<link>",
    // The encoding's declaration stays where browsers look for it.
    "<head><meta charset=utf-8>@<title></title></head>",
    "<head><META CHARSET=\"Shift_JIS\">@<script></script></head>",
    "<head><meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">@<meta name=a></head>",
    "<meta charset=utf-8>@<p>",
    "<html><head><meta charset=utf-8></head>@<body><script></script></body></html>",
    "<head>@<meta http-equiv=\"Content-Security-Policy\" content=\"script-src 'none'\"></head>",
    "<head>@<meta http-equiv=refresh content=0><meta charset=utf-8></head>",
    "<head>@<title>late</title><meta charset=utf-8><script></script></head>",
    // No place but the end, or none.
    "<html><head></head></html>@",
    "<!doctype html><html>@",
    "<head>text@",
    "<meta charset=utf-8>@",
    // Within what is never closed: without effect, as the page is.
    "<html><!-- unfinished <head><script>@",
    "",
    " ",
    "only text, 1 < 2",
    "<!doctype html>",
    "<!-- only a comment <head> -->",
    "</p>",
    "<",
    "<html><head",
    "<scrip",
];

fn split(shape: &str) -> (String, String) {
    (shape.replace('@', ""), shape.replace('@', TAG))
}

/// What comes out of pieces of these sizes, again and again.
fn run(page: &[u8], sizes: &[usize]) -> (Vec<u8>, Rewriter) {
    let mut rewriter = Rewriter::new(TAG);
    let mut out = Vec::new();
    let mut rest = Bytes::copy_from_slice(page);
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let piece = rest.split_to((*size).min(rest.len()));
        out.extend_from_slice(&rewriter.write(piece));
    }
    out.extend_from_slice(&rewriter.end(true));
    (out, rewriter)
}

#[track_caller]
fn check(page: &[u8], expected: &[u8], sizes: &[usize]) -> Rewriter {
    let (out, rewriter) = run(page, sizes);
    let show = String::from_utf8_lossy;
    assert!(out == expected, "{sizes:?}\n got {}\nwant {}", show(&out), show(expected));
    rewriter
}

#[test]
fn every_shape_in_every_piece_size() {
    for shape in SHAPES {
        let (page, expected) = split(shape);
        for size in (1..=9).chain([64, 1 << 20]) {
            let rewriter = check(page.as_bytes(), expected.as_bytes(), &[size]);
            let outcome = if shape.contains('@') { Injected::Injected } else { Injected::NoPlace };
            assert_eq!(rewriter.outcome(), Some(outcome), "{shape}");
        }
        // Every way to cut it in two.
        for cut in 1..page.len() {
            check(page.as_bytes(), expected.as_bytes(), &[cut, 1 << 20]);
        }
    }
}

#[test]
fn bytes_of_other_encodings_pass() {
    for page in [&b"<head>@<title>\xe9\xff\x80</title>"[..], b"\x93\xfa\x96{<p>\x83\x5c<b>\x00\xc0"]
    {
        let (page, at): (Vec<u8>, _) = match page.iter().position(|byte| *byte == b'@') {
            Some(at) => ([&page[..at], &page[at + 1..]].concat(), at),
            None => (page.to_vec(), 4),
        };
        let mut expected = page.clone();
        expected.splice(at..at, TAG.bytes());
        for size in 1..6 {
            check(&page, &expected, &[size]);
        }
    }
}

#[test]
fn utf_16_is_left_alone() {
    let text = "<!doctype html><html><head><title>a\u{613c}</title></head></html>";
    let little: Vec<u8> =
        [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> =
        [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    for page in [little, big] {
        for size in [1, 2, 3, 1000] {
            let rewriter = check(&page, &page, &[size]);
            assert_eq!(rewriter.outcome(), Some(Injected::Encoding));
        }
    }
}

#[test]
fn pieces_go_on_at_once() {
    let mut rewriter = Rewriter::new(TAG);
    let mut write = |piece: &'static str| rewriter.write(Bytes::from_static(piece.as_bytes()));
    assert_eq!(write("<!doctype html>"), "<!doctype html>");
    assert_eq!(write("<!-- a long"), "<!-- a long");
    assert_eq!(write(" comment -->te"), " comment -->te");
    assert_eq!(write("xt <ht"), "xt ", "what may be a tag waits");
    assert_eq!(write("ml><head>"), "<html><head>");
    assert_eq!(write("<tit"), "");
    assert_eq!(write("le>a<b"), format!("{TAG}<title>a<b"), "after the tag nothing waits");
    let piece = Bytes::from_static(b"</title><scr");
    let after = rewriter.write(piece.clone());
    assert_eq!(after.as_ptr(), piece.as_ptr(), "nor is anything copied");
    assert_eq!(rewriter.end(true), "");
}

#[test]
fn a_document_that_was_cut_gets_what_was_held_back_and_no_tag() {
    for (page, whole) in [("<html><head><tit", false), ("<html><head>", false), ("", false)] {
        let mut rewriter = Rewriter::new(TAG);
        let mut out = rewriter.write(Bytes::from_static(page.as_bytes())).to_vec();
        out.extend_from_slice(&rewriter.end(whole));
        assert_eq!(out, page.as_bytes());
        assert_eq!(rewriter.outcome(), Some(Injected::NoPlace));
    }
}

#[test]
fn a_tag_beyond_the_limit_goes_on_as_it_is() {
    let huge = format!("<html a=\"{}\"><head><title></title>", "x".repeat(100_000));
    for sizes in [&[1000][..], &[16 * 1024], &[1 << 20], &[1, 7, 5000]] {
        let rewriter = check(huge.as_bytes(), huge.as_bytes(), sizes);
        assert_eq!(rewriter.outcome(), Some(Injected::TooLarge));
    }
    let long = "y".repeat(100_000);
    let large = format!("<html a=\"{}\"><head>@<title>{long}</title>", "x".repeat(6_000));
    let (page, expected) = split(&large);
    for sizes in [&[1000][..], &[1 << 20], &[100], &[10, 1 << 20]] {
        check(page.as_bytes(), expected.as_bytes(), sizes);
    }
}

#[test]
fn large_documents_cost_no_memory() {
    // A comment, text, then a head: none of it is held back.
    let filler = "-x<y ".repeat(400_000);
    for start in ["<!--", "", "<!-- --> "] {
        let end = if start == "<!--" { "-->" } else { "" };
        let shape = format!("{start}{}{end}<html><head>@<link>{filler}", filler.replace('<', " "));
        let (page, expected) = split(&shape);
        let mut rewriter = Rewriter::new(TAG);
        let (mut sent, mut got) = (0, Vec::with_capacity(expected.len()));
        for piece in page.as_bytes().chunks(16 * 1024) {
            sent += piece.len();
            got.extend_from_slice(&rewriter.write(Bytes::copy_from_slice(piece)));
            assert!(sent <= got.len() + 64, "{} bytes wait", sent - got.len());
        }
        got.extend_from_slice(&rewriter.end(true));
        assert!(got == expected.as_bytes());
    }
}

#[test]
fn tiny_pieces_of_a_tag_are_bounded_work() {
    let page = format!("<html a=\"{}", "x".repeat(200_000));
    let began = std::time::Instant::now();
    check(page.as_bytes(), page.as_bytes(), &[1]);
    let took = began.elapsed();
    assert!(took < std::time::Duration::from_secs(5), "{took:?}");
}

/// Pages from parts, in pieces of any size: taking the tag out gives the page, it is there at most once,
/// and no script or style is before it.
#[test]
fn any_page_in_any_pieces() {
    const PARTS: &[&str] = &[
        "<",
        ">",
        "</",
        "<!",
        "<!--",
        "-->",
        "--",
        "<?",
        "\"",
        "'",
        "=",
        "/",
        " ",
        "\n",
        "a",
        "\u{e9}",
        "<html>",
        "<html a='>'",
        "<head>",
        "</head>",
        "<HEAD ",
        "<header>",
        "<body>",
        "<p>",
        "<script>",
        "</script>",
        "<style>",
        "</style>",
        "<title>",
        "</title>",
        "<meta charset=utf-8>",
        "<meta ",
        "<!doctype html>",
        "<textarea>",
        "<svg>",
        "<![CDATA[",
        "]]>",
        "<template>",
        "text",
        "\0",
    ];
    for seed in 0..20_000_u64 {
        let mut random = Random(seed);
        let mut next = |bound: usize| random.below(bound);
        let page: String = (0..next(24)).map(|_| PARTS[next(PARTS.len())]).collect();
        let sizes: Vec<usize> = (0..4).map(|_| 1 + next(9)).collect();
        let (out, rewriter) = run(page.as_bytes(), &sizes);
        let out = String::from_utf8(out).unwrap();
        let whole = run(page.as_bytes(), &[1 << 20]).0;
        assert_eq!(out.as_bytes(), whole, "pieces make no difference: {page:?} {sizes:?}");
        assert_eq!(out.replacen(TAG, "", 1), page, "seed {seed}");
        let injected = rewriter.outcome() == Some(Injected::Injected);
        assert_eq!(out.contains(TAG), injected, "{page:?}");
        let before = out.split(TAG).next().unwrap_or_default();
        assert!(!has_element(before, "script") && !has_element(before, "style"), "{out:?}");
    }
}

/// Whether a start tag of this name is outside of comments: a reader so simple that it can be wrong in
/// one way only, to find a tag in the attribute of another.
fn has_element(html: &str, name: &str) -> bool {
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            if comment.starts_with('>') || comment.starts_with("->") {
                rest = comment;
                continue;
            }
            let end = comment.find("-->").into_iter().chain(comment.find("--!>")).min();
            let Some(end) = end else { return false };
            rest = &comment[end..];
        } else if rest.starts_with("</>") {
            rest = &rest[3..];
        } else if ["<!", "<?", "</"].iter().any(|start| rest.starts_with(start)) || is_tag(rest) {
            if rest[1..].starts_with(name) && rest.contains('>') {
                return true;
            }
            let Some(end) = end_of_tag(rest) else { return false };
            rest = &rest[end..];
        } else {
            rest = &rest[1..];
        }
    }
    false
}

fn is_tag(rest: &str) -> bool {
    let name = rest.strip_prefix("</").or_else(|| rest.strip_prefix('<')).unwrap_or_default();
    name.starts_with(|char: char| char.is_ascii_alphabetic())
}

/// Behind its `>`, which may be quoted within.
fn end_of_tag(rest: &str) -> Option<usize> {
    if !is_tag(rest) {
        return rest.find('>').map(|at| at + 1);
    }
    let mut quote = None;
    let mut before = ' ';
    for (at, char) in rest.char_indices() {
        match (quote, char) {
            (Some(open), char) if char == open => quote = None,
            (Some(_), _) => {}
            (None, '>') => return Some(at + 1),
            (None, '"' | '\'') if before == '=' => quote = Some(char),
            _ => {}
        }
        if !char.is_whitespace() || quote.is_some() {
            before = char;
        }
    }
    None
}

/// Splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((word ^ (word >> 31)) % bound as u64).unwrap()
    }
}
