//! Requests that wait for their host: at most so many, and one after the other.

use std::{ops::Deref, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit},
    time::timeout,
};
use wingman_link::Exchange;

use super::shares::Running;

/// The queue of one session. Only the first of it tries to open its exchange, so a host that comes back or
/// has room again wakes one task, whoever else waits.
#[derive(Debug)]
pub(super) struct Queue {
    max: usize,
    places: Semaphore,
    turn: Semaphore,
    room: Arc<Notify>,
}

impl Queue {
    pub(super) fn new(max: usize) -> Self {
        let max = max.min(Semaphore::MAX_PERMITS);
        let (places, turn) = (Semaphore::new(max), Semaphore::new(1));
        Self { max, places, turn, room: Arc::default() }
    }

    /// How many may wait.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// Whether nobody waits, who would be overtaken.
    pub(super) fn is_empty(&self) -> bool {
        self.places.available_permits() == self.max
    }

    /// A place in the queue; `None` when all are taken.
    pub(super) fn join(&self) -> Option<SemaphorePermit<'_>> {
        self.places.try_acquire().ok()
    }

    /// Waits to be the first: in order, for the semaphore is fair.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turn.acquire().await.ok()
    }

    /// Waits until there may be room for an exchange.
    pub(super) async fn room(&self) {
        // The mux may keep a stream a little longer than its user, until its end is sent; nobody tells of that.
        let _ = timeout(NAP, self.room.notified()).await;
    }

    /// An exchange that tells of the room it leaves.
    pub(super) fn opened(&self, exchange: Exchange, running: Running) -> Opened {
        Opened { exchange, _room: Room(self.room.clone()), _running: running }
    }
}

/// An exchange of a session.
#[derive(Debug)]
pub struct Opened {
    // Dropped in this order.
    exchange: Exchange,
    _room: Room,
    _running: Running,
}

impl Deref for Opened {
    type Target = Exchange;

    fn deref(&self) -> &Exchange {
        &self.exchange
    }
}

#[derive(Debug)]
struct Room(Arc<Notify>);

impl Drop for Room {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

const NAP: Duration = Duration::from_millis(20);
