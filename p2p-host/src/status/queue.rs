//! The bounded queue between what happens and the thread that writes it down.
//!
//! When the output cannot keep up (a stopped terminal, a pipe nobody reads) something must give:
//! 1. Lines of the request log go first; they are counted, and the count is shown later.
//! 2. Then states that a later one of the same kind has overtaken.
//! 3. Then the oldest notices and warnings; counted as well.
//!
//! The newest event of every kind survives, so the view is right once it is read again.

use std::collections::VecDeque;
use std::mem;
use std::time::SystemTime;

use super::event::Event;

/// An event and when it happened.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) at: SystemTime,
    pub(super) event: Event,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    capacity: usize,
    dropped: u64,
}

impl Queue {
    /// `capacity` must be larger than the number of kinds of events, or the newest of each could
    /// not all survive.
    pub(super) fn new(capacity: usize) -> Self {
        debug_assert!(capacity > KINDS);
        Self { entries: VecDeque::new(), capacity, dropped: 0 }
    }

    pub(super) fn push(&mut self, entry: Entry) {
        if self.entries.len() >= self.capacity {
            if entry.event.is_droppable() {
                self.dropped += 1;
                return;
            }
            self.make_room(&entry.event);
        }
        self.entries.push_back(entry);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.dropped == 0
    }

    /// Everything queued, in order, and how many lines were dropped since the last time.
    pub(super) fn take(&mut self) -> (VecDeque<Entry>, u64) {
        (mem::take(&mut self.entries), mem::take(&mut self.dropped))
    }

    fn make_room(&mut self, next: &Event) {
        let droppable = self.entries.iter().position(|entry| entry.event.is_droppable());
        let victim = droppable
            .or_else(|| self.overtaken(next, false))
            .or_else(|| self.overtaken(next, true));
        if let Some(entry) = victim.and_then(|index| self.entries.remove(index))
            && (entry.event.is_droppable() || is_message(&entry.event))
        {
            self.dropped += 1;
        }
    }

    /// The oldest event that has a newer one of its kind.
    fn overtaken(&self, next: &Event, messages: bool) -> Option<usize> {
        self.entries.iter().enumerate().position(|(index, entry)| {
            let kind = mem::discriminant(&entry.event);
            is_message(&entry.event) == messages
                && (kind == mem::discriminant(next)
                    || self
                        .entries
                        .iter()
                        .skip(index + 1)
                        .any(|later| mem::discriminant(&later.event) == kind))
        })
    }
}

fn is_message(event: &Event) -> bool {
    matches!(event, Event::Notice { .. } | Event::Warning { .. })
}

/// The number of variants of [`Event`].
const KINDS: usize = 13;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::tests::{all_events, record};

    fn push(queue: &mut Queue, event: Event) {
        queue.push(Entry { at: SystemTime::UNIX_EPOCH, event });
    }

    fn visitors(active: u32) -> Event {
        Event::Visitors { active, total: 0 }
    }

    fn notice(number: usize) -> Event {
        Event::Notice { message: number.to_string() }
    }

    #[test]
    fn exchanges_are_dropped_and_counted_the_rest_is_kept() {
        let mut queue = Queue::new(20);
        for _ in 0..50 {
            push(&mut queue, Event::Exchange(record()));
        }
        push(&mut queue, visitors(1));
        push(&mut queue, Event::Closing { reason: "Ctrl-C".into() });
        let (entries, dropped) = queue.take();
        assert_eq!(entries.len(), 20);
        assert_eq!(dropped, 32, "30 came too late, 2 made room");
        assert_eq!(entries[18].event, visitors(1));
        assert!(matches!(entries[19].event, Event::Closing { .. }));
        assert!(queue.is_empty(), "the count is handed out once");
    }

    #[test]
    fn states_give_way_to_newer_ones_before_messages_do() {
        let mut queue = Queue::new(20);
        push(&mut queue, notice(0));
        for active in 0..100 {
            push(&mut queue, visitors(active));
        }
        let (entries, dropped) = queue.take();
        assert_eq!((entries.len(), dropped), (20, 0));
        assert_eq!(entries[0].event, notice(0));
        assert_eq!(entries[19].event, visitors(99));
    }

    #[test]
    fn the_newest_of_every_kind_survives_any_flood() {
        let kinds = all_events();
        assert_eq!(kinds.len(), KINDS);
        for flood in &kinds {
            let mut queue = Queue::new(KINDS + 1);
            for event in &kinds {
                push(&mut queue, event.clone());
            }
            for _ in 0..100 {
                push(&mut queue, flood.clone());
            }
            let (entries, _) = queue.take();
            assert!(entries.len() <= KINDS + 1);
            for event in kinds.iter().filter(|event| !event.is_droppable()) {
                assert!(entries.iter().any(|entry| entry.event == *event), "{flood:?}: {event:?}");
            }
        }
    }

    #[test]
    fn a_flood_of_messages_is_bounded_and_counted() {
        let mut queue = Queue::new(20);
        push(&mut queue, visitors(7));
        for number in 0..100 {
            push(&mut queue, notice(number));
        }
        let (entries, dropped) = queue.take();
        assert_eq!((entries.len(), dropped), (20, 81));
        assert_eq!(entries[0].event, visitors(7));
        assert_eq!(entries[19].event, notice(99));
    }
}
