//! Request targets that `http::Uri` refuses.

use bytes::{Bytes, BytesMut};
use http::Uri;

use super::error::InvalidRequest;

/// A request target in origin-form or asterisk-form, as a `Uri`.
///
/// `http` refuses some bytes that clients send and servers take: space-like and control bytes,
/// `<`, `>`, a backquote in the path, a double quote in the query, bytes that are no UTF-8; and
/// it cuts `#` off. These bytes are percent-encoded, which names the same resource (RFC 3986 §2.4).
/// All other bytes stay as they are.
pub fn request_target(target: Bytes) -> Result<Uri, InvalidRequest> {
    let fits = match std::str::from_utf8(&target) {
        Ok(_) => !offenders(&target).any(|_| true),
        Err(_) => false,
    };
    let target = if fits { target } else { encode(&target) };
    if target.first() != Some(&b'/') && target != "*" {
        return Err(InvalidRequest::Target);
    }
    Uri::from_maybe_shared(target).map_err(|_| InvalidRequest::Target)
}

/// Positions of ASCII bytes that cannot stay.
fn offenders(target: &[u8]) -> impl Iterator<Item = usize> {
    let query = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    let offends = move |at: usize, byte: u8| match byte {
        0..=b' ' | b'#' | b'<' | b'>' | 0x7f => true,
        b'`' => at < query,
        b'"' => at > query,
        _ => false,
    };
    target.iter().enumerate().filter(move |(at, byte)| offends(*at, **byte)).map(|(at, _)| at)
}

fn encode(target: &[u8]) -> Bytes {
    let keeps_high = std::str::from_utf8(target).is_ok();
    let mut offenders = offenders(target).peekable();
    let mut encoded = BytesMut::with_capacity(target.len() + 64);
    for (at, byte) in target.iter().enumerate() {
        let offends = offenders.next_if_eq(&at).is_some() || (!keeps_high && !byte.is_ascii());
        if offends {
            let digit = |half: u8| HEX.get(usize::from(half)).copied().unwrap_or(b'0');
            encoded.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        } else {
            encoded.extend_from_slice(&[*byte]);
        }
    }
    encoded.freeze()
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(target: &[u8], expected: &str) {
        let uri = request_target(Bytes::copy_from_slice(target)).expect("target");
        assert_eq!(uri.to_string(), expected);
    }

    #[test]
    fn all_bytes_pass() {
        for byte in 0..=u8::MAX {
            for (before, after) in [("/a", "b"), ("/?a", "b")] {
                let target = [before.as_bytes(), &[byte], after.as_bytes()].concat();
                let uri = request_target(Bytes::from(target)).expect("target").to_string();
                let raw = format!("{before}{}{after}", char::from(byte));
                let encoded = format!("{before}%{byte:02X}{after}");
                assert!(uri == raw || uri == encoded, "{byte:#x}: {uri}");
            }
        }
    }

    #[test]
    fn what_fits_stays() {
        check(b"*", "*");
        check(b"//a|\"{}^\\/%zz?`{}|^\\'", "//a|\"{}^\\/%zz?`{}|^\\'");
        check("/\u{e9}?\u{4e2d}".as_bytes(), "/\u{e9}?\u{4e2d}");
    }

    #[test]
    fn what_does_not_is_encoded() {
        check(b"/<a>`b`?\"c\"`#d", "/%3Ca%3E%60b%60?%22c%22`%23d");
        check(b"/\xe9 a\"b", "/%E9%20a\"b");
    }

    #[test]
    fn other_forms_are_refused() {
        for target in ["", "a", "http://a/b", "a:443", "**", "?a"] {
            let refused = request_target(Bytes::from_static(target.as_bytes()));
            assert_eq!(refused, Err(InvalidRequest::Target), "{target}");
        }
        let long = Bytes::from(format!("/{}", "a".repeat(70_000)));
        assert_eq!(request_target(long), Err(InvalidRequest::Target));
    }
}
