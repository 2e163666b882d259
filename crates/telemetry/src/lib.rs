//! How edge and host count for Prometheus.
//!
//! - [`labels!`], [`Label`]: closed sets of label values. No label has any other, whatever visitors say.
//! - [`Builder`]: makes [`Count`]s, [`Level`]s, [`Seconds`] and families of counts, all under one prefix. There is no
//!   global registry; the counter of a label value is looked up when its family is made, so that counting is
//!   an index and an atomic addition.
//! - [`Exposition`]: all that a builder made, and the process itself, as Prometheus reads it.
//! - [`answer`]: one scrape.
//!
//! What there is to count is the business of `proxy` and `p2p-host`.

mod exposition;
mod family;
mod label;
mod process;

pub use exposition::{Exposition, answer};
pub use family::{Builder, Count, Family, Family2, Held, Level, Seconds};
pub use label::{Content, Label, Outcome, ROUND_TRIP_BUCKETS};
