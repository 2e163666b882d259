//! The carrier's end of a [`Link`]: whoever moves messages drives the link with it.

use std::{
    task::{Context, Poll, Waker},
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;
use wingman_wire::code::CloseCode;

use crate::state::{Closed, Link};

/// Wakers of one step: a message seldom concerns more tasks than this.
pub(crate) type Wakers = SmallVec<[Waker; 8]>;

/// Moves messages between a link and its carrier, whatever that is: a WebSocket, a data channel.
///
/// Its owner
/// 1. gives it every received message ([`Driver::handle_message`]),
/// 2. calls [`Driver::handle_timeout`] at [`Driver::poll_timeout`],
/// 3. sends what [`Driver::poll_transmit`] gives, as fast as the carrier takes it; 1 and 2 do not wake it, so
///    it looks again after them,
/// 4. ends it by [`Driver::finish`]; a driver that is dropped ends the link as lost.
///
/// After an error of 1 or 2, or a [`Transmit::Close`], the carrier is of no more use.
#[derive(Debug)]
pub struct Driver {
    link: Link,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Driving,
    Finished,
}

/// What the carrier is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Transmit {
    /// Send this message.
    Message(BytesMut),
    /// Close for this reason: [`Link::close`] was called, and all that waited is transmitted.
    Close(CloseCode, String),
}

impl Driver {
    /// For `link`, which has no other driver.
    pub fn new(link: Link) -> Self {
        Self { link, state: State::Driving }
    }

    /// The link.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Takes one received message.
    ///
    /// # Errors
    /// [`Closed`]: the peer broke the protocol.
    pub fn handle_message(&self, message: Bytes) -> Result<(), Closed> {
        let mut wakers = Wakers::new();
        let mut state = self.link.0.lock();
        state.received += message.len() as u64;
        let handled = state.mux.handle_message(Instant::now(), message).map_err(Closed::from);
        let handled = handled.and_then(|()| state.dispatch(&mut wakers));
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        handled
    }

    /// Time has come. Messages that have arrived are to be handled first: after a stop of this process the
    /// peer's signs of life are among them.
    ///
    /// # Errors
    /// [`Closed`]: the peer is silent.
    pub fn handle_timeout(&self) -> Result<(), Closed> {
        Ok(self.link.0.lock().mux.handle_timeout(Instant::now())?)
    }

    /// When [`Driver::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Instant {
        self.link.0.lock().mux.poll_timeout()
    }

    /// About how many bytes there are to send.
    pub(crate) fn output_hint(&self) -> usize {
        let state = self.link.0.lock();
        if state.mux.has_output() { state.mux.output_hint().max(1) } else { 0 }
    }

    /// What to send next, a message of at most `limit` bytes (which must hold a largest frame); pending, and
    /// woken later, if there is nothing.
    pub fn poll_transmit(&self, context: &mut Context<'_>, limit: usize) -> Poll<Transmit> {
        let mut wakers = Wakers::new();
        let mut state = self.link.0.lock();
        let mut transmit = Poll::Pending;
        if state.mux.has_output() {
            let mut out = BytesMut::with_capacity(state.mux.output_hint().min(limit));
            let wrote = state.mux.poll_transmit(Instant::now(), &mut out, limit);
            // Transmitting only makes streams writable; that cannot flood.
            let _ = state.dispatch(&mut wakers);
            if wrote {
                state.sent += out.len() as u64;
                transmit = Poll::Ready(Transmit::Message(out));
            }
        }
        if transmit.is_pending() {
            match &state.close {
                Some((code, reason)) => {
                    transmit = Poll::Ready(Transmit::Close(*code, reason.clone()));
                }
                None => remember(&mut state.driver, context.waker()),
            }
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        transmit
    }

    /// With what it is to close once everything is sent; the context is woken when that is known.
    pub(crate) fn poll_close(&self, context: &mut Context<'_>) -> Option<CloseCode> {
        let mut state = self.link.0.lock();
        let code = state.close.as_ref().map(|(code, _)| *code);
        if code.is_none() {
            remember(&mut state.closer, context.waker());
        }
        code
    }

    /// The carrier is over: ends every exchange on it.
    pub fn finish(mut self, closed: Closed) {
        self.end(closed);
    }

    fn end(&mut self, closed: Closed) {
        if std::mem::replace(&mut self.state, State::Finished) == State::Driving {
            self.link.finish(closed);
        }
    }
}

fn remember(known: &mut Option<Waker>, waker: &Waker) {
    match known {
        Some(known) => known.clone_from(waker),
        none => *none = Some(waker.clone()),
    }
}

/// A driver whose task was aborted must not leave exchanges waiting.
impl Drop for Driver {
    fn drop(&mut self) {
        self.end(Closed::Lost("driver was stopped".to_owned()));
    }
}
