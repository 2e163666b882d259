//! Which browser a request is from: a random id that the edge keeps in a cookie.
//!
//! The cookie is the edge's own: hosts learn the id from `Wingman-Visitor`, origins learn nothing, and no
//! origin can set or change it.
//!
//! 1. [`VisitorCookie::find`] reads the id from a request.
//! 2. [`VisitorCookie::take_out`] gives each `Cookie` line without it.
//! 3. [`VisitorCookie::set`] makes the `Set-Cookie` line for a document of a browser without one, and
//!    [`VisitorCookie::is_set_by`] finds lines of origins that try the same.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use wingman_wire::{head::Scheme, id::VisitorId};

/// How the cookie is called and guarded, by the scheme of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VisitorCookie {
    name: &'static str,
    attributes: &'static str,
}

impl VisitorCookie {
    /// For sessions of this scheme. Browsers take the prefix, and with it the promise that no sibling has
    /// planted the cookie, only over TLS.
    pub const fn of(scheme: Scheme) -> Self {
        match scheme {
            Scheme::Http => {
                Self { name: "wingman", attributes: "; Path=/; HttpOnly; SameSite=Lax" }
            }
            Scheme::Https => Self {
                name: "__Host-wingman",
                attributes: "; Path=/; Secure; HttpOnly; SameSite=Lax",
            },
        }
    }

    /// A new visitor.
    pub fn mint() -> VisitorId {
        VisitorId::from_bits(rand::random())
    }

    /// The visitor that a request names, if it names exactly one: a browser has one, and of two nobody
    /// can tell which it was given by us.
    pub fn find(self, request: &HeaderMap) -> Option<VisitorId> {
        let mut found = request
            .get_all(header::COOKIE)
            .iter()
            .flat_map(|line| pairs(line.as_bytes()))
            .filter(|pair| self.is_ours(pair))
            .map(|pair| {
                let value = pair.splitn(2, |byte| *byte == b'=').nth(1).unwrap_or_default();
                std::str::from_utf8(value.trim_ascii()).ok()?.parse().ok()
            });
        let first: VisitorId = found.next()??;
        found.all(|other| other == Some(first)).then_some(first)
    }

    /// A `Cookie` line without our cookie; `None` when nothing is left of it.
    pub fn take_out(self, line: &[u8]) -> Option<Cow<'_, [u8]>> {
        if !pairs(line).any(|pair| self.is_ours(pair)) {
            return Some(Cow::Borrowed(line));
        }
        let mut left = Vec::with_capacity(line.len());
        for pair in pairs(line).filter(|pair| !self.is_ours(pair)) {
            if !left.is_empty() {
                left.extend_from_slice(b"; ");
            }
            left.extend_from_slice(pair.trim_ascii());
        }
        (!left.is_empty()).then_some(Cow::Owned(left))
    }

    /// The `Set-Cookie` line that gives a browser its id.
    pub fn set(self, visitor: VisitorId) -> HeaderValue {
        let line = format!("{}={visitor}{}", self.name, self.attributes);
        HeaderValue::try_from(line).expect("letters, digits and attributes")
    }

    /// Whether a `Set-Cookie` line is for our cookie, as browsers read it.
    pub fn is_set_by(self, set_cookie: &[u8]) -> bool {
        pairs(set_cookie).next().is_some_and(|pair| self.is_ours(pair))
    }

    fn is_ours(self, pair: &[u8]) -> bool {
        let name = pair.splitn(2, |byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        // Servers and browsers do not agree on the case of prefixes.
        name.eq_ignore_ascii_case(self.name.as_bytes())
    }
}

/// Whether the answer to a request is to be shown as a document (or a frame), as far as it tells.
pub fn is_document(request: &HeaderMap) -> bool {
    let words = |name: &HeaderName| {
        let value = request.get(name).and_then(|value| value.to_str().ok());
        value.map(str::to_ascii_lowercase)
    };
    match words(&SEC_FETCH_DEST).as_deref() {
        Some("document" | "iframe" | "frame") => true,
        Some(_) => false,
        // Browsers name it first and scripts hardly ever; old ones, and those at plain HTTP, say no more.
        None => words(&header::ACCEPT).is_some_and(|accept| {
            accept
                .split(',')
                .any(|kind| kind.split(';').next().is_some_and(|name| name.trim() == "text/html"))
        }),
    }
}

fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b';')
}

const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "00112233445566778899aabbccddeeff";
    const OTHER: &str = "ffeeddccbbaa99887766554433221100";
    const PLAIN: VisitorCookie = VisitorCookie::of(Scheme::Http);
    const SECURE: VisitorCookie = VisitorCookie::of(Scheme::Https);

    fn find(cookie: VisitorCookie, lines: &[&str]) -> Option<String> {
        let mut request = HeaderMap::new();
        for line in lines {
            request.append(header::COOKIE, line.parse().unwrap());
        }
        cookie.find(&request).map(|id| id.to_string())
    }

    #[test]
    fn a_visitor_is_found_among_other_cookies() {
        let ours = format!("wingman={ID}");
        for lines in [
            &[ours.as_str()][..],
            &[&format!("a=1; {ours}")],
            &[&format!("a=1;{ours};b")],
            &["a=1", &ours],
            &[&ours, &ours],
        ] {
            assert_eq!(find(PLAIN, lines).as_deref(), Some(ID), "{lines:?}");
        }
        assert_eq!(find(SECURE, &[&format!("__Host-wingman={ID}")]).as_deref(), Some(ID));
    }

    #[test]
    fn what_we_did_not_give_is_nobody() {
        let ours = format!("wingman={ID}");
        for lines in [
            &[][..],
            &["a=1"],
            &["wingman"],
            &["wingman="],
            &["wingman=1"],
            &[&format!("wingman={}", ID.to_uppercase())],
            &[&format!("wingman={ID}0")],
            &[&format!("xwingman={ID}")],
            &[&format!("__Host-wingman={ID}")],
            &[&ours, &format!("wingman={OTHER}")],
            &[&format!("{ours}; wingman=1")],
        ] {
            assert_eq!(find(PLAIN, lines), None, "{lines:?}");
        }
        // Over TLS a sibling may plant the name without the prefix.
        assert_eq!(find(SECURE, &[&ours]), None);
    }

    #[test]
    fn our_cookie_goes_and_others_stay() {
        let take = |line: &str| {
            let left = PLAIN.take_out(line.as_bytes())?;
            Some(String::from_utf8(left.into_owned()).unwrap())
        };
        for (line, left) in [
            ("wingman=1; a=1", Some("a=1")),
            ("a=1; wingman=1", Some("a=1")),
            ("a=1; wingman=1; b=2", Some("a=1; b=2")),
            ("a=1;wingman=1;b=2; wingman=3", Some("a=1; b=2")),
            ("Wingman=1; a=1", Some("a=1")),
            ("wingman; a=1", Some("a=1")),
            ("wingman=1", None),
            (" wingman = 1 ", None),
            ("wingman=1; wingman=2", None),
            ("wingman=1;", None),
        ] {
            assert_eq!(take(line).as_deref(), left, "{line}");
        }
        for same in ["", "a=1", "a=1;b=2;;  c", "xwingman=1", "a=wingman=1", "__Host-wingman=1"] {
            assert_eq!(take(same).as_deref(), Some(same));
            assert!(matches!(PLAIN.take_out(same.as_bytes()), Some(Cow::Borrowed(_))));
        }
    }

    #[test]
    fn what_is_set_is_found_again() {
        for cookie in [PLAIN, SECURE] {
            let visitor = VisitorCookie::mint();
            let line = cookie.set(visitor);
            assert!(cookie.is_set_by(line.as_bytes()));
            let pair = line.to_str().unwrap().split(';').next().unwrap().to_owned();
            assert_eq!(find(cookie, &[&pair]), Some(visitor.to_string()));
            assert_eq!(cookie.take_out(pair.as_bytes()), None);
        }
        assert_eq!(
            SECURE.set(ID.parse().unwrap()),
            format!("__Host-wingman={ID}; Path=/; Secure; HttpOnly; SameSite=Lax")
        );
        assert!(!PLAIN.set(VisitorCookie::mint()).to_str().unwrap().contains("Secure"));
        assert_ne!(VisitorCookie::mint(), VisitorCookie::mint());
    }

    #[test]
    fn only_our_name_is_ours_to_set() {
        for ours in ["wingman=1", " WINGMAN =1; Path=/", "wingman", "wingman=; Max-Age=0"] {
            assert!(PLAIN.is_set_by(ours.as_bytes()), "{ours}");
        }
        for other in ["a=1; wingman=1", "wingmans=1", "", "=wingman", "__Host-wingman=1"] {
            assert!(!PLAIN.is_set_by(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn documents_are_told_by_what_browsers_say() {
        let is = |fields: &[(&'static str, &str)]| {
            let fields = fields.iter().map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
            });
            is_document(&fields.collect())
        };
        let html = "text/html,application/xhtml+xml,*/*;q=0.8";
        for document in [
            &[("sec-fetch-dest", "document")][..],
            &[("sec-fetch-dest", "iframe"), ("accept", "*/*")],
            &[("accept", html)],
            &[("accept", "image/png, TEXT/HTML;q=0.1")],
        ] {
            assert!(is(document), "{document:?}");
        }
        for other in [
            &[][..],
            &[("accept", "*/*")],
            &[("accept", "text/htmlx")],
            &[("sec-fetch-dest", "empty"), ("accept", html)],
            &[("sec-fetch-dest", "script")],
        ] {
            assert!(!is(other), "{other:?}");
        }
    }
}
