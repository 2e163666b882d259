//! Whether a response's own policies let the page script work.
//!
//! Conservative: where browsers may differ or a policy is unusual, the answer is no, and the page stays
//! on the relay without a word in its console. Making policies fit comes later, and belongs here.

use http::{HeaderMap, HeaderName, header};
use wingman_wire::head::Scheme;

/// Whether a document with these fields, at a URL of this scheme, may load our script, register our
/// worker, and reach the signaling socket.
pub(super) fn allows(fields: &HeaderMap, scheme: Scheme) -> bool {
    let policies = fields.get_all(header::CONTENT_SECURITY_POLICY).iter();
    let all_policies = policies.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    // Scripts without an integrity attribute are blocked by name of their kind.
    let integrity = fields.get_all(INTEGRITY_POLICY).iter();
    let wants_integrity =
        integrity.map(|value| value.as_bytes()).any(|value| contains(value, b"script"));
    !wants_integrity && all_policies.map(Policy).all(|policy| policy.allows(scheme))
}

/// One policy, as it is written.
#[derive(Clone, Copy)]
struct Policy<'a>(&'a [u8]);

impl<'a> Policy<'a> {
    fn allows(self, scheme: Scheme) -> bool {
        let is_https = scheme == Scheme::Https;
        // On an insecure page `http:` is also for https, and `ws:` for wss (CSP 3 §6.7.2.8).
        let web: &[&[u8]] = if is_https { &[b"http:", b"https:"] } else { &[b"http:"] };
        let sockets: &[&[u8]] = if is_https { &[b"ws:", b"wss:"] } else { &[b"ws:"] };
        self.fits(&["script-src-elem", "script-src", "default-src"], web)
            && self.fits(&["worker-src", "child-src", "script-src", "default-src"], web)
            && self.fits(&["connect-src", "default-src"], web)
            && self.fits(&["connect-src", "default-src"], sockets)
            && self.sandbox_allows()
            && self.words("require-trusted-types-for").is_none()
            && self.words("require-sri-for").is_none()
            && self.words("webrtc").is_none_or(|mut words| words.all(|word| is(word, b"'allow'")))
    }

    /// Whether the first directive that is there lets our own URLs pass.
    fn fits(self, directives: &[&str], schemes: &[&[u8]]) -> bool {
        let Some(mut sources) = directives.iter().find_map(|name| self.words(name)) else {
            return true;
        };
        let mut fits = false;
        // With it, only what has a nonce or was loaded by such a script counts.
        let is_strict = sources.any(|source| {
            fits |= is(source, b"'self'")
                || source == b"*"
                || schemes.iter().any(|scheme| is(source, scheme));
            is(source, b"'strict-dynamic'")
        });
        fits && !is_strict
    }

    /// A sandbox without both gives the document an opaque origin, or no scripts.
    fn sandbox_allows(self) -> bool {
        self.words("sandbox").is_none_or(|words| {
            let words: Vec<_> = words.collect();
            [&b"allow-same-origin"[..], b"allow-scripts"]
                .iter()
                .all(|needed| words.iter().any(|word| is(word, needed)))
        })
    }

    /// What follows a directive's name. Of two with one name the first counts.
    fn words(self, name: &str) -> Option<impl Iterator<Item = &'a [u8]> + use<'a>> {
        self.0.split(|byte| *byte == b';').find_map(|directive| {
            let mut words =
                directive.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            is(words.next()?, name.as_bytes()).then_some(words)
        })
    }
}

fn is(word: &[u8], other: &[u8]) -> bool {
    word.eq_ignore_ascii_case(other)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

const INTEGRITY_POLICY: HeaderName = HeaderName::from_static("integrity-policy");

#[cfg(test)]
#[path = "tests/policy.rs"]
mod tests;
