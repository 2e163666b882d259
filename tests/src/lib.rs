//! End-to-end tests of Wingman: the real binaries, real sockets, origins that do what they are told.
//!
//! A test is made of these:
//!
//! - [`Edge`] and [`Host`]: the two programs under test, each in a directory of its own. They die with
//!   their handle, and a test that fails prints what they logged.
//! - [`Origin`]: a listener that runs a script for each connection, so that a test decides what the
//!   shared app sends and when. [`Share`] is all three together.
//! - [`fake_host`]: a host that says what it is told, frame by frame.
//! - [`Wire`]: one HTTP/1.1 connection, read message by message and written byte by byte; the visitor's
//!   end ([`Edge::visit`]) and the origin's ([`OriginConnection`]) are the same type. [`h2`] and [`ws`]
//!   connect visitors with other protocols.
//! - [`Metrics`], [`process`]: what the programs hold: their own counters, memory, file descriptors.
//! - [`soon`], [`until`]: waiting. Nothing waits without a deadline, nothing sleeps for a condition.
//!
//! The binaries are those of `WINGMAN_BIN_DIR`, or of the build that the test itself is from: build them
//! first (`cargo build -p wingman-edge -p wingman-host`). Everything here panics when it fails: what it
//! does is the premise of a test, not its subject.

pub mod content;
pub mod fake_host;
pub mod h2;
pub mod process;
pub mod ws;

mod edge;
mod host;
mod metrics;
mod origin;
mod program;
mod share;
mod time;
mod wire;

pub use edge::{Edge, EdgeOptions};
pub use host::{Host, HostOptions};
pub use metrics::{Metrics, exposition};
pub use origin::{Handed, Origin, OriginConnection};
pub use program::{Program, Signal, free_port};
pub use share::Share;
pub use time::{soon, until, within};
pub use wire::{Cut, Head, Message, Wire};
