//! The sending half of a stream: what waits for its turn, and how much more may be queued.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use wingman_wire::{
    code::ResetCode,
    frame::{self, Flags, FrameType, HEADER_LEN, MAX_PAYLOAD, StreamId},
};

use crate::config::{Config, INITIAL_CREDIT};

/// Why something cannot be sent on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The stream was reset, by either end.
    #[error("stream was reset: {0:?}")]
    Reset(ResetCode),
    /// The head is missing, is there already, or the direction is finished: a fault of the caller.
    #[error("not allowed in this state of the stream")]
    State,
    /// Head or trailers above the limit.
    #[error("head or trailers are too large")]
    TooLarge,
    /// No such stream (any more).
    #[error("no such stream")]
    Unknown,
}

#[derive(Debug)]
enum Piece {
    Head {
        kind: FrameType,
        head: Bytes,
        interim: bool,
        end: bool,
    },
    Data(Bytes),
    Finish {
        trailers: Bytes,
    },
    /// The end of the stream, after everything queued before it.
    Reset(ResetCode),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No final head yet.
    Head,
    /// Content may be queued.
    Content,
    /// The end is queued.
    Ending,
    /// The end was transmitted.
    Ended,
    /// Reset by either end.
    Reset(ResetCode),
}

#[derive(Debug)]
pub(crate) struct Send {
    state: State,
    queue: VecDeque<Piece>,
    /// Bytes of heads and content in `queue`.
    queued: usize,
    /// Content bytes that the peer still takes; those in `queue` are already taken off.
    credit: u64,
    /// Content bytes accepted from the user.
    accepted: u64,
    /// Bytes handed to the carrier.
    pub(crate) transmitted: u64,
    /// The user was told to wait.
    pub(crate) blocked: bool,
    /// In one of the rounds of the schedule.
    pub(crate) scheduled: bool,
}

/// What a turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Something is left: another turn, please.
    More,
    /// The message has no room even for the next piece.
    Full,
    /// Nothing is left.
    Empty,
}

impl Send {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Head,
            queue: VecDeque::new(),
            queued: 0,
            credit: u64::from(INITIAL_CREDIT),
            accepted: 0,
            transmitted: 0,
            blocked: false,
            scheduled: false,
        }
    }

    pub(crate) fn head(
        &mut self,
        kind: FrameType,
        head: Bytes,
        interim: bool,
        end: bool,
        config: &Config,
    ) -> Result<(), SendError> {
        self.expect(State::Head)?;
        if head.len() > if interim { MAX_PAYLOAD } else { config.max_head } {
            return Err(SendError::TooLarge);
        }
        self.queued = self.queued.saturating_add(head.len());
        self.queue.push_back(Piece::Head { kind, head, interim, end });
        if !interim {
            self.state = if end { State::Ending } else { State::Content };
        }
        Ok(())
    }

    /// Takes as much off the front of `content` as credit and bounds allow; 0 means: wait.
    pub(crate) fn data(
        &mut self,
        content: &mut Bytes,
        queued_by_all: usize,
        config: &Config,
    ) -> Result<usize, SendError> {
        self.expect(State::Content)?;
        let bound =
            if queued_by_all < config.send_bound { config.stream_send_bound } else { MAX_PAYLOAD };
        let room = bound.saturating_sub(self.queued);
        let credit = usize::try_from(self.credit).unwrap_or(usize::MAX);
        let taken = content.len().min(room).min(credit);
        if taken > 0 {
            self.queue.push_back(Piece::Data(content.split_to(taken)));
            self.queued = self.queued.saturating_add(taken);
            self.credit = self.credit.saturating_sub(taken as u64);
            self.accepted = self.accepted.saturating_add(taken as u64);
        }
        self.blocked = !content.is_empty();
        Ok(taken)
    }

    pub(crate) fn finish(&mut self, trailers: Bytes) -> Result<(), SendError> {
        self.expect(State::Content)?;
        if trailers.len() > frame::MAX_TRAILERS {
            return Err(SendError::TooLarge);
        }
        self.queue.push_back(Piece::Finish { trailers });
        self.state = State::Ending;
        Ok(())
    }

    /// Ends the stream behind everything queued: with an error, or because the response is complete and the
    /// rest of the request is not wanted.
    pub(crate) fn reset_behind(&mut self, code: ResetCode) {
        let said = matches!(self.queue.back(), Some(Piece::Reset(_)));
        if !said && !matches!(self.state, State::Reset(_)) {
            self.queue.push_back(Piece::Reset(code));
            self.state = State::Ending;
            self.blocked = false;
        }
    }

    pub(crate) fn reset(&mut self, code: ResetCode) {
        if !matches!(self.state, State::Reset(_)) {
            self.state = State::Reset(code);
        }
        self.queue.clear();
        self.queued = 0;
        self.blocked = false;
    }

    /// Its OPEN still waits: the peer has never heard of the stream, and a RESET would be a violation.
    pub(crate) fn is_unopened(&self) -> bool {
        self.transmitted == 0
            && matches!(self.queue.front(), Some(Piece::Head { kind: FrameType::Open, .. }))
    }

    pub(crate) fn reset_code(&self) -> Option<ResetCode> {
        if let State::Reset(code) = self.state { Some(code) } else { None }
    }

    /// Adds credit; `false` when the sum cannot be right.
    pub(crate) fn add_credit(&mut self, bytes: u32) -> bool {
        self.credit = self.credit.saturating_add(u64::from(bytes));
        self.credit <= u64::from(u32::MAX)
    }

    /// Whether a user that was told to wait may try again: half of its bound is free, so that it is not
    /// woken for crumbs.
    pub(crate) fn take_wakeup(&mut self, config: &Config) -> bool {
        let may = self.blocked && self.credit > 0 && self.queued <= config.stream_send_bound / 2;
        if may {
            self.blocked = false;
        }
        may
    }

    /// Writes frames up to one payload's worth, within `limit` bytes of `out`.
    pub(crate) fn transmit(&mut self, stream: StreamId, out: &mut BytesMut, limit: usize) -> Turn {
        let mut quantum = MAX_PAYLOAD;
        while let Some(piece) = self.queue.front_mut() {
            if quantum == 0 {
                return Turn::More;
            }
            let Some(room) = limit.checked_sub(out.len().saturating_add(HEADER_LEN)) else {
                return Turn::Full;
            };
            let wrote = match piece {
                Piece::Head { kind, head, interim, end } => {
                    let length = head.len().min(MAX_PAYLOAD);
                    if length > room {
                        return Turn::Full;
                    }
                    let part = head.split_to(length);
                    let more = !head.is_empty();
                    let mut flags = 0;
                    if more {
                        flags |= Flags::MORE;
                    }
                    if *interim {
                        flags |= Flags::INTERIM;
                    }
                    if *end && !more {
                        flags |= Flags::END;
                    }
                    frame::put_header(out, stream, *kind, Flags(flags), length);
                    out.extend_from_slice(&part);
                    if !more {
                        if *end {
                            self.state = State::Ended;
                        }
                        self.queue.pop_front();
                    }
                    length
                }
                Piece::Data(content) => {
                    let length = content.len().min(quantum).min(room);
                    // A cut for want of room must be worth its header.
                    if length < content.len().min(quantum) && length < 1024 {
                        return Turn::Full;
                    }
                    frame::put_data(out, stream, &content.split_to(length));
                    if content.is_empty() {
                        self.queue.pop_front();
                    }
                    length
                }
                Piece::Finish { trailers } => {
                    if trailers.len().saturating_add(8) > room {
                        return Turn::Full;
                    }
                    frame::put_finish(out, stream, self.accepted, trailers);
                    self.state = State::Ended;
                    self.queue.pop_front();
                    0
                }
                Piece::Reset(code) => {
                    if room < 2 {
                        return Turn::Full;
                    }
                    let code = *code;
                    frame::Frame::Reset { stream, code }.put(out);
                    self.state = State::Reset(code);
                    self.queue.pop_front();
                    0
                }
            };
            self.queued = self.queued.saturating_sub(wrote);
            self.transmitted = self.transmitted.saturating_add(wrote as u64);
            quantum = quantum.saturating_sub(wrote.max(1));
        }
        Turn::Empty
    }

    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    pub(crate) fn has_output(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Nothing more will be sent.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Ended | State::Reset(_)) && self.queue.is_empty()
    }

    /// The end is queued or sent: the user has said all it has to say.
    pub(crate) fn is_ending(&self) -> bool {
        matches!(self.state, State::Ending | State::Ended)
    }

    fn expect(&self, state: State) -> Result<(), SendError> {
        match self.state {
            State::Reset(code) => Err(SendError::Reset(code)),
            current if current == state => Ok(()),
            _ => Err(SendError::State),
        }
    }

    /// Panics when two fields contradict each other; for tests and fuzzing.
    pub(crate) fn check_invariants(&self, config: &Config) {
        let queued: usize = self
            .queue
            .iter()
            .map(|piece| match piece {
                Piece::Head { head, .. } => head.len(),
                Piece::Data(content) => content.len(),
                Piece::Finish { .. } | Piece::Reset(_) => 0,
            })
            .sum();
        assert_eq!(queued, self.queued, "queued bytes are counted");
        let content: u64 = self
            .queue
            .iter()
            .map(|piece| if let Piece::Data(content) = piece { content.len() as u64 } else { 0 })
            .sum();
        assert!(content <= self.accepted);
        assert!(content <= config.stream_send_bound.max(MAX_PAYLOAD) as u64, "bounded");
        assert!(self.scheduled || self.queue.is_empty(), "what waits has a turn to come");
        if matches!(self.state, State::Ended | State::Reset(_)) {
            assert!(self.queue.is_empty(), "nothing is sent after an end");
        }
    }
}
