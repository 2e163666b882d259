//! What the host counts, for Prometheus.
//!
//! The [`Reporter`](crate::status::Reporter) has the one [`Metrics`]: every exchange and every change of the link is an
//! event there anyway. Peers count themselves. An [`Endpoint`] tells it all, if the configuration says where.

mod endpoint;

use wingman_telemetry::{
    Builder, Content, Count, Exposition, Family, Family2, Label, Level, Outcome,
    ROUND_TRIP_BUCKETS, Seconds, labels,
};
use wingman_wire::{code::Blame, signal::Reason};

use crate::status::{self, Event, ExchangeRecord, Path};
pub use endpoint::Endpoint;

labels! {
    /// What a new link did.
    pub enum LinkStart {
        /// Opened a session.
        New = "new",
        /// Took up the session from before the last link was lost.
        Resumed = "resumed",
    }
}

/// All metrics of a host.
#[derive(Debug)]
pub struct Metrics {
    /// Links that came up, by what they did.
    pub links_opened: Family<LinkStart>,
    /// Links lost.
    pub links_lost: Count,
    /// Exchanges that ended, by path and outcome.
    pub exchanges: Family2<Path, Outcome>,
    /// Of those, the ones that were aborted, by whom.
    pub exchange_resets: Family2<Path, Blame>,
    /// Content bytes of exchanges that ended, upgraded ones included.
    pub content_bytes: Family2<Path, Content>,
    /// Peers that have a connection, or are on the way to one.
    pub peers: Level,
    /// Peers that began.
    pub peers_opened: Count,
    /// Of those, the ones whose direct path came up.
    pub peers_connected: Count,
    /// Peers that ended, by reason.
    pub peers_closed: Family<Reason>,
    /// Round trips on data channels.
    pub peer_round_trip: Seconds,
    exposition: Exposition,
}

impl Metrics {
    /// Makes all of them, at zero.
    pub fn new() -> Self {
        let build = Builder::new("wingman_host");
        Self {
            links_opened: build.family("links_opened_total", "Links that came up", "start"),
            links_lost: build.count("links_lost_total", "Links lost"),
            exchanges: build.family2(
                "exchanges_total",
                "Exchanges that ended, by the class of the response's status",
                ["path", "status"],
            ),
            exchange_resets: build.family2(
                "exchange_resets_total",
                "Exchanges that were aborted",
                ["path", "blame"],
            ),
            content_bytes: build.family2(
                "content_bytes_total",
                "Content bytes of exchanges that ended, upgraded ones included",
                ["path", "direction"],
            ),
            peers: build.level("peers", "Pages that are connected directly, or on the way to it"),
            peers_opened: build.count("peers_opened_total", "Pages that began to connect directly"),
            peers_connected: build
                .count("peers_connected_total", "Pages whose direct path came up"),
            peers_closed: build.family(
                "peers_closed_total",
                "Direct connections and attempts that ended",
                "reason",
            ),
            peer_round_trip: build.seconds(
                "peer_round_trip_seconds",
                "Round trips on data channels between this host and pages",
                ROUND_TRIP_BUCKETS,
            ),
            exposition: build.finish(),
        }
    }

    /// Counts what an event says.
    pub fn on_event(&self, event: &Event) {
        match event {
            Event::Exchange(record) => self.on_exchange(record),
            Event::Ready { resumed, .. } => {
                let start = if *resumed { LinkStart::Resumed } else { LinkStart::New };
                self.links_opened.get(start).add(1);
            }
            Event::LinkLost { .. } => self.links_lost.add(1),
            Event::Connecting { .. }
            | Event::OriginDown { .. }
            | Event::OriginUp { .. }
            | Event::Upgraded(_)
            | Event::VisitorPath { .. }
            | Event::Visitors { .. }
            | Event::Notice { .. }
            | Event::Warning { .. }
            | Event::Dropped { .. }
            | Event::Closing { .. } => {}
        }
    }

    fn on_exchange(&self, record: &ExchangeRecord) {
        let path = record.path;
        let outcome = record.status.map_or(Outcome::None, Outcome::of);
        self.exchanges.get(path, outcome).add(1);
        if let status::Outcome::Reset { by, .. } = &record.outcome {
            self.exchange_resets.get(path, *by).add(1);
        }
        self.content_bytes.get(path, Content::Request).add(record.bytes_in);
        self.content_bytes.get(path, Content::Response).add(record.bytes_out);
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

impl Label for Path {
    const ALL: &'static [Self] = &[Self::Relay, Self::Direct];

    fn index(self) -> usize {
        self as usize
    }

    fn text(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Direct => "direct",
        }
    }
}

#[cfg(test)]
mod tests;
