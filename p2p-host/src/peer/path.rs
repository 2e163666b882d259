//! What the way to one page is like, and how much to have on it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Estimates of one path, and what follows from them: bytes in flight and the pace of datagrams.
///
/// SCTP has neither pacing nor a bound on what waits inside it. Too little in flight leaves a long path empty,
/// too much overflows the page's socket buffer (on short paths) or a queue on the way (on long ones), and what
/// waits inside SCTP delays small exchanges. So what is in flight follows the bandwidth-delay product, as in BBR.
#[derive(Debug)]
pub(super) struct Path {
    round_trips: Extremes<Duration>,
    /// Delivered bytes per second.
    rates: Extremes<u64>,
    window: Option<Window>,
}

/// The time in which a delivery rate is measured.
#[derive(Debug)]
struct Window {
    began: Instant,
    delivered: u64,
}

impl Path {
    pub(super) fn new() -> Self {
        Self {
            round_trips: Extremes::new(ROUND_TRIP_AGE),
            rates: Extremes::new(RATE_AGE),
            window: None,
        }
    }

    /// A round trip was measured, outside of the queue of data.
    pub(super) fn on_round_trip(&mut self, now: Instant, round_trip: Duration) {
        self.round_trips.insert(now, round_trip, |new, old| new <= old);
    }

    /// `delivered` bytes have been acknowledged so far, and more waits than the budget allows: the rate is the
    /// path's, not the application's.
    pub(super) fn on_delivered(&mut self, now: Instant, delivered: u64) {
        let shortest = self.round_trip().unwrap_or(MIN_WINDOW).max(MIN_WINDOW);
        if let Some(window) = &self.window {
            let elapsed = now.saturating_duration_since(window.began);
            if elapsed < shortest {
                return;
            }
            let bytes = delivered.saturating_sub(window.delivered);
            let rate = u128::from(bytes) * 1_000_000 / elapsed.as_micros().max(1);
            let rate = u64::try_from(rate).unwrap_or(u64::MAX);
            self.rates.insert(now, rate, |new, old| new >= old);
        }
        self.window = Some(Window { began: now, delivered });
    }

    /// There was nothing to send for a while: what is measured across it says nothing.
    pub(super) fn on_idle(&mut self) {
        self.window = None;
    }

    /// The shortest round trip of late.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trips.best()
    }

    /// How many bytes may be given to SCTP before they are acknowledged.
    pub(super) fn budget(&self) -> usize {
        let (Some(round_trip), Some(rate)) = (self.round_trip(), self.rates.best()) else {
            return INITIAL_BUDGET;
        };
        let product = u128::from(rate) * round_trip.as_micros() / 1_000_000;
        let budget = usize::try_from(product * GAIN_PERCENT / 100).unwrap_or(MAX_BUDGET);
        let least = if round_trip < SHORT { MIN_BUDGET } else { INITIAL_BUDGET };
        budget.clamp(least, MAX_BUDGET)
    }

    /// Bytes per second that datagrams may leave with; `None`: as fast as they come. Where the path is as short
    /// as a timer's tick, the budget alone keeps bursts small. Twice what is known to arrive, so that it can grow: a
    /// whole window at once overflows the socket buffer of a browser that is busy (Chromium's holds 56 datagrams),
    /// and SCTP takes many round trips to grow again after that.
    pub(super) fn pace(&self) -> Option<u64> {
        let round_trip = self.round_trip().filter(|round_trip| *round_trip >= SHORT)?;
        let initial = INITIAL_BUDGET as u128 * 1_000_000 / round_trip.as_micros().max(1);
        let known = u64::try_from(initial).unwrap_or(u64::MAX).max(self.rates.best().unwrap_or(0));
        // Before anything is known, a short path's bursts are bounded too.
        let most = self.rates.best().unwrap_or(0).max(FIRST_PACE / 2);
        Some(known.min(most).saturating_mul(2))
    }
}

/// The best value of late, by age.
#[derive(Debug)]
struct Extremes<T> {
    /// Times rise, values get worse: the front is the best, those behind it are what is left when it is too old.
    values: VecDeque<(Instant, T)>,
    age: Duration,
}

impl<T: Copy> Extremes<T> {
    const fn new(age: Duration) -> Self {
        Self { values: VecDeque::new(), age }
    }

    fn insert(&mut self, now: Instant, value: T, is_better: impl Fn(T, T) -> bool) {
        while self.values.back().is_some_and(|(_, old)| is_better(value, *old)) {
            self.values.pop_back();
        }
        self.values.push_back((now, value));
        // The newest stays however old it gets: a path that was not used has not changed its nature.
        while self.values.len() > 1
            && let Some((at, _)) = self.values.front()
            && (now.saturating_duration_since(*at) > self.age || self.values.len() > MAX_KEPT)
        {
            self.values.pop_front();
        }
    }

    fn best(&self) -> Option<T> {
        self.values.front().map(|(_, value)| *value)
    }
}

/// Before anything is known. Browsers' socket buffers hold more.
const INITIAL_BUDGET: usize = 128 * 1024;
/// Less than this leaves the driver waiting for its own timers.
const MIN_BUDGET: usize = 64 * 1024;
/// More is no use: browsers' receive windows are not larger.
pub(super) const MAX_BUDGET: usize = 4 * 1024 * 1024;
/// Half more than the product, so that it can grow to what the path takes. Twice overflows a queue of one product:
/// at 50 ms, 80 Mbit/s and 500 kB, 3.9 MB/s instead of 7.4 (without a bottleneck, 11.7 instead of 11.4).
const GAIN_PERCENT: u128 = 150;
/// Below it bursts are as short as a timer's tick.
const SHORT: Duration = Duration::from_millis(2);
/// 16 datagrams in a millisecond.
const FIRST_PACE: u64 = 16 * 1_200 * 1_000;
const MIN_WINDOW: Duration = Duration::from_millis(10);
const ROUND_TRIP_AGE: Duration = Duration::from_secs(30);
const RATE_AGE: Duration = Duration::from_secs(5);
/// Values kept of each; older ones give way.
const MAX_KEPT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A sender that always has more, on a path of `rate` bytes per second: its budget after `rounds` round trips.
    fn saturate(path: &mut Path, start: Instant, round_trip: Duration, rate: u64, rounds: u32) {
        let mut now = start;
        let mut delivered = 0;
        path.on_round_trip(now, round_trip);
        for _ in 0..rounds {
            path.on_delivered(now, delivered);
            now += round_trip.max(MIN_WINDOW);
            let capacity = rate * round_trip.max(MIN_WINDOW).as_millis() as u64 / 1_000;
            let trips = round_trip.max(MIN_WINDOW).as_micros() / round_trip.as_micros();
            delivered += capacity.min(path.budget() as u64 * trips as u64);
        }
        path.on_delivered(now, delivered);
    }

    #[test]
    fn a_long_path_is_filled_after_some_round_trips_and_not_overfilled() {
        let mut path = Path::new();
        // 80 Mbit/s at 50 ms: a product of 500 kB.
        saturate(&mut path, Instant::now(), ms(50), 10_000_000, 12);
        assert!((500_000..=900_000).contains(&path.budget()), "{}", path.budget());
        assert!(path.pace().unwrap() >= 10_000_000);
    }

    #[test]
    fn a_short_path_has_the_least_in_flight_and_no_pace() {
        let mut path = Path::new();
        assert_eq!((path.budget(), path.pace()), (INITIAL_BUDGET, None));
        saturate(&mut path, Instant::now(), Duration::from_micros(300), 50_000_000, 12);
        assert_eq!((path.budget(), path.pace()), (MIN_BUDGET, None));
    }

    #[test]
    fn budget_and_pace_are_bounded_whatever_is_measured() {
        let mut path = Path::new();
        saturate(&mut path, Instant::now(), ms(2_000), u64::MAX / 10_000_000, 20);
        assert_eq!(path.budget(), MAX_BUDGET);
        let mut idle = Path::new();
        saturate(&mut idle, Instant::now(), ms(100), 10, 20);
        assert_eq!(idle.budget(), INITIAL_BUDGET);
        // Two first budgets in a round trip of 100 ms.
        assert_eq!(idle.pace(), Some(20 * INITIAL_BUDGET as u64));
    }

    #[test]
    fn the_pace_is_twice_what_arrives_and_bounded_before_anything_has() {
        let paced = |round_trip| {
            let mut path = Path::new();
            path.on_round_trip(Instant::now(), round_trip);
            path.pace()
        };
        assert_eq!(paced(Duration::from_micros(1_999)), None);
        assert_eq!(paced(ms(2)), Some(FIRST_PACE));
        assert_eq!(paced(ms(5)), Some(FIRST_PACE));
        assert_eq!(paced(ms(50)), Some(40 * INITIAL_BUDGET as u64));
        let mut path = Path::new();
        saturate(&mut path, Instant::now(), ms(5), 30_000_000, 20);
        assert_eq!(path.pace(), Some(60_000_000));
    }

    #[test]
    fn an_idle_application_does_not_lower_what_is_known_of_the_path() {
        let mut path = Path::new();
        let start = Instant::now();
        saturate(&mut path, start, ms(50), 20_000_000, 12);
        let before = path.budget();
        let mut delivered = 1 << 40;
        for step in 0..100 {
            // A second of nothing before each burst.
            path.on_idle();
            delivered += 100_000;
            path.on_delivered(start + ms(2_000 + 1_000 * step), delivered);
        }
        assert_eq!(path.budget(), before);
    }

    #[test]
    fn a_path_that_became_slow_is_seen_as_such_after_a_while() {
        let mut path = Path::new();
        let start = Instant::now();
        saturate(&mut path, start, ms(50), 20_000_000, 12);
        let before = path.budget();
        saturate(&mut path, start + RATE_AGE * 2, ms(50), 1_000_000, 200);
        assert!(path.budget() < before / 4, "{} of {before}", path.budget());
    }
}
