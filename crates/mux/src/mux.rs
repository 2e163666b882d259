//! The multiplexer itself: streams of one carrier and what belongs to the carrier.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use rustc_hash::FxHashMap;
use wingman_wire::{
    code::ResetCode,
    frame::{Flags, Frame, FrameType, HEADER_LEN, MAX_PAYLOAD, StreamId},
};

use crate::{
    config::{Config, Role},
    error::{CarrierError, OpenError, Violation},
    heartbeat::Heartbeat,
    opens::Opens,
    receive::{Incoming, Receive, Traffic},
    schedule::Schedule,
    send::{Send, SendError, Turn},
};

/// Frames of the carrier (resets, control messages) that may wait; more is a peer that makes us answer
/// faster than it reads.
const MAX_WAITING: usize = 4096;

/// What the owner of a [`Mux`] must pass on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer opened a stream; its head can be read.
    Accepted(StreamId),
    /// There is something to read. Not repeated until [`Mux::read`] has returned `None`.
    Readable(StreamId),
    /// A user that was told to wait may send.
    Writable(StreamId),
    /// The peer reset the stream: whatever waits on it is to look again.
    Reset(StreamId),
    /// A control message.
    Control(Bytes),
    /// The peer takes no more streams.
    Drained,
    /// A measured round trip.
    RoundTrip(Duration),
}

#[derive(Debug)]
struct Stream {
    receive: Receive,
    send: Send,
    /// Nobody uses it: the user let go of it (it lingers until its end is transmitted), or its head has
    /// not come in full and it was not yet handed out.
    released: bool,
    /// In `credit_due`.
    credit_due: bool,
}

/// One end of a carrier. See the crate's documentation for how to drive it.
#[derive(Debug)]
pub struct Mux {
    config: Config,
    streams: FxHashMap<StreamId, Stream>,
    opens: Opens,
    /// Opener: the next id to use. Acceptor: the lowest id the peer may use.
    next_id: u32,
    schedule: Schedule,
    /// Bytes of all streams that wait for a turn.
    queued: usize,
    credit_due: Vec<StreamId>,
    waiting: VecDeque<Frame>,
    events: VecDeque<Event>,
    heartbeat: Heartbeat,
    growth_left: usize,
    /// Frames that have arrived on all streams.
    frames: u64,
    /// The shortest one measured: later ones may have waited in queues.
    round_trip: Option<Duration>,
    peer_drains: bool,
    drain: Drain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drain {
    No,
    Due,
    Sent,
}

impl Mux {
    /// A fresh carrier.
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            config,
            streams: FxHashMap::default(),
            opens: Opens::new(config.max_opened_per_second, now),
            next_id: 1,
            schedule: Schedule::default(),
            queued: 0,
            credit_due: Vec::new(),
            waiting: VecDeque::new(),
            events: VecDeque::new(),
            heartbeat: Heartbeat::new(config.heartbeat, now),
            growth_left: config.growth_budget,
            frames: 0,
            round_trip: None,
            peer_drains: false,
            drain: Drain::No,
        }
    }

    /// Lowers or raises the limit of streams at once: the host says how many it takes.
    pub fn set_max_streams(&mut self, max: usize) {
        self.config.max_streams = max;
    }

    /// Streams that are not over.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Whether the peer has said that it takes no more streams.
    pub fn peer_drains(&self) -> bool {
        self.peer_drains
    }

    /// Opens a stream by an encoded request head; `end`: there is no content.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was sent.
    pub fn open(&mut self, head: Bytes, end: bool) -> Result<StreamId, OpenError> {
        if self.peer_drains || self.drain != Drain::No {
            return Err(OpenError::Draining);
        }
        if self.streams.len() >= self.config.max_streams {
            return Err(OpenError::TooMany);
        }
        let id = StreamId(self.next_id);
        let next = self.next_id.checked_add(2).ok_or(OpenError::Exhausted)?;
        let mut stream = Stream::new();
        stream
            .send
            .head(FrameType::Open, head, false, end, &self.config)
            .map_err(|_| OpenError::TooLarge)?;
        self.next_id = next;
        self.queued = self.queued.saturating_add(stream.send.queued());
        stream.send.scheduled = true;
        self.schedule.push(id, 0);
        self.streams.insert(id, stream);
        Ok(id)
    }

    /// Sends an encoded response head; `interim` for 1xx but 101; `end`: there is no content.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn send_head(
        &mut self,
        id: StreamId,
        head: Bytes,
        interim: bool,
        end: bool,
    ) -> Result<(), SendError> {
        let config = self.config;
        self.with_send(id, |send, _| send.head(FrameType::Head, head, interim, end, &config))
    }

    /// Queues content from the front of `content` and returns how much was taken. If some is left, an
    /// [`Event::Writable`] will come.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn send_data(&mut self, id: StreamId, content: &mut Bytes) -> Result<usize, SendError> {
        let config = self.config;
        self.with_send(id, |send, queued| send.data(content, queued, &config))
    }

    /// Ends this direction cleanly; `trailers` are encoded field lines.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn finish(&mut self, id: StreamId, trailers: Bytes) -> Result<(), SendError> {
        self.with_send(id, |send, _| send.finish(trailers))
    }

    fn with_send<T>(
        &mut self,
        id: StreamId,
        act: impl FnOnce(&mut Send, usize) -> Result<T, SendError>,
    ) -> Result<T, SendError> {
        let stream = self.streams.get_mut(&id).ok_or(SendError::Unknown)?;
        let before = stream.send.queued();
        let done = act(&mut stream.send, self.queued);
        self.queued = self.queued.saturating_sub(before).saturating_add(stream.send.queued());
        if stream.send.has_output() && !stream.send.scheduled {
            stream.send.scheduled = true;
            self.schedule.push(id, stream.send.transmitted);
        }
        done
    }

    /// Reads the next item; `None`: wait for [`Event::Readable`].
    pub fn read(&mut self, id: StreamId) -> Option<Incoming> {
        let stream = self.streams.get_mut(&id)?;
        let (item, credit_is_due) = stream.receive.read();
        if credit_is_due && !stream.credit_due {
            stream.credit_due = true;
            self.credit_due.push(id);
        }
        item
    }

    /// Why the stream was reset, by either end; [`ResetCode::Internal`] when it is gone.
    pub fn reset_code(&self, id: StreamId) -> Option<ResetCode> {
        self.streams.get(&id).map_or(Some(ResetCode::Internal), |stream| stream.send.reset_code())
    }

    /// Ends both directions abruptly; what was queued is dropped. The stream stays until
    /// [`Mux::release`].
    pub fn reset(&mut self, id: StreamId, code: ResetCode) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.receive.is_closed() && stream.send.is_closed() {
            return;
        }
        self.queued = self.queued.saturating_sub(stream.send.queued());
        let known_to_peer = !stream.send.is_unopened();
        stream.send.reset(code);
        stream.receive.abandon();
        if known_to_peer {
            self.waiting.push_back(Frame::Reset { stream: id, code });
        }
    }

    /// Ends both directions; what was queued is still sent, then the peer learns `code`: the last words of an
    /// origin that dies belong to the visitor.
    pub fn abort(&mut self, id: StreamId, code: ResetCode) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.receive.is_closed() && stream.send.is_closed() {
            return;
        }
        stream.receive.abandon();
        stream.send.reset_behind(code);
        if stream.send.has_output() && !stream.send.scheduled {
            stream.send.scheduled = true;
            self.schedule.push(id, stream.send.transmitted);
        }
    }

    /// The user lets go. What is left open is cancelled; a response that is complete is still sent whole.
    pub fn release(&mut self, id: StreamId, code: ResetCode) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.released = true;
        if !stream.receive.is_closed() {
            if self.config.role == Role::Acceptor && stream.send.is_ending() {
                self.abort(id, ResetCode::Enough);
            } else {
                self.reset(id, code);
            }
        } else if !stream.send.is_ending() {
            self.reset(id, code);
        } else {
            stream.receive.abandon();
        }
        self.remove_if_over(id);
    }

    /// Queues a control message, which must fit one frame.
    pub fn send_control(&mut self, json: Bytes) {
        self.waiting.push_back(Frame::Control(json));
    }

    /// Tells the peer to open no more streams; running ones go on.
    pub fn drain(&mut self) {
        if self.drain == Drain::No {
            self.drain = Drain::Due;
        }
    }

    /// Takes one carrier message.
    ///
    /// # Errors
    /// [`CarrierError`]: close the carrier; every stream is over.
    pub fn handle_message(&mut self, now: Instant, mut message: Bytes) -> Result<(), CarrierError> {
        self.heartbeat.heard(now);
        while let Some(frame) = Frame::take(&mut message)? {
            self.handle_frame(now, frame)?;
        }
        if self.waiting.len() > MAX_WAITING {
            return Err(Violation::Flood.into());
        }
        Ok(())
    }

    fn handle_frame(&mut self, now: Instant, frame: Frame) -> Result<(), Violation> {
        match frame {
            Frame::Open { stream: id, flags, head } => {
                return self.handle_open(now, id, flags, head);
            }
            Frame::Head { stream: id, flags, head } => {
                if self.config.role == Role::Acceptor {
                    return Err(Violation::WrongSide);
                }
                let config = self.config;
                return self.with_receive(id, |receive| receive.on_head(flags, head, &config));
            }
            Frame::Data { stream: id, content } => {
                return self.with_receive(id, |receive| receive.on_data(content).map(|()| true));
            }
            Frame::Finish { stream: id, total, trailers } => {
                return self
                    .with_receive(id, |receive| receive.on_finish(total, trailers).map(|()| true));
            }
            Frame::Reset { stream: id, code } => {
                let Some(stream) = self.known(id)? else { return Ok(()) };
                let queued = stream.send.queued();
                stream.send.reset(code);
                stream.receive.on_reset(code);
                stream.receive.notified = true;
                let in_use = !stream.released;
                self.queued = self.queued.saturating_sub(queued);
                if in_use {
                    self.events.push_back(Event::Reset(id));
                }
                self.remove_if_over(id);
            }
            Frame::Credit { stream: id, bytes } => {
                let config = self.config;
                let Some(stream) = self.known(id)? else { return Ok(()) };
                if !stream.send.add_credit(bytes) {
                    return Err(Violation::CreditOverflow);
                }
                if stream.send.take_wakeup(&config) {
                    self.events.push_back(Event::Writable(id));
                }
            }
            Frame::Ping(token) => self.heartbeat.on_ping(token),
            Frame::Pong(token) => {
                if let Some(round_trip) = self.heartbeat.on_pong(token, now) {
                    let least = self.round_trip.map_or(round_trip, |least| least.min(round_trip));
                    self.round_trip = Some(least);
                    self.events.push_back(Event::RoundTrip(round_trip));
                }
            }
            Frame::Drain => {
                self.peer_drains = true;
                self.events.push_back(Event::Drained);
            }
            Frame::Control(json) => self.events.push_back(Event::Control(json)),
        }
        Ok(())
    }

    fn handle_open(
        &mut self,
        now: Instant,
        id: StreamId,
        flags: Flags,
        head: Bytes,
    ) -> Result<(), Violation> {
        if self.config.role == Role::Opener || id.0.is_multiple_of(2) {
            return Err(Violation::WrongSide);
        }
        let config = self.config;
        self.frames = self.frames.saturating_add(1);
        if id.0 < self.next_id {
            // The rest of a head in several frames, or of one that was refused.
            return match self.streams.get_mut(&id) {
                None => Ok(()),
                Some(stream) => match stream.receive.on_head(flags, head, &config) {
                    Ok(true) => {
                        stream.released = false;
                        stream.receive.notified = true;
                        self.events.push_back(Event::Accepted(id));
                        Ok(())
                    }
                    Ok(false) => Ok(()),
                    Err(Violation::SecondHead) => Err(Violation::IdNotRising),
                    Err(violation) => Err(violation),
                },
            };
        }
        if !self.opens.take(config.max_opened_per_second, now) {
            return Err(Violation::Flood);
        }
        // The last id has no successor; an opener never uses it.
        self.next_id = id.0.checked_add(2).ok_or(Violation::IdNotRising)?;
        if self.streams.len() >= config.max_streams || self.drain != Drain::No {
            self.waiting.push_back(Frame::Reset { stream: id, code: ResetCode::Refused });
            return Ok(());
        }
        let mut stream = Stream::new();
        let whole = stream.receive.on_head(flags, head, &config)?;
        stream.receive.notified = whole;
        stream.released = !whole;
        self.streams.insert(id, stream);
        if whole {
            self.events.push_back(Event::Accepted(id));
        }
        Ok(())
    }

    fn with_receive(
        &mut self,
        id: StreamId,
        act: impl FnOnce(&mut Receive) -> Result<bool, Violation>,
    ) -> Result<(), Violation> {
        self.frames = self.frames.saturating_add(1);
        let Some(stream) = self.known(id)? else { return Ok(()) };
        stream.receive.frames = stream.receive.frames.saturating_add(1);
        let readable = act(&mut stream.receive)? && stream.receive.has_unread();
        if readable && !std::mem::replace(&mut stream.receive.notified, true) {
            self.events.push_back(Event::Readable(id));
        }
        self.remove_if_over(id);
        Ok(())
    }

    /// The stream; `None` when it is over, an error when it never was.
    fn known(&mut self, id: StreamId) -> Result<Option<&mut Stream>, Violation> {
        if id.0.is_multiple_of(2) {
            return Err(Violation::WrongSide);
        }
        if id.0 >= self.next_id {
            return Err(Violation::NeverOpened);
        }
        Ok(self.streams.get_mut(&id))
    }

    fn remove_if_over(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get(&id) else { return };
        if stream.released && stream.receive.is_closed() && stream.send.is_closed() {
            self.growth_left = self.growth_left.saturating_add(stream.receive.grown());
            self.streams.remove(&id);
            if self.schedule.len() > self.streams.len().saturating_mul(2).saturating_add(64) {
                self.schedule.retain(|id| self.streams.contains_key(&id));
            }
        }
    }

    /// Whether [`Mux::poll_transmit`] would write something.
    pub fn has_output(&self) -> bool {
        !self.schedule.is_empty()
            || !self.waiting.is_empty()
            || !self.credit_due.is_empty()
            || self.heartbeat.has_output()
            || self.drain == Drain::Due
    }

    /// An estimate, in bytes, of what waits to be sent; for the size of a buffer.
    pub fn output_hint(&self) -> usize {
        let frames = self.waiting.len().saturating_add(self.credit_due.len());
        let frames = frames.saturating_add(self.schedule.len().saturating_mul(3)).saturating_add(2);
        self.queued.saturating_add(frames.saturating_mul(HEADER_LEN.saturating_add(8)))
    }

    /// Appends frames to `out`, at most to a length of `limit` (which must hold at least one largest
    /// frame), and returns whether there were any. Call again until it says no.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut BytesMut, limit: usize) -> bool {
        debug_assert!(limit >= MAX_PAYLOAD.saturating_add(HEADER_LEN));
        let before = out.len();
        self.transmit_carrier(now, out, limit);
        while let Some(id) = self.schedule.pop() {
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let (queued, length) = (stream.send.queued(), out.len());
            let turn = stream.send.transmit(id, out, limit);
            let sent = queued.saturating_sub(stream.send.queued());
            self.queued = self.queued.saturating_sub(sent);
            if stream.send.take_wakeup(&self.config) {
                self.events.push_back(Event::Writable(id));
            }
            match turn {
                Turn::More => self.schedule.push(id, stream.send.transmitted),
                Turn::Full => {
                    // A turn that the end of the message cut short is a turn; with the first one of the
                    // next message on top, a stream could have twice its share.
                    if out.len() > length {
                        self.schedule.push(id, stream.send.transmitted);
                    } else {
                        self.schedule.unpop(id, stream.send.transmitted);
                    }
                    break;
                }
                Turn::Empty => {
                    stream.send.scheduled = false;
                    self.remove_if_over(id);
                }
            }
        }
        out.len() > before
    }

    fn transmit_carrier(&mut self, now: Instant, out: &mut BytesMut, limit: usize) {
        let small = HEADER_LEN.saturating_add(8);
        let fits = |out: &BytesMut, length: usize| out.len().saturating_add(length) <= limit;
        if let Some(token) = self.heartbeat.take_pong() {
            Frame::Pong(token).put(out);
        }
        if let Some(token) = self.heartbeat.take_ping(now) {
            Frame::Ping(token).put(out);
        }
        if self.drain == Drain::Due {
            Frame::Drain.put(out);
            self.drain = Drain::Sent;
        }
        while let Some(frame) = self.waiting.front() {
            let length = if let Frame::Control(json) = frame { json.len() } else { 8 };
            if !fits(out, length.saturating_add(HEADER_LEN)) {
                return;
            }
            frame.put(out);
            self.waiting.pop_front();
        }
        let traffic = Traffic { now, round_trip: self.round_trip, frames: self.frames };
        while fits(out, small) {
            let Some(id) = self.credit_due.pop() else { break };
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            stream.credit_due = false;
            let budget = &mut self.growth_left;
            let credit = stream.receive.take_credit(&self.config, budget, &traffic);
            if let Some(bytes) = credit {
                Frame::Credit { stream: id, bytes }.put(out);
            }
        }
    }

    /// Sends a PING with the next message: somebody has reason to doubt the carrier.
    pub fn ping(&mut self) {
        self.heartbeat.ask();
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// To be called at [`Mux::poll_timeout`]; earlier or later does no harm. Give it the messages that
    /// have arrived first: a process that was stopped for a while must not blame its peer.
    ///
    /// # Errors
    /// [`CarrierError::Silent`].
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), CarrierError> {
        match self.heartbeat.handle_timeout(now) {
            Some(silence) => Err(CarrierError::Silent(silence)),
            None => Ok(()),
        }
    }

    /// When [`Mux::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Instant {
        self.heartbeat.poll_timeout()
    }

    /// Panics when the state contradicts itself; for tests and fuzzing, after every step.
    pub fn check_invariants(&self) {
        crate::invariants::check(self);
    }

    pub(crate) fn parts(&self) -> Parts<'_> {
        Parts {
            config: &self.config,
            halves: self
                .streams
                .iter()
                .map(|(id, stream)| (*id, &stream.receive, &stream.send, stream.credit_due))
                .collect(),
            schedule: &self.schedule,
            queued: self.queued,
            credit_due: &self.credit_due,
            growth_left: self.growth_left,
        }
    }
}

/// What [`crate::invariants`] looks at.
pub(crate) struct Parts<'a> {
    pub(crate) config: &'a Config,
    pub(crate) halves: Vec<(StreamId, &'a Receive, &'a Send, bool)>,
    pub(crate) schedule: &'a Schedule,
    pub(crate) queued: usize,
    pub(crate) credit_due: &'a [StreamId],
    pub(crate) growth_left: usize,
}

impl Stream {
    fn new() -> Self {
        Self { receive: Receive::new(), send: Send::new(), released: false, credit_due: false }
    }
}
