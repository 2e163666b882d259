//! `wingman-edge`: the public server between visitors and hosts.
//!
//! - [`gateway`]: Pingora, towards visitors; the only place with its types.
//! - [`session`]: who shares under which name, over which link.
//! - [`link`]: the edge's end of a link.
//! - [`signaling`]: passes messages between pages and hosts, so that they find the direct path.
//! - [`inject`]: puts the page script into documents.
//! - [`stun`]: tells pages and hosts their public addresses, by UDP.
//! - [`names`], [`tokens`], [`certs`], [`forwarded`], [`fields`], [`cookies`], [`visitors`], [`pages`],
//!   [`scripts`], [`source`]: the pieces of HTTP and trust that need no I/O.
//! - [`config`], [`cli`], [`telemetry`]: operations.

pub mod certs;
pub mod cli;
pub mod config;
pub mod cookies;
pub mod fields;
pub mod forwarded;
pub mod gateway;
pub mod inject;
pub mod link;
pub mod names;
pub mod pages;
pub mod scripts;
pub mod session;
pub mod signaling;
pub mod source;
pub mod stun;
pub mod telemetry;
pub mod tokens;
pub mod visitors;
