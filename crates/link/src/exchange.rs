//! One stream of a carrier, as its user sees it.

use std::{
    collections::VecDeque,
    future::poll_fn,
    task::{Context, Poll},
};

use bytes::Bytes;
use wingman_mux::{Incoming, SendError};
use wingman_wire::{code::ResetCode, frame::StreamId};

use crate::state::{Link, LinkSendError, Slot, wake};

/// A stream. One task may read while another writes and a third awaits a reset; two readers (or writers)
/// would steal each other's wake-ups. Dropping it lets go of the stream: what is left open is cancelled.
pub struct Exchange {
    link: Link,
    id: StreamId,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Exchange").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Exchange {
    pub(crate) fn new(link: Link, id: StreamId) -> Self {
        Self { link, id }
    }

    /// Its id, for logs.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// Whether the peer has said that it takes no more exchanges on this carrier.
    pub fn peer_drains(&self) -> bool {
        self.link.0.lock().mux.peer_drains()
    }

    /// The next item; `None` when the link is gone.
    pub async fn read(&self) -> Option<Incoming> {
        poll_fn(|context| self.poll_read(context)).await
    }

    /// See [`Exchange::read`].
    pub fn poll_read(&self, context: &mut Context<'_>) -> Poll<Option<Incoming>> {
        let mut state = self.link.0.lock();
        if let Some(item) = state.mux.read(self.id) {
            // Reading may have made credit due.
            let driver = if state.mux.has_output() { state.driver.take() } else { None };
            drop(state);
            wake(driver);
            return Poll::Ready(Some(item));
        }
        if state.closed.is_some() {
            return Poll::Ready(None);
        }
        if let Some(slot) = state.slots.get_mut(&self.id) {
            slot.read = Some(context.waker().clone());
        }
        Poll::Pending
    }

    /// Moves what can be read now to the end of `items`, until it holds `enough` bytes of content;
    /// waits only when there is nothing. `false` when the link is gone.
    pub async fn read_batch(&self, items: &mut VecDeque<Incoming>, enough: usize) -> bool {
        poll_fn(|context| {
            let mut state = self.link.0.lock();
            let mut bytes = 0_usize;
            while bytes < enough {
                let Some(item) = state.mux.read(self.id) else { break };
                if let Incoming::Data(content) = &item {
                    bytes += content.len();
                }
                items.push_back(item);
            }
            if items.is_empty() {
                if state.closed.is_some() {
                    return Poll::Ready(false);
                }
                if let Some(slot) = state.slots.get_mut(&self.id) {
                    slot.read = Some(context.waker().clone());
                }
                return Poll::Pending;
            }
            let driver = if state.mux.has_output() { state.driver.take() } else { None };
            drop(state);
            wake(driver);
            Poll::Ready(true)
        })
        .await
    }

    /// Waits until the stream is reset or the link is gone; the code of the former.
    pub async fn reset_by_peer(&self) -> Option<ResetCode> {
        poll_fn(|context| {
            let mut state = self.link.0.lock();
            if state.closed.is_some() {
                return Poll::Ready(None);
            }
            if let Some(code) = state.mux.reset_code(self.id) {
                return Poll::Ready(Some(code));
            }
            if let Some(slot) = state.slots.get_mut(&self.id) {
                slot.reset = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// Sends a response head; `interim` for 1xx but 101; `end`: there is no content.
    ///
    /// # Errors
    /// [`LinkSendError`].
    pub fn send_head(&self, head: Bytes, interim: bool, end: bool) -> Result<(), LinkSendError> {
        self.act(|link| link.mux.send_head(self.id, head, interim, end))
    }

    /// Sends all of `content`, waiting for credit and room. Cancel-safe: what was not taken stays in
    /// `content`.
    ///
    /// # Errors
    /// [`LinkSendError`].
    pub async fn send_data(&self, content: &mut Bytes) -> Result<(), LinkSendError> {
        poll_fn(|context| self.poll_send_data(context, content)).await
    }

    /// See [`Exchange::send_data`].
    pub fn poll_send_data(
        &self,
        context: &mut Context<'_>,
        content: &mut Bytes,
    ) -> Poll<Result<(), LinkSendError>> {
        let mut state = self.link.0.lock();
        if state.closed.is_some() {
            return Poll::Ready(Err(LinkSendError::Closed));
        }
        let taken = match state.mux.send_data(self.id, content) {
            Ok(taken) => taken,
            Err(error) => return Poll::Ready(Err(error.into())),
        };
        let driver = if taken > 0 { state.driver.take() } else { None };
        let done = content.is_empty();
        if !done && let Some(slot) = state.slots.get_mut(&self.id) {
            slot.write = Some(context.waker().clone());
        }
        drop(state);
        wake(driver);
        if done { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Ends this direction; `trailers` are encoded field lines.
    ///
    /// # Errors
    /// [`LinkSendError`].
    pub fn finish(&self, trailers: Bytes) -> Result<(), LinkSendError> {
        self.act(|link| link.mux.finish(self.id, trailers))
    }

    /// Ends both directions abruptly; what the peer has not got yet is dropped.
    pub fn reset(&self, code: ResetCode) {
        // An error means that the link is closed: then it is reset already.
        let _ = self.act(|link| {
            link.mux.reset(self.id, code);
            Ok(())
        });
    }

    /// Ends both directions, after everything that was sent before.
    pub fn abort(&self, code: ResetCode) {
        // As in `reset`.
        let _ = self.act(|link| {
            link.mux.abort(self.id, code);
            Ok(())
        });
    }

    fn act(
        &self,
        act: impl FnOnce(&mut crate::state::State) -> Result<(), SendError>,
    ) -> Result<(), LinkSendError> {
        let mut state = self.link.0.lock();
        if state.closed.is_some() {
            return Err(LinkSendError::Closed);
        }
        let done = act(&mut state);
        let driver = state.driver.take();
        drop(state);
        wake(driver);
        done.map_err(LinkSendError::Stream)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.link.0.lock();
        state.mux.release(self.id, ResetCode::Cancelled);
        let _slot: Option<Slot> = state.slots.remove(&self.id);
        let driver = if state.mux.has_output() { state.driver.take() } else { None };
        drop(state);
        wake(driver);
    }
}
