//! Signaling: passes messages between pages and hosts, so that they find the direct path.
//!
//! - `admission`: who may have a signaling socket, judged before the 101.
//! - [`Peers`]: the sockets of one session and the way to its host, with everything that must be bounded
//!   for a host whose visitors are strangers.
//! - `socket`: one socket, from its first message to its last.
//! - `progress`: what the messages and reports of a page say, as metrics.
//! - `bucket`: how many in what time.
//!
//! A message is read (its form, its sender and its session are checked) and written anew; nothing a visitor
//! sent reaches a host as it was. What is in an offer or a candidate is the host's affair.

mod admission;
mod bucket;
mod peers;
mod progress;
mod socket;

pub use admission::{Admission, Asked, Refusal, admit};
pub use peers::{JoinError, Mailbox, PeerLimits, Peers, Seat};
pub use socket::{SignalingServer, SocketLimits};
