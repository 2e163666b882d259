//! When a loss is congestion, and what the path takes then.

use std::time::{Duration, Instant};

use super::rounds::{Rounds, round_length};

/// What was acknowledged in each of the last rounds, and what this fast recovery has found lost.
///
/// RFC 9260 §7.2.3 halves the congestion window at any loss, and each round trip gives one packet back. Where that was
/// no queue that overflowed, but a radio, or the socket buffer of a busy browser, a long path is empty until the next
/// loss, which halves again. So a loss is congestion where round trips tell of a queue, as for TCP Veno, where a
/// retransmission was lost, or where it is more than 2 % (draft-ietf-ccwg-bbr); in slow start of more than some chunks.
/// Then the window becomes seven eighths of what arrives in a round trip, about as for TCP Westwood+, where that is more
/// than half of it: the queue that overflowed gets empty, and the shortest round trip is seen again.
#[derive(Debug, Default)]
pub(super) struct Congestion {
    rounds: Rounds,
    /// Bytes for each `round_length`, the newest first.
    last: [u64; 3],
    recovery: Recovery,
}

/// Of a chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loss {
    /// Bytes.
    pub(super) length: usize,
    /// Its retransmission was lost.
    pub(super) is_again: bool,
    /// What the round trips tell.
    pub(super) has_queue: bool,
    pub(super) is_slow_start: bool,
}

#[derive(Debug)]
enum Recovery {
    /// What was in flight when it began, and what of that was lost.
    Tolerant { flight: usize, bytes: usize, chunks: usize },
    Reduced,
}

impl Default for Recovery {
    fn default() -> Self {
        Self::Tolerant { flight: 0, bytes: 0, chunks: 0 }
    }
}

impl Congestion {
    pub(super) fn on_acknowledged(&mut self, now: Instant, bytes: usize, shortest: Option<Duration>) {
        if let Some(bytes) = self.rounds.on_bytes(now, bytes, shortest) {
            self.last.rotate_right(1);
            self.last[0] = bytes;
        }
    }

    /// A fast recovery begins with `flight` bytes in flight.
    pub(super) fn on_recovery(&mut self, flight: usize) {
        self.recovery = Recovery::Tolerant { flight, bytes: 0, chunks: 0 };
    }

    /// A chunk is lost; gives whether the window is to be reduced, once for each recovery.
    pub(super) fn on_lost(&mut self, loss: Loss) -> bool {
        let Recovery::Tolerant { flight, bytes, chunks } = &mut self.recovery else { return false };
        *bytes += loss.length;
        *chunks += 1;
        let tolerated = if loss.is_slow_start { SOME_CHUNKS } else { 0 };
        let is_much = *chunks > tolerated && *bytes as f64 > *flight as f64 * TOLERATED;
        let is_congestion = is_much || loss.has_queue || loss.is_again && !loss.is_slow_start;
        if is_congestion {
            self.recovery = Recovery::Reduced;
        }
        is_congestion
    }

    /// How many bytes a path of this `shortest` round trip holds without a queue.
    pub(super) fn in_flight(&self, shortest: Option<Duration>) -> u32 {
        let Some(round_trip) = shortest else { return 0 };
        let best = self.last.iter().max().map_or(0.0, |best| *best as f64);
        (best * round_trip.as_secs_f64() / round_length(shortest).as_secs_f64()) as u32
    }
}

/// The window in congestion avoidance where the path has no queue: it grows by an eighth in a round trip. A packet in a
/// round trip, as with a queue, would take minutes to fill a long path. Only if all of it was in flight before `acked`
/// bytes were acknowledged and `in_flight` was left, as RFC 9260 §7.2.2 says, but for what two SACKs together take.
pub(super) fn grown(window: u32, in_flight: u32, acked: u32, mtu: u32) -> u32 {
    let before = in_flight.saturating_add(acked).saturating_add(5 * mtu);
    if before < window { window } else { window.saturating_add(acked / 8) }
}

/// Of what is in flight when a recovery begins. It lasts two round trips, so this is 2 % of what is sent.
const TOLERATED: f64 = 0.04;
/// A window is small at first, and a single chunk is more than 2 % of it.
const SOME_CHUNKS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    const FLIGHT: usize = 100_000;
    const LOSS: Loss = Loss {
        length: FLIGHT / 100,
        is_again: false,
        has_queue: false,
        is_slow_start: false,
    };

    fn after(congestion: &mut Congestion, start: Instant, round_trip: Duration, millis: u64) -> u32 {
        for milli in 0..millis {
            let now = start + Duration::from_millis(milli);
            congestion.on_acknowledged(now, 10_000, Some(round_trip));
        }
        congestion.in_flight(Some(round_trip))
    }

    #[test]
    fn in_flight_is_what_a_round_trip_takes() {
        let start = Instant::now();
        for millis in [5, 50] {
            let round_trip = Duration::from_millis(millis);
            let in_flight = after(&mut Congestion::default(), start, round_trip, 500);
            assert_eq!(u64::from(in_flight), millis * 10_000);
        }
        assert_eq!(Congestion::default().in_flight(None), 0);
        assert_eq!(Congestion::default().in_flight(Some(Duration::from_millis(5))), 0);
    }

    #[test]
    fn a_path_that_became_slow_is_known_after_three_rounds() {
        let start = Instant::now();
        let round_trip = Duration::from_millis(50);
        let mut congestion = Congestion::default();
        after(&mut congestion, start, round_trip, 500);
        for milli in 500..651 {
            congestion.on_acknowledged(start + Duration::from_millis(milli), 100, Some(round_trip));
        }
        assert_eq!(congestion.in_flight(Some(round_trip)), 5_000);
    }

    #[test]
    fn more_than_four_of_a_hundred_are_congestion_once_for_each_recovery() {
        let mut congestion = Congestion::default();
        for _ in 0..2 {
            congestion.on_recovery(FLIGHT);
            let reduced: Vec<_> = (0..8).map(|_| congestion.on_lost(LOSS)).collect();
            assert_eq!(reduced.iter().position(|reduced| *reduced), Some(4));
            assert_eq!(reduced.iter().filter(|reduced| **reduced).count(), 1);
        }
    }

    #[test]
    fn a_window_that_is_used_grows_by_an_eighth_in_a_round_trip() {
        let window = (0..100).fold(100_000, |window, _| grown(window, window - 1_000, 1_000, 1_200));
        assert_eq!(window, 112_500);
        // All but what fits no more, and what another SACK took.
        assert_eq!(grown(100_000, 94_000, 800, 1_200), 100_100);
        assert_eq!(grown(100_000, 93_000, 800, 1_200), 100_000, "the peer's window or the user is the limit");
    }

    #[test]
    fn slow_start_tolerates_some_chunks() {
        let mut congestion = Congestion::default();
        congestion.on_recovery(FLIGHT);
        let loss = Loss { is_slow_start: true, ..LOSS };
        let lost = (1..).find(|_| congestion.on_lost(loss));
        assert_eq!(lost, Some(SOME_CHUNKS + 1));
        congestion.on_recovery(FLIGHT / 100);
        assert!(congestion.on_lost(Loss { is_slow_start: false, ..loss }));
    }

    #[test]
    fn a_queue_and_a_lost_retransmission_are_congestion() {
        for loss in [Loss { has_queue: true, ..LOSS }, Loss { is_again: true, ..LOSS }] {
            let mut congestion = Congestion::default();
            congestion.on_recovery(FLIGHT);
            assert!(!congestion.on_lost(LOSS));
            assert!(congestion.on_lost(loss));
        }
    }
}
