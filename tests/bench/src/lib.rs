//! Benches of the relay path: one interleaved run over all peers, so that ratios inside a round count
//! even on a machine that is doing other things.
//!
//! - [`tool`]: the programs it needs, found or missing with a hint. [`child`]: one of them, running.
//! - [`origin`]: nginx with three files, and an echo WebSocket server. [`peer`]: what stands in front.
//! - [`point`]: what is measured. [`client`], [`wrk`], [`load`]: who asks. [`proc`]: what it costs.
//! - [`run`]: rounds over points over peers. [`memory`], [`session`], [`socket`]: what idling costs.
//! - [`figures`]: the results. [`target`], [`report`], [`json`]: how they are shown.
//!
//! The bench of the direct path is `tests/bench/direct`; [`mod@line`] is the network that it measures through.
//!
//! Nothing here fails because something is slow: benches show, tests judge.

pub mod child;
pub mod cli;
pub mod client;
pub mod figures;
pub mod json;
pub mod line;
pub mod load;
pub mod memory;
pub mod origin;
pub mod peer;
pub mod point;
pub mod proc;
pub mod report;
pub mod run;
pub mod session;
pub mod socket;
pub mod target;
pub mod tool;
pub mod wrk;
