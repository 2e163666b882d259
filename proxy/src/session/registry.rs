//! All sessions of this edge.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use parking_lot::RwLock;
use tokio::{
    sync::{Notify, watch},
    time::{self, timeout_at},
};
use wingman_link::Link;
use wingman_wire::control::RefusedReason;

use super::{Host, PageConfig, Queue, ResumeProof, Session, Shares, ended::Ended};
use crate::{
    names::SessionName,
    signaling::Peers,
    telemetry::{LinkStart, Metrics, SessionEnd},
    tokens::Grant,
};

/// Hosts of an edge that restarts are back in this time (see the host's back-off).
const RECOVERY: Duration = Duration::from_secs(3);

/// Limits of the registry.
#[derive(Clone, Copy, Debug)]
pub struct RegistryLimits {
    /// How long a session without a link keeps its name.
    pub retention: Duration,
    /// Requests that may wait for a host at once, of one session.
    pub waiting: usize,
}

/// What a host asks for when it links.
#[derive(Debug)]
pub struct Claim<'a> {
    /// The wanted name; `None` lets the edge choose.
    pub name: Option<SessionName>,
    /// Who it is.
    pub proof: ResumeProof,
    /// What its token allows.
    pub grant: &'a Grant,
    /// What its pages may do.
    pub pages: Option<Arc<PageConfig>>,
    /// How many exchanges its link takes at once.
    pub exchanges: usize,
}

/// A session that a host got.
#[derive(Debug)]
pub struct Claimed {
    /// The session, with the host's link attached.
    pub session: Arc<Session>,
    /// What the link did.
    pub start: LinkStart,
}

/// Sessions by name.
#[derive(Debug)]
pub struct Registry {
    limits: RegistryLimits,
    metrics: Arc<Metrics>,
    /// An edge that has just started has forgotten its sessions, and their hosts are on their way.
    recovered_at: time::Instant,
    opened: Notify,
    sessions: RwLock<HashMap<SessionName, Arc<Session>>>,
    ended: RwLock<Ended>,
}

/// What is known of a name.
#[derive(Clone, Debug)]
pub enum Found {
    /// It is shared.
    Session(Arc<Session>),
    /// It was, and its host has ended that.
    Ended,
    /// Nothing.
    Unknown,
}

impl Registry {
    /// An empty registry.
    pub fn new(limits: RegistryLimits, metrics: Arc<Metrics>) -> Self {
        let recovered_at = time::Instant::now() + RECOVERY;
        let (opened, sessions) = (Notify::new(), RwLock::default());
        let ended = RwLock::default();
        Self { limits, metrics, recovered_at, opened, sessions, ended }
    }

    /// The session of that name.
    pub fn find(&self, name: &SessionName) -> Option<Arc<Session>> {
        self.sessions.read().get(name).cloned()
    }

    /// The session of that name. Shortly after the start of this edge it waits for hosts that come back.
    pub async fn find_or_await(&self, name: &SessionName) -> Found {
        loop {
            let opened = self.opened.notified();
            if let Some(session) = self.find(name) {
                return Found::Session(session);
            }
            if self.ended.read().contains(name, Instant::now()) {
                return Found::Ended;
            }
            if time::Instant::now() >= self.recovered_at {
                return Found::Unknown;
            }
            let _ = timeout_at(self.recovered_at, opened).await;
        }
    }

    /// How many sessions there are, with and without a link.
    pub fn len(&self) -> usize {
        self.sessions.read().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives `link` the session it claims: a new one, or an existing one whose key it holds.
    ///
    /// # Errors
    /// Why not, for the host.
    pub fn claim(&self, claim: &Claim<'_>, link: &Link) -> Result<Claimed, RefusedReason> {
        let own = claim.proof.name();
        let name = claim.name.unwrap_or(own);
        if name != own && !claim.grant.allows(&name) {
            return Err(RefusedReason::NameNotAllowed);
        }
        let mut sessions = self.sessions.write();
        if let Some(session) = sessions.get(&name) {
            if !session.proof.is(&claim.proof) {
                return Err(RefusedReason::NameTaken);
            }
            session.pages.store(claim.pages.clone());
            session.exchanges.store(claim.exchanges, Relaxed);
            let replaced = session.attach(link.clone());
            let start = if replaced { LinkStart::Replaced } else { LinkStart::Resumed };
            return Ok(Claimed { session: session.clone(), start });
        }
        let of_token = sessions.values().filter(|session| session.token == claim.grant.id).count();
        if of_token >= claim.grant.max_sessions as usize {
            return Err(RefusedReason::SessionLimit);
        }
        let session = Arc::new(Session {
            name,
            proof: claim.proof,
            token: claim.grant.id.clone(),
            host: watch::Sender::new(Host::Linked(link.clone())),
            pages: claim.pages.clone().into(),
            peers: Arc::new(Peers::new(name, self.metrics.clone())),
            exchanges: AtomicUsize::new(claim.exchanges),
            shares: Shares::default(),
            queue: Queue::new(self.limits.waiting),
            _held: self.metrics.sessions.hold(),
        });
        sessions.insert(name, session.clone());
        self.ended.write().remove(&name);
        self.metrics.sessions_opened.add(1);
        self.opened.notify_waiters();
        Ok(Claimed { session, start: LinkStart::New })
    }

    /// The link is over: its session waits for the next one.
    pub fn lost(&self, session: &Session, link: &Link) {
        session.detach(link);
        session.peers.detach(link);
    }

    /// The host said that it is done: the name is free, who waits is answered.
    pub fn end(&self, session: &Arc<Session>, link: &Link) {
        let mut sessions = self.sessions.write();
        // A link that was replaced has no say any more.
        if session.link().is_some_and(|current| current.is_same(link)) {
            if sessions.get(&session.name).is_some_and(|known| Arc::ptr_eq(known, session)) {
                sessions.remove(&session.name);
                self.ended.write().add(session.name, Instant::now());
            }
            session.end();
            self.metrics.sessions_closed.get(SessionEnd::Ended).add(1);
        }
    }

    /// Forgets sessions whose host has been away for too long; returns how many.
    pub fn sweep(&self, now: Instant) -> usize {
        self.ended.write().forget_old(now);
        let mut sessions = self.sessions.write();
        let before = sessions.len();
        sessions.retain(|_, session| {
            let over = session
                .away_since()
                .is_some_and(|since| now.saturating_duration_since(since) >= self.limits.retention);
            if over {
                session.end();
            }
            !over
        });
        let expired = before - sessions.len();
        self.metrics.sessions_closed.get(SessionEnd::Expired).add(expired as u64);
        expired
    }

    /// Closes every signaling socket: pages come again.
    pub fn close_signaling(&self) {
        self.sessions.read().values().for_each(|session| session.peers.close());
    }

    /// Every link that is up.
    pub fn links(&self) -> Vec<Link> {
        self.sessions.read().values().filter_map(|session| session.link()).collect()
    }
}

#[cfg(test)]
mod tests;
