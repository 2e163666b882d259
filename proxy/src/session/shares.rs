//! How much of a session one source may have: a visitor that opens all it can leaves some to others.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::source;

/// The sources (see [`source::of`]) that have exchanges in one session, or wait for them.
#[derive(Debug, Default)]
pub(super) struct Shares(Arc<Mutex<Sources>>);

type Sources = HashMap<IpAddr, Arc<Limits>>;

#[derive(Debug)]
struct Limits {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// One source's share, for one request.
#[derive(Debug)]
pub(super) struct Share {
    limits: Arc<Limits>,
    source: IpAddr,
    sources: Arc<Mutex<Sources>>,
}

/// An exchange of a source; the room that it leaves goes to the one that has waited longest.
#[derive(Debug)]
pub(super) struct Running {
    // Dropped in this order.
    _permit: OwnedSemaphorePermit,
    pub(super) share: Share,
}

impl Shares {
    /// The share of `address` in `running` exchanges and `waiting` places.
    pub(super) fn of(&self, address: IpAddr, running: usize, waiting: usize) -> Share {
        let source = source::of(address);
        let new = || {
            let most = |all| Arc::new(Semaphore::new(most(all)));
            Arc::new(Limits { running: most(running), waiting: most(waiting) })
        };
        let limits = self.0.lock().entry(source).or_insert_with(new).clone();
        Share { limits, source, sources: self.0.clone() }
    }
}

impl Share {
    /// Room for one more exchange; gives the share back when there is none now.
    pub(super) fn try_run(self) -> Result<Running, Self> {
        match self.limits.running.clone().try_acquire_owned() {
            Ok(permit) => Ok(Running { _permit: permit, share: self }),
            Err(_) => Err(self),
        }
    }

    /// Waits for room, in order.
    pub(super) async fn run(self) -> Option<Running> {
        let permit = self.limits.running.clone().acquire_owned().await.ok()?;
        Some(Running { _permit: permit, share: self })
    }

    /// A place to wait in; `None` when the source has all that it may have.
    pub(super) fn wait(&self) -> Option<OwnedSemaphorePermit> {
        self.limits.waiting.clone().try_acquire_owned().ok()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut sources = self.sources.lock();
        // The map's, and this one.
        if Arc::strong_count(&self.limits) == 2 {
            sources.remove(&self.source);
        }
    }
}

/// What one source may have of `all`: an eighth is left to others.
fn most(all: usize) -> usize {
    (all - all / 8).min(Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_leaves_some_and_is_forgotten_when_it_has_nothing() {
        let shares = Shares::default();
        let [one, other]: [IpAddr; 2] = [[192, 0, 2, 1].into(), [192, 0, 2, 2].into()];
        let run = |address| shares.of(address, 16, 8).try_run().ok();
        let mut running: Vec<_> = std::iter::from_fn(|| run(one)).collect();
        assert_eq!(running.len(), 14);
        let others = run(other);
        assert!(others.is_some());
        running.pop();
        running.extend(run(one));
        assert_eq!(running.len(), 14);
        assert!(run(one).is_none());
        let waiting: Vec<_> = std::iter::from_fn(|| shares.of(one, 16, 8).wait()).collect();
        assert_eq!(waiting.len(), 7);
        drop((running, others));
        assert_eq!(shares.0.lock().len(), 0);
    }

    #[test]
    fn a_host_that_takes_few_gives_all_to_whoever_comes() {
        assert_eq!([1, 7, 8, 256].map(most), [1, 7, 7, 224]);
    }
}
