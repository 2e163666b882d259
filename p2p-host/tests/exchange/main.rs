//! The exchange service, and the runner with both paths in front of it, against real origins on real sockets.

mod broken;
mod browser;
mod cancel;
mod clear;
mod coding;
mod cookies;
mod direct;
mod http1;
mod http2;
mod origin;
mod replay;
mod stale;
mod streams;
mod targets;
mod tls;
mod world;
