//! The exchange service against real origins on real sockets.

mod broken;
mod cancel;
mod http1;
mod http2;
mod origin;
mod stale;
mod streams;
mod targets;
mod tls;
