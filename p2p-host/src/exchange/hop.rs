//! What in a head belongs to one connection only, and must not pass (RFC 9110 §7.6.1).

use http::header::{self, Entry, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;

use super::error::{InvalidAnswer, InvalidRequest};
use crate::origin::Purpose;

/// Makes a request fit for the connection to the origin.
pub(super) fn clean_request<B: Body>(request: &mut Request<B>) -> Result<Purpose, InvalidRequest> {
    if request.method() == Method::CONNECT {
        return Err(InvalidRequest::Connect);
    }
    let empty = request.body().is_end_stream();
    check_content_length(request.headers(), empty)?;
    // hyper sends no content with these methods unless the head says that there is some.
    let needs_framing = !empty
        && matches!(*request.method(), Method::GET | Method::HEAD)
        && !request.headers().contains_key(header::CONTENT_LENGTH);

    let headers = request.headers_mut();
    let upgrade = take_upgrade(headers);
    let trailers = accepts_trailers(headers);
    remove_nominated(headers);
    remove_connection_fields(headers);
    // The carrier has answered it, and hyper would send the content without waiting anyway.
    headers.remove(header::EXPECT);

    if needs_framing {
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if let Some(protocols) = upgrade {
        headers.insert(header::UPGRADE, protocols);
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        return Ok(Purpose::Upgrade);
    }
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("TE"));
    }
    Ok(Purpose::Ordinary)
}

/// Makes a response fit for the way to the visitor.
pub(super) fn clean_response<B>(
    response: &mut Response<B>,
    purpose: Purpose,
) -> Result<(), InvalidAnswer> {
    let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if switching && purpose != Purpose::Upgrade {
        return Err(InvalidAnswer::UnaskedUpgrade);
    }
    let headers = response.headers_mut();
    // Any other coding is still in the content that hyper hands out.
    if headers.get_all(header::TRANSFER_ENCODING).iter().any(|coding| !is_chunked(coding)) {
        return Err(InvalidAnswer::TransferCoding);
    }
    if headers.contains_key(header::TRANSFER_ENCODING) {
        // It overrides a length (RFC 9112 §6.3), which must not travel on as if it were true.
        headers.remove(header::CONTENT_LENGTH);
    }
    let upgrade = if switching { headers.remove(header::UPGRADE) } else { None };
    remove_nominated(headers);
    remove_connection_fields(headers);
    if switching {
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        if let Some(protocol) = upgrade {
            headers.insert(header::UPGRADE, protocol);
        }
    }
    Ok(())
}

fn check_content_length(headers: &HeaderMap, empty: bool) -> Result<(), InvalidRequest> {
    let mut values = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(value) = values.next() else {
        return Ok(());
    };
    let digits = value.as_bytes();
    // More digits than fit in 64 bits is no length either.
    let number = !digits.is_empty() && digits.len() < 20 && digits.iter().all(u8::is_ascii_digit);
    let zero = digits.iter().all(|digit| *digit == b'0');
    if values.next().is_some() || !number || (empty && !zero) {
        return Err(InvalidRequest::ContentLength);
    }
    Ok(())
}

/// The protocols a request asks to switch to, if that can be forwarded.
fn take_upgrade(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let Entry::Occupied(entry) = headers.entry(header::UPGRADE) else {
        return None;
    };
    let protocols = entry.remove();
    // A change of HTTP's own version or of encryption is between neighbours; curl and Java's
    // client ask for the former in every request.
    let own = |token: &[u8]| {
        let name = token.split(|byte| *byte == b'/').next().unwrap_or_default();
        [&b"h2c"[..], b"h2", b"HTTP", b"TLS"].iter().any(|own| name.eq_ignore_ascii_case(own))
    };
    if tokens(&protocols).next().is_none() || tokens(&protocols).any(own) {
        return None;
    }
    // A carrier may have dropped `Connection`. If it is there, it must ask for the upgrade.
    let mut connection = headers.get_all(header::CONNECTION).iter().peekable();
    let asked = connection.peek().is_none()
        || connection.flat_map(tokens).any(|token| token.eq_ignore_ascii_case(b"upgrade"));
    asked.then_some(protocols)
}

fn accepts_trailers(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::TE)
        .iter()
        .flat_map(tokens)
        .any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
}

fn remove_nominated(headers: &mut HeaderMap) {
    let Entry::Occupied(entry) = headers.entry(header::CONNECTION) else {
        return;
    };
    let (_, values) = entry.remove_entry_mult();
    // Collected only if there is something besides the usual words.
    let nominated: Vec<HeaderName> = values
        .flat_map(|value| {
            tokens(&value)
                .filter(|token| !USUAL.iter().any(|usual| token.eq_ignore_ascii_case(usual)))
                .filter_map(|token| HeaderName::from_bytes(token).ok())
                .collect::<Vec<_>>()
        })
        .collect();
    for name in nominated {
        if !is_protected(&name) {
            headers.remove(name);
        }
    }
}

fn remove_connection_fields(headers: &mut HeaderMap) {
    for name in [&header::TRANSFER_ENCODING, &header::UPGRADE, &header::TE, &KEEP_ALIVE] {
        headers.remove(name);
    }
    headers.remove(&PROXY_CONNECTION);
}

/// What `Connection` cannot take away: without these a request means something else, or hides
/// where it came from.
fn is_protected(name: &HeaderName) -> bool {
    matches!(*name, header::HOST | header::CONTENT_LENGTH | header::CONTENT_TYPE)
        || matches!(*name, header::COOKIE | header::SET_COOKIE | header::AUTHORIZATION)
        || *name == header::FORWARDED
        || name.as_str().starts_with("x-forwarded-")
}

fn is_chunked(coding: &HeaderValue) -> bool {
    coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked")
}

fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let parts = value.as_bytes().split(|byte| *byte == b',');
    parts.map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

const USUAL: [&[u8]; 4] = [b"keep-alive", b"close", b"upgrade", b"te"];
static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

#[cfg(test)]
mod tests;
