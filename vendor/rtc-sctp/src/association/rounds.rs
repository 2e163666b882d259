//! Round trips, and what passes in each.

use std::time::{Duration, Instant};

/// The last round trip, and the shortest of late.
#[derive(Debug, Default)]
pub(super) struct RoundTrips {
    last: Option<Duration>,
    /// The shortest of this period, and of the one before.
    shortest: [Option<Duration>; 2],
    period: Option<Instant>,
}

impl RoundTrips {
    pub(super) fn on_round_trip(&mut self, now: Instant, round_trip: Duration) {
        let began = *self.period.get_or_insert(now);
        // Paths change; but what waits in a queue is no longer path.
        let elapsed = now.saturating_duration_since(began);
        if elapsed > PERIOD {
            self.period = Some(now);
            let before = if elapsed > 2 * PERIOD { None } else { self.shortest[0] };
            self.shortest = [None, before];
        }
        self.last = Some(round_trip);
        let [shortest, _] = &mut self.shortest;
        *shortest = Some(shortest.map_or(round_trip, |known| known.min(round_trip)));
    }

    pub(super) fn shortest(&self) -> Option<Duration> {
        self.shortest.iter().flatten().min().copied()
    }

    /// Whether a queue has built up on the way.
    pub(super) fn has_queue(&self) -> bool {
        let queue = self.shortest().map(|shortest| shortest + (shortest / 4).min(SHORTEST_QUEUE));
        self.last.zip(queue).is_some_and(|(last, queue)| last > queue)
    }
}

/// Counts bytes, round trip by round trip.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// When the round began, and what has passed in it.
    round: Option<(Instant, u64)>,
}

impl Rounds {
    /// What has passed in a round when it ends, for each `round_length`.
    pub(super) fn on_bytes(&mut self, now: Instant, bytes: usize, shortest: Option<Duration>) -> Option<u64> {
        let Some((began, before)) = self.round else {
            self.round = Some((now, 0));
            return None;
        };
        let passed = before + bytes as u64;
        let elapsed = now.saturating_duration_since(began);
        let length = round_length(shortest);
        if elapsed < length {
            self.round = Some((began, passed));
            return None;
        }
        self.round = Some((now, 0));
        Some((passed as f64 * length.as_secs_f64() / elapsed.as_secs_f64()) as u64)
    }
}

/// How long a round lasts.
pub(super) fn round_length(shortest: Option<Duration>) -> Duration {
    shortest.unwrap_or(UNKNOWN).max(SHORTEST)
}

const PERIOD: Duration = Duration::from_secs(10);
/// Shorter rounds are those of schedulers.
const SHORTEST: Duration = Duration::from_millis(10);
const UNKNOWN: Duration = Duration::from_millis(500);
/// What is shorter may be one, where round trips are long.
const SHORTEST_QUEUE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(50);

    #[test]
    fn the_shortest_round_trip_is_of_late() {
        let start = Instant::now();
        let mut round_trips = RoundTrips::default();
        assert_eq!((round_trips.shortest(), round_trips.has_queue()), (None, false));
        round_trips.on_round_trip(start, ROUND_TRIP);
        assert_eq!((round_trips.shortest(), round_trips.has_queue()), (Some(ROUND_TRIP), false));
        round_trips.on_round_trip(start, 2 * ROUND_TRIP);
        assert_eq!((round_trips.shortest(), round_trips.has_queue()), (Some(ROUND_TRIP), true));
        for second in 11..40 {
            round_trips.on_round_trip(start + Duration::from_secs(second), 2 * ROUND_TRIP);
        }
        let now = (round_trips.shortest(), round_trips.has_queue());
        assert_eq!(now, (Some(2 * ROUND_TRIP), false), "the path became longer");
        let later = start + Duration::from_secs(100);
        round_trips.on_round_trip(later, 10 * ROUND_TRIP);
        assert_eq!(round_trips.shortest(), Some(10 * ROUND_TRIP), "of late");
        round_trips.on_round_trip(later, 10 * ROUND_TRIP + 2 * SHORTEST_QUEUE);
        assert!(round_trips.has_queue());
    }

    #[test]
    fn a_round_has_what_passed_in_it_and_a_pause_is_little() {
        let start = Instant::now();
        let mut rounds = Rounds::default();
        let mut told = Vec::new();
        for milli in (0..=100).chain(900..=1_000) {
            let now = start + Duration::from_millis(milli);
            told.extend(rounds.on_bytes(now, 1_000, Some(ROUND_TRIP)));
        }
        // 101,000 in 850 ms, or so.
        assert_eq!(told, [50_000, 50_000, 62, 50_000, 50_000]);
    }

    #[test]
    fn a_round_is_not_that_of_a_scheduler() {
        let milli = Duration::from_millis(1);
        assert_eq!(round_length(Some(milli)), 10 * milli);
        assert_eq!(round_length(Some(2_000 * milli)), 2_000 * milli);
        assert_eq!(round_length(None), 500 * milli);
    }
}
