//! Which responses get the script, and what their heads say then.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{
    policy,
    request::{Injection, Subject},
    rewriter::Rewriter,
    tag, validator,
};
use crate::telemetry::Injected;

/// What becomes of a response.
#[derive(Debug)]
pub enum Verdict {
    /// Nothing, and nobody counts: it is no document's.
    Ignore,
    /// It goes on as it is, for this reason.
    Leave(Injected),
    /// Its head is that of a changed document, which is not in it (HEAD, 304).
    Head(HeadEdits),
    /// Head and content change.
    Document(HeadEdits, Rewriter),
}

/// Changes to a head, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeadEdits {
    /// All lines of these go.
    pub remove: Vec<HeaderName>,
    /// These lines come.
    pub append: Vec<(HeaderName, HeaderValue)>,
}

impl Injection {
    /// Decides by the final head; `is_head`: the request was HEAD.
    pub fn response(&self, status: StatusCode, fields: &HeaderMap, is_head: bool) -> Verdict {
        let Subject::Document { pages, has_document } = &self.subject else {
            return Verdict::Ignore;
        };
        if status == StatusCode::NOT_MODIFIED {
            return match has_document {
                true => Verdict::Head(validators(fields)),
                false => Verdict::Leave(Injected::NoContent),
            };
        }
        if let Err(reason) = self.examine(status, fields) {
            return Verdict::Leave(reason);
        }
        let mut edits = validators(fields);
        edits.remove.extend(OF_THE_BYTES);
        if is_head {
            return Verdict::Head(edits);
        }
        Verdict::Document(edits, Rewriter::new(&tag::script(&**pages)))
    }

    fn examine(&self, status: StatusCode, fields: &HeaderMap) -> Result<(), Injected> {
        let is_followed = status.is_redirection() && fields.contains_key(header::LOCATION);
        if status.is_informational() || NO_DOCUMENT.contains(&status) || is_followed {
            return Err(Injected::NoContent);
        }
        html(fields)?;
        let mut codings = fields.get_all(header::CONTENT_ENCODING).iter();
        if !codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(Injected::Encoded);
        }
        let is_download = fields.get_all(header::CONTENT_DISPOSITION).iter().any(|value| {
            let kind = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
            !kind.trim_ascii().eq_ignore_ascii_case(b"inline")
        });
        if is_download {
            return Err(Injected::Download);
        }
        let mut cache_control = fields.get_all(header::CACHE_CONTROL).iter();
        let no_transform = cache_control.any(|value| {
            let mut directives = value.as_bytes().split(|byte| *byte == b',');
            directives.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
        });
        if no_transform || !policy::allows(fields, self.scheme) {
            return Err(Injected::Policy);
        }
        Ok(())
    }
}

/// Whether it is HTML in an encoding whose ASCII is ASCII.
fn html(fields: &HeaderMap) -> Result<(), Injected> {
    let mut types = fields.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else { return Err(Injected::NotHtml) };
    let value = value.to_str().map_err(|_| Injected::NotHtml)?.to_ascii_lowercase();
    let mut parts = value.split(';').map(str::trim);
    if parts.next() != Some("text/html") {
        return Err(Injected::NotHtml);
    }
    let is_odd = parts.any(|parameter| {
        let label = parameter.strip_prefix("charset=").map(|label| label.trim_matches(['"', ' ']));
        label.is_some_and(|label| {
            ODD_ENCODINGS.contains(&label) || ODD_FAMILIES.iter().any(|odd| label.starts_with(odd))
        })
    });
    if is_odd { Err(Injected::Encoding) } else { Ok(()) }
}

/// The representation is another one than the origin's, and depends on who asks.
fn validators(fields: &HeaderMap) -> HeadEdits {
    let mut edits = HeadEdits::default();
    if let Some(tag) = fields.get(header::ETAG) {
        edits.remove.push(header::ETAG);
        let marked = validator::mark(tag.as_bytes());
        if let Some(marked) = marked.and_then(|tag| HeaderValue::from_bytes(&tag).ok()) {
            edits.append.push((header::ETAG, marked));
        }
    }
    edits.append.push((header::VARY, HeaderValue::from_static("Sec-Fetch-Dest")));
    edits
}

/// What a head says of the exact bytes. `Last-Modified` is no such field: the script is not the
/// document's own.
const OF_THE_BYTES: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::ACCEPT_RANGES,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// No content, or a part of one.
const NO_DOCUMENT: [StatusCode; 3] =
    [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::PARTIAL_CONTENT];

/// Labels of encodings whose bytes below 128 are not ASCII (Encoding Standard §4.2), or that browsers
/// replace by nothing.
const ODD_ENCODINGS: [&str; 10] = [
    "csiso2022jp",
    "csiso2022kr",
    "csunicode",
    "hz-gb-2312",
    "iso-10646-ucs-2",
    "replacement",
    "ucs-2",
    "unicode",
    "unicodefeff",
    "unicodefffe",
];
const ODD_FAMILIES: [&str; 3] = ["utf-16", "iso-2022-", "utf-7"];

#[cfg(test)]
#[path = "tests/response.rs"]
mod tests;
