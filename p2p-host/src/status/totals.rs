//! The numbers of the status line. They count every exchange, also those whose line was dropped.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::event::Event;

/// A snapshot of the numbers so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Exchanges that ended.
    pub exchanges: u64,
    /// Upgraded exchanges that are open.
    pub open_upgrades: u64,
    /// Request content of the exchanges that ended, in bytes.
    pub bytes_in: u64,
    /// Response content of the exchanges that ended, in bytes.
    pub bytes_out: u64,
    /// Visitors seen within the last five minutes, by label.
    pub visitors: u64,
    /// Whether there are more visitors than can be told apart; `visitors` is then a lower bound.
    pub visitors_overflow: bool,
}

/// Counts events as they are reported.
#[derive(Debug)]
pub(super) struct Counter {
    totals: Totals,
    /// The last time each label was seen; never more than `MAX_VISITORS`.
    seen: HashMap<String, Instant>,
    overflowed: Option<Instant>,
    swept: Option<Instant>,
}

impl Counter {
    pub(super) fn new() -> Self {
        Self { totals: Totals::default(), seen: HashMap::new(), overflowed: None, swept: None }
    }

    pub(super) fn count(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Exchange(record) => {
                self.totals.exchanges += 1;
                self.totals.bytes_in = self.totals.bytes_in.saturating_add(record.bytes_in);
                self.totals.bytes_out = self.totals.bytes_out.saturating_add(record.bytes_out);
                if record.upgraded {
                    self.totals.open_upgrades = self.totals.open_upgrades.saturating_sub(1);
                }
                self.see(&record.visitor, now);
            }
            Event::Upgraded(upgraded) => {
                self.totals.open_upgrades += 1;
                self.see(&upgraded.visitor, now);
            }
            _ => {}
        }
    }

    pub(super) fn totals(&mut self, now: Instant) -> Totals {
        self.sweep(now);
        Totals {
            visitors: self.seen.len() as u64,
            visitors_overflow: self.overflowed.is_some(),
            ..self.totals
        }
    }

    fn see(&mut self, label: &str, now: Instant) {
        if let Some(last) = self.seen.get_mut(label) {
            *last = now;
            return;
        }
        if self.seen.len() >= MAX_VISITORS {
            self.sweep(now);
        }
        if self.seen.len() < MAX_VISITORS {
            self.seen.insert(label.to_owned(), now);
        } else {
            self.overflowed = Some(now);
        }
    }

    /// Forgets visitors who left. At most once a second: with a full map every new label asks for
    /// it, and visitors choose how many labels there are.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|last| now.duration_since(last) < SWEEP_PERIOD) {
            return;
        }
        self.swept = Some(now);
        let recent = |at: Instant| now.duration_since(at) < RECENT;
        self.seen.retain(|_, last| recent(*last));
        self.overflowed = self.overflowed.filter(|at| recent(*at));
    }
}

const RECENT: Duration = Duration::from_secs(300);
const SWEEP_PERIOD: Duration = Duration::from_secs(1);
const MAX_VISITORS: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::event::{ExchangeRecord, Path, Upgraded};
    use crate::status::tests::record;

    fn by(visitor: impl Into<String>) -> Event {
        Event::Exchange(ExchangeRecord {
            visitor: visitor.into(),
            bytes_in: 3,
            bytes_out: 40,
            ..record()
        })
    }

    #[test]
    fn visitors_count_once_and_leave_after_five_minutes() {
        let start = Instant::now();
        let mut counter = Counter::new();
        counter.count(&by("a"), start);
        counter.count(&by("a"), start + Duration::from_secs(100));
        counter.count(&by("b"), start);
        let totals = counter.totals(start + Duration::from_secs(299));
        assert_eq!((totals.visitors, totals.exchanges), (2, 3));
        assert_eq!((totals.bytes_in, totals.bytes_out), (9, 120));
        assert_eq!(counter.totals(start + Duration::from_secs(301)).visitors, 1, "b left");
        assert_eq!(counter.totals(start + Duration::from_secs(401)).visitors, 0, "a left");
    }

    #[test]
    fn endless_labels_cost_bounded_memory_and_say_so() {
        let start = Instant::now();
        let mut counter = Counter::new();
        for label in 0..MAX_VISITORS + 10 {
            counter.count(&by(label.to_string()), start);
        }
        assert_eq!(counter.seen.len(), MAX_VISITORS);
        let full = counter.totals(start + Duration::from_secs(2));
        assert_eq!((full.visitors, full.visitors_overflow), (MAX_VISITORS as u64, true));
        assert_eq!(full.exchanges, MAX_VISITORS as u64 + 10, "exchanges count all the same");
        let later = start + RECENT + Duration::from_secs(2);
        counter.count(&by("new"), later);
        let after = counter.totals(later);
        assert_eq!((after.visitors, after.visitors_overflow), (1, false));
    }

    #[test]
    fn upgraded_exchanges_are_open_between_their_two_events() {
        let now = Instant::now();
        let mut counter = Counter::new();
        counter.count(
            &Event::Upgraded(Upgraded {
                target: "/hmr".into(),
                path: Path::Relay,
                visitor: "a".into(),
            }),
            now,
        );
        assert_eq!(counter.totals(now).open_upgrades, 1);
        let closed = Event::Exchange(ExchangeRecord { upgraded: true, ..record() });
        counter.count(&closed, now);
        counter.count(&closed, now);
        assert_eq!(counter.totals(now).open_upgrades, 0, "never below zero");
    }
}
