//! Just enough of Rust's lexical grammar to tell code from comments and texts, and tests from the rest.

use std::ops::Range;

/// What a byte of a source file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    /// Inside a string or character literal, quotes included.
    Text,
}

/// A Rust file taken apart. Both texts have the bytes and lines of the original, with blanks in place
/// of what was taken out.
#[derive(Debug)]
pub(crate) struct Lexed {
    /// Without comments.
    pub(crate) code: String,
    /// Without comments and literals.
    pub(crate) bare: String,
    /// Comments alone.
    pub(crate) comments: String,
    /// For each line, whether it belongs to an item under `#[cfg(test)]`.
    pub(crate) is_test: Vec<bool>,
}

impl Lexed {
    /// Takes `source` apart.
    pub(crate) fn new(source: &str) -> Self {
        let parts = parts(source.as_bytes());
        let keep = |wanted: &[Part]| {
            let kept = source.bytes().zip(&parts).map(|(byte, part)| {
                if byte == b'\n' || wanted.contains(part) { byte } else { b' ' }
            });
            // A character is in one part as a whole, so what is left is still UTF-8.
            String::from_utf8(kept.collect()).expect("characters are kept whole")
        };
        let bare = keep(&[Part::Code]);
        let is_test = test_lines(&bare);
        Self {
            code: keep(&[Part::Code, Part::Text]),
            bare,
            comments: keep(&[Part::Comment]),
            is_test,
        }
    }

    /// Lines of [`Self::bare`] outside tests, with their numbers from 1.
    pub(crate) fn shipped(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.bare.lines().enumerate();
        lines.filter(|(index, _)| !self.is_test[*index]).map(|(index, line)| (index + 1, line))
    }
}

fn parts(source: &[u8]) -> Vec<Part> {
    let mut parts = Vec::with_capacity(source.len());
    while parts.len() < source.len() {
        let at = parts.len();
        let rest = &source[at..];
        let (length, part) = if rest.starts_with(b"//") {
            (rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()), Part::Comment)
        } else if rest.starts_with(b"/*") {
            (block_comment(rest), Part::Comment)
        } else if let Some(length) = raw_text(source, at) {
            (length, Part::Text)
        } else if rest[0] == b'"' {
            (quoted(rest, b'"'), Part::Text)
        } else if rest[0] == b'\'' && is_character(rest) {
            (quoted(rest, b'\''), Part::Text)
        } else {
            (1, Part::Code)
        };
        parts.resize(at + length, part);
    }
    parts
}

/// Block comments nest.
fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let (step, change) = match &rest[at..] {
            [b'/', b'*', ..] => (2, 1),
            [b'*', b'/', ..] => (2, -1),
            _ => (1, 0),
        };
        at += step;
        depth += change;
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of `r"…"`, `r#"…"#`, `br"…"` and so on, if one begins here.
fn raw_text(source: &[u8], at: usize) -> Option<usize> {
    if at > 0 && is_word(source[at - 1]) {
        return None;
    }
    let rest = &source[at..];
    let prefix =
        [&b"br"[..], b"cr", b"r"].into_iter().find(|prefix| rest.starts_with(prefix))?.len();
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    let open = prefix + hashes + 1;
    if rest.get(open - 1) != Some(&b'"') {
        return None;
    }
    let end = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let body = rest[open..].windows(end.len()).position(|window| window == end);
    Some(body.map_or(rest.len(), |body| open + body + end.len()))
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `'a'` and `'\n'`, but not the lifetime `'a`.
fn is_character(rest: &[u8]) -> bool {
    match rest.get(1) {
        Some(b'\\') => true,
        Some(first) => {
            let width = match first {
                0x00..=0x7f => 1,
                0x80..=0xdf => 2,
                0xe0..=0xef => 3,
                _ => 4,
            };
            rest.get(1 + width) == Some(&b'\'')
        }
        None => false,
    }
}

/// Marks the lines of items under `#[cfg(test)]`.
fn test_lines(bare: &str) -> Vec<bool> {
    let mut marks = vec![false; bare.lines().count()];
    for (start, attribute) in bare.match_indices("#[cfg(test)]") {
        let end = start + attribute.len() + item(&bare.as_bytes()[start + attribute.len()..]);
        marks[lines_of(bare, start..end)].fill(true);
    }
    marks
}

/// The length of one item: to its `;`, or the brace that closes it.
fn item(bare: &[u8]) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in bare.iter().enumerate() {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' if depth <= 1 => return at + 1,
            b'}' | b')' | b']' => depth = depth.saturating_sub(1),
            b';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    bare.len()
}

fn lines_of(text: &str, range: Range<usize>) -> std::ops::RangeInclusive<usize> {
    let line = |at: usize| text[..at].matches('\n').count();
    line(range.start)..=line(range.end.saturating_sub(1))
}

/// Whether `byte` may be part of a name.
pub(crate) fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

/// Whether `word` stands in `text` with no letter, digit or underscore before it, nor after it.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].bytes().next_back().is_some_and(is_word);
        let after = text[at + word.len()..].bytes().next().is_some_and(is_word);
        !before && !after
    })
}

#[test]
fn code_comments_and_texts_are_told_apart() {
    let source = r####"
let a = "// no comment \" {"; // a comment "
/* one /* nested */ "still" */ let b: &'a str = 'x'; let c = '\''; let d = '"';
let e = r#"raw " text"#; let f = b"\"bytes"; let g = br"x"; let har = "x"; 'ä'; for"####;
    let lexed = Lexed::new(source);
    assert_eq!(lexed.bare.len(), source.len());
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(
        squeezed(&lexed.bare),
        "let a = ; let b: &'a str = ; let c = ; let d = ; \
         let e = ; let f = b ; let g = ; let har = ; ; for"
    );
    assert_eq!(squeezed(&lexed.comments), "// a comment \" /* one /* nested */ \"still\" */");
    assert!(lexed.code.contains("// no comment") && !lexed.code.contains("a comment \""));
}

#[test]
fn items_under_cfg_test_are_tests() {
    let source = "fn shipped() { [1; 2]; }\n\
        #[cfg(test)]\n#[allow(x)]\nmod tests {\n  fn a() { let b = \"}\"; }\n}\n\
        fn shipped_too() {}\n\
        #[cfg(test)]\nmod tests;\n\
        fn last() {}\n#[cfg(test)]\nfn helper(a: [u8; 2]) -> u8 {\n  a[0]\n}";
    let shipped: Vec<usize> = Lexed::new(source).shipped().map(|(line, _)| line).collect();
    assert_eq!(shipped, [1, 7, 10]);
}

#[test]
fn words_are_whole() {
    assert!(has_word("use pingora::x", "pingora"));
    assert!(!has_word("use my_pingora", "pingora") && !has_word("pingoras", "pingora"));
}
