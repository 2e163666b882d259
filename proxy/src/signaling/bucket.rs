//! A token bucket.

use std::time::{Duration, Instant};

/// So much at once, so much in a second. Never gives more than that over any time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    burst: f64,
    per_second: f64,
    level: f64,
    at: Instant,
}

impl Bucket {
    pub(super) fn new(burst: u32, per_second: u32, now: Instant) -> Self {
        let burst = f64::from(burst);
        Self { burst, per_second: f64::from(per_second), level: burst, at: now }
    }

    /// Takes an amount; or says how long until there is so much, and takes nothing. More than the burst is
    /// given as the burst.
    pub(super) fn take(&mut self, amount: usize, now: Instant) -> Result<(), Duration> {
        match self.lacks(amount, now) {
            Some(wait) => Err(wait),
            None => {
                self.level -= (amount as f64).min(self.burst);
                Ok(())
            }
        }
    }

    /// How long until there is so much, if there is not.
    pub(super) fn lacks(&mut self, amount: usize, now: Instant) -> Option<Duration> {
        let passed = now.saturating_duration_since(self.at);
        self.at = self.at.max(now);
        self.level = passed.as_secs_f64().mul_add(self.per_second, self.level).min(self.burst);
        let lacking = (amount as f64).min(self.burst) - self.level;
        // Not less than what a timer can do, or the caller would spin.
        let wait = Duration::from_secs_f64(lacking.max(0.0) / self.per_second);
        (lacking > 0.0).then(|| wait.max(Duration::from_millis(1)))
    }

    /// Full again.
    pub(super) fn refill(&mut self, now: Instant) {
        self.level = self.burst;
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(3, 10, start);
        assert_eq!([(); 3].map(|()| bucket.take(1, start)), [Ok(()); 3]);
        assert_eq!(bucket.take(1, start), Err(Duration::from_millis(100)));
        let later = start + Duration::from_millis(100);
        assert_eq!(bucket.take(1, later), Ok(()));
        assert!(bucket.take(1, later).is_err());
        // However long nobody asks, the burst is all there is.
        let later = later + Duration::from_secs(100);
        assert_eq!([(); 4].map(|()| bucket.take(1, later).is_ok()), [true, true, true, false]);
    }

    #[test]
    fn waiting_as_long_as_told_is_enough() {
        let mut now = Instant::now();
        let mut bucket = Bucket::new(5, 3, now);
        let mut waits = 0;
        for _ in 0..50 {
            while let Err(wait) = bucket.take(2, now) {
                now += wait;
                waits += 1;
                assert!(waits < 200, "it never becomes enough");
            }
        }
        assert!(waits >= 45);
    }

    #[test]
    fn refilled_or_asked_for_too_much() {
        let now = Instant::now();
        let mut bucket = Bucket::new(2, 1, now);
        assert_eq!(bucket.take(100, now), Ok(()), "the burst");
        assert_eq!(bucket.take(100, now), Err(Duration::from_secs(2)));
        bucket.refill(now);
        assert_eq!(bucket.take(2, now), Ok(()));
        // A clock that went back gives nothing.
        assert!(bucket.take(1, now - Duration::from_secs(1)).is_err());
    }
}
