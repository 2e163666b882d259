//! Request ids: a request that comes again by relay is not executed again.
//!
//! For each id of a visitor, what became of it. The page uses the same id for the copy that it sends by relay when
//! the direct path fails. An id of another visitor means nothing.
//!
//! | state | a copy by relay |
//! |---|---|
//! | [`State::Receiving`]: nothing was executed yet | is run, the direct request is dropped |
//! | [`State::Executing`]: executing | takes over |
//! | [`State::Kept`]: over, the response is kept | is answered with it |
//! | [`State::Over`]: over, nothing is kept | is run if it is safe, else 502 |
//!
//! A direct request with an id that is known comes too late: the page has given it up, and it is not run.
//!
//! Responses to safe requests are many, so they have a budget of their own and are kept for a moment only: as long
//! as a page needs to notice that the path is dead.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use wingman_wire::id::{RequestId, VisitorId};

use super::{asked::Facts, budget::Budget, recording::Recording, resumable::Copy};

/// All ids of all visitors.
#[derive(Debug)]
pub(super) struct Replays {
    visitors: Mutex<HashMap<VisitorId, Ids>>,
    /// Bytes of kept responses, and of those that may be kept.
    pub(super) kept: Arc<Budget>,
    /// The same for safe requests.
    pub(super) kept_safe: Arc<Budget>,
    /// Bytes of requests that are not whole yet, or not sent on.
    pub(super) held: Arc<Budget>,
}

#[derive(Debug, Default)]
struct Ids {
    states: HashMap<RequestId, State>,
    /// By age. An id that is still used when it comes to the front goes back.
    order: VecDeque<(Instant, RequestId)>,
    /// Safe ones that are kept, by the time of their end.
    brief: VecDeque<(Instant, RequestId)>,
}

#[derive(Debug)]
enum State {
    /// Dropping the sender ends it.
    Receiving(#[expect(dead_code, reason = "held to be dropped")] oneshot::Sender<()>),
    Executing(mpsc::Sender<Copy>),
    Kept(Arc<Recording>),
    Over,
}

/// What to do with a request.
#[derive(Debug)]
pub(super) enum Begin {
    /// Run it.
    Run(Running),
    /// It runs already: this copy may take over.
    Join(mpsc::Sender<Copy>),
    /// It was run; this was the response.
    Answer(Arc<Recording>),
    /// It was run; the response is lost.
    Lost,
    /// It came by relay before.
    Late,
    /// The visitor has too many at once.
    Refused,
}

/// A request that is run. Dropping it says that it is over and nothing is kept (or that nothing was executed).
#[derive(Debug)]
pub(super) struct Running {
    table: Arc<Replays>,
    /// `None` for a request that cannot come again.
    key: Option<(VisitorId, RequestId)>,
    /// Ends when the copy runs instead.
    pub(super) superseded: oneshot::Receiver<()>,
    /// Only while nothing can supersede it.
    _never: Option<oneshot::Sender<()>>,
}

impl Default for Replays {
    fn default() -> Self {
        let bytes = || Budget::new(MAX_KEPT, SHARE);
        let visitors = Mutex::default();
        Self { visitors, kept: bytes(), kept_safe: bytes(), held: bytes() }
    }
}

impl Replays {
    /// A request has come; `safe` ones may be executed twice.
    pub(super) fn begin(self: &Arc<Self>, facts: &Facts, safe: bool) -> Begin {
        let (supersede, superseded) = oneshot::channel();
        let running = |key, superseded, never| {
            Begin::Run(Running { table: self.clone(), key, superseded, _never: never })
        };
        let key = facts.visitor.zip(facts.id);
        let Some((visitor, id)) = key else { return running(None, superseded, Some(supersede)) };
        let direct = facts.via.is_direct();
        let mut visitors = self.visitors.lock();
        if !visitors.contains_key(&visitor) {
            visitors.retain(|_, ids| ids.purge());
            match visitors.len() < MAX_VISITORS {
                true => {}
                false if direct => return Begin::Refused,
                false => return running(None, superseded, Some(supersede)),
            }
        }
        let ids = visitors.entry(visitor).or_default();
        ids.purge();
        let has_room = ids.states.len() < MAX_IDS;
        match ids.states.get_mut(&id) {
            None if has_room => ids.order.push_back((Instant::now(), id)),
            // All of them are running.
            None if direct => return Begin::Refused,
            None => return running(None, superseded, Some(supersede)),
            Some(_) if direct => return Begin::Late,
            Some(State::Executing(copies)) => return Begin::Join(copies.clone()),
            Some(State::Kept(recording)) => return Begin::Answer(recording.clone()),
            Some(State::Over) if !safe => return Begin::Lost,
            Some(State::Over | State::Receiving(_)) => {}
        }
        let (state, never) = if direct {
            (State::Receiving(supersede), None)
        } else {
            // A copy of it could only come by relay again.
            (State::Over, Some(supersede))
        };
        ids.states.insert(id, state);
        running(key, superseded, never)
    }

    fn set(&self, (visitor, id): (VisitorId, RequestId), state: Option<State>) {
        let mut visitors = self.visitors.lock();
        let Some(ids) = visitors.get_mut(&visitor) else { return };
        match state {
            Some(state) => {
                if let Some(known) = ids.states.get_mut(&id) {
                    *known = state;
                }
            }
            // Its place in the order goes when it comes to the front.
            None => drop(ids.states.remove(&id)),
        }
    }
}

impl Running {
    /// From now on it counts as executed, and copies take over. `false`: a copy runs already.
    pub(super) fn execute(&mut self, copies: mpsc::Sender<Copy>) -> bool {
        let Some((visitor, id)) = self.key else { return true };
        let mut visitors = self.table.visitors.lock();
        let state = visitors.get_mut(&visitor).and_then(|ids| ids.states.get_mut(&id));
        match state {
            Some(state @ State::Receiving(_)) => {
                *state = State::Executing(copies);
                true
            }
            _ => {
                // What the copy has made of it stays.
                self.key = None;
                false
            }
        }
    }

    /// Nothing was executed: the id is free.
    pub(super) fn forget(mut self) {
        if let Some(key) = self.key.take() {
            self.table.set(key, None);
        }
    }

    /// It is over, and this is the response for copies.
    pub(super) fn keep(mut self, recording: Recording, safe: bool) {
        let Some((visitor, id)) = self.key.take() else { return };
        self.table.set((visitor, id), Some(State::Kept(Arc::new(recording))));
        if safe && let Some(ids) = self.table.visitors.lock().get_mut(&visitor) {
            ids.brief.push_back((Instant::now(), id));
        }
    }

    /// The copy runs instead.
    pub(super) fn was_superseded(mut self) {
        self.key = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some((visitor, id)) = self.key.take() else { return };
        let mut visitors = self.table.visitors.lock();
        let Some(ids) = visitors.get_mut(&visitor) else { return };
        match ids.states.get_mut(&id) {
            // Its task was stopped before anything was executed.
            Some(State::Receiving(_)) => drop(ids.states.remove(&id)),
            Some(state) => *state = State::Over,
            None => {}
        }
    }
}

impl Ids {
    /// Forgets what is over and old, or too much; `false` when nothing is left.
    fn purge(&mut self) -> bool {
        let now = Instant::now();
        while let Some((at, id)) = self.brief.front().copied()
            && now.duration_since(at) >= KEPT_BRIEFLY
        {
            self.brief.pop_front();
            if let Some(state @ State::Kept(_)) = self.states.get_mut(&id) {
                *state = State::Over;
            }
        }
        for _ in 0..self.order.len() {
            let Some((at, id)) = self.order.front().copied() else { break };
            let old = now.duration_since(at) >= REMEMBERED;
            if !old && self.states.len() < MAX_IDS {
                break;
            }
            self.order.pop_front();
            match self.states.get(&id) {
                Some(State::Kept(_) | State::Over) => drop(self.states.remove(&id)),
                Some(_) => self.order.push_back((if old { now } else { at }, id)),
                None => {}
            }
        }
        !self.states.is_empty()
    }
}

/// How long the response to a safe request is kept: longer than a page takes to notice a dead path and to ask again.
const KEPT_BRIEFLY: Duration = Duration::from_secs(5);
/// How long an id is remembered after it came.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Ids of one visitor.
const MAX_IDS: usize = 2_048;
const MAX_VISITORS: usize = 512;
/// Bytes in a budget.
const MAX_KEPT: usize = 32 * 1024 * 1024;
/// Of them, one visitor's.
const SHARE: usize = MAX_KEPT / 4;

#[cfg(test)]
mod tests;
