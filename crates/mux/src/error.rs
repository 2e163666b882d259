//! What can be wrong with a carrier, or with a wish to open a stream.

use std::time::Duration;

use wingman_wire::frame::FrameError;

/// A broken rule of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Violation {
    #[error("second final head")]
    SecondHead,
    #[error("head above the limit")]
    HeadTooLarge,
    #[error("interim head with the end flag")]
    EndedInterim,
    #[error("too many interim heads")]
    InterimFlood,
    #[error("content before the head")]
    DataBeforeHead,
    #[error("content beyond the credit given")]
    BeyondCredit,
    #[error("frame after the end")]
    AfterFinish,
    #[error("content length differs from what was sent")]
    WrongTotal,
    #[error("stream opened by the wrong side")]
    WrongSide,
    #[error("frame for a stream that was never opened")]
    NeverOpened,
    #[error("stream ids must rise")]
    IdNotRising,
    #[error("credit beyond all reason")]
    CreditOverflow,
    #[error("peer asks faster than it reads, or than anybody can answer")]
    Flood,
}

/// Why the carrier is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CarrierError {
    /// Bytes that are not frames.
    #[error("malformed message")]
    Frame(#[from] FrameError),
    /// Frames that break a rule.
    #[error("protocol violation")]
    Violation(#[from] Violation),
    /// Nothing was heard for the deadline.
    #[error("peer was silent for {0:?}")]
    Silent(Duration),
}

/// Why a stream cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The limit is reached; try again when one has ended.
    #[error("too many exchanges at once")]
    TooMany,
    /// The peer drains.
    #[error("peer takes no more exchanges")]
    Draining,
    /// The head is above the limit.
    #[error("request head is too large")]
    TooLarge,
    /// All 2^31 ids are used: the carrier must be replaced.
    #[error("stream ids are used up")]
    Exhausted,
}
