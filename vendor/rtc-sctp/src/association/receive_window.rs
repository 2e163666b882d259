//! What the peer may have in flight: the window that is told it follows what arrives in a round trip.

use std::time::{Duration, Instant};

use super::rounds::Rounds;

/// What arrives in a round trip, which is what the path holds, and half of it that may wait on its way.
///
/// A sender doubles what it has in flight until a queue on the way overflows. It loses hundreds of packets then, some of
/// them twice, and timers of half a second bring them back. With a window a little above what arrives it stops short of
/// that, and the queue, which others wait in as well, stays short. RFC 9840 has receivers do such for TCP.
///
/// INIT and INIT ACK tell all of the buffer: from that a sender takes how long it may double.
#[derive(Debug)]
pub(super) struct ReceiveWindow {
    window: u32,
    most: u32,
    rounds: Rounds,
    /// What arrived in the round before.
    before: Option<u64>,
}

impl ReceiveWindow {
    /// Never more than `most`.
    pub(super) fn new(most: u32) -> Self {
        Self {
            window: most.min(FIRST),
            most,
            rounds: Rounds::default(),
            before: None,
        }
    }

    /// Bytes that the peer may have in flight where there is room for `room`; `shortest` is the round trip.
    pub(super) fn advertise(&self, room: u32, shortest: Option<Duration>) -> u32 {
        match shortest {
            Some(_) => self.window.min(room),
            None => room,
        }
    }

    pub(super) fn on_arrived(&mut self, now: Instant, bytes: usize, shortest: Option<Duration>) {
        if let Some(arrived) = self.rounds.on_bytes(now, bytes, shortest) {
            // What was late in one round arrives in the next one: alone, that would be too much.
            let before = self.before.replace(arrived).unwrap_or(arrived);
            let wanted = (arrived + before) as f64 / 2.0 * SPARE;
            let wanted = wanted.min(f64::from(self.most)) as u32;
            self.window = self.window.max(wanted);
        }
    }
}

/// Before anything has arrived.
const FIRST: u32 = 256 * 1024;
const SPARE: f64 = 1.5;

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u32 = 1024 * 1024;
    const ROUND_TRIP: Option<Duration> = Some(Duration::from_millis(50));

    /// The window after `millis` with `rate` bytes in each.
    fn after(window: &mut ReceiveWindow, start: Instant, rate: usize, millis: u64) -> u32 {
        for milli in 0..millis {
            window.on_arrived(start + Duration::from_millis(milli), rate, ROUND_TRIP);
        }
        window.advertise(MOST, ROUND_TRIP)
    }

    #[test]
    fn it_is_what_arrives_in_a_round_trip_and_some_more() {
        let start = Instant::now();
        let mut window = ReceiveWindow::new(MOST);
        assert_eq!(window.advertise(MOST, None), MOST, "nothing is known of the path");
        assert_eq!(window.advertise(MOST, ROUND_TRIP), FIRST);
        assert!((740_000..760_000).contains(&after(&mut window, start, 10_000, 500)));
        assert_eq!(window.advertise(1_000, ROUND_TRIP), 1_000, "no more than there is room for");
        let start = start + Duration::from_secs(1);
        assert!((740_000..760_000).contains(&after(&mut window, start, 100, 500)), "never less");
        assert_eq!(after(&mut window, start + Duration::from_secs(1), 100_000, 500), MOST);
    }

    #[test]
    fn what_is_late_is_not_taken_for_more() {
        let start = Instant::now();
        let mut window = ReceiveWindow::new(MOST);
        after(&mut window, start, 10_000, 200);
        // Half a round comes in the next one.
        for milli in (200..225).chain(250..275) {
            window.on_arrived(start + Duration::from_millis(milli), 10_000, ROUND_TRIP);
        }
        for milli in 275..301 {
            window.on_arrived(start + Duration::from_millis(milli), 20_000, ROUND_TRIP);
        }
        assert!(window.advertise(MOST, ROUND_TRIP) < 770_000);
    }

    #[test]
    fn a_small_buffer_is_a_small_window() {
        assert_eq!(ReceiveWindow::new(1_000).advertise(MOST, ROUND_TRIP), 1_000);
    }
}
