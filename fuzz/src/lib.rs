//! Fuzz targets as functions of bytes: they panic when something is wrong.
//!
//! - `frames`, `heads`, `control`: decoders, and that what decodes encodes to the same again.
//! - `stun`: the edge's answer to a datagram.
//! - `mux_pair`: operations on two honest ends; the model of `crates/mux/tests` checks what users see.
//! - `mux_hostile`: operations on one end whose peer sends anything.
//!
//! `tests/replay.rs` runs all of them on stable: the committed corpus and pseudo-random bytes. See the
//! README for coverage-guided runs.

mod decode;
mod hostile;
mod stun;

// The model is a test's, and tests cannot be depended upon: the files are shared by their path.
#[path = "../../crates/mux/tests/suite/choice.rs"]
#[allow(dead_code, reason = "seeds serve the tests next to it")]
mod choice;
#[path = "../../crates/mux/tests/suite/model.rs"]
mod model;
#[path = "../../crates/mux/tests/suite/observer.rs"]
mod observer;
#[path = "../../crates/mux/tests/suite/pair.rs"]
#[allow(dead_code, reason = "some of it serves the tests next to it")]
mod pair;

pub use decode::{control, frames, heads};
pub use hostile::mux_hostile;
pub use stun::stun;

/// A target: its name is that of its corpus.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As in `corpus/<name>` and `fuzz_targets/<name>.rs`.
    pub name: &'static str,
    /// Panics when something is wrong.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: [Target; 6] = [
    Target { name: "frames", run: frames },
    Target { name: "heads", run: heads },
    Target { name: "control", run: control },
    Target { name: "stun", run: stun },
    Target { name: "mux_pair", run: mux_pair },
    Target { name: "mux_hostile", run: mux_hostile },
];

/// Operations of a run; more only makes it slower.
const MAX_SCRIPT: usize = 4096;

/// Two honest ends, whose users and carrier do what `script` says.
pub fn mux_pair(script: &[u8]) {
    model::Model::run(&mut choice::Scripted(script.get(..MAX_SCRIPT).unwrap_or(script)));
}
