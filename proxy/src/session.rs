//! Sessions: who shares under which name, and over which link.
//!
//! A session outlives its links: the host proves by its resume key that it is the same one, and the
//! newest holder of the key wins at once. Names that the edge chooses are made from that key, so a host
//! gets the same URL back even from an edge that was restarted and has forgotten everything.

mod ended;
mod pages;
mod queue;
mod registry;
mod shares;

pub(crate) use pages::is_stun_url;
pub use pages::{BadPages, DirectPath, PageConfig};
pub use queue::Opened;
pub use registry::{Claim, Claimed, Found, Registry, RegistryLimits};

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::{sync::watch, time::timeout_at};
use wingman_link::{Exchange, Link, LinkOpenError};
use wingman_mux::OpenError;
use wingman_wire::code::CloseCode;

use self::{queue::Queue, shares::Shares};
use crate::{names::SessionName, signaling::Peers, telemetry::Held};

/// The hash of a resume key: what the edge keeps of it.
#[derive(Clone, Copy)]
pub struct ResumeProof([u8; 32]);

/// Shorter resume keys are guessable: 128 bits in any text form need at least this many characters.
const MIN_RESUME_KEY: usize = 22;
const MAX_RESUME_KEY: usize = 256;

impl ResumeProof {
    /// Hashes a key; `None` when it is too short or absurdly long.
    pub fn of(key: &str) -> Option<Self> {
        (MIN_RESUME_KEY..=MAX_RESUME_KEY)
            .contains(&key.len())
            .then(|| Self(Sha256::digest(key.as_bytes()).into()))
    }

    /// The name that only a holder of the key can have chosen for it.
    pub fn name(&self) -> SessionName {
        SessionName::from_hash(&self.0)
    }

    fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::fmt::Debug for ResumeProof {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("ResumeProof(…)")
    }
}

/// Where a session's host is.
#[derive(Clone, Debug)]
enum Host {
    /// Reachable over this link.
    Linked(Link),
    /// The link was lost; it may come back.
    Away {
        /// Since when.
        since: Instant,
    },
    /// Ended for good; whoever still waits gets an answer now.
    Ended,
}

/// One shared origin.
#[derive(Debug)]
pub struct Session {
    name: SessionName,
    proof: ResumeProof,
    token: Arc<str>,
    host: watch::Sender<Host>,
    /// As its newest link wished.
    pages: ArcSwapOption<PageConfig>,
    peers: Arc<Peers>,
    /// Exchanges that its newest link takes at once.
    exchanges: AtomicUsize,
    shares: Shares,
    /// Requests that wait for it.
    queue: Queue,
    /// Counts it while it exists.
    _held: Held,
}

/// Why an exchange cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The host is not there and did not come back in time.
    #[error("host is away")]
    Away,
    /// The session has just ended.
    #[error("session has ended")]
    Ended,
    /// The host runs as many exchanges as it may.
    #[error("too many exchanges at once")]
    Busy,
    /// The request head is above the limit.
    #[error("request head is too large")]
    HeadTooLarge,
}

impl Session {
    /// Its name.
    pub fn name(&self) -> SessionName {
        self.name
    }

    /// What the page script may do in its documents; `None`: it is not there at all.
    pub fn pages(&self) -> Option<Arc<PageConfig>> {
        self.pages.load_full()
    }

    /// Its signaling sockets.
    pub fn peers(&self) -> &Arc<Peers> {
        &self.peers
    }

    /// Whether a link is up.
    pub fn is_linked(&self) -> bool {
        matches!(&*self.host.borrow(), Host::Linked(_))
    }

    /// The link, if there is one now.
    pub fn link(&self) -> Option<Link> {
        match &*self.host.borrow() {
            Host::Linked(link) => Some(link.clone()),
            Host::Away { .. } | Host::Ended => None,
        }
    }

    /// Opens an exchange for a visitor at `address`; when the host is away (or full, or the visitor has its share) it
    /// waits up to `patience` for it, behind those that have waited longer.
    ///
    /// Nothing was sent when this fails, and a request is sent on one link only.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn open(
        &self,
        head: Bytes,
        end: bool,
        address: IpAddr,
        patience: Duration,
    ) -> Result<Opened, Unavailable> {
        let deadline = tokio::time::Instant::now() + patience;
        let share = self.shares.of(address, self.exchanges.load(Relaxed), self.queue.max());
        let running = match share.try_run() {
            Ok(running) => running,
            Err(share) => {
                let _places = share.wait().zip(self.queue.join()).ok_or(Unavailable::Busy)?;
                let running = timeout_at(deadline, share.run()).await;
                running.ok().flatten().ok_or_else(|| self.unavailable())?
            }
        };
        if self.queue.is_empty() {
            match self.try_open(&head, end) {
                Ok(exchange) => return Ok(self.queue.opened(exchange, running)),
                Err(Wait::Never(why)) => return Err(why),
                Err(Wait::ForLink | Wait::ForRoom) => {}
            }
        }
        let _places = running.share.wait().zip(self.queue.join()).ok_or(Unavailable::Busy)?;
        let Ok(_turn) = timeout_at(deadline, self.queue.turn()).await else {
            return Err(self.unavailable());
        };
        let mut changes = self.host.subscribe();
        loop {
            let wait = match self.try_open(&head, end) {
                Ok(exchange) => return Ok(self.queue.opened(exchange, running)),
                Err(Wait::Never(why)) => return Err(why),
                Err(wait) => wait,
            };
            let changed = async {
                tokio::select! {
                    _ = changes.changed() => {}
                    () = self.queue.room(), if matches!(wait, Wait::ForRoom) => {}
                }
            };
            if timeout_at(deadline, changed).await.is_err() {
                return Err(self.unavailable());
            }
        }
    }

    /// Why a request has waited in vain.
    fn unavailable(&self) -> Unavailable {
        match &*self.host.borrow() {
            Host::Linked(link) if link.is_open() => Unavailable::Busy,
            Host::Linked(_) | Host::Away { .. } => Unavailable::Away,
            Host::Ended => Unavailable::Ended,
        }
    }

    fn try_open(&self, head: &Bytes, end: bool) -> Result<Exchange, Wait> {
        match &*self.host.borrow() {
            Host::Linked(link) => {
                link.open(head.clone(), end).map_err(|error| Wait::after(&error, link))
            }
            Host::Away { .. } => Err(Wait::ForLink),
            Host::Ended => Err(Wait::Never(Unavailable::Ended)),
        }
    }

    /// Takes a new link; the old one, if any, is closed at once. Returns whether there was one.
    fn attach(&self, link: Link) -> bool {
        let Host::Linked(old) = self.host.send_replace(Host::Linked(link)) else { return false };
        old.close(CloseCode::Replaced, "a newer link took the session");
        true
    }

    /// Forgets `link`, unless a newer one is there already; returns whether it was the current one.
    fn detach(&self, link: &Link) -> bool {
        self.host.send_if_modified(|host| match host {
            Host::Linked(current) if current.is_same(link) => {
                *host = Host::Away { since: Instant::now() };
                true
            }
            _ => false,
        })
    }

    fn end(&self) {
        if let Host::Linked(link) = self.host.send_replace(Host::Ended) {
            link.close(CloseCode::Ended, "the session has ended");
        }
        self.peers.end();
    }

    fn away_since(&self) -> Option<Instant> {
        match &*self.host.borrow() {
            Host::Away { since } => Some(*since),
            Host::Linked(_) | Host::Ended => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    ForLink,
    ForRoom,
    Never(Unavailable),
}

impl Wait {
    /// What helps against `error` of `link`.
    fn after(error: &LinkOpenError, link: &Link) -> Self {
        match error {
            LinkOpenError::Refused(OpenError::TooMany) => Self::ForRoom,
            LinkOpenError::Refused(OpenError::TooLarge) => Self::Never(Unavailable::HeadTooLarge),
            LinkOpenError::Refused(OpenError::Exhausted) => {
                // Nothing else ends it, and its host links anew at once.
                link.close(CloseCode::Restarting, "stream ids are used up");
                Self::ForLink
            }
            LinkOpenError::Refused(OpenError::Draining) | LinkOpenError::Closed => Self::ForLink,
        }
    }
}

#[cfg(test)]
mod tests;
