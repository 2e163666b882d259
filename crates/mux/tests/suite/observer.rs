//! Looks at every frame of a simulated carrier: what one honest end may send to another.

use std::collections::BTreeMap;

use wingman_mux::INITIAL_CREDIT;
use wingman_wire::{
    code::ResetCode,
    frame::{Flags, Frame, StreamId},
};

use crate::pair::Side;

/// One direction of one stream, as seen on the carrier.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// A part of a head was sent, and more of it must come first.
    pub(crate) head_goes_on: bool,
    pub(crate) final_head: bool,
    pub(crate) finished: bool,
    pub(crate) reset: Option<ResetCode>,
    /// Content bytes sent.
    pub(crate) content: u64,
    /// Credit that this sender has sent to the other one, beyond the initial one.
    pub(crate) granted: u64,
    /// Credit that has arrived here.
    pub(crate) received_credit: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Observer {
    directions: BTreeMap<(Side, StreamId), Seen>,
    last_opened: u32,
    drained: [bool; 2],
}

impl Observer {
    pub(crate) fn seen(&self, from: Side, id: StreamId) -> Seen {
        self.directions.get(&(from, id)).copied().unwrap_or_default()
    }

    /// `from` sends `frame`.
    pub(crate) fn sent(&mut self, from: Side, frame: &Frame) {
        let id = match frame {
            Frame::Open { stream, flags, .. } => {
                assert_eq!(from, Side::Opener, "only one side opens");
                if !self.seen(from, *stream).head_goes_on {
                    assert!(stream.0 > self.last_opened, "ids rise on the carrier");
                    assert!(!stream.0.is_multiple_of(2), "ids of the opener are odd");
                    self.last_opened = stream.0;
                }
                self.head(from, *stream, *flags);
                return;
            }
            Frame::Head { stream, flags, .. } => {
                assert_eq!(from, Side::Acceptor, "only one side answers");
                self.head(from, *stream, *flags);
                return;
            }
            Frame::Drain => {
                assert!(!self.drained[from.index()], "drains once");
                self.drained[from.index()] = true;
                return;
            }
            Frame::Ping(_) | Frame::Pong(_) | Frame::Control(_) => return,
            Frame::Data { stream, .. }
            | Frame::Finish { stream, .. }
            | Frame::Reset { stream, .. }
            | Frame::Credit { stream, .. } => *stream,
        };
        assert!(id.0 <= self.last_opened, "{from:?} sends {frame:?} on a stream never opened");
        let seen = self.directions.entry((from, id)).or_default();
        assert_eq!(seen.reset, None, "{from:?} sends {frame:?} after RESET");
        match frame {
            Frame::Data { content, .. } => {
                assert!(seen.final_head && !seen.finished, "content between head and end");
                seen.content += content.len() as u64;
                let credit = u64::from(INITIAL_CREDIT) + seen.received_credit;
                assert!(seen.content <= credit, "content within the credit that has arrived");
            }
            Frame::Finish { total, .. } => {
                assert!(seen.final_head && !seen.finished, "one end after the head");
                assert_eq!(*total, seen.content, "FINISH counts what was sent");
                seen.finished = true;
            }
            Frame::Reset { code, .. } => {
                if *code == ResetCode::Enough {
                    assert!(seen.finished, "ENOUGH follows a whole response");
                }
                seen.reset = Some(*code);
            }
            Frame::Credit { bytes, .. } => seen.granted += u64::from(*bytes),
            _ => {}
        }
    }

    fn head(&mut self, from: Side, id: StreamId, flags: Flags) {
        assert!(id.0 <= self.last_opened);
        let seen = self.directions.entry((from, id)).or_default();
        assert!(!seen.final_head && !seen.finished, "one final head");
        assert_eq!(seen.reset, None, "a head after RESET");
        seen.head_goes_on = flags.has(Flags::MORE);
        assert!(!(seen.head_goes_on && flags.has(Flags::END)), "END is on the last part");
        if !seen.head_goes_on && !flags.has(Flags::INTERIM) {
            seen.final_head = true;
            seen.finished = flags.has(Flags::END);
        }
    }

    /// `frame` has arrived at `to`.
    pub(crate) fn arrived(&mut self, to: Side, frame: &Frame) {
        if let Frame::Credit { stream, bytes } = frame {
            self.directions.entry((to, *stream)).or_default().received_credit += u64::from(*bytes);
        }
    }
}
