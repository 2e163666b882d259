//! `wingman`: the command on the developer's laptop.
//!
//! - [`cli`], [`config`]: what was asked for.
//! - [`link`]: the long-lived connection to the edge and the exchanges that come over it.
//! - [`peer`]: pages that came by the direct path.
//! - [`exchange`]: where both paths end; forwards to the one [`origin`].
//! - [`status`]: what a person or a script sees.
//! - [`telemetry`]: what Prometheus sees, if it is asked for.
//! - [`app`]: puts them together.

pub mod app;
pub mod cli;
pub mod config;
pub mod cookies;
mod dial;
pub mod exchange;
pub mod link;
pub mod origin;
pub mod peer;
mod state_file;
pub mod status;
pub mod telemetry;
