//! Streams as they are: what goes through a session arrives as it was sent, when it was sent, in both
//! directions, and what is not wanted any more stops everywhere.
//!
//! Tests in modules named `alone` measure time or memory and want the machine for themselves.

mod aborts;
mod bulk;
mod ends;
mod heads;
mod unbuffered;
mod upgrades;
