//! What the two ends of a Wingman carrier agree on.
//!
//! A *carrier* moves messages between the visitors' side (the edge, later a page) and the host: the
//! link's WebSocket today, a WebRTC data channel tomorrow. A carrier message is a run of frames.
//!
//! - [`frame`]: the frames and their codec.
//! - [`head`]: request and response heads, trailers; field lines keep order and repeats.
//! - [`control`]: the JSON messages of stream 0.
//! - [`signal`]: what sets up the direct path. [`direct`]: what is said on it beyond frames.
//! - [`id`]: random identifiers.
//! - [`code`]: reset codes of a stream and close codes of a carrier.
//! - [`varint`]: RFC 9000 §16 integers, used inside heads.
//!
//! Deliberately not here: sockets, tasks, clocks, flow control (see `wingman-mux`), HTTP semantics
//! such as hop-by-hop fields (both ends clean heads before they encode them).
//!
//! `vectors/*.json` hold encoded examples; the TypeScript mirror reads the same files.

pub mod code;
pub mod control;
pub mod direct;
pub mod frame;
pub mod head;
pub mod id;
pub mod signal;
pub mod varint;

/// Protocol name and version as offered in `Sec-WebSocket-Protocol` of a link.
///
/// The number changes when an old peer could misread a new one. Additions that an old peer ignores
/// (unknown JSON keys of control messages) do not change it.
pub const SUBPROTOCOL: &str = "wingman.1";

/// The version alone, for messages to people.
pub const VERSION: u16 = 1;

/// Where hosts connect, on the base domain.
pub const LINK_PATH: &str = "/_wingman/link";

/// The path prefix on every session host that never reaches the origin.
pub const RESERVED_PREFIX: &str = "/_wingman/";
