//! Pages that connect directly, played by the `webrtc` crate in the offering role; the host is the real one from its
//! peers to its exchanges, in front of a real origin.

mod bulk;
mod connect;
mod ends;
mod hostile;
mod network;
mod origin;
mod page;
mod stage;
