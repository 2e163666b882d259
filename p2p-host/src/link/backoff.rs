//! How long to wait before the next attempt; a pure function of attempt and seed.

use std::time::Duration;

/// Exponential, capped, with jitter over the upper half, so that the hosts of a restarted edge do not
/// come all at once and none waits for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause.
    pub initial: Duration,
    /// The longest pause.
    pub cap: Duration,
}

/// The longest pause while the edge's machine answers but its process does not listen: it is being
/// restarted, attempts are cheap, and hosts shall be back within two seconds.
const RESTART_CAP: Duration = Duration::from_millis(1_500);

impl Backoff {
    /// The pause before attempt `attempt` + 1 (the first is 1). `seed` is random; `nearby` says that the
    /// edge's machine can be reached.
    pub fn pause(&self, attempt: u32, seed: u32, nearby: bool) -> Duration {
        let cap = if nearby { self.cap.min(RESTART_CAP) } else { self.cap };
        let doublings = attempt.saturating_sub(1).min(16);
        let full = self.initial.saturating_mul(1 << doublings).min(cap);
        let half = full / 2;
        half + half.mul_f64(f64::from(seed) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff =
        Backoff { initial: Duration::from_millis(200), cap: Duration::from_secs(5) };

    #[test]
    fn pauses_double_up_to_the_cap() {
        let longest: Vec<_> =
            (1..8).map(|attempt| BACKOFF.pause(attempt, u32::MAX, false).as_millis()).collect();
        assert_eq!(longest, [200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(BACKOFF.pause(u32::MAX, u32::MAX, false), Duration::from_secs(5));
    }

    #[test]
    fn jitter_covers_the_upper_half() {
        assert_eq!(BACKOFF.pause(2, 0, false), Duration::from_millis(200));
        let middle = BACKOFF.pause(2, u32::MAX / 2, false);
        assert!(Duration::from_millis(299) < middle && middle < Duration::from_millis(301));
    }

    #[test]
    fn a_restarting_edge_is_asked_often_enough_to_be_back_in_two_seconds() {
        for attempt in 1..40 {
            assert!(BACKOFF.pause(attempt, u32::MAX, true) <= Duration::from_millis(1_500));
        }
    }
}
