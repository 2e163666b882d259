//! Limits of one end of a carrier.

use std::time::Duration;

use wingman_wire::head::MAX_HEAD;

/// Content bytes each direction of a stream may send before the first CREDIT. Part of the protocol.
///
/// The receiver widens the window of a stream whose reader keeps up, so a long fat path is filled after
/// one round trip, while a reader that stalls never makes the receiver hold more than this.
pub const INITIAL_CREDIT: u32 = 256 * 1024;

/// Interim heads of a stream that may wait unread; more is a peer that floods. Part of the protocol.
///
/// A sender never learns what was read, so it sends no more than these on one stream.
pub const MAX_UNREAD_INTERIM: usize = 8;

/// Which end of the carrier this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The visitors' side: opens streams (the edge, a page).
    Opener,
    /// The host: accepts them.
    Acceptor,
}

/// Limits. What a hostile peer can make this end hold is bounded by
/// `max_streams × (INITIAL_CREDIT + max_head + MAX_UNREAD_INTERIM × 16 KiB) + growth_budget` bytes, up to four times that where
/// it cuts its messages so that a kept frame keeps a whole message; what its own users can make it queue by
/// `send_bound + max_streams × 16 KiB`.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Which end.
    pub role: Role,
    /// Streams at once. More: [`crate::Mux::open`] fails, a peer's OPEN is refused.
    pub max_streams: usize,
    /// Streams that the peer may open in a second, and at once. More is a peer that floods: each costs this end
    /// more than the peer, though it be refused.
    pub max_opened_per_second: u32,
    /// Bytes of one encoded head.
    pub max_head: usize,
    /// The widest receive window of one stream, bytes.
    pub max_window: u32,
    /// How many bytes all receive windows together may grow beyond [`INITIAL_CREDIT`] each.
    pub growth_budget: usize,
    /// Bytes of one stream waiting to be sent.
    pub stream_send_bound: usize,
    /// Bytes of all streams waiting to be sent; above it a stream may queue one frame at a time.
    pub send_bound: usize,
    /// Liveness.
    pub heartbeat: HeartbeatConfig,
}

impl Config {
    /// Defaults for an end in `role`.
    pub const fn new(role: Role) -> Self {
        Self {
            role,
            max_streams: 256,
            max_opened_per_second: u32::MAX,
            max_head: MAX_HEAD,
            max_window: 4 * 1024 * 1024,
            growth_budget: 32 * 1024 * 1024,
            stream_send_bound: 64 * 1024,
            send_bound: 4 * 1024 * 1024,
            heartbeat: HeartbeatConfig {
                period: Duration::from_secs(5),
                deadline: Duration::from_secs(10),
            },
        }
    }
}

/// How often to ask, and how long silence is tolerated.
#[derive(Clone, Copy, Debug)]
pub struct HeartbeatConfig {
    /// Between two PINGs.
    pub period: Duration,
    /// Without a single message from the peer, after which the carrier is dead.
    pub deadline: Duration,
}
