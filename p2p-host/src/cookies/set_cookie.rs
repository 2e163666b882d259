//! One `Set-Cookie` line as a browser takes it (RFC 6265 §5.2 and its revision, "6265bis" §5.6).
//!
//! Written by hand: the crates read only UTF-8, refuse cookies without a name, and do not tell whether a browser
//! would take the cookie at all, which is what matters here.

use std::time::{Duration, SystemTime};

use super::{date, path};

/// The site that cookies belong to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site<'a> {
    /// The session's host name, without a port.
    pub(super) host: &'a [u8],
    /// Whether visitors come by TLS.
    pub(super) tls: bool,
}

/// A cookie that a browser stores, or deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SetCookie {
    pub(super) name: Box<[u8]>,
    pub(super) value: Box<[u8]>,
    pub(super) path: Box<[u8]>,
    /// Set for the session's host by name, which makes it another cookie than one without `Domain`.
    pub(super) domain: bool,
    pub(super) partitioned: bool,
    pub(super) http_only: bool,
    pub(super) end: End,
    /// Whether all browsers agree that they take it.
    pub(super) certain: bool,
}

/// When a cookie ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With the browser's session, and so with the visitor's id.
    Session,
    At(SystemTime),
    /// It has ended: the line deletes the cookie.
    Now,
}

impl SetCookie {
    /// Reads a line of a response to a request for `request_path`; `None` if browsers ignore it.
    pub(super) fn parse(
        line: &[u8],
        request_path: &[u8],
        site: Site<'_>,
        now: SystemTime,
    ) -> Option<Self> {
        if line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return None;
        }
        let mut parts = line.split(|byte| *byte == b';');
        let (name, value) = name_and_value(parts.next().unwrap_or_default());
        if name.len() + value.len() > MAX_PAIR || (name.is_empty() && value.is_empty()) {
            return None;
        }
        let mut read = Attributes::default();
        for part in parts {
            read.take(part, site);
        }
        let domain = match read.domain {
            Domain::None => false,
            Domain::Session => true,
            Domain::Other => return None,
        };
        let path = match read.path {
            Some(path) if path.first() == Some(&b'/') => path,
            _ => path::default(request_path),
        };
        let end = match (read.max_age, read.expires) {
            (Some(0), _) => End::Now,
            (Some(seconds), _) => {
                now.checked_add(Duration::from_secs(seconds)).map_or(End::Session, End::At)
            }
            (None, Some(at)) if at + CLOCKS <= now => End::Now,
            (None, Some(at)) => End::At(at),
            (None, None) => End::Session,
        };
        let mut certain = !name.is_empty() && !line.contains(&b'\t');
        // Browsers differ in what counts as secure without TLS; and `None` without `Secure` only some refuse.
        certain &= site.tls || !read.secure;
        certain &= read.secure || !read.same_site_none;
        // It came in with CHIPS; older browsers ignore it, and the cookie is another one.
        certain &= !read.partitioned;
        let prefixed = |prefix: &[u8]| starts_with_ignoring_case(name, prefix);
        if prefixed(b"__secure-") || prefixed(b"__host-") {
            if !read.secure
                || (prefixed(b"__host-") && (domain || path != b"/" || read.path.is_none()))
            {
                return None;
            }
            certain &= site.tls;
        }
        // A name can also be planted in the value of a cookie without a name.
        if name.is_empty()
            && (starts_with_ignoring_case(value, b"__secure-")
                || starts_with_ignoring_case(value, b"__host-"))
        {
            return None;
        }
        // The `__Http-` prefixes are new; not all browsers know them.
        certain &= !prefixed(b"__http-") && !prefixed(b"__hosthttp-");
        Some(Self {
            name: name.into(),
            value: value.into(),
            path: path.into(),
            domain,
            partitioned: read.partitioned,
            http_only: read.http_only,
            end,
            certain,
        })
    }
}

/// The line with its path written out, for another request than the one it answers.
pub(super) fn with_path(line: &[u8], request_path: &[u8]) -> Vec<u8> {
    let mut written = line.to_vec();
    let mut read = Attributes::default();
    // `Domain` is not looked at.
    let site = Site { host: b"", tls: true };
    line.split(|byte| *byte == b';').skip(1).for_each(|part| read.take(part, site));
    if read.path.is_none_or(|path| path.first() != Some(&b'/')) {
        written.extend_from_slice(b"; Path=");
        written.extend_from_slice(path::default(request_path));
    }
    written
}

/// Whether [`with_path`] can say the default path of this request: a semicolon would end it.
pub(super) fn can_say_path(request_path: &[u8]) -> bool {
    request_path.len() <= MAX_ATTRIBUTE && !request_path.contains(&b';')
}

/// Name and value of a pair, as in `Set-Cookie` and in `Cookie`.
pub(super) fn name_and_value(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|byte| *byte == b'=') {
        Some(equals) => {
            let (name, value) = pair.split_at(equals);
            (name.trim_ascii(), value.get(1..).unwrap_or_default().trim_ascii())
        }
        None => (b"", pair.trim_ascii()),
    }
}

#[derive(Debug, Default)]
struct Attributes<'a> {
    path: Option<&'a [u8]>,
    domain: Domain,
    /// Seconds; 0 for what is over.
    max_age: Option<u64>,
    expires: Option<SystemTime>,
    secure: bool,
    http_only: bool,
    same_site_none: bool,
    partitioned: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Domain {
    #[default]
    None,
    Session,
    Other,
}

impl<'a> Attributes<'a> {
    /// The last one of a name counts.
    fn take(&mut self, attribute: &'a [u8], site: Site<'_>) {
        let (name, value) = match attribute.iter().position(|byte| *byte == b'=') {
            Some(equals) => {
                let (name, value) = attribute.split_at(equals);
                (name.trim_ascii(), value.get(1..).unwrap_or_default().trim_ascii())
            }
            None => (attribute.trim_ascii(), &b""[..]),
        };
        if value.len() > MAX_ATTRIBUTE {
            return;
        }
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        if is(b"path") {
            self.path = Some(value);
        } else if is(b"domain") {
            // The edge removes these before a browser sees them.
            if !is_removed(value, site.host) {
                self.domain = domain(value, site.host);
            }
        } else if is(b"max-age") {
            self.max_age = max_age(value).or(self.max_age);
        } else if is(b"expires") {
            self.expires = date::parse(value).or(self.expires);
        } else if is(b"secure") {
            self.secure = true;
        } else if is(b"httponly") {
            self.http_only = true;
        } else if is(b"samesite") {
            self.same_site_none = value.eq_ignore_ascii_case(b"none");
        } else if is(b"partitioned") {
            self.partitioned = true;
        }
    }
}

fn max_age(value: &[u8]) -> Option<u64> {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    if value.starts_with(b"-") {
        return Some(0);
    }
    // Browsers cap it at 400 days.
    let seconds = std::str::from_utf8(digits).ok()?.parse().unwrap_or(u64::MAX);
    Some(seconds.min(MAX_AGE))
}

fn domain(value: &[u8], host: &[u8]) -> Domain {
    let value = value.strip_prefix(b".").unwrap_or(value);
    if value.is_empty() {
        Domain::None
    } else if value.eq_ignore_ascii_case(host) {
        Domain::Session
    } else {
        Domain::Other
    }
}

/// Whether the edge takes a `Domain` away: at or above its base domain, or not plain.
fn is_removed(value: &[u8], host: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if !value.iter().all(plain) {
        return true;
    }
    let mut domain = value;
    while let [b'.', rest @ ..] | [rest @ .., b'.'] = domain {
        domain = rest;
    }
    let Some(dot) = host.iter().position(|byte| *byte == b'.') else { return false };
    let base = host.get(dot + 1..).unwrap_or_default();
    let Some(split) = base.len().checked_sub(domain.len()) else { return false };
    let (below, tail) = base.split_at(split);
    !domain.is_empty()
        && tail.eq_ignore_ascii_case(domain)
        && (below.is_empty() || below.ends_with(b"."))
}

fn starts_with_ignoring_case(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

/// Browsers ignore cookies that are longer, name and value together.
const MAX_PAIR: usize = 4_096;
/// Browsers ignore attributes that are longer.
const MAX_ATTRIBUTE: usize = 1_024;
const MAX_AGE: u64 = 400 * 86_400;
/// How far the clocks of host and browser may differ; closer to a cookie's end nobody can tell.
pub(super) const CLOCKS: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: Site<'_> = Site { host: b"abc.share.example.com", tls: true };

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn parse(line: &str) -> Option<SetCookie> {
        SetCookie::parse(line.as_bytes(), b"/app/login", SITE, now())
    }

    #[test]
    fn pairs_and_paths() {
        for (line, name, value, path) in [
            ("a=1", "a", "1", "/app"),
            (" a = 1 ", "a", "1", "/app"),
            ("a=b=c", "a", "b=c", "/app"),
            ("a=\"x y\"", "a", "\"x y\"", "/app"),
            ("a=", "a", "", "/app"),
            ("=v", "", "v", "/app"),
            ("v", "", "v", "/app"),
            ("a=1; Path=/", "a", "1", "/"),
            ("a=1;path=/x/;x", "a", "1", "/x/"),
            ("a=1; Path=x", "a", "1", "/app"),
            ("a=1; Path=", "a", "1", "/app"),
            ("a=1; Path", "a", "1", "/app"),
            ("a=1; Path=/x; Path=/y", "a", "1", "/y"),
            ("a=1; Path=/x; Path=y", "a", "1", "/app"),
        ] {
            let cookie = parse(line).expect(line);
            assert_eq!(
                (&*cookie.name, &*cookie.value),
                (name.as_bytes(), value.as_bytes()),
                "{line}"
            );
            assert_eq!(&*cookie.path, path.as_bytes(), "{line}");
        }
    }

    #[test]
    fn what_browsers_ignore() {
        let long = format!("a={}", "x".repeat(4_096));
        for line in [
            "",
            "=",
            ";",
            "a=1; Domain=other.example.org",
            "a=1; Domain=x.abc.share.example.com",
            "__Secure-a=1",
            "__Host-a=1; Secure",
            "__Host-a=1; Secure; Path=/x",
            "__host-a=1; Path=/",
            "__Host-a=1; Secure; Path=/; Domain=abc.share.example.com",
            "=__Host-a=1",
            "a=\u{1}",
            &long,
        ] {
            assert_eq!(parse(line), None, "{line:?}");
        }
        assert!(parse(&long[..4_097]).is_some(), "4096 bytes are not too many");
    }

    #[test]
    fn domains_are_what_the_edge_leaves_of_them() {
        for (line, domain) in [
            ("a=1", false),
            ("a=1; Domain=", false),
            ("a=1; Domain=share.example.com", false),
            ("a=1; Domain=.EXAMPLE.com", false),
            ("a=1; Domain=com", false),
            ("a=1; Domain=\u{fc}ber.example", false),
            ("a=1; Domain=abc.share.example.com", true),
            ("a=1; Domain=.ABC.share.example.com", true),
            ("a=1; Domain=abc.share.example.com; Domain=example.com", true),
        ] {
            assert_eq!(parse(line).expect(line).domain, domain, "{line}");
        }
    }

    #[test]
    fn ends() {
        let after = |seconds| End::At(now() + Duration::from_secs(seconds));
        for (line, end) in [
            ("a=1", End::Session),
            ("a=1; Max-Age=60", after(60)),
            ("a=1; Max-Age=0", End::Now),
            ("a=1; Max-Age=-5", End::Now),
            ("a=1; Max-Age=soon", End::Session),
            ("a=1; Max-Age=99999999999999999999999", after(MAX_AGE)),
            ("a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", after(60)),
            ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", End::Now),
            ("a=1; Expires=Fri, 15 Jan 2027 08:01:00 GMT", after(60)),
            (
                "a=1; Expires=Fri, 15 Jan 2027 07:59:30 GMT",
                End::At(now() - Duration::from_secs(30)),
            ),
            ("a=1; Expires=Fri, 15 Jan 2027 07:59:00 GMT", End::Now),
            ("a=1; Expires=never", End::Session),
        ] {
            assert_eq!(parse(line).expect(line).end, end, "{line}");
        }
    }

    #[test]
    fn some_browsers_refuse() {
        let plain = Site { tls: false, ..SITE };
        let certain = |line: &str, site| {
            SetCookie::parse(line.as_bytes(), b"/", site, now()).expect(line).certain
        };
        for (line, by_tls, without) in [
            ("a=1", true, true),
            ("a=1; Secure", true, false),
            ("a=1; SameSite=Strict; HttpOnly", true, true),
            ("a=1; SameSite=None; Secure", true, false),
            ("a=1; SameSite=None", false, false),
            ("a=1; Secure; Partitioned", false, false),
            ("__Host-a=1; Secure; Path=/", true, false),
            ("__Http-a=1; Secure; HttpOnly", false, false),
            ("=nameless", false, false),
            ("a=x\ty", false, false),
        ] {
            assert_eq!(certain(line, SITE), by_tls, "{line}");
            assert_eq!(certain(line, plain), without, "{line}");
        }
    }

    #[test]
    fn a_path_is_written_out_once() {
        for (line, written) in [
            ("a=1", "a=1; Path=/app"),
            ("a=1; HttpOnly; Max-Age=5", "a=1; HttpOnly; Max-Age=5; Path=/app"),
            ("a=1; Path=/x", "a=1; Path=/x"),
            ("a=1; path=x", "a=1; path=x; Path=/app"),
            ("a=1; Path=/x; Path=", "a=1; Path=/x; Path=; Path=/app"),
            ("Path=/x", "Path=/x; Path=/app"),
        ] {
            assert_eq!(with_path(line.as_bytes(), b"/app/login"), written.as_bytes(), "{line}");
            let (before, after) = (parse(line), parse(written));
            assert_eq!(before, after, "the same cookie");
        }
        assert!(can_say_path(b"/a/b") && !can_say_path(b"/a;b/c"));
    }
}
