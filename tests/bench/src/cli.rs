//! The command line of `wingman-bench`.

use std::path::PathBuf;

use clap::Parser;

use crate::{figures::Thing, memory::Counts, peer::Kind, point::Point};

/// Measures the relay path beside the origin alone, a plain Pingora proxy and other tunnels
///
/// Peers take turns at each point in each round, so that ratios inside a round count even when the
/// machine is busy. Prints Markdown on stdout, progress on stderr. Uses only loopback and free ports.
#[derive(Clone, Debug, Parser)]
#[command(name = "wingman-bench", version, max_term_width = 100)]
pub struct Cli {
    /// Rounds over all points and peers
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Seconds for each point and peer in a round
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=120))]
    pub seconds: u64,
    /// A run of a minute that shows whether everything works; its figures mean little
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    pub quick: bool,
    /// Only these points and memory measurements
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = WHAT)]
    pub only: Vec<String>,
    /// Only these peers; ratios need `plain` and `origin`
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = PEERS)]
    pub peers: Vec<String>,
    /// Write all figures here
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

impl Cli {
    /// Rounds to make.
    pub fn rounds(&self) -> u32 {
        if self.quick { 1 } else { self.rounds }
    }

    /// Seconds for each point.
    pub fn seconds(&self) -> u64 {
        if self.quick { 1 } else { self.seconds }
    }

    /// How many idle things.
    pub fn counts(&self) -> Counts {
        if self.quick { Counts::QUICK } else { Counts::FULL }
    }

    /// Points to measure.
    pub fn points(&self) -> Vec<Point> {
        Point::ALL.into_iter().filter(|point| self.wants(point.name())).collect()
    }

    /// Idle things to measure.
    pub fn things(&self) -> Vec<Thing> {
        [(Thing::Visitor, VISITORS), (Thing::WebSocket, SOCKETS), (Thing::Session, SESSIONS)]
            .into_iter()
            .filter(|(_, name)| self.wants(name) || self.only.iter().any(|only| only == MEMORY))
            .map(|(thing, _)| thing)
            .collect()
    }

    /// Peers to measure.
    pub fn kinds(&self) -> Vec<Kind> {
        let wanted = |kind: &Kind| {
            self.peers.is_empty() || self.peers.iter().any(|name| name == kind.name())
        };
        Kind::ALL.into_iter().filter(wanted).collect()
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}

const MEMORY: &str = "memory";
const VISITORS: &str = "visitors";
const SOCKETS: &str = "websockets";
const SESSIONS: &str = "sessions";
const WHAT: [&str; 12] = [
    "c1", "c32", "c256", "close", "100k", "100m", "alone", "beside", MEMORY, VISITORS, SOCKETS,
    SESSIONS,
];
const PEERS: [&str; 5] = ["origin", "plain", "wingman", "bore", "rathole"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_to_the_command_line() {
        for point in Point::ALL {
            assert!(WHAT.contains(&point.name()));
        }
        assert_eq!(Kind::ALL.map(Kind::name), PEERS);
    }

    #[test]
    fn only_selects() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        let cli = parse("bench --only c32,memory --peers plain,wingman").unwrap();
        assert_eq!(cli.points(), [Point::Some32]);
        assert_eq!(cli.things().len(), 3);
        assert_eq!(cli.kinds(), [Kind::Plain, Kind::Wingman]);
        let cli = parse("bench --only sessions").unwrap();
        assert_eq!((cli.points().len(), cli.things()), (0, vec![Thing::Session]));
        let cli = parse("bench").unwrap();
        assert_eq!((cli.points().len(), cli.things().len(), cli.kinds().len()), (8, 3, 5));
        assert!(parse("bench --only c33").is_err());
        assert!(parse("bench --quick --rounds 2").is_err());
    }
}
