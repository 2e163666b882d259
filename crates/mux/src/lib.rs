//! Many exchanges over one carrier, without I/O: bytes and `now` go in, bytes and events come out.
//!
//! One [`Mux`] sits at each end of a carrier. Its owner
//! 1. gives it every received message ([`Mux::handle_message`]),
//! 2. asks for messages to send until there are none ([`Mux::poll_transmit`]),
//! 3. hands out its events ([`Mux::poll_event`]),
//! 4. wakes it at [`Mux::poll_timeout`] by [`Mux::handle_timeout`].
//!
//! What it guarantees: frames of a stream stay in order; a `Finish` is read only after the last byte and
//! only if the count is right; content never exceeds the credit given; what a peer can make it hold is
//! bounded (see [`Config`]); ready streams take turns, and short exchanges go before bulk.
//!
//! Deliberately not here: sockets, tasks, wakers, clocks, retries, HTTP.

mod config;
mod error;
mod heartbeat;
mod invariants;
mod mux;
mod opens;
mod receive;
mod schedule;
mod send;

pub use config::{Config, HeartbeatConfig, INITIAL_CREDIT, MAX_UNREAD_INTERIM, Role};
pub use error::{CarrierError, OpenError, Violation};
pub use mux::{Event, Mux};
pub use receive::Incoming;
pub use send::SendError;
