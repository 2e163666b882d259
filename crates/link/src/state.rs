//! The shared state of a carrier and the handle to it.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::Arc,
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use wingman_mux::{CarrierError, Config, Event, Mux, OpenError, SendError};
use wingman_wire::{code::CloseCode, frame::StreamId};

use crate::{driver::Wakers, exchange::Exchange};

/// Control messages that may wait for their reader; more is a peer that floods.
#[derive(Clone, Copy, Debug)]
pub struct ControlLimit {
    /// How many.
    pub messages: usize,
    /// Their bytes in all.
    pub bytes: usize,
}

impl ControlLimit {
    /// Of a host's link. After a stall of the network a host gets at once what all its visitors have signaled
    /// meanwhile: the edge's budget for that stays below.
    pub const LINK: Self = Self { messages: 4096, bytes: 2 * 1024 * 1024 };

    /// Of a carrier that has none.
    pub const NONE: Self = Self { messages: 0, bytes: 0 };
}

/// Why a carrier is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// This end closed it.
    #[error("closed by us ({0:?})")]
    Locally(CloseCode),
    /// The peer closed it with a code of ours.
    #[error("closed by the peer ({code:?}: {reason})")]
    ByPeer {
        /// Why.
        code: CloseCode,
        /// The peer's words.
        reason: String,
    },
    /// The connection ended without a word, or broke.
    #[error("connection lost: {0}")]
    Lost(String),
    /// The peer broke the protocol or fell silent.
    #[error(transparent)]
    Carrier(#[from] CarrierError),
    /// The peer sent more control messages than anybody reads.
    #[error("flood of control messages")]
    Flood,
}

/// Why an exchange could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkOpenError {
    /// The carrier is up but takes no such exchange.
    #[error(transparent)]
    Refused(#[from] OpenError),
    /// The carrier is over.
    #[error("link is closed")]
    Closed,
}

/// Why something could not be sent on an exchange.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkSendError {
    /// The stream does not take it.
    #[error(transparent)]
    Stream(#[from] SendError),
    /// The carrier is over.
    #[error("link is closed")]
    Closed,
}

/// Figures of a carrier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Exchanges that are not over.
    pub streams: usize,
    /// The last measured round trip.
    pub round_trip: Option<Duration>,
    /// Bytes of messages sent so far, without WebSocket framing.
    pub sent: u64,
    /// Bytes of messages received so far.
    pub received: u64,
}

#[derive(Default)]
pub(crate) struct Slot {
    pub(crate) read: Option<Waker>,
    pub(crate) write: Option<Waker>,
    pub(crate) reset: Option<Waker>,
}

impl Slot {
    fn take_all(&mut self) -> impl Iterator<Item = Waker> {
        [self.read.take(), self.write.take(), self.reset.take()].into_iter().flatten()
    }
}

pub(crate) struct State {
    pub(crate) mux: Mux,
    pub(crate) slots: FxHashMap<StreamId, Slot>,
    pub(crate) driver: Option<Waker>,
    /// What the owner wants the driver to close with.
    pub(crate) close: Option<(CloseCode, String)>,
    /// Of a driver whose socket takes nothing: only `close` is of interest to it.
    pub(crate) closer: Option<Waker>,
    pub(crate) closed: Option<Closed>,
    accepted: VecDeque<StreamId>,
    control: VecDeque<Bytes>,
    control_bytes: usize,
    control_limit: ControlLimit,
    /// Tasks in [`Link::accept`], [`Link::control`] and [`Link::closed`].
    waiting: Vec<Waker>,
    round_trip: Option<Duration>,
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

impl State {
    /// Distributes the mux's events; the wakers in `wake` are to be woken without the lock.
    pub(crate) fn dispatch(&mut self, wake: &mut Wakers) -> Result<(), Closed> {
        while let Some(event) = self.mux.poll_event() {
            match event {
                Event::Readable(id) => {
                    wake.extend(self.slots.get_mut(&id).and_then(|slot| slot.read.take()));
                }
                Event::Writable(id) => {
                    wake.extend(self.slots.get_mut(&id).and_then(|slot| slot.write.take()));
                }
                Event::Reset(id) => {
                    wake.extend(self.slots.get_mut(&id).into_iter().flat_map(Slot::take_all));
                }
                Event::Accepted(id) => {
                    self.accepted.push_back(id);
                    wake.extend(self.waiting.drain(..));
                }
                Event::Control(json) => {
                    self.control_bytes += json.len();
                    let limit = self.control_limit;
                    if self.control.len() >= limit.messages || self.control_bytes > limit.bytes {
                        return Err(Closed::Flood);
                    }
                    self.control.push_back(json);
                    wake.extend(self.waiting.drain(..));
                }
                Event::Drained => wake.extend(self.waiting.drain(..)),
                Event::RoundTrip(round_trip) => self.round_trip = Some(round_trip),
            }
        }
        Ok(())
    }

    fn wait<T>(&mut self, waker: &Waker) -> Poll<T> {
        if !self.waiting.iter().any(|known| known.will_wake(waker)) {
            self.waiting.push(waker.clone());
        }
        Poll::Pending
    }
}

/// A handle to a carrier; clones are the same carrier.
#[derive(Clone)]
pub struct Link(pub(crate) Arc<Mutex<State>>);

impl std::fmt::Debug for Link {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Link {
    /// A host's link without its socket: give it to [`crate::drive`] or a [`crate::Driver`].
    pub fn new(config: Config) -> Self {
        Self::with_control(config, ControlLimit::LINK)
    }

    /// A carrier of another kind.
    pub fn with_control(config: Config, control_limit: ControlLimit) -> Self {
        Self(Arc::new(Mutex::new(State {
            mux: Mux::new(config, Instant::now()),
            slots: FxHashMap::default(),
            driver: None,
            close: None,
            closer: None,
            closed: None,
            accepted: VecDeque::new(),
            control: VecDeque::new(),
            control_bytes: 0,
            control_limit,
            waiting: Vec::new(),
            round_trip: None,
            sent: 0,
            received: 0,
        })))
    }

    /// Whether two handles are of the same carrier.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Opens an exchange by an encoded request head; `end`: there is no content.
    ///
    /// # Errors
    /// [`LinkOpenError`]; nothing was sent, the request can safely go elsewhere.
    pub fn open(&self, head: Bytes, end: bool) -> Result<Exchange, LinkOpenError> {
        let mut state = self.0.lock();
        if state.closed.is_some() || state.close.is_some() {
            return Err(LinkOpenError::Closed);
        }
        let id = state.mux.open(head, end)?;
        state.slots.insert(id, Slot::default());
        let driver = state.driver.take();
        drop(state);
        wake(driver);
        Ok(Exchange::new(self.clone(), id))
    }

    /// The next exchange that the peer opens; `None` when the carrier is over.
    pub async fn accept(&self) -> Option<Exchange> {
        poll_fn(|context| {
            let mut state = self.0.lock();
            if let Some(id) = state.accepted.pop_front() {
                state.slots.insert(id, Slot::default());
                return Poll::Ready(Some(Exchange::new(self.clone(), id)));
            }
            if state.closed.is_some() {
                return Poll::Ready(None);
            }
            state.wait(context.waker())
        })
        .await
    }

    /// The next control message; `None` when the carrier is over.
    pub async fn control(&self) -> Option<Bytes> {
        poll_fn(|context| {
            let mut state = self.0.lock();
            if let Some(json) = state.control.pop_front() {
                state.control_bytes -= json.len();
                return Poll::Ready(Some(json));
            }
            if state.closed.is_some() {
                return Poll::Ready(None);
            }
            state.wait(context.waker())
        })
        .await
    }

    /// Why the carrier is over, once it is.
    pub async fn closed(&self) -> Closed {
        poll_fn(|context| {
            let mut state = self.0.lock();
            if let Some(closed) = state.closed.clone() {
                return Poll::Ready(closed);
            }
            state.wait(context.waker())
        })
        .await
    }

    /// Sends an encoded control message; see [`wingman_wire::control::encode`].
    pub fn send_control(&self, json: Vec<u8>) {
        self.poke(|state| state.mux.send_control(json.into()));
    }

    /// Takes no more exchanges from now on (acceptor) and tells the peer; running ones go on.
    pub fn drain(&self) {
        self.poke(|state| state.mux.drain());
    }

    /// Asks the peer for a sign of life now.
    pub fn ping(&self) {
        self.poke(|state| state.mux.ping());
    }

    /// Ends the carrier: what waits is flushed, then the socket closes and every exchange ends.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.poke(|state| {
            state.close.get_or_insert_with(|| (code, reason.to_owned()));
        });
        let closer = self.0.lock().closer.take();
        wake(closer);
    }

    /// How many exchanges the peer takes at once.
    pub fn set_max_exchanges(&self, max: usize) {
        self.0.lock().mux.set_max_streams(max);
    }

    /// Whether new exchanges can be opened.
    pub fn is_open(&self) -> bool {
        let state = self.0.lock();
        state.closed.is_none() && state.close.is_none() && !state.mux.peer_drains()
    }

    /// Figures.
    pub fn stats(&self) -> Stats {
        let state = self.0.lock();
        Stats {
            streams: state.mux.streams(),
            round_trip: state.round_trip,
            sent: state.sent,
            received: state.received,
        }
    }

    fn poke(&self, act: impl FnOnce(&mut State)) {
        let mut state = self.0.lock();
        act(&mut state);
        let driver = state.driver.take();
        drop(state);
        wake(driver);
    }

    /// Ends everything that hangs on the carrier.
    pub(crate) fn finish(&self, closed: Closed) {
        let mut state = self.0.lock();
        state.closed = Some(closed);
        let mut wakers = std::mem::take(&mut state.waiting);
        for slot in state.slots.values_mut() {
            wakers.extend(slot.take_all());
        }
        // Exchanges that nobody has accepted yet have no handle that would let go of them.
        for id in std::mem::take(&mut state.accepted) {
            state.mux.release(id, wingman_wire::code::ResetCode::Cancelled);
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}

pub(crate) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
