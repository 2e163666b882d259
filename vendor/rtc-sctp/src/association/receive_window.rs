//! What the peer may have in flight: the window that is told it follows what arrives in a round trip.

use std::time::{Duration, Instant};

/// What arrives in a round trip, which is what the path holds, and three quarters of it that may wait on its way.
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
    /// The shortest round trip of this period, and of the one before.
    round_trips: [Option<Duration>; 2],
    period: Option<Instant>,
    /// When the round began, and what has arrived in it.
    round: Option<(Instant, u64)>,
}

impl ReceiveWindow {
    /// Never more than `most`.
    pub(super) fn new(most: u32) -> Self {
        Self {
            window: most.min(FIRST),
            most,
            round_trips: [None; 2],
            period: None,
            round: None,
        }
    }

    /// Bytes that the peer may have in flight where there is room for `room`.
    pub(super) fn advertise(&self, room: u32) -> u32 {
        match self.shortest() {
            Some(_) => self.window.min(room),
            None => room,
        }
    }

    pub(super) fn on_round_trip(&mut self, now: Instant, round_trip: Duration) {
        let began = *self.period.get_or_insert(now);
        // Paths change; but what waits in a queue is no longer path.
        if now.saturating_duration_since(began) > PERIOD {
            self.period = Some(now);
            self.round_trips = [None, self.round_trips[0]];
        }
        let [shortest, _] = &mut self.round_trips;
        *shortest = Some(shortest.map_or(round_trip, |known| known.min(round_trip)));
    }

    pub(super) fn on_arrived(&mut self, now: Instant, bytes: usize) {
        let Some((began, before)) = self.round else {
            self.round = Some((now, 0));
            return;
        };
        let arrived = before + bytes as u64;
        let elapsed = now.saturating_duration_since(began);
        let length = self.length();
        if elapsed < length {
            self.round = Some((began, arrived));
            return;
        }
        self.round = Some((now, 0));
        // Longer is a pause of the sender.
        if elapsed < 2 * length {
            let in_time = arrived as f64 * length.as_secs_f64() / elapsed.as_secs_f64();
            let wanted = (in_time * SPARE).min(f64::from(self.most)) as u32;
            self.window = self.window.max(wanted);
        }
    }

    fn length(&self) -> Duration {
        self.shortest().unwrap_or(LONGEST).clamp(SHORTEST, LONGEST)
    }

    fn shortest(&self) -> Option<Duration> {
        self.round_trips.iter().flatten().min().copied()
    }
}

/// Before anything has arrived.
const FIRST: u32 = 256 * 1024;
const SPARE: f64 = 1.75;
const PERIOD: Duration = Duration::from_secs(10);
/// Shorter rounds are those of schedulers.
const SHORTEST: Duration = Duration::from_millis(10);
/// Longer ones have waited somewhere.
const LONGEST: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u32 = 1024 * 1024;

    /// The window after `seconds` of `rate` bytes a millisecond.
    fn after(window: &mut ReceiveWindow, start: Instant, rate: usize, millis: u64) -> u32 {
        for milli in 0..millis {
            window.on_arrived(start + Duration::from_millis(milli), rate);
        }
        window.advertise(MOST)
    }

    #[test]
    fn it_is_what_arrives_in_a_round_trip_and_some_more() {
        let start = Instant::now();
        let mut window = ReceiveWindow::new(MOST);
        assert_eq!(window.advertise(MOST), MOST, "nothing is known of the path");
        window.on_round_trip(start, Duration::from_millis(50));
        assert_eq!(window.advertise(MOST), FIRST);
        // Longer ones have waited in a queue.
        window.on_round_trip(start, Duration::from_millis(150));
        let window = &mut window;
        assert!((850_000..900_000).contains(&after(window, start, 10_000, 500)));
        assert_eq!(
            window.advertise(1_000),
            1_000,
            "no more than there is room for"
        );
        let start = start + Duration::from_secs(1);
        assert!(
            (850_000..900_000).contains(&after(window, start, 100, 500)),
            "never less"
        );
        assert_eq!(
            after(window, start + Duration::from_secs(1), 100_000, 500),
            MOST
        );
    }

    #[test]
    fn a_path_that_became_longer_is_seen_and_a_pause_is_not_a_path() {
        let start = Instant::now();
        let mut window = ReceiveWindow::new(MOST);
        window.on_round_trip(start, Duration::from_millis(10));
        assert_eq!(after(&mut window, start, 20_000, 100), 350_000);
        for second in 11..40 {
            window.on_round_trip(
                start + Duration::from_secs(second),
                Duration::from_millis(60),
            );
        }
        window.on_arrived(start + Duration::from_secs(40), 1_000_000);
        assert!(after(&mut window, start + Duration::from_secs(60), 10_000, 500) > 1_000_000);
    }

    #[test]
    fn a_small_buffer_is_a_small_window() {
        let mut window = ReceiveWindow::new(1_000);
        window.on_round_trip(Instant::now(), Duration::from_millis(50));
        assert_eq!(window.advertise(MOST), 1_000);
    }
}
