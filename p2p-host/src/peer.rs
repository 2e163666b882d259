//! The host's end of the direct path: peers, each one page's WebRTC connection.
//!
//! - [`Peers`]: all of them. It is told what pages signal, and answers by the link.
//! - [`Certificate`]: by which pages know this host, the same over restarts.
//!
//! Inside, from the outside to the network: `peer` is one page's connection from offer to end, and runs its exchanges
//! on the same [`Runner`](crate::exchange::Runner) as the link's; `sender` decides what goes next; `connection` is all
//! that is seen of the `webrtc` crate; `runtime` and `socket` give it a share of the one UDP `port`, where `routes`
//! tells the peers apart; `path` and `pacer` keep what is in flight in proportion to the path.
//!
//! Deliberately not here: TURN (a page has its own servers), ICE-TCP, media.

mod addresses;
mod candidates;
mod certificate;
mod checks;
mod connection;
mod endpoint;
mod gathering;
mod outbox;
mod pacer;
mod path;
#[expect(clippy::module_inception, reason = "one peer, among what all of them need")]
mod peer;
mod peers;
mod port;
mod routes;
mod runtime;
mod sender;
mod socket;
mod stun;

pub use certificate::{Certificate, CertificateError};
pub use peers::{Peers, Settings};
