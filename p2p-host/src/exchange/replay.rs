//! Request ids: a request that comes again by relay is not executed again.
//!
//! For each id, what became of it. The page uses the same id for the copy that it sends by relay when the direct path
//! fails. An id is 128 random bits that only the browser knows which asks, so it means the same whoever brings it: the
//! copy may have another visitor, because the browser has lost its cookie since the peer signaled, or none, because
//! the app wants no cookies with it. Visitors count only for how much is remembered.
//!
//! | state | a copy by relay |
//! |---|---|
//! | [`State::Receiving`]: nothing was executed yet | is run, the direct request is dropped |
//! | [`State::Executing`]: executing | takes over |
//! | [`State::Kept`]: over, the response is kept | is answered with it |
//! | [`State::Over`]: over, nothing is kept | is run if it is safe, else 502 |
//!
//! A direct request with an id that is known comes too late: the page has given it up, and it is not run. Another
//! method or target is no copy but what one was redirected to: it is run as if it had no id.
//!
//! Responses to safe requests are many, so they have a budget of their own and are kept for a moment only: as long
//! as a page needs to notice that the path is dead.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
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

/// All ids.
#[derive(Debug)]
pub(super) struct Replays {
    table: Mutex<Table>,
    /// Bytes of kept responses, and of those that may be kept.
    pub(super) kept: Arc<Budget>,
    /// The same for safe requests.
    pub(super) kept_safe: Arc<Budget>,
    /// Bytes of requests that are not whole yet, or not sent on.
    pub(super) held: Arc<Budget>,
}

#[derive(Debug, Default)]
struct Table {
    ids: Ids,
    /// Requests without a visitor count as one's.
    visitors: HashMap<Option<VisitorId>, Brought>,
    swept: Option<Instant>,
}

type Ids = HashMap<RequestId, Known>;

#[derive(Debug)]
struct Known {
    state: State,
    /// Who brought it first, and whose bounds it counts for.
    owner: Option<VisitorId>,
    /// It came directly at first, so its copy may come.
    direct: bool,
    /// What is asked for, as a hash.
    request: u64,
    /// As in the order of its owner.
    since: Instant,
}

/// What one visitor has brought.
#[derive(Debug, Default)]
struct Brought {
    /// How many ids are this visitor's, and how many of them came directly.
    count: usize,
    direct: usize,
    /// By age. An id that is still used when it comes to the front goes back; one that is not this visitor's of this
    /// time any more was forgotten.
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
    replays: Arc<Replays>,
    /// `None` for a request that cannot come again.
    id: Option<RequestId>,
    /// Ends when the copy runs instead.
    pub(super) superseded: oneshot::Receiver<()>,
    /// Only while nothing can supersede it.
    _never: Option<oneshot::Sender<()>>,
}

impl Default for Replays {
    fn default() -> Self {
        let bytes = || Budget::new(MAX_KEPT, SHARE);
        let table = Mutex::default();
        Self { table, kept: bytes(), kept_safe: bytes(), held: bytes() }
    }
}

impl Replays {
    /// A request has come; `safe` ones may be executed twice.
    pub(super) fn begin(self: &Arc<Self>, facts: &Facts, safe: bool) -> Begin {
        let (supersede, superseded) = oneshot::channel();
        let running = |id, superseded, never| {
            Begin::Run(Running { replays: self.clone(), id, superseded, _never: never })
        };
        let Some(id) = facts.id else { return running(None, superseded, Some(supersede)) };
        let direct = facts.via.is_direct();
        let now = Instant::now();
        let mut table = self.table.lock();
        table.sweep(now);
        let request = fingerprint(facts);
        if let Some(known) = table.find(id, now) {
            if !direct && known.request != request {
                // A copy was redirected: browsers keep the field lines for the next hop.
                return running(None, superseded, Some(supersede));
            }
            return match &mut known.state {
                _ if direct => Begin::Late,
                State::Executing(copies) => Begin::Join(copies.clone()),
                State::Kept(recording) => Begin::Answer(recording.clone()),
                State::Over if !safe => Begin::Lost,
                state @ (State::Over | State::Receiving(_)) => {
                    *state = State::Over;
                    running(Some(id), superseded, Some(supersede))
                }
            };
        }
        if !table.make_room(facts.visitor, now) {
            return match direct {
                true => Begin::Refused,
                false => running(None, superseded, Some(supersede)),
            };
        }
        let (state, never) = if direct {
            (State::Receiving(supersede), None)
        } else {
            // A copy of it could only come by relay again.
            (State::Over, Some(supersede))
        };
        let owner = facts.visitor;
        table.insert(id, Known { state, owner, direct, request, since: now });
        running(Some(id), superseded, never)
    }
}

/// Tells one request from the next one of a chain of redirects.
fn fingerprint(facts: &Facts) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&facts.method, &facts.target).hash(&mut hasher);
    hasher.finish()
}

impl Table {
    /// What is known of an id, whoever brought it.
    fn find(&mut self, id: RequestId, now: Instant) -> Option<&mut Known> {
        let owner = self.ids.get(&id)?.owner;
        // Not to make room: this one might have to go.
        self.purge(owner, now, usize::MAX);
        self.ids.get_mut(&id)
    }

    /// Makes room for one more id of `owner`; `false` if there is none.
    fn make_room(&mut self, owner: Option<VisitorId>, now: Instant) -> bool {
        if !self.visitors.contains_key(&owner) {
            let Self { ids, visitors, .. } = self;
            visitors.retain(|owner, brought| brought.purge(*owner, ids, now, MAX_IDS));
            return visitors.len() < MAX_VISITORS || self.evict();
        }
        self.purge(owner, now, MAX_IDS);
        self.visitors.get(&owner).is_none_or(|brought| brought.count < MAX_IDS)
    }

    /// Forgets the visitor without direct requests who has been silent for longest. Anybody can make up visitors and
    /// ask by relay; what is lost is that a direct request is too late which was overtaken by its copy.
    fn evict(&mut self) -> bool {
        let evictable = self.visitors.iter().filter(|(_, brought)| brought.direct == 0);
        let last = |brought: &Brought| brought.order.back().map(|(at, _)| *at);
        let oldest = evictable.min_by_key(|(_, brought)| last(brought)).map(|(owner, _)| *owner);
        let Some(brought) = oldest.and_then(|owner| self.visitors.remove(&owner)) else {
            return false;
        };
        for (_, id) in brought.order {
            if self.ids.get(&id).is_some_and(|known| Some(known.owner) == oldest) {
                self.ids.remove(&id);
            }
        }
        true
    }

    fn insert(&mut self, id: RequestId, known: Known) {
        let brought = self.visitors.entry(known.owner).or_default();
        brought.count += 1;
        brought.direct += usize::from(known.direct);
        brought.order.push_back((known.since, id));
        self.ids.insert(id, known);
    }

    fn remove(&mut self, id: RequestId) {
        if let Some(known) = self.ids.remove(&id)
            && let Some(brought) = self.visitors.get_mut(&known.owner)
        {
            // Its place in the order goes when it comes to the front.
            brought.lost(&known);
        }
    }

    fn purge(&mut self, owner: Option<VisitorId>, now: Instant, most: usize) {
        if let Some(brought) = self.visitors.get_mut(&owner) {
            brought.purge(owner, &mut self.ids, now, most);
        }
    }

    /// Once in a while, for all: what is kept for those who have left is missing to the others.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| now.duration_since(swept) < SWEEP) {
            return;
        }
        self.swept = Some(now);
        let Self { ids, visitors, .. } = self;
        visitors.retain(|owner, brought| brought.purge(*owner, ids, now, usize::MAX));
    }

    /// It is over: a copy may come for as long as that after any other.
    fn over(&mut self, id: RequestId, state: State) -> Option<&mut Brought> {
        let known = self.ids.get_mut(&id)?;
        known.state = state;
        known.since = Instant::now();
        let brought = self.visitors.get_mut(&known.owner)?;
        brought.order.push_back((known.since, id));
        Some(brought)
    }
}

impl Running {
    /// From now on it counts as executed, and copies take over. `false`: a copy runs already.
    pub(super) fn execute(&mut self, copies: mpsc::Sender<Copy>) -> bool {
        let Some(id) = self.id else { return true };
        let mut table = self.replays.table.lock();
        match table.ids.get_mut(&id).map(|known| &mut known.state) {
            Some(state @ State::Receiving(_)) => {
                *state = State::Executing(copies);
                true
            }
            _ => {
                // What the copy has made of it stays.
                self.id = None;
                false
            }
        }
    }

    /// It is over, and this is the response for copies.
    pub(super) fn keep(mut self, recording: Recording, safe: bool) {
        let Some(id) = self.id.take() else { return };
        let mut table = self.replays.table.lock();
        let brought = table.over(id, State::Kept(Arc::new(recording)));
        if safe && let Some(brought) = brought {
            brought.brief.push_back((Instant::now(), id));
        }
    }

    /// The copy runs instead.
    pub(super) fn was_superseded(mut self) {
        self.id = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let mut table = self.replays.table.lock();
        match table.ids.get_mut(&id).map(|known| &mut known.state) {
            // Nothing was executed: the id is free.
            Some(State::Receiving(_)) => table.remove(id),
            Some(_) => drop(table.over(id, State::Over)),
            None => {}
        }
    }
}

impl Brought {
    fn lost(&mut self, known: &Known) {
        self.count -= 1;
        self.direct -= usize::from(known.direct);
    }

    /// Forgets what is over and old, and the oldest of as many as `most`; `false` when nothing is left.
    fn purge(
        &mut self,
        owner: Option<VisitorId>,
        ids: &mut Ids,
        now: Instant,
        most: usize,
    ) -> bool {
        while let Some((at, id)) = self.brief.front().copied()
            && now.duration_since(at) >= KEPT_BRIEFLY
        {
            self.brief.pop_front();
            if let Some(Known { state: state @ State::Kept(_), .. }) = ids.get_mut(&id) {
                *state = State::Over;
            }
        }
        let is_here = |known: &Known, at: Instant| known.owner == owner && known.since == at;
        for _ in 0..self.order.len() {
            let Some((at, id)) = self.order.front().copied() else { break };
            let known = ids.get_mut(&id).filter(|known| is_here(known, at));
            let old = now.duration_since(at) >= REMEMBERED;
            if known.is_some() && !old && self.count < most {
                break;
            }
            self.order.pop_front();
            match known {
                None => {}
                Some(Known { state: State::Kept(_) | State::Over, .. }) => {
                    if let Some(known) = ids.remove(&id) {
                        self.lost(&known);
                    }
                }
                Some(known) => {
                    known.since = if old { now } else { at };
                    self.order.push_back((known.since, id));
                }
            }
        }
        if self.order.len() > 2 * MAX_IDS {
            self.order.retain(|(at, id)| ids.get(id).is_some_and(|known| is_here(known, *at)));
        }
        self.count > 0
    }
}

/// How long the response to a safe request is kept: longer than a page takes to notice a dead path and to ask again.
const KEPT_BRIEFLY: Duration = Duration::from_secs(10);
/// How long an id is remembered after it came, and after it was over.
const REMEMBERED: Duration = Duration::from_secs(60);
/// How often those who have left are looked after.
const SWEEP: Duration = Duration::from_secs(1);
/// Ids of one visitor.
const MAX_IDS: usize = 2_048;
const MAX_VISITORS: usize = 512;
/// Bytes in a budget.
const MAX_KEPT: usize = 32 * 1024 * 1024;
/// Of them, one visitor's.
const SHARE: usize = MAX_KEPT / 4;

#[cfg(test)]
mod tests;
