//! Heads between Pingora's types and the wire.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, StatusCode, Version, header};
use pingora::http::{RequestHeader, ResponseHeader};
use wingman_wire::{
    direct::field,
    head::{self, HeadError, RequestHead, ResponseHead},
    id::{RequestId, VisitorId},
};

use crate::{
    cookies,
    fields::{RequestRules, ResponseError, ResponseRules},
    forwarded::Visitor,
    inject::{FieldEdit, HeadEdits, Injection, Rewriter, Verdict},
    telemetry::Injected,
    visitors::VisitorCookie,
};

/// The authority a request is for: `:authority` of HTTP/2, else `Host`.
pub(super) fn authority(request: &RequestHeader) -> &str {
    request
        .uri
        .authority()
        .map(http::uri::Authority::as_str)
        .or_else(|| request.headers.get(header::HOST).and_then(|host| host.to_str().ok()))
        .unwrap_or_default()
}

/// The target in origin-form (or `*`), as the visitor wrote it. An absolute-form target loses scheme
/// and authority, which Pingora has checked against `Host` (RFC 9112 §3.2.2). `None` for anything else:
/// a target that is no path must not become one.
pub(super) fn target(request: &RequestHeader) -> Option<&[u8]> {
    let raw = request.raw_path();
    if raw.first() == Some(&b'/') || raw == b"*" {
        return Some(raw);
    }
    let scheme = raw.iter().position(|byte| *byte == b':')?;
    let (scheme, rest) = raw.split_at(scheme);
    let is_http = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    if !is_http || !rest.starts_with(b"://") {
        return None;
    }
    match request.uri.path_and_query().map(http::uri::PathAndQuery::as_str) {
        Some("") | None => Some(b"/"),
        Some(path) => Some(path.as_bytes()),
    }
}

/// What the edge knows of the browser that asks.
#[derive(Clone, Copy)]
pub(super) struct Browser {
    pub(super) cookie: VisitorCookie,
    pub(super) id: Option<VisitorId>,
}

/// Encodes a request head for the host.
pub(super) fn encode_request(
    request: &RequestHeader,
    target: &[u8],
    authority: &[u8],
    visitor: &Visitor,
    browser: Browser,
    injection: &Injection,
    rules: &mut RequestRules<'_>,
) -> Bytes {
    let mut out = BytesMut::with_capacity(1024);
    let method = request.method.as_str().as_bytes();
    RequestHead::put(&mut out, method, visitor.scheme, authority, target);
    let mut cookies = Some(cookie_lines(request, browser.cookie));
    for (name, value) in &request.headers {
        if name == header::HOST
            || visitor.drops(name.as_str().as_bytes())
            || !rules.keeps(name.as_str().as_bytes(), value.as_bytes())
        {
            continue;
        }
        if name == header::COOKIE {
            for line in cookies.take().into_iter().flatten() {
                head::put_field(&mut out, name.as_str().as_bytes(), &line);
            }
            continue;
        }
        match injection.request_field(name, value.as_bytes()) {
            FieldEdit::Keep => {
                head::put_field(&mut out, name.as_str().as_bytes(), value.as_bytes());
            }
            FieldEdit::Replace(value) => {
                head::put_field(&mut out, name.as_str().as_bytes(), &value);
            }
            FieldEdit::Drop => {}
        }
    }
    // All other `Wingman-*` of visitors were dropped above.
    if let Some(id) = request_id(request) {
        head::put_field(&mut out, field::REQUEST_ID.as_bytes(), id.to_string().as_bytes());
    }
    if let Some(id) = browser.id {
        head::put_field(&mut out, field::VISITOR.as_bytes(), id.to_string().as_bytes());
    }
    visitor.write(authority, |name, value| head::put_field(&mut out, name, value));
    out.freeze()
}

/// The `Cookie` lines that go on. HTTP/2 visitors may send each cookie as a line of its own, but one line is
/// what HTTP/1 origins understand (RFC 9113 §8.2.3).
fn cookie_lines(request: &RequestHeader, ours: VisitorCookie) -> Vec<Cow<'_, [u8]>> {
    let lines = request.headers.get_all(header::COOKIE).iter();
    let lines = lines.filter_map(|line| ours.take_out(line.as_bytes())).collect::<Vec<_>>();
    match lines.len() {
        0 | 1 => lines,
        _ if request.version == Version::HTTP_2 => vec![lines.join(&b"; "[..]).into()],
        _ => lines,
    }
}

/// The id a worker gave to a request, if it is one: hosts honour it for the visitor alone.
fn request_id(request: &RequestHeader) -> Option<RequestId> {
    let mut lines = request.headers.get_all(field::REQUEST_ID).iter();
    let id = lines.next()?.to_str().ok()?.parse().ok()?;
    lines.next().is_none().then_some(id)
}

/// Why a response head of the host cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadHead {
    #[error("malformed head")]
    Malformed(#[from] HeadError),
    #[error("unacceptable head")]
    Unacceptable(#[from] ResponseError),
    /// Flags and status disagree.
    #[error("interim flag and status disagree")]
    Interim,
    #[error("field line is not HTTP")]
    Field,
}

/// A response head ready to be written.
pub(super) struct Response {
    pub(super) header: Box<ResponseHeader>,
    /// Its content has a known length, which Pingora does not flush before it is complete.
    pub(super) has_length: bool,
    /// What happens to its content.
    pub(super) document: Document,
}

/// What happens to content with regard to the page script.
pub(super) enum Document {
    /// Nothing; it was not a document's.
    None,
    /// Nothing, and this counts.
    Left(Injected),
    /// It passes through here.
    Changed(Rewriter),
}

/// What the response is an answer to.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) version: Version,
    pub(super) is_head: bool,
    pub(super) websocket: bool,
    pub(super) base_domain: &'a str,
    pub(super) cookie: VisitorCookie,
    /// The `Set-Cookie` line for a browser that has no id yet.
    pub(super) new_visitor: Option<&'a HeaderValue>,
    pub(super) injection: &'a Injection,
}

/// Decodes and cleans a response head of the host.
pub(super) fn decode_response(
    encoded: Bytes,
    interim: bool,
    asked: Asked<'_>,
) -> Result<Response, BadHead> {
    let decoded = ResponseHead::decode(encoded)?;
    let status = decoded.status;
    if interim != (status < 200 && status != 101) {
        return Err(BadHead::Interim);
    }
    let lines = decoded.fields.collect::<Result<Vec<_>, _>>()?;
    let mut rules = ResponseRules::examine(
        status,
        asked.websocket,
        lines.iter().map(|(name, value)| (&name[..], &value[..])),
    )?;
    let code = StatusCode::from_u16(status).map_err(|_| BadHead::Field)?;
    let mut header = ResponseHeader::build_no_case(code, Some(lines.len().saturating_add(3)))
        .map_err(|_| BadHead::Field)?;
    for (name, value) in &lines {
        if !rules.keeps(name, value) {
            continue;
        }
        let name = HeaderName::from_bytes(name).map_err(|_| BadHead::Field)?;
        if name == header::SET_COOKIE && asked.cookie.is_set_by(value) {
            continue;
        }
        let stripped = if name == header::SET_COOKIE {
            cookies::strip_foreign_domain(value, asked.base_domain)
        } else {
            None
        };
        let value = match stripped {
            Some(value) => HeaderValue::from_bytes(&value),
            None => HeaderValue::from_maybe_shared(value.clone()),
        };
        let value = value.map_err(|_| BadHead::Field)?;
        header.append_header(name, value).map_err(|_| BadHead::Field)?;
    }
    if let Some(line) = asked.new_visitor
        && !interim
        && status != 101
    {
        set_visitor(&mut header, line).map_err(|_| BadHead::Field)?;
    }
    let document = if interim || status == 101 {
        Document::None
    } else {
        prepare(&mut header, asked).map_err(|_| BadHead::Field)?
    };
    let has_length = header.headers.contains_key(header::CONTENT_LENGTH);
    let has_content = !interim && !asked.is_head && !matches!(status, 101 | 204 | 304);
    if has_content && !has_length && asked.version == Version::HTTP_11 {
        header.insert_header(header::TRANSFER_ENCODING, "chunked").map_err(|_| BadHead::Field)?;
    }
    if status == 101 {
        header.insert_header(header::CONNECTION, "Upgrade").map_err(|_| BadHead::Field)?;
    }
    Ok(Response { header: Box::new(header), has_length: has_content && has_length, document })
}

/// Makes a final head that of the document with our script, if it becomes one.
fn prepare(header: &mut ResponseHeader, asked: Asked<'_>) -> pingora::Result<Document> {
    let (edits, document) =
        match asked.injection.response(header.status, &header.headers, asked.is_head) {
            Verdict::Ignore => return Ok(Document::None),
            Verdict::Leave(reason) => return Ok(Document::Left(reason)),
            Verdict::Head(edits) => (edits, Document::None),
            Verdict::Document(edits, rewriter) => (edits, Document::Changed(rewriter)),
        };
    let HeadEdits { remove, append } = edits;
    // Made anew: removing from a map changes the order of the others.
    let mut edited = ResponseHeader::build_no_case(header.status, Some(header.headers.len()))?;
    let kept = header.headers.iter().filter(|(name, _)| !remove.contains(name));
    for (name, value) in kept.chain(append.iter().map(|(name, value)| (name, value))) {
        edited.append_header(name.clone(), value.clone())?;
    }
    *header = edited;
    Ok(document)
}

/// Gives a browser its id, and keeps caches on the way from giving the same to others: unlike browsers,
/// they may store `Set-Cookie` (RFC 9111 §7.3).
fn set_visitor(header: &mut ResponseHeader, line: &HeaderValue) -> pingora::Result<()> {
    let is_private = header.headers.get_all(header::CACHE_CONTROL).iter().any(|value| {
        let value = value.as_bytes().to_ascii_lowercase();
        [&b"private"[..], b"no-store"]
            .iter()
            .any(|word| value.windows(word.len()).any(|w| w == *word))
    });
    if !is_private {
        header.append_header(header::CACHE_CONTROL, "private")?;
    }
    header.append_header(header::SET_COOKIE, line.clone())?;
    Ok(())
}

#[cfg(test)]
mod tests;
