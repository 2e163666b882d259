//! STUN (RFC 8489): tells whoever asks the address it has from outside, so that pages and hosts need
//! no third party to find each other.
//!
//! `message` is the codec, `limiter` says who may ask how often, `server` owns the sockets. What is not
//! here: authentication, TCP, RFC 3489, and everything of RFC 5780 and TURN.

mod limiter;
mod message;
mod server;

pub use limiter::Limiter;
pub use message::{Answer, MAX_ANSWER, MAX_REQUEST, Refusal, Request, read};
pub use server::Sockets;
