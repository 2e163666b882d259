//! The fields of a response that can name the origin.

use http::header::{self, Entry};
use http::{HeaderMap, HeaderValue};

use super::Public;
use super::names::{Names, join, split_url, strip_ignoring_case};

/// `Location`, `Content-Location` and `Refresh`.
pub(super) fn locations(headers: &mut HeaderMap, names: &Names, public: &Public) {
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        if let Some(value) = headers.get_mut(name)
            && let Some(rewritten) = url(value.as_bytes(), b"", b"", names, public)
        {
            *value = rewritten;
        }
    }
    if let Some(value) = headers.get_mut(header::REFRESH)
        && let Some((before, target, after)) = refresh_target(value.as_bytes())
        && let Some(rewritten) = url(target, before, after, names, public)
    {
        *value = rewritten;
    }
}

/// `Access-Control-Allow-Origin`, which must be what the visitor's browser sent as `Origin`.
pub(super) fn allowed_origin(headers: &mut HeaderMap, names: &Names, public: &Public) {
    if let Some(value) = headers.get_mut(header::ACCESS_CONTROL_ALLOW_ORIGIN)
        && split_url(value.as_bytes())
            .is_some_and(|url| url.scheme.is_some() && url.rest.is_empty())
        && let Some(rewritten) = url(value.as_bytes(), b"", b"", names, public)
    {
        *value = rewritten;
    }
}

/// Takes the origin's host out of `Set-Cookie`'s `Domain`: the cookie becomes the session host's.
///
/// A browser refuses `Domain=localhost` from the session's host, and the cookie would be lost.
pub(super) fn cookie_domains(headers: &mut HeaderMap, names: &Names) {
    let Entry::Occupied(mut cookies) = headers.entry(header::SET_COOKIE) else {
        return;
    };
    for cookie in cookies.iter_mut() {
        if let Some(rewritten) = without_domain(cookie.as_bytes(), names) {
            *cookie = rewritten;
        }
    }
}

/// `before`, then `url` with the session's name in place of the origin's, then `after`; `None` if
/// the URL points elsewhere.
fn url(
    url: &[u8],
    before: &[u8],
    after: &[u8],
    names: &Names,
    public: &Public,
) -> Option<HeaderValue> {
    let url = split_url(url)?;
    if url.scheme.is_some_and(|scheme| scheme != names.scheme)
        || !names.has_authority(url.authority)
    {
        return None;
    }
    let (scheme, slashes): (&str, &[u8]) = match url.scheme {
        Some(_) => (public.scheme.as_str(), b"://"),
        None => ("", b"//"),
    };
    join(&[before, scheme.as_bytes(), slashes, public.authority(), url.rest, after])
}

/// Splits `5; url=http://…` around its URL, which may be in quotes.
fn refresh_target(value: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let separator = value.iter().position(|byte| matches!(byte, b';' | b','))?;
    let mut start = separator + 1 + spaces(value.get(separator + 1..)?);
    let after_name = strip_ignoring_case(value.get(start..)?, b"url")?;
    start = value.len() - after_name.len();
    start += spaces(after_name);
    if value.get(start) != Some(&b'=') {
        return None;
    }
    start += 1;
    start += spaces(value.get(start..)?);
    let quote = value.get(start).copied().filter(|byte| matches!(byte, b'"' | b'\''));
    start += usize::from(quote.is_some());
    let rest = value.get(start..)?;
    let length = match quote {
        Some(quote) => rest.iter().position(|byte| *byte == quote).unwrap_or(rest.len()),
        None => rest.len(),
    };
    let (target, after) = rest.split_at(length);
    Some((&value[..start], target, after))
}

/// The cookie without `Domain` attributes that name the origin, all other bytes as they are;
/// `None` if it has no such attribute.
fn without_domain(cookie: &[u8], names: &Names) -> Option<HeaderValue> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut removed = false;
    // The first part is the cookie itself, even if its name is `Domain`.
    for (index, part) in cookie.split(|byte| *byte == b';').enumerate() {
        if index > 0 && is_own_domain(part, names) {
            removed = true;
            continue;
        }
        if index > 0 {
            kept.push(b";");
        }
        kept.push(part);
    }
    if removed { join(&kept) } else { None }
}

fn is_own_domain(attribute: &[u8], names: &Names) -> bool {
    let mut halves = attribute.splitn(2, |byte| *byte == b'=');
    let name = halves.next().unwrap_or_default().trim_ascii();
    let value = halves.next().unwrap_or_default().trim_ascii();
    name.eq_ignore_ascii_case(b"domain") && names.has_domain(value)
}

fn spaces(text: &[u8]) -> usize {
    text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}
