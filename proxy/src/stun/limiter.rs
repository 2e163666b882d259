//! How many requests a source, and all of them together, may send.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    time::Duration,
};

use crate::source;

/// A bounded number of buckets, chosen by a keyed hash of the source: many sources cannot make it grow,
/// and nobody can choose whom to share a bucket with.
#[derive(Debug)]
pub struct Limiter {
    sources: Box<[Bucket]>,
    all: Bucket,
    hasher: RandomState,
}

impl Limiter {
    /// All buckets are full.
    pub fn new() -> Self {
        let hasher = RandomState::new();
        Self { sources: vec![Bucket::default(); BUCKETS].into(), all: Bucket::default(), hasher }
    }

    /// Whether a request from `source` may be answered; `now` is the time since any fixed moment.
    pub fn admits(&mut self, source: IpAddr, now: Duration) -> bool {
        let hash = self.hasher.hash_one(source::of(source));
        // The remainder is below the number of buckets.
        let bucket = &mut self.sources[(hash % BUCKETS as u64) as usize];
        // A source above its own limit does not use up what is for all.
        bucket.take(now, PER_SOURCE) && self.all.take(now, TOTAL)
    }
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new()
    }
}

/// A token bucket, as the moment when it will be full again.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    full_at: Duration,
}

/// What a bucket gives.
#[derive(Clone, Copy, Debug)]
struct Rate {
    /// Between two tokens.
    interval: Duration,
    /// Tokens of a full bucket.
    burst: u32,
}

impl Bucket {
    fn take(&mut self, now: Duration, rate: Rate) -> bool {
        let full_at = self.full_at.max(now) + rate.interval;
        let admits = full_at <= now + rate.interval * rate.burst;
        if admits {
            self.full_at = full_at;
        }
        admits
    }
}

const BUCKETS: usize = 4096;

/// 100 a second. A page asks a few times when it connects; an office behind one address has many pages.
/// A victim whose address is forged gets no more than this, some 5 KB a second.
const PER_SOURCE: Rate = Rate { interval: Duration::from_millis(10), burst: 400 };
/// 20,000 a second: a fraction of a core.
const TOTAL: Rate = Rate { interval: Duration::from_micros(50), burst: 4_000 };

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(limiter: &mut Limiter, source: [u8; 4], now: Duration, times: usize) -> usize {
        (0..times).filter(|_| limiter.admits(source.into(), now)).count()
    }

    #[test]
    fn a_source_has_its_burst_and_then_its_rate() {
        let mut limiter = Limiter::new();
        let one = [192, 0, 2, 1];
        assert_eq!(admitted(&mut limiter, one, Duration::ZERO, 1_000), 400);
        assert_eq!(admitted(&mut limiter, one, Duration::from_millis(9), 10), 0);
        assert_eq!(admitted(&mut limiter, one, Duration::from_millis(1_000), 1_000), 100);
        // It was idle: the burst is back, and no more.
        assert_eq!(admitted(&mut limiter, one, Duration::from_secs(3_600), 1_000), 400);
    }

    #[test]
    fn a_flood_of_one_source_leaves_others_alone() {
        let mut limiter = Limiter::new();
        admitted(&mut limiter, [192, 0, 2, 1], Duration::ZERO, 100_000);
        let others = (0..100).filter(|n| limiter.admits([198, 51, 100, *n].into(), Duration::ZERO));
        // One of them may share the bucket; the chance that two do is below one in a thousand.
        assert!(others.count() >= 98);
    }

    #[test]
    fn all_together_have_a_limit() {
        let mut limiter = Limiter::new();
        let mut flood = |now| {
            let sources = (0..60_000_u32).map(|n| IpAddr::from((0x0a00_0000 + n).to_be_bytes()));
            sources.filter(|source| limiter.admits(*source, now)).count()
        };
        assert_eq!(flood(Duration::ZERO), 4_000);
        assert_eq!(flood(Duration::from_millis(100)), 2_000);
    }

    #[test]
    fn neighbours_in_a_network_are_one_source() {
        let mut limiter = Limiter::new();
        let addresses = (0..1_000_u16).map(|n| IpAddr::from([0x2001, 0xdb8, 0, 7, n, n, n, n]));
        assert_eq!(addresses.filter(|a| limiter.admits(*a, Duration::ZERO)).count(), 400);
    }
}
