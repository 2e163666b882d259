//! The origin: the one local server this host shares, and the client that speaks to it.
//!
//! - [`Target`] is where it is, parsed from the command line's `PORT|URL`.
//! - [`Client`] sends one request and gives its response. It keeps connections, chooses between
//!   HTTP/1.1 and HTTP/2, and knows when a request may be sent a second time.
//!
//! What is deliberately not here: the meaning of a head. Hop-by-hop fields and the names by which
//! visitors and the origin know each other are [`exchange`](crate::exchange)'s.

mod client;
mod connect;
mod connection;
mod download;
mod http1;
mod http2;
mod pool;
mod retry;
mod target;
mod tls;
mod upload;

pub use client::{Client, Options, Protocol};
pub use connect::ConnectError;
pub use download::OriginContent;
pub use pool::Limits as PoolLimits;
pub use target::{Scheme, Target, TargetError};
pub use tls::TlsSetupError;

pub(crate) use client::Purpose;
