//! The page script, its extras and the worker, as they are served on every session host.
//!
//! They are part of this program, so that edge and scripts are always of one version. All is made at
//! start-up: an answer is a look-up and a reference count.

use std::io::Write as _;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sha2::{Digest as _, Sha256};

use crate::pages::Page;

/// All scripts.
#[derive(Debug)]
pub struct Scripts {
    /// For documents.
    pub page: Script,
    /// For documents that have [`Scripts::page`], which loads it.
    pub extras: Script,
    /// The service worker.
    pub worker: Script,
}

/// One script in its two encodings.
#[derive(Debug)]
pub struct Script {
    plain: Answers,
    gzip: Answers,
}

/// The whole and its 304.
#[derive(Debug)]
struct Answers {
    etag: HeaderValue,
    whole: Page,
    unchanged: Page,
}

impl Scripts {
    /// Those of this build.
    pub fn new() -> Self {
        let anywhere = (HeaderName::from_static("service-worker-allowed"), "/");
        Self {
            page: Script::new(include_bytes!("../../static/dist/page.js"), None),
            extras: Script::new(include_bytes!("../../static/dist/extras.js"), None),
            worker: Script::new(include_bytes!("../../static/dist/worker.js"), Some(anywhere)),
        }
    }
}

impl Default for Scripts {
    fn default() -> Self {
        Self::new()
    }
}

impl Script {
    fn new(content: &'static [u8], extra: Option<(HeaderName, &'static str)>) -> Self {
        let hash = Sha256::digest(content);
        let hash: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        let mut fields = vec![
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            (header::VARY, HeaderValue::from_static("accept-encoding")),
        ];
        fields.extend(extra.map(|(name, value)| (name, HeaderValue::from_static(value))));
        Self {
            plain: Answers::new(Bytes::from_static(content), format!("\"{hash}\""), &fields, None),
            // Two representations, two validators (RFC 9110 §8.8.3.3).
            gzip: Answers::new(
                compressed(content),
                format!("\"{hash}-gzip\""),
                &fields,
                Some("gzip"),
            ),
        }
    }

    /// The answer to a GET or HEAD with these field lines.
    pub fn answer(&self, request: &HeaderMap) -> &Page {
        let answers = if takes_gzip(request) { &self.gzip } else { &self.plain };
        let known = request
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .map(|tag| tag.trim_ascii())
            .map(|tag| tag.strip_prefix(b"W/").unwrap_or(tag))
            .any(|tag| tag == b"*" || tag == answers.etag.as_bytes());
        if known { &answers.unchanged } else { &answers.whole }
    }
}

impl Answers {
    fn new(
        content: Bytes,
        etag: String,
        fields: &[(HeaderName, HeaderValue)],
        coding: Option<&'static str>,
    ) -> Self {
        let etag = HeaderValue::try_from(etag).expect("hexadecimal digits in quotes");
        let mut fields = fields.to_vec();
        fields.push((header::ETAG, etag.clone()));
        let unchanged = Page {
            status: StatusCode::NOT_MODIFIED,
            fields: fields.clone(),
            content: Bytes::new(),
        };
        fields.extend([
            (header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8")),
            (header::CONTENT_LENGTH, content.len().into()),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ]);
        fields
            .extend(coding.map(|name| (header::CONTENT_ENCODING, HeaderValue::from_static(name))));
        Self { etag, whole: Page { status: StatusCode::OK, fields, content }, unchanged }
    }
}

/// Whether `Accept-Encoding` has gzip, by name and not with weight 0 (RFC 9110 §12.5.3).
fn takes_gzip(request: &HeaderMap) -> bool {
    let lines = request.get_all(header::ACCEPT_ENCODING).iter();
    let mut items = lines.filter_map(|value| value.to_str().ok()).flat_map(|line| line.split(','));
    items.any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.next().and_then(|weight| weight.split_once('=')).map(|(_, q)| q.trim());
        is_gzip && weight.is_none_or(|q| q.parse::<f32>().is_ok_and(|q| q > 0.0))
    })
}

fn compressed(content: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("a Vec takes everything");
    encoder.finish().expect("a Vec takes everything").into()
}

#[cfg(test)]
mod tests;
