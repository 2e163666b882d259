//! Names whose sessions were ended by their hosts, for a while: visitors are told that it is over, and
//! workers in their browsers that they may go.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use crate::names::SessionName;

/// Bounded in number and time; the oldest go first.
#[derive(Debug, Default)]
pub(super) struct Ended {
    when: HashMap<SessionName, Instant>,
    /// Oldest first. A name that was claimed and ended again is here more than once; only the entry with
    /// the time of `when` counts.
    order: VecDeque<(Instant, SessionName)>,
}

impl Ended {
    pub(super) fn add(&mut self, name: SessionName, now: Instant) {
        self.forget_old(now);
        self.when.insert(name, now);
        self.order.push_back((now, name));
        while self.order.len() > MAX_NAMES {
            self.forget_oldest();
        }
    }

    /// Somebody has the name again.
    pub(super) fn remove(&mut self, name: &SessionName) {
        self.when.remove(name);
    }

    pub(super) fn contains(&self, name: &SessionName, now: Instant) -> bool {
        self.when.get(name).is_some_and(|when| now.saturating_duration_since(*when) < KEPT)
    }

    pub(super) fn forget_old(&mut self, now: Instant) {
        while let Some((when, _)) = self.order.front()
            && now.saturating_duration_since(*when) >= KEPT
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((when, name)) = self.order.pop_front()
            && self.when.get(&name) == Some(&when)
        {
            self.when.remove(&name);
        }
    }
}

const KEPT: Duration = Duration::from_secs(3600);
const MAX_NAMES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> SessionName {
        format!("n{number}").parse().unwrap()
    }

    #[test]
    fn a_name_is_kept_for_its_time_or_until_it_is_claimed() {
        let (mut ended, now) = (Ended::default(), Instant::now());
        ended.add(name(1), now);
        ended.add(name(2), now);
        ended.remove(&name(2));
        let just_before = now + KEPT - Duration::from_millis(1);
        assert!(ended.contains(&name(1), just_before));
        assert!(!ended.contains(&name(2), now));
        assert!(!ended.contains(&name(3), now));
        assert!(!ended.contains(&name(1), now + KEPT));
        ended.forget_old(now + KEPT);
        assert!(ended.when.is_empty() && ended.order.is_empty());
    }

    #[test]
    fn a_name_that_ended_again_lives_from_then_on() {
        let (mut ended, now) = (Ended::default(), Instant::now());
        ended.add(name(1), now);
        ended.remove(&name(1));
        let later = now + KEPT / 2;
        ended.add(name(1), later);
        ended.forget_old(now + KEPT);
        assert!(ended.contains(&name(1), now + KEPT), "the older entry must not take it along");
    }

    #[test]
    fn many_names_push_out_the_oldest() {
        let (mut ended, now) = (Ended::default(), Instant::now());
        for number in 0..MAX_NAMES + 5 {
            ended.add(name(number), now);
        }
        assert_eq!((ended.when.len(), ended.order.len()), (MAX_NAMES, MAX_NAMES));
        assert!(!ended.contains(&name(4), now) && ended.contains(&name(5), now));
        // One name that comes and goes is no way around the bound.
        for _ in 0..MAX_NAMES {
            ended.add(name(7), now);
            ended.remove(&name(7));
        }
        assert!(ended.order.len() <= MAX_NAMES);
    }
}
