//! How many checks may go to addresses that have not answered.

use std::time::{Duration, Instant};

/// A token bucket for one peer's checks.
///
/// A page names the addresses that are checked, and each is checked fifty times a second. Somebody who names those of
/// others would have this host send them, and its owner's uplink pay, a hundred times what naming them cost.
#[derive(Debug)]
pub(super) struct Checks {
    left: u32,
    counted: Instant,
}

impl Checks {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: BURST, counted: now }
    }

    /// Whether one more may go; one that may not is lost, as on any network.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.counted).as_nanos() / EVERY.as_nanos();
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        if earned > 0 {
            self.left = self.left.saturating_add(earned).min(BURST);
            self.counted += EVERY.saturating_mul(earned);
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

/// The pairs of a machine with many addresses, for long enough that one of them has answered.
const BURST: u32 = 400;
/// 200 in a second.
const EVERY: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_a_rate() {
        let start = Instant::now();
        let mut checks = Checks::new(start);
        let mut take =
            |after: Duration, asked: u32| (0..asked).filter(|_| checks.take(start + after)).count();
        assert_eq!(take(Duration::ZERO, 1_000), 400);
        assert_eq!(take(Duration::from_millis(4), 10), 0);
        assert_eq!(take(Duration::from_millis(12), 10), 2);
        assert_eq!(take(Duration::from_millis(15), 10), 1, "what was earned in part counts");
        assert_eq!(take(Duration::from_secs(1), 1_000), 197);
        assert_eq!(take(Duration::from_secs(3_600), 1_000), 400, "no more than a burst");
    }
}
