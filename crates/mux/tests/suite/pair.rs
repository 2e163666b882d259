//! Two multiplexers and the carrier between them, in virtual time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use wingman_mux::{CarrierError, Config, Event, Incoming, Mux, Role};
use wingman_wire::frame::{Frame, HEADER_LEN, MAX_MESSAGE, StreamId};

use crate::observer::Observer;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Opener,
    Acceptor,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Opener, Self::Acceptor];

    pub(crate) fn index(self) -> usize {
        self as usize
    }

    pub(crate) fn other(self) -> Self {
        if self == Self::Opener { Self::Acceptor } else { Self::Opener }
    }
}

/// Time zero of all tests; only differences matter.
pub(crate) fn base() -> Instant {
    #[allow(clippy::disallowed_methods, reason = "an Instant can be had in no other way")]
    Instant::now()
}

pub(crate) struct Pair {
    base: Instant,
    /// Virtual time since the beginning.
    pub(crate) now: Duration,
    muxes: [Mux; 2],
    /// Messages under way *to* a side, with the time of their arrival.
    wires: [VecDeque<(Duration, Bytes)>; 2],
    /// How long a message to a side is under way.
    pub(crate) delay: [Duration; 2],
    /// Each message carries one frame.
    pub(crate) split: bool,
    pub(crate) observer: Observer,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::with(Config::new(Role::Opener), Config::new(Role::Acceptor))
    }

    pub(crate) fn with(opener: Config, acceptor: Config) -> Self {
        let base = base();
        Self {
            base,
            now: Duration::ZERO,
            muxes: [Mux::new(opener, base), Mux::new(acceptor, base)],
            wires: [VecDeque::new(), VecDeque::new()],
            delay: [Duration::ZERO; 2],
            split: false,
            observer: Observer::default(),
        }
    }

    pub(crate) fn instant(&self) -> Instant {
        self.base + self.now
    }

    pub(crate) fn mux(&mut self, side: Side) -> &mut Mux {
        &mut self.muxes[side.index()]
    }

    pub(crate) fn opener(&mut self) -> &mut Mux {
        self.mux(Side::Opener)
    }

    pub(crate) fn acceptor(&mut self) -> &mut Mux {
        self.mux(Side::Acceptor)
    }

    /// Sends one message of at most `limit` bytes and returns its frames; `None`: nothing to send.
    pub(crate) fn transmit(&mut self, from: Side, limit: usize) -> Option<Vec<Frame>> {
        let now = self.instant();
        let mux = self.mux(from);
        let mut out = BytesMut::new();
        let wrote = mux.poll_transmit(now, &mut out, limit);
        mux.check_invariants();
        assert_eq!(wrote, !out.is_empty(), "poll_transmit tells whether it wrote");
        if !wrote {
            assert!(!mux.has_output(), "what has output writes");
            return None;
        }
        // Heartbeat and DRAIN come first and are not held back by a limit.
        assert!(out.len() <= limit.max(3 * (HEADER_LEN + 8)), "{} of {limit}", out.len());
        let message = out.freeze();
        let mut frames = Vec::new();
        let mut rest = message.clone();
        let arrival = self.now + self.delay[from.other().index()];
        let wire = &mut self.wires[from.other().index()];
        loop {
            let before = rest.clone();
            let Some(frame) = Frame::take(&mut rest).expect("what we send is well-formed") else {
                break;
            };
            self.observer.sent(from, &frame);
            if self.split {
                wire.push_back((arrival, before.slice(..before.len() - rest.len())));
            }
            frames.push(frame);
        }
        if !self.split {
            wire.push_back((arrival, message));
        }
        Some(frames)
    }

    /// Hands the next message to `to` if one has arrived.
    pub(crate) fn deliver(&mut self, to: Side) -> Result<bool, CarrierError> {
        match self.wires[to.index()].front() {
            Some((arrival, _)) if *arrival <= self.now => {}
            _ => return Ok(false),
        }
        let (_, message) = self.wires[to.index()].pop_front().expect("looked at above");
        let mut rest = message.clone();
        while let Ok(Some(frame)) = Frame::take(&mut rest) {
            self.observer.arrived(to, &frame);
        }
        let now = self.instant();
        self.mux(to).handle_message(now, message)?;
        self.mux(to).check_invariants();
        Ok(true)
    }

    /// Sends and delivers until nothing is left to do at this moment.
    pub(crate) fn settle(&mut self) -> Result<(), CarrierError> {
        loop {
            let mut busy = false;
            for side in Side::BOTH {
                while self.transmit(side, MAX_MESSAGE).is_some() {
                    busy = true;
                }
                while self.deliver(side)? {
                    busy = true;
                }
            }
            if !busy {
                return Ok(());
            }
        }
    }

    /// When the next message arrives, unless nothing is under way.
    pub(crate) fn next_arrival(&self) -> Option<Duration> {
        self.wires.iter().filter_map(|wire| wire.front()).map(|(at, _)| *at).min()
    }

    /// The next moment at which something happens by itself.
    fn next_moment(&self) -> Duration {
        let arrivals = self.next_arrival().into_iter();
        let timeouts =
            self.muxes.iter().map(|mux| mux.poll_timeout().saturating_duration_since(self.base));
        arrivals.chain(timeouts).min().unwrap_or(self.now).max(self.now)
    }

    /// Lets time pass: messages first, then timers, as the documentation asks.
    pub(crate) fn advance(&mut self, by: Duration) -> Result<(), CarrierError> {
        let end = self.now + by;
        loop {
            self.settle()?;
            let now = self.instant();
            for side in Side::BOTH {
                self.mux(side).handle_timeout(now)?;
                self.mux(side).check_invariants();
            }
            self.settle()?;
            if self.now == end {
                return Ok(());
            }
            let next = self.next_moment();
            assert!(next > self.now, "what is due is done");
            self.now = next.min(end);
        }
    }

    /// What waits to be handed out.
    pub(crate) fn events(&mut self, side: Side) -> Vec<Event> {
        std::iter::from_fn(|| self.mux(side).poll_event()).collect()
    }

    /// Everything that can be read now.
    pub(crate) fn read_all(&mut self, side: Side, id: StreamId) -> Vec<Incoming> {
        let items = std::iter::from_fn(|| self.mux(side).read(id)).collect();
        self.mux(side).check_invariants();
        items
    }

    /// Opens a stream that both ends know.
    pub(crate) fn open(&mut self, end: bool) -> StreamId {
        let id = self.opener().open(Bytes::from_static(b"request"), end).expect("below the limit");
        self.settle().expect("honest");
        assert!(self.events(Side::Acceptor).contains(&Event::Accepted(id)));
        id
    }

    /// No stream is left anywhere and nothing waits.
    pub(crate) fn assert_quiet(&mut self) {
        self.settle().expect("honest");
        for side in Side::BOTH {
            let mux = self.mux(side);
            mux.check_invariants();
            assert_eq!(mux.streams(), 0, "{side:?} has forgotten every stream");
            assert!(!mux.has_output(), "{side:?} has nothing to send");
        }
    }
}

/// A whole head, as it is read.
pub(crate) fn head(text: &'static str) -> Incoming {
    Incoming::Head { head: Bytes::from_static(text.as_bytes()), interim: false }
}

/// A clean end without trailers, as it is read.
pub(crate) fn finish() -> Incoming {
    Incoming::Finish { trailers: Bytes::new() }
}

/// Content bytes in what was read.
pub(crate) fn content_length(items: &[Incoming]) -> usize {
    items.iter().map(|item| if let Incoming::Data(data) = item { data.len() } else { 0 }).sum()
}
