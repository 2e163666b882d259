//! How many streams a peer may open.

use std::time::{Duration, Instant};

/// A token bucket. Opening costs the peer some bytes, and this end a refusal, or an exchange that was begun.
#[derive(Debug)]
pub(crate) struct Opens {
    left: u32,
    counted: Instant,
}

impl Opens {
    pub(crate) fn new(per_second: u32, now: Instant) -> Self {
        Self { left: per_second, counted: now }
    }

    /// Whether the peer may open one more: so many in a second, and as many at once.
    pub(crate) fn take(&mut self, per_second: u32, now: Instant) -> bool {
        let Some(each) = Duration::from_secs(1).checked_div(per_second) else { return false };
        let elapsed = now.saturating_duration_since(self.counted).as_nanos();
        let earned = elapsed.checked_div(each.as_nanos()).unwrap_or(u128::MAX);
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        // What was earned of the next one stays earned.
        self.counted = self.counted.checked_add(each.saturating_mul(earned)).unwrap_or(now);
        let left = self.left.saturating_add(earned).min(per_second).checked_sub(1);
        self.left = left.unwrap_or(0);
        left.is_some()
    }
}
