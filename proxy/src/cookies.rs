//! Keeping sessions out of each other's cookies.
//!
//! All sessions are siblings below one domain. A cookie with that domain (or one above it) would be
//! sent to every session, so that attribute goes; the cookie then belongs to its own session only.

/// The value of a `Set-Cookie` without any `Domain` at or above the base domain, or `None` if there
/// is none and the value goes on as it is.
///
/// Browsers take the last of several `Domain` attributes and drop cookies whose domain they cannot
/// read, after percent-decoding and IDNA mapping that differ between them. So every one is looked
/// at, and one that is not plain letters, digits, hyphens and dots goes as well. All other bytes
/// stay as they are (RFC 6265 §5.2 is what browsers apply to them).
pub fn strip_foreign_domain(set_cookie: &[u8], base_domain: &str) -> Option<Vec<u8>> {
    // The first part is the cookie itself; it may look like anything.
    let mut end = set_cookie.iter().position(|byte| *byte == b';')?;
    let mut stripped: Option<Vec<u8>> = None;
    while end < set_cookie.len() {
        // `start` is at a `;`, which goes with the attribute behind it.
        let start = end;
        let rest = &set_cookie[start + 1..];
        let length = rest.iter().position(|byte| *byte == b';').unwrap_or(rest.len());
        end = start + 1 + length;
        if is_foreign_domain(&rest[..length], base_domain) {
            stripped.get_or_insert_with(|| set_cookie[..start].to_vec());
        } else if let Some(stripped) = &mut stripped {
            stripped.extend_from_slice(&set_cookie[start..end]);
        }
    }
    stripped
}

/// Whether an attribute (between semicolons) is a `Domain` to remove.
fn is_foreign_domain(attribute: &[u8], base_domain: &str) -> bool {
    let mut halves = attribute.splitn(2, |byte| *byte == b'=');
    let name = halves.next().unwrap_or_default().trim_ascii();
    if !name.eq_ignore_ascii_case(b"domain") {
        return false;
    }
    let domain = halves.next().unwrap_or_default().trim_ascii();
    if !domain.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
    {
        return true;
    }
    let mut domain = domain;
    while let [b'.', rest @ ..] | [rest @ .., b'.'] = domain {
        domain = rest;
    }
    // Without a domain the cookie is its host's own.
    !domain.is_empty() && is_at_or_above(domain, base_domain.as_bytes())
}

/// Whether `base` is `domain` or below it.
fn is_at_or_above(domain: &[u8], base: &[u8]) -> bool {
    let Some(split) = base.len().checked_sub(domain.len()) else {
        return false;
    };
    let (below, tail) = base.split_at(split);
    tail.eq_ignore_ascii_case(domain) && (below.is_empty() || below.ends_with(b"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "share.example.com";

    fn strip(set_cookie: &str) -> Option<String> {
        let stripped = strip_foreign_domain(set_cookie.as_bytes(), BASE)?;
        Some(String::from_utf8(stripped).unwrap())
    }

    #[test]
    fn domains_at_or_above_the_base_go() {
        for domain in [
            "share.example.com",
            ".share.example.com",
            "..share.example.com",
            "share.example.com.",
            ".Share.EXAMPLE.com",
            "example.com",
            "com",
            ".com.",
        ] {
            let got = strip(&format!("a=1; Path=/; Domain={domain}; Secure"));
            assert_eq!(got.as_deref(), Some("a=1; Path=/; Secure"), "{domain}");
        }
    }

    #[test]
    fn other_cookies_stay_as_they_are() {
        for cookie in [
            "",
            ";",
            "a=1",
            "a=1; Path=/; HttpOnly",
            "a=1; Domain=demo.share.example.com",
            "a=1; Domain=.demo.share.example.com; Path=/",
            "a=1; Domain=localhost",
            "a=1; Domain=are.example.com",
            "a=1; Domain=xshare.example.com",
            "a=1; Domain=example.org",
            "a=1; Domain",
            "a=1; Domain=",
            "a=1; Domain=.",
            "a=1; XDomain=example.com",
            "a=1; Domain-x=example.com",
            // Not attributes: the value of the cookie and of another attribute.
            "Domain=share.example.com",
            "domain=share.example.com; Path=/",
            "a=1; Path=Domain=example.com",
            "a=1;;; ;",
        ] {
            assert_eq!(strip(cookie), None, "{cookie}");
        }
    }

    #[test]
    fn odd_spelling_is_seen_through() {
        for (cookie, left) in [
            ("a=1;domain=example.com", "a=1"),
            ("a=1;DOMAIN=example.com", "a=1"),
            ("a=1 ;\t dOmAiN \t=\t example.com \t; Path=/", "a=1 ; Path=/"),
            ("a=1; Domain=example.com;", "a=1;"),
            ("a=1;;Domain=example.com;;Secure", "a=1;;;Secure"),
            (";Domain=example.com", ""),
            ("=;Domain=example.com", "="),
            // The last one counts in browsers, so hiding one behind another must not work.
            (
                "a=1; Domain=demo.share.example.com; Domain=example.com",
                "a=1; Domain=demo.share.example.com",
            ),
            ("a=1; Domain=example.com; x; Domain=com; y", "a=1; x; y"),
        ] {
            assert_eq!(strip(cookie).as_deref(), Some(left), "{cookie}");
        }
    }

    #[test]
    fn unreadable_domains_go() {
        for domain in [
            "%73hare.example.com",
            "share。example。com",
            "ｓhare.example.com",
            "\"share.example.com\"",
            "share.example.com:80",
            "http://share.example.com",
            "share.example.com=x",
            "share .example.com",
        ] {
            assert_eq!(strip(&format!("a=1; Domain={domain}")).as_deref(), Some("a=1"), "{domain}");
        }
    }

    #[test]
    fn other_bytes_are_untouched() {
        let cookie =
            b"a=\xff\x80; Domain=example.com;  Expires=Thu, 01 Jan 1970 00:00:00 GMT ;\xfe";
        let left = b"a=\xff\x80;  Expires=Thu, 01 Jan 1970 00:00:00 GMT ;\xfe";
        assert_eq!(strip_foreign_domain(cookie, BASE).as_deref(), Some(&left[..]));
    }
}
