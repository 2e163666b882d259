//! Telling visitors apart in the log without saying who they are.

use std::hash::{BuildHasher, RandomState};

use http::{HeaderMap, header};

/// Makes labels that are stable for the process and mean nothing outside of it.
#[derive(Debug, Default)]
pub(super) struct Visitors(RandomState);

impl Visitors {
    /// A label for the visitor: a keyed hash of its address and browser.
    pub(super) fn label(&self, fields: &HeaderMap) -> String {
        let address = fields.get("x-forwarded-for").map(http::HeaderValue::as_bytes);
        let browser = fields.get(header::USER_AGENT).map(http::HeaderValue::as_bytes);
        format!("{:04x}", self.0.hash_one((address, browser)) & 0xffff)
    }
}
