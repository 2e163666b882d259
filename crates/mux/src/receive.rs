//! The receiving half of a stream: order, credit, and what waits to be read.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use wingman_wire::{
    code::ResetCode,
    frame::{Flags, MAX_PAYLOAD},
};

use crate::{
    config::{Config, INITIAL_CREDIT, MAX_UNREAD_INTERIM},
    error::Violation,
};

/// The least window of a stream that has the carrier to itself: room enough that neither end waits for the
/// other's turn on the processor. Nobody is there who would have to wait behind it.
const LONE_WINDOW: u32 = 1024 * 1024;

/// Content read without a frame of another stream in between, after which a stream has the carrier to itself.
const LONE_AFTER: u64 = 1024 * 1024;

/// What arrived on a stream, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A whole encoded head. The final one comes once, interim ones before it.
    Head {
        /// Encoded as in [`wingman_wire::head`].
        head: Bytes,
        /// An interim response.
        interim: bool,
    },
    /// Content, never empty.
    Data(Bytes),
    /// Clean end: every byte has been read before this.
    Finish {
        /// Encoded trailers, mostly empty.
        trailers: Bytes,
    },
    /// Abrupt end, after what came before it.
    Reset(ResetCode),
}

/// What windows are judged by.
pub(crate) struct Traffic {
    pub(crate) now: Instant,
    /// The shortest one measured.
    pub(crate) round_trip: Option<Duration>,
    /// Frames that have arrived on all streams.
    pub(crate) frames: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The final head has not come.
    Head,
    /// Content may come.
    Content,
    /// FINISH has come; the queue may still hold content.
    Finished,
    /// RESET has come or was sent.
    Reset,
}

#[derive(Debug)]
pub(crate) struct Receive {
    state: State,
    partial_head: BytesMut,
    queue: VecDeque<Incoming>,
    /// Content bytes in `queue`.
    queued: usize,
    /// Content bytes received since the stream began.
    received: u64,
    interim_unread: usize,
    /// `allowance + queued + unreturned == window` while content may come.
    window: u32,
    /// Bytes that the peer may still send.
    allowance: usize,
    /// Bytes read by the user and not yet given back as credit.
    unreturned: u32,
    /// When credit was given last.
    credited: Option<Instant>,
    /// Frames that have arrived on this stream.
    pub(crate) frames: u64,
    /// Frames that had arrived on other streams when credit was given last.
    others: u64,
    /// Content read since then, and since others were seen to be active.
    alone: u64,
    /// A wake-up was handed out and nothing has been read since.
    pub(crate) notified: bool,
}

impl Receive {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Head,
            partial_head: BytesMut::new(),
            queue: VecDeque::new(),
            queued: 0,
            received: 0,
            interim_unread: 0,
            window: INITIAL_CREDIT,
            allowance: INITIAL_CREDIT as usize,
            unreturned: 0,
            credited: None,
            frames: 0,
            others: 0,
            alone: 0,
            notified: false,
        }
    }

    /// Takes a part of a head; returns whether a whole one is now readable.
    pub(crate) fn on_head(
        &mut self,
        flags: Flags,
        part: Bytes,
        config: &Config,
    ) -> Result<bool, Violation> {
        match self.state {
            State::Head => {}
            // It was under way when this end reset the stream.
            State::Reset => return Ok(false),
            State::Content | State::Finished => return Err(Violation::SecondHead),
        }
        if self.partial_head.len().saturating_add(part.len()) > config.max_head {
            return Err(Violation::HeadTooLarge);
        }
        let interim = flags.has(Flags::INTERIM);
        if interim && flags.has(Flags::END) {
            return Err(Violation::EndedInterim);
        }
        if flags.has(Flags::MORE) {
            // Several of them may wait: one frame each bounds what they hold.
            if interim {
                return Err(Violation::HeadTooLarge);
            }
            self.partial_head.extend_from_slice(&part);
            return Ok(false);
        }
        let head = if self.partial_head.is_empty() {
            part
        } else {
            self.partial_head.extend_from_slice(&part);
            std::mem::take(&mut self.partial_head).freeze()
        };
        if interim {
            self.interim_unread = self.interim_unread.saturating_add(1);
            if self.interim_unread > MAX_UNREAD_INTERIM {
                return Err(Violation::InterimFlood);
            }
        }
        self.queue.push_back(Incoming::Head { head, interim });
        if !interim {
            self.state = State::Content;
        }
        if flags.has(Flags::END) {
            self.finish(Bytes::new());
        }
        Ok(true)
    }

    pub(crate) fn on_data(&mut self, content: Bytes) -> Result<(), Violation> {
        match self.state {
            State::Head => return Err(Violation::DataBeforeHead),
            State::Finished => return Err(Violation::AfterFinish),
            State::Reset => return Ok(()),
            State::Content => {}
        }
        self.allowance =
            self.allowance.checked_sub(content.len()).ok_or(Violation::BeyondCredit)?;
        self.received = self.received.saturating_add(content.len() as u64);
        self.queued = self.queued.saturating_add(content.len());
        match self.queue.back_mut() {
            // The reader lags: own the bytes, for a small slice would keep its whole message alive and a
            // peer that mixes streams could pin many times the credit.
            Some(Incoming::Data(last)) if content.len() < MAX_PAYLOAD => {
                if last.len().saturating_add(content.len()) <= MAX_PAYLOAD {
                    let mut joined = std::mem::take(last).try_into_mut().unwrap_or_else(|shared| {
                        let mut owned = BytesMut::with_capacity(MAX_PAYLOAD);
                        owned.extend_from_slice(&shared);
                        owned
                    });
                    joined.extend_from_slice(&content);
                    *last = joined.freeze();
                } else {
                    self.queue.push_back(Incoming::Data(Bytes::copy_from_slice(&content)));
                }
            }
            _ => self.queue.push_back(Incoming::Data(content)),
        }
        Ok(())
    }

    pub(crate) fn on_finish(&mut self, total: u64, trailers: Bytes) -> Result<(), Violation> {
        match self.state {
            State::Head => Err(Violation::DataBeforeHead),
            State::Finished => Err(Violation::AfterFinish),
            State::Reset => Ok(()),
            State::Content if total != self.received => Err(Violation::WrongTotal),
            State::Content => {
                self.finish(trailers);
                Ok(())
            }
        }
    }

    fn finish(&mut self, trailers: Bytes) {
        self.state = State::Finished;
        self.queue.push_back(Incoming::Finish { trailers });
    }

    /// The peer ends the stream. What came before stays readable, and a direction that was finished has
    /// nothing to add.
    pub(crate) fn on_reset(&mut self, code: ResetCode) {
        if matches!(self.state, State::Finished | State::Reset) {
            return;
        }
        self.state = State::Reset;
        self.partial_head = BytesMut::new();
        self.queue.push_back(Incoming::Reset(code));
    }

    /// The user takes no more: nothing stays queued.
    pub(crate) fn abandon(&mut self) {
        self.queue.clear();
        self.queued = 0;
        self.partial_head = BytesMut::new();
        if self.state != State::Finished {
            self.state = State::Reset;
        }
    }

    /// The next item, and whether CREDIT is due now.
    pub(crate) fn read(&mut self) -> (Option<Incoming>, bool) {
        let item = self.queue.pop_front();
        match &item {
            Some(Incoming::Data(content)) => {
                self.queued = self.queued.saturating_sub(content.len());
                let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
                self.unreturned = self.unreturned.saturating_add(length);
            }
            Some(Incoming::Head { interim: true, .. }) => {
                self.interim_unread = self.interim_unread.saturating_sub(1);
            }
            None => self.notified = false,
            _ => {}
        }
        (item, self.state == State::Content && self.unreturned >= self.window / 2)
    }

    /// The credit to give back. The window is widened from `budget` when the reader keeps up with the
    /// carrier and the window, not the reader, is what holds the content back: it should cover two round
    /// trips of what was read. A wider one would only fill queues on the way, ahead of small exchanges; a
    /// stream that has the carrier to itself may do so, until another one is active.
    pub(crate) fn take_credit(
        &mut self,
        config: &Config,
        budget: &mut usize,
        traffic: &Traffic,
    ) -> Option<u32> {
        if self.state != State::Content || self.unreturned == 0 {
            return None;
        }
        let needed = self.needed(traffic).min(config.max_window.max(INITIAL_CREDIT));
        let read = std::mem::take(&mut self.unreturned);
        let credit = if self.window < needed && self.queue.is_empty() {
            let wanted = self.window.min(config.max_window.saturating_sub(self.window));
            let growth = if wanted as usize <= *budget { wanted } else { 0 };
            *budget = budget.saturating_sub(growth as usize);
            self.window = self.window.saturating_add(growth);
            read.saturating_add(growth)
        } else if self.alone == 0 {
            // Others are active: the excess goes, but not all at once, for measurements vary.
            let excess = self.window.saturating_sub(needed).min(read / 2);
            *budget = budget.saturating_add(excess as usize);
            self.window = self.window.saturating_sub(excess);
            read.saturating_sub(excess)
        } else {
            read
        };
        self.allowance = self.allowance.saturating_add(credit as usize);
        Some(credit)
    }

    /// The window that does not hold content back, given what was read since this was asked last.
    fn needed(&mut self, traffic: &Traffic) -> u32 {
        let others = traffic.frames.saturating_sub(self.frames);
        self.alone = if std::mem::replace(&mut self.others, others) == others {
            self.alone.saturating_add(u64::from(self.unreturned))
        } else {
            0
        };
        let least = if self.alone >= LONE_AFTER { LONE_WINDOW } else { INITIAL_CREDIT };
        let since = self.credited.replace(traffic.now);
        let (Some(since), Some(round_trip)) = (since, traffic.round_trip) else {
            return self.window.saturating_mul(2);
        };
        let read_in = traffic.now.saturating_duration_since(since).as_nanos().max(1);
        let twice = u128::from(self.unreturned).saturating_mul(2);
        let bytes = twice.saturating_mul(round_trip.as_nanos()).checked_div(read_in).unwrap_or(0);
        u32::try_from(bytes).unwrap_or(u32::MAX).max(least)
    }

    /// What the window took from the growth budget; given back when the stream ends.
    pub(crate) fn grown(&self) -> usize {
        self.window.saturating_sub(INITIAL_CREDIT) as usize
    }

    /// Nothing more can arrive.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Finished | State::Reset)
    }

    pub(crate) fn has_unread(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Panics when two fields contradict each other; for tests and fuzzing.
    pub(crate) fn check_invariants(&self, config: &Config) {
        let queued: usize = self
            .queue
            .iter()
            .map(|item| if let Incoming::Data(content) = item { content.len() } else { 0 })
            .sum();
        assert_eq!(queued, self.queued, "queued content is counted");
        if self.state == State::Content {
            let sum = self.allowance.saturating_add(self.queued);
            assert_eq!(
                sum.saturating_add(self.unreturned as usize),
                self.window as usize,
                "credit is neither lost nor made"
            );
        }
        assert!(self.window <= config.max_window.max(INITIAL_CREDIT));
        assert!(self.partial_head.len() <= config.max_head);
        assert!(self.interim_unread <= MAX_UNREAD_INTERIM);
        let last = self.queue.len().saturating_sub(1);
        for (position, item) in self.queue.iter().enumerate() {
            if matches!(item, Incoming::Finish { .. } | Incoming::Reset(_)) {
                assert_eq!(position, last, "nothing follows an end");
            }
        }
    }
}
