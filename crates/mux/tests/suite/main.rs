//! Two multiplexers on a simulated carrier, in virtual time, and one alone against a hostile peer.
//!
//! - `pair`, `observer`: the carrier and what must hold on it, for every test.
//! - `model`: what users must see, under random operations; `random` drives it. `wingman-fuzz` has the
//!   same model.
//! - the rest: one file per promise.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a test that panics has failed, which is its purpose"
)]

mod bounds;
mod choice;
mod credit;
mod ends;
mod fairness;
mod heartbeat;
mod hostile;
mod limits;
mod model;
mod observer;
mod pair;
mod random;
