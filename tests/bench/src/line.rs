//! One direction of a network: a bottleneck with a queue, then a delay, and loss.
//!
//! Sans-IO: packets and `now` in, packets out when they are due. The `delay-router` moves them.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde::Deserialize;

/// What a network does to packets, the same in both directions.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Network {
    /// From one end to the other.
    pub delay_micros: u64,
    /// Of the bottleneck; 0: there is none.
    pub bytes_per_second: u64,
    /// Bytes that may wait for the bottleneck; a packet that finds it full is dropped.
    pub queue_bytes: u64,
    /// Of a million packets so many are lost, at random.
    pub lost_per_million: u32,
    /// Of what is random.
    pub seed: u64,
}

/// One direction. It keeps the order of packets, and holds at most [`MAX_HELD`] bytes.
#[derive(Debug)]
pub struct Line {
    network: Network,
    random: StdRng,
    /// When the bottleneck has let go of everything that it was given.
    free: Instant,
    /// By the time at which they come out.
    held: VecDeque<(Instant, Box<[u8]>)>,
    held_bytes: usize,
    counts: Counts,
}

/// What became of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Came out.
    pub passed: u64,
    /// Found the queue full.
    pub dropped: u64,
    /// Lost at random.
    pub lost: u64,
}

impl Line {
    /// An empty one.
    pub fn new(now: Instant, network: Network) -> Self {
        Self {
            network,
            random: StdRng::seed_from_u64(network.seed),
            free: now,
            held: VecDeque::new(),
            held_bytes: 0,
            counts: Counts::default(),
        }
    }

    /// A packet goes in. Whether it is the first that waits: then the time of [`Line::poll_timeout`] is new.
    pub fn push(&mut self, now: Instant, packet: &[u8]) -> bool {
        if self.network.lost_per_million > 0
            && self.random.random_range(0..1_000_000) < self.network.lost_per_million
        {
            self.counts.lost += 1;
            return false;
        }
        let waits = self.free.saturating_duration_since(now);
        let queued = u128::from(self.network.bytes_per_second) * waits.as_nanos() / NANOS;
        let is_full = self.network.bytes_per_second > 0
            && queued + packet.len() as u128 > u128::from(self.network.queue_bytes);
        if is_full || self.held_bytes + packet.len() > MAX_HELD {
            self.counts.dropped += 1;
            return false;
        }
        self.free = self.free.max(now) + self.serialization(packet.len());
        let due = self.free + Duration::from_micros(self.network.delay_micros);
        self.held_bytes += packet.len();
        self.held.push_back((due, packet.into()));
        self.held.len() == 1
    }

    /// The next packet that comes out, if its time has come.
    pub fn pop(&mut self, now: Instant) -> Option<Box<[u8]>> {
        if self.poll_timeout()? > now {
            return None;
        }
        let (_, packet) = self.held.pop_front()?;
        self.held_bytes -= packet.len();
        self.counts.passed += 1;
        Some(packet)
    }

    /// When there is something to [`Line::pop`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.held.front().map(|(due, _)| *due)
    }

    /// What became of packets so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How long the bottleneck takes for so many bytes: a token bucket that holds one packet.
    fn serialization(&self, bytes: usize) -> Duration {
        let nanos = (bytes as u128 * NANOS).checked_div(self.network.bytes_per_second.into());
        Duration::from_nanos(u64::try_from(nanos.unwrap_or(0)).unwrap_or(u64::MAX))
    }
}

const NANOS: u128 = 1_000_000_000;
/// Bytes on the way, where no queue bounds them: 50 ms of 10 Gbit/s.
pub const MAX_HELD: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: [u8; 1_000] = [7; 1_000];

    /// Pushes as many packets at once, and tells after how long each came out.
    fn burst(network: Network, count: usize) -> (Vec<Duration>, Counts) {
        let start = Instant::now();
        let mut line = Line::new(start, network);
        for _ in 0..count {
            line.push(start, &PACKET);
        }
        let mut out = Vec::new();
        while let Some(due) = line.poll_timeout() {
            assert_eq!(line.pop(due - Duration::from_nanos(1)), None, "not early");
            line.pop(due).expect("it is due");
            out.push(due - start);
        }
        assert_eq!(line.held_bytes, 0);
        (out, line.counts())
    }

    #[test]
    fn a_delay_moves_everything_and_drops_nothing() {
        let network = Network { delay_micros: 25_000, ..Network::default() };
        let (out, counts) = burst(network, 1_000);
        assert_eq!(out, vec![Duration::from_millis(25); 1_000]);
        assert_eq!(counts, Counts { passed: 1_000, ..Counts::default() });
    }

    #[test]
    fn a_bottleneck_spaces_packets_and_drops_what_its_queue_does_not_hold() {
        // 1,000 bytes take 0.1 ms; 500 packets fit.
        let network = Network {
            delay_micros: 5_000,
            bytes_per_second: 10_000_000,
            queue_bytes: 500_000,
            ..Network::default()
        };
        let (out, counts) = burst(network, 600);
        assert_eq!(counts, Counts { passed: 500, dropped: 100, lost: 0 });
        let expected = (1..=500).map(|nth| Duration::from_micros(5_000 + nth * 100));
        assert_eq!(out, expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_queue_that_has_drained_takes_more() {
        let network =
            Network { bytes_per_second: 1_000_000, queue_bytes: 2_000, ..Network::default() };
        let start = Instant::now();
        let mut line = Line::new(start, network);
        let ms = |ms| start + Duration::from_millis(ms);
        for (at, passes) in [(0, true), (0, true), (0, false), (1, true), (1, false), (9, true)] {
            let before = line.counts().dropped;
            line.push(ms(at), &PACKET);
            assert_eq!(line.counts().dropped == before, passes, "at {at} ms");
        }
        // One that finds nothing waiting is not delayed by what was before it.
        assert_eq!(line.held.back().map(|(due, _)| *due), Some(ms(10)));
    }

    #[test]
    fn loss_is_as_frequent_as_asked_and_the_same_for_the_same_seed() {
        let network = Network { lost_per_million: 10_000, seed: 7, ..Network::default() };
        let (_, counts) = burst(network, 50_000);
        assert!((400..=600).contains(&counts.lost), "{}", counts.lost);
        assert_eq!(counts.passed + counts.lost, 50_000);
        assert_eq!(burst(network, 50_000).1, counts);
        assert_ne!(burst(Network { seed: 8, ..network }, 50_000).1, counts);
    }

    #[test]
    fn what_nobody_takes_out_is_bounded() {
        let start = Instant::now();
        let mut line = Line::new(start, Network { delay_micros: 1, ..Network::default() });
        for _ in 0..=MAX_HELD / PACKET.len() {
            line.push(start, &PACKET);
        }
        assert_eq!(line.counts().dropped, 1);
        assert!(line.held_bytes <= MAX_HELD);
    }

    #[test]
    fn only_the_first_that_waits_changes_the_timeout() {
        let start = Instant::now();
        let mut line = Line::new(start, Network { delay_micros: 10, ..Network::default() });
        assert!(line.push(start, &PACKET));
        assert!(!line.push(start, &PACKET));
        let due = line.poll_timeout().expect("two wait");
        assert!(line.pop(due).is_some() && line.pop(due).is_some());
        assert!(line.push(due, &PACKET));
    }

    #[test]
    fn a_network_is_told_in_json_without_unknown_words() {
        let told = serde_json::from_str::<Network>(r#"{"delayMicros":5,"lostPerMillion":1}"#);
        let expected = Network { delay_micros: 5, lost_per_million: 1, ..Network::default() };
        assert_eq!(told.expect("it is one"), expected);
        assert!(serde_json::from_str::<Network>(r#"{"delay":5}"#).is_err());
    }
}
