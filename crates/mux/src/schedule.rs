//! Whose turn it is to send.

use std::collections::VecDeque;

use wingman_wire::frame::StreamId;

/// Bytes after which a direction of a stream counts as bulk.
const BULK_AFTER: u64 = 64 * 1024;

/// Of this many turns in a row at most all but one go to short exchanges while bulk waits.
const BULK_SHARE: u8 = 4;

/// Two rounds: short exchanges first, bulk at least every [`BULK_SHARE`]th turn. Within a round each
/// stream has one turn before any has two. The owner keeps "is queued" with the stream (a stream is in
/// at most one round, once) and skips ids that have died since.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    short: VecDeque<StreamId>,
    bulk: VecDeque<StreamId>,
    short_turns: u8,
}

impl Schedule {
    pub(crate) fn push(&mut self, stream: StreamId, transmitted: u64) {
        if transmitted < BULK_AFTER {
            self.short.push_back(stream);
        } else {
            self.bulk.push_back(stream);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<StreamId> {
        let bulk_is_due = self.short_turns >= BULK_SHARE.saturating_sub(1);
        if self.short.is_empty() || (bulk_is_due && !self.bulk.is_empty()) {
            self.short_turns = 0;
            return self.bulk.pop_front();
        }
        self.short_turns =
            if self.bulk.is_empty() { 0 } else { self.short_turns.saturating_add(1) };
        self.short.pop_front()
    }

    /// Gives a popped turn back, unused: the next [`Schedule::pop`] is this one again, or bulk whose turns
    /// come when a message is nearly full would starve.
    pub(crate) fn unpop(&mut self, stream: StreamId, transmitted: u64) {
        if transmitted < BULK_AFTER {
            self.short.push_front(stream);
            self.short_turns = self.short_turns.saturating_sub(1);
        } else {
            self.bulk.push_front(stream);
            self.short_turns = BULK_SHARE.saturating_sub(1);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.short.is_empty() && self.bulk.is_empty()
    }

    /// Forgets ids for which `alive` is false, so that a cancelled crowd leaves nothing behind.
    pub(crate) fn retain(&mut self, mut alive: impl FnMut(StreamId) -> bool) {
        self.short.retain(|stream| alive(*stream));
        self.bulk.retain(|stream| alive(*stream));
    }

    pub(crate) fn len(&self) -> usize {
        self.short.len().saturating_add(self.bulk.len())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = StreamId> {
        self.short.iter().chain(&self.bulk).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ready_stream_once_before_any_twice() {
        let mut schedule = Schedule::default();
        for id in [1, 3, 5] {
            schedule.push(StreamId(id), 0);
        }
        let mut turns = Vec::new();
        for _ in 0..6 {
            let id = schedule.pop().unwrap();
            schedule.push(id, 0);
            turns.push(id.0);
        }
        assert_eq!(turns, [1, 3, 5, 1, 3, 5]);
    }

    #[test]
    fn a_turn_given_back_is_the_next_one() {
        let mut schedule = Schedule::default();
        for id in [1, 3, 5, 7, 9, 11] {
            schedule.push(StreamId(id), 0);
        }
        schedule.push(StreamId(13), BULK_AFTER);
        schedule.push(StreamId(15), BULK_AFTER);
        for expected in [1, 3, 5, 13, 7, 9, 11, 15] {
            for _ in 0..3 {
                let id = schedule.pop().unwrap();
                assert_eq!(id.0, expected);
                schedule.unpop(id, if expected > 11 { BULK_AFTER } else { 0 });
            }
            schedule.pop().unwrap();
        }
        assert!(schedule.is_empty());
    }

    #[test]
    fn bulk_waits_for_short_ones_but_never_starves() {
        let mut schedule = Schedule::default();
        schedule.push(StreamId(1), BULK_AFTER);
        let mut turns = Vec::new();
        for id in (3..).step_by(2).take(9) {
            schedule.push(StreamId(id), 0);
        }
        for _ in 0..8 {
            let id = schedule.pop().unwrap();
            if id == StreamId(1) {
                schedule.push(id, BULK_AFTER);
            }
            turns.push(id.0);
        }
        assert_eq!(turns, [3, 5, 7, 1, 9, 11, 13, 1]);
    }
}
