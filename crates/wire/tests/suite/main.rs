//! The wire format against its vectors (`vectors/*.json`, shared with TypeScript) and against chance.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a test that panics has failed, which is its purpose"
)]

mod codes;
mod control;
mod frames;
mod heads;
mod ids;
mod random;
mod varints;
mod vectors;
