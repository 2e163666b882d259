//! What the edge counts, for Prometheus.
//!
//! One [`Metrics`] is made at start-up and handed around; there is no global registry. Every label
//! value comes from a closed enum and its counter is looked up when the struct is made, so that
//! counting is an index and an atomic addition.

mod direct;

use std::time::Duration;

use wingman_telemetry::{Builder, Exposition, ROUND_TRIP_BUCKETS, labels};
pub use wingman_telemetry::{
    Content, Count, Family, Family2, Held, Label, Level, Outcome, Seconds,
};

use crate::pages::Problem;
pub use direct::{
    DirectMetrics, SignalingDrop, SignalingEnd, SignalingRefusal, Speaker, Transport,
};

labels! {
    /// The way an exchange takes.
    pub enum Path {
        /// Through the edge, over the host's link.
        Relay = "relay",
    }
}

labels! {
    /// Which way bytes go on links.
    pub enum LinkBytes {
        /// To hosts.
        Sent = "sent",
        /// From hosts.
        Received = "received",
    }
}

labels! {
    /// Why a session ended.
    pub enum SessionEnd {
        /// Its host ended it.
        Ended = "ended",
        /// Its host did not come back in time.
        Expired = "expired",
        /// The edge shut down.
        Shutdown = "shutdown",
    }
}

labels! {
    /// What a new link did.
    pub enum LinkStart {
        /// Opened a session.
        New = "new",
        /// Took up a session that had no link.
        Resumed = "resumed",
        /// Took a session over from an older link.
        Replaced = "replaced",
    }
}

labels! {
    /// Why a link ended.
    pub enum LinkEnd {
        /// The host said goodbye.
        Ended = "ended",
        /// A newer holder of the resume key came.
        Replaced = "replaced",
        /// No sign of life within the deadline.
        Silent = "silent",
        /// The connection broke.
        Broken = "broken",
        /// The host broke the protocol.
        Protocol = "protocol",
        /// The edge shut down.
        Shutdown = "shutdown",
    }
}

labels! {
    /// Why a link was not accepted.
    pub enum LinkRefusal {
        /// No token, or not one of ours.
        Token = "token",
        /// Another protocol version.
        Version = "version",
        /// A name that is no name, or reserved.
        NameInvalid = "name-invalid",
        /// A name the token does not allow.
        NameNotAllowed = "name-not-allowed",
        /// A name another host has.
        NameTaken = "name-taken",
        /// Too many sessions of the token or links of the address.
        Limit = "limit",
        /// Not a handshake of our protocol, or none in time.
        Malformed = "malformed",
    }
}

labels! {
    /// What became of a datagram at the STUN sockets.
    pub enum StunOutcome {
        /// The sender was told its address.
        Answered = "answered",
        /// It asks for something we do not know: 420.
        Unknown = "unknown-attribute",
        /// Not a well-formed Binding request; dropped.
        Malformed = "malformed",
        /// Above the limit of its source or of all; dropped unread.
        Limited = "limited",
        /// The answer did not fit into the send buffer.
        Unsent = "unsent",
    }
}

labels! {
    /// What became of a document with regard to the page script.
    pub enum Injected {
        /// It has the script.
        Injected = "injected",
        /// It has no element to put it before.
        NoPlace = "no-place",
        /// What a browser asked for as a document is none: an image, say.
        NotHtml = "not-html",
        /// It is to be saved, not shown.
        Download = "download",
        /// No content, or a part of it.
        NoContent = "no-content",
        /// It came with a content coding although none was asked for.
        Encoded = "encoded",
        /// Its character encoding is no superset of ASCII.
        Encoding = "character-encoding",
        /// Its own policies would keep the script from working.
        Policy = "policy",
        /// One of its first tags is too large to look at.
        TooLarge = "too-large",
    }
}

/// All metrics of an edge.
#[derive(Debug)]
pub struct Metrics {
    /// Sessions, with or without a link.
    pub sessions: Level,
    /// Sessions opened.
    pub sessions_opened: Count,
    /// Sessions ended, by reason.
    pub sessions_closed: Family<SessionEnd>,
    /// Links that carry a session.
    pub links: Level,
    /// Links accepted, by what they did.
    pub links_opened: Family<LinkStart>,
    /// Links ended, by reason.
    pub links_closed: Family<LinkEnd>,
    /// Links refused, by reason.
    pub links_refused: Family<LinkRefusal>,
    /// Bytes on links, framing included.
    pub link_bytes: Family<LinkBytes>,
    /// Round trips of links, as their heartbeats measure them.
    pub link_round_trip: Seconds,
    /// Streams open on links.
    pub streams: Level,
    /// Visitors' connections.
    pub visitor_connections: Level,
    /// Exchanges under way, upgraded ones included.
    pub exchanges_in_flight: Level,
    /// Exchanges that ended, by path and outcome.
    pub exchanges: Family2<Path, Outcome>,
    /// From the end of a request's head to the response's head.
    pub exchange_head: Seconds,
    /// From the end of a request's head to the end of the exchange; not of upgraded ones.
    pub exchange_whole: Seconds,
    /// Upgraded connections open.
    pub upgrades: Level,
    /// Content bytes, by path and direction; bytes of upgraded connections included.
    pub content_bytes: Family2<Path, Content>,
    /// Problems met, by code and whose fault they are.
    pub errors: Family<Problem>,
    /// The direct path.
    pub direct: DirectMetrics,
    /// Datagrams at the STUN sockets, by what became of them.
    pub stun_requests: Family<StunOutcome>,
    /// Documents, by what became of them with regard to the page script.
    pub injections: Family<Injected>,
    exposition: Exposition,
}

impl Metrics {
    /// Makes and registers all of them, at zero.
    pub fn new() -> Self {
        let build = Builder::new("wingman_edge");
        Self {
            sessions: build.level("sessions", "Sessions, with or without a link"),
            sessions_opened: build.count("sessions_opened_total", "Sessions opened"),
            sessions_closed: build.family("sessions_closed_total", "Sessions ended", "reason"),
            links: build.level("links", "Links that carry a session"),
            links_opened: build.family("links_opened_total", "Links accepted", "start"),
            links_closed: build.family("links_closed_total", "Links ended", "reason"),
            links_refused: build.family("links_refused_total", "Links refused", "reason"),
            link_bytes: build.family("link_bytes_total", "Bytes on links", "direction"),
            link_round_trip: build.seconds(
                "link_round_trip_seconds",
                "Round trips of links between edge and host",
                ROUND_TRIP_BUCKETS,
            ),
            streams: build.level("streams", "Streams open on links"),
            visitor_connections: build.level("visitor_connections", "Connections of visitors"),
            exchanges_in_flight: build.level("exchanges_in_flight", "Exchanges under way"),
            exchanges: build.family2(
                "exchanges_total",
                "Exchanges that ended, by the class of the response's status",
                ["path", "status"],
            ),
            exchange_head: build.seconds(
                "exchange_head_seconds",
                "From request head to response head",
                EXCHANGE_BUCKETS,
            ),
            exchange_whole: build.seconds(
                "exchange_duration_seconds",
                "From request head to the end of the exchange, upgraded ones left out",
                EXCHANGE_BUCKETS,
            ),
            upgrades: build.level("upgrades", "Upgraded connections open"),
            content_bytes: build.family2(
                "content_bytes_total",
                "Content bytes of exchanges and upgraded connections",
                ["path", "direction"],
            ),
            errors: build.family_with(
                "errors_total",
                "Problems met by visitors and hosts",
                ["blame", "code"],
                |problem: Problem| [problem.blame().as_str(), problem.as_str()],
            ),
            direct: DirectMetrics::new(&build),
            stun_requests: build.family(
                "stun_requests_total",
                "Datagrams at the STUN sockets",
                "outcome",
            ),
            injections: build.family(
                "injections_total",
                "Documents with regard to the page script",
                "outcome",
            ),
            exposition: build.finish(),
        }
    }

    /// Counts an exchange that ended. `whole` is `None` for upgraded connections, whose length says
    /// nothing about anybody's speed.
    pub fn exchange_ended(&self, path: Path, outcome: Outcome, whole: Option<Duration>) {
        self.exchanges.get(path, outcome).add(1);
        if let Some(whole) = whole {
            self.exchange_whole.observe(whole);
        }
    }

    /// Counts a problem.
    pub fn problem(&self, problem: Problem) {
        self.errors.get(problem).add(1);
    }

    /// All of them, for Prometheus.
    pub fn exposition(&self) -> &Exposition {
        &self.exposition
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// From a request answered on loopback to a download of an hour.
const EXCHANGE_BUCKETS: &[f64] = &[
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0, 300.0, 3600.0,
];

#[cfg(test)]
mod tests;
