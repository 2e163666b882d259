//! The page script in documents: through the real edge, the real host and an origin that the test plays.
//!
//! Which place in a page is right is tested at `proxy/src/inject`; here is what whole exchanges make of
//! it. Tests in modules named `alone` measure time or memory and want the machine for themselves.

mod conditions;
mod documents;
mod left;
mod stage;
mod streaming;
