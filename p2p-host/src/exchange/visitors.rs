//! Telling visitors apart in the log without saying who they are.

use std::hash::{BuildHasher, RandomState};

use http::{HeaderMap, header};
use wingman_wire::id::VisitorId;

/// Makes labels that are stable for the process and mean nothing outside of it.
#[derive(Debug, Default)]
pub(super) struct Visitors(RandomState);

impl Visitors {
    /// By which a page sees that its browser has become another visitor than the one its peer is of: a keyed hash,
    /// for the id itself is a secret that scripts must not know.
    pub(super) fn tag(&self, visitor: VisitorId) -> String {
        format!("{:08x}", self.0.hash_one(visitor) & 0xffff_ffff)
    }

    /// A label for the visitor: a keyed hash of its id, the same on both paths; of its address and browser where
    /// the edge gave it no id.
    pub(super) fn label(&self, visitor: Option<VisitorId>, fields: &HeaderMap) -> String {
        if let Some(visitor) = visitor {
            return format!("{:04x}", self.0.hash_one(visitor) & 0xffff);
        }
        let address = fields.get("x-forwarded-for").map(http::HeaderValue::as_bytes);
        let browser = fields.get(header::USER_AGENT).map(http::HeaderValue::as_bytes);
        format!("{:04x}", self.0.hash_one((address, browser)) & 0xffff)
    }
}
