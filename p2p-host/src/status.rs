//! What a person, or a script, sees of a running `wingman`.
//!
//! - [`Event`]: what happens, as data; also the schema of `--json`.
//! - [`Reporter`]: takes events from anywhere without ever waiting, keeps [`Totals`], and writes on
//!   a thread of its own: JSON lines, plain lines, or lines above a live status line.
//! - [`Failure`]: why a start failed, with the way out; [`Exit`]: the exit codes.
//!
//! Stdout belongs to the reporter. The process's own log goes to stderr, by
//! [`Reporter::log_writer`] so that it does not tear the status line.

mod event;
mod exit;
mod failure;
mod json;
mod lines;
mod live;
mod qr;
mod queue;
mod reporter;
mod text;
mod totals;
mod view;

pub use event::{Event, ExchangeRecord, Outcome, Path, Upgraded};
pub use exit::Exit;
pub use failure::{Cause, Failure, NameRefusal};
pub use reporter::{LogWriter, Options, Reporter, Style, Terminal};
pub use totals::Totals;
pub use wingman_wire::code::Blame;

#[cfg(test)]
mod tests;
