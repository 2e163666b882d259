//! The direct path as the edge sees it: its own signaling sockets, and what pages report.
//!
//! Reports are the word of visitors: they are clamped before they come here (see
//! [`crate::signaling`]), and a visitor that lies spoils these figures and nothing else.

use wingman_telemetry::{
    Builder, Content, Count, Family, Family2, Level, ROUND_TRIP_BUCKETS, Seconds, labels,
};
use wingman_wire::signal::{CandidateKind, Reason};

labels! {
    /// Who says a signaling message.
    pub enum Speaker {
        /// A page.
        Page = "page",
        /// A host.
        Host = "host",
    }
}

labels! {
    /// Why a signaling socket was not opened.
    pub enum SignalingRefusal {
        /// Not a WebSocket handshake, or without a good peer id.
        Malformed = "malformed",
        /// The session has no direct path.
        Disabled = "disabled",
        /// A page of another origin.
        Origin = "origin",
        /// Without the visitor's cookie.
        Visitor = "visitor",
        /// The peer id is another visitor's.
        Peer = "peer",
        /// The session has all the sockets it may have.
        SessionLimit = "session-limit",
        /// The visitor has.
        VisitorLimit = "visitor-limit",
        /// The address has.
        AddressLimit = "address-limit",
    }
}

labels! {
    /// Why a signaling socket ended.
    pub enum SignalingEnd {
        /// The page closed it, or its connection broke.
        Gone = "gone",
        /// The page opened another one.
        Replaced = "replaced",
        /// The page does not read.
        Unread = "unread",
        /// No sign of life.
        Silent = "silent",
        /// Something that is no signaling message.
        Protocol = "protocol",
        /// A message above the limit.
        Oversized = "oversized",
        /// The session is over.
        SessionEnded = "session-ended",
        /// It has lived long enough.
        Lifetime = "lifetime",
        /// The edge shut down.
        Shutdown = "shutdown",
    }
}

labels! {
    /// Why a signaling message was not passed on.
    pub enum SignalingDrop {
        /// The host is away; the page was told.
        HostAway = "host-away",
        /// From a host, for a page without a socket.
        UnknownPeer = "unknown-peer",
        /// From a host, in the name of somebody else.
        Malformed = "malformed",
        /// From a host, above the limit.
        Oversized = "oversized",
        /// From a host, for a page that does not read.
        Unread = "unread",
    }
}

labels! {
    /// Transport and address family of a direct path.
    pub enum Transport {
        /// UDP over IPv4.
        UdpV4 = "udp4",
        /// UDP over IPv6.
        UdpV6 = "udp6",
        /// TCP over IPv4.
        TcpV4 = "tcp4",
        /// TCP over IPv6.
        TcpV6 = "tcp6",
    }
}

/// What the edge counts of the direct path.
#[derive(Debug)]
pub struct DirectMetrics {
    /// Signaling sockets open.
    pub sockets: Level,
    /// Signaling sockets that ended, by reason.
    pub sockets_closed: Family<SignalingEnd>,
    /// Signaling sockets refused, by reason.
    pub sockets_refused: Family<SignalingRefusal>,
    /// Signaling messages taken, by who said them.
    pub messages: Family<Speaker>,
    /// Signaling messages not passed on, by reason.
    pub messages_dropped: Family<SignalingDrop>,
    /// Signaling messages that had to wait for a limit of their rate.
    pub messages_delayed: Count,
    /// Pages that began to connect, restarts included.
    pub attempts: Count,
    /// Of those, the ones that came up.
    pub successes: Count,
    /// Of those, the ones that did not, by reason.
    pub failures: Family<Reason>,
    /// From the start of a page to its first direct connection.
    pub time_to_direct: Seconds,
    /// Round trips on data channels.
    pub direct_round_trip: Seconds,
    /// Round trips between pages and hosts by relay.
    pub relay_round_trip: Seconds,
    /// Changes from direct to relay, by cause.
    pub fallbacks: Family<Reason>,
    /// How long they took.
    pub fallback_duration: Seconds,
    /// Exchanges on the direct path.
    pub exchanges: Count,
    /// Their content bytes, by direction.
    pub content_bytes: Family<Content>,
    /// Direct connections by the kind of path.
    pub networks: Family2<CandidateKind, Transport>,
}

impl DirectMetrics {
    pub(super) fn new(build: &Builder) -> Self {
        Self {
            sockets: build.level("signaling_sockets", "Signaling sockets of pages"),
            sockets_closed: build.family(
                "signaling_sockets_closed_total",
                "Signaling sockets that ended",
                "reason",
            ),
            sockets_refused: build.family(
                "signaling_sockets_refused_total",
                "Signaling sockets refused",
                "reason",
            ),
            messages: build.family("signaling_messages_total", "Signaling messages taken", "from"),
            messages_dropped: build.family(
                "signaling_messages_dropped_total",
                "Signaling messages not passed on",
                "reason",
            ),
            messages_delayed: build.count(
                "signaling_messages_delayed_total",
                "Signaling messages that waited for a limit of their rate",
            ),
            attempts: build.count(
                "direct_attempts_total",
                "Pages that began to connect directly, restarts included",
            ),
            successes: build.count("direct_successes_total", "Attempts that came up"),
            failures: build.family("direct_failures_total", "Attempts that failed", "reason"),
            time_to_direct: build.seconds(
                "time_to_direct_seconds",
                "From the start of a page to its first direct connection, as pages report",
                SETUP_BUCKETS,
            ),
            direct_round_trip: build.seconds(
                "direct_round_trip_seconds",
                "Round trips on data channels, as pages report",
                ROUND_TRIP_BUCKETS,
            ),
            relay_round_trip: build.seconds(
                "relay_round_trip_seconds",
                "Round trips between page and host by relay, as pages report",
                ROUND_TRIP_BUCKETS,
            ),
            fallbacks: build.family(
                "fallbacks_total",
                "Changes from direct to relay, as pages report",
                "cause",
            ),
            fallback_duration: build.seconds(
                "fallback_duration_seconds",
                "From the last sign of life on the direct path to the relay being used",
                SETUP_BUCKETS,
            ),
            exchanges: build
                .count("direct_exchanges_total", "Exchanges on the direct path, as pages report"),
            content_bytes: build.family(
                "direct_content_bytes_total",
                "Content bytes of exchanges on the direct path, as pages report",
                "direction",
            ),
            networks: build.family2(
                "direct_networks_total",
                "Direct connections by the page's candidate and its transport",
                ["candidate", "transport"],
            ),
        }
    }
}

/// From a page on the host's own machine to one that gives up.
const SETUP_BUCKETS: &[f64] =
    &[0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0];
