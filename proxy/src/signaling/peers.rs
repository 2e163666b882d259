//! The signaling sockets of one session, and the way from them to its host.
//!
//! 1. A page takes a [`Seat`] ([`Peers::join`]) and says that it is there ([`Seat::announce`]).
//! 2. Its messages go to the host ([`Seat::pass`]), the host's come out of its [`Mailbox`]
//!    ([`Peers::deliver`]).
//! 3. At the end it says so ([`Seat::leave`]); a seat that is dropped is free, but the host is not told.
//!
//! The host's link comes and goes ([`Peers::attach`], [`Peers::detach`]); each new one is told of all seats
//! before it gets any other message of them.
//!
//! Visitors are strangers, and a host reads all of them on one control stream, whose unread messages are
//! bounded. So there is one budget for all pages of a session, in messages and bytes; who finds it empty
//! waits in line, and reads nothing more from its socket meanwhile.

use std::{collections::HashMap, sync::Arc, time::Duration, time::Instant};

use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use wingman_link::Link;
use wingman_wire::{
    control::{self, EdgeToHost},
    id::{PeerId, VisitorId},
    signal::{From, MAX_SIGNAL, Signal},
};

use super::bucket::Bucket;
use crate::{
    names::SessionName,
    telemetry::{Metrics, SignalingDrop, SignalingEnd, SignalingRefusal, Speaker},
};

/// The sockets of one session.
#[derive(Debug)]
pub struct Peers {
    session: SessionName,
    metrics: Arc<Metrics>,
    inner: Mutex<Inner>,
    /// Whoever has it is the next to send to the host. Fair: each waiting page has its turn.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Inner {
    host: Host,
    seats: HashMap<PeerId, Taken>,
    next: u64,
    messages: Bucket,
    bytes: Bucket,
}

/// Where messages go.
#[derive(Debug)]
enum Host {
    /// Nowhere now.
    Away,
    /// Over this link.
    Linked(Link),
    /// Nowhere any more.
    Ended,
}

/// A seat, as the session sees it.
#[derive(Debug)]
struct Taken {
    number: u64,
    visitor: VisitorId,
    mail: mpsc::Sender<String>,
    /// Ends the socket; `None` once it was used.
    end: Option<oneshot::Sender<SignalingEnd>>,
    /// The newest link was told of it.
    told: bool,
}

/// How many sockets there may be.
#[derive(Clone, Copy, Debug)]
pub struct PeerLimits {
    /// In one session.
    pub per_session: usize,
    /// Of one visitor in it.
    pub per_visitor: usize,
}

/// Why a page gets no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The session is over.
    #[error("the session is over")]
    Ended,
    /// Another visitor's page has this id.
    #[error("the peer id is another visitor's")]
    Foreign,
    /// The session is full.
    #[error("too many sockets in the session")]
    SessionFull,
    /// The visitor has its share.
    #[error("too many sockets of the visitor")]
    VisitorFull,
}

impl JoinError {
    /// How it is counted; an ended session is no refusal.
    pub const fn label(self) -> Option<SignalingRefusal> {
        match self {
            Self::Ended => None,
            Self::Foreign => Some(SignalingRefusal::Peer),
            Self::SessionFull => Some(SignalingRefusal::SessionLimit),
            Self::VisitorFull => Some(SignalingRefusal::VisitorLimit),
        }
    }
}

/// Why a message did not go to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassError {
    /// It has no link now.
    #[error("the host is away")]
    Away,
    /// The seat is another socket's now.
    #[error("the seat is taken by another socket")]
    Replaced,
    /// It does not fit into a control message.
    #[error("the message is too large")]
    TooLarge,
}

/// A page's place among the sockets of its session.
#[derive(Debug)]
pub struct Seat {
    peers: Arc<Peers>,
    peer: PeerId,
    visitor: VisitorId,
    number: u64,
}

/// What comes to a seat.
#[derive(Debug)]
pub struct Mailbox {
    /// Messages for the page, as JSON.
    pub mail: mpsc::Receiver<String>,
    /// To put messages there, for the edge itself.
    pub sender: mpsc::Sender<String>,
    /// Why the socket must end.
    pub end: oneshot::Receiver<SignalingEnd>,
}

impl Peers {
    /// None yet, and no link.
    pub fn new(session: SessionName, metrics: Arc<Metrics>) -> Self {
        let now = Instant::now();
        let inner = Inner {
            host: Host::Away,
            seats: HashMap::new(),
            next: 0,
            messages: Bucket::new(MESSAGE_BURST, MESSAGES_PER_SECOND, now),
            bytes: Bucket::new(BYTE_BURST, BYTES_PER_SECOND, now),
        };
        Self { session, metrics, inner: Mutex::new(inner), turn: tokio::sync::Mutex::new(()) }
    }

    /// Gives a page a seat. A page that has one already changes its socket: the older one ends.
    ///
    /// # Errors
    /// [`JoinError`].
    pub fn join(
        self: &Arc<Self>,
        peer: PeerId,
        visitor: VisitorId,
        limits: PeerLimits,
    ) -> Result<(Seat, Mailbox), JoinError> {
        let mut inner = self.inner.lock();
        if matches!(inner.host, Host::Ended) {
            return Err(JoinError::Ended);
        }
        match inner.seats.get(&peer) {
            Some(older) if older.visitor != visitor => return Err(JoinError::Foreign),
            Some(_) => {}
            None if inner.seats.len() >= limits.per_session => return Err(JoinError::SessionFull),
            None => {
                let own = inner.seats.values().filter(|seat| seat.visitor == visitor).count();
                if own >= limits.per_visitor {
                    return Err(JoinError::VisitorFull);
                }
            }
        }
        inner.next += 1;
        let number = inner.next;
        let (sender, mail) = mpsc::channel(MAILBOX);
        let (end, ended) = oneshot::channel();
        let taken = Taken { number, visitor, mail: sender.clone(), end: Some(end), told: false };
        if let Some(mut older) = inner.seats.insert(peer, taken) {
            older.end(SignalingEnd::Replaced);
        }
        let seat = Seat { peers: self.clone(), peer, visitor, number };
        Ok((seat, Mailbox { mail, sender, end: ended }))
    }

    /// The host is there, over a link on which `opened` was said: it is told of all pages. A link that was replaced before
    /// it came to this is closed already, and the newer one may be here.
    pub fn attach(&self, link: &Link) {
        let mut inner = self.inner.lock();
        if matches!(inner.host, Host::Ended) || !link.is_open() {
            return;
        }
        let now = Instant::now();
        inner.host = Host::Linked(link.clone());
        // The budget is for what a link may have unread, and this one has nothing.
        inner.messages.refill(now);
        inner.bytes.refill(now);
        let Inner { seats, messages, bytes, .. } = &mut *inner;
        for (peer, seat) in seats {
            let message = EdgeToHost::PeerOpened { peer: *peer, visitor: seat.visitor };
            if let Ok(json) = control::encode(&message) {
                // The burst has room for as many seats as there may be.
                let _ = (messages.take(1, now), bytes.take(json.len(), now));
                link.send_control(json);
                seat.told = true;
            }
        }
    }

    /// The link is over, unless a newer one is there already.
    pub fn detach(&self, link: &Link) {
        let mut inner = self.inner.lock();
        if inner.is_linked_by(link) {
            inner.host = Host::Away;
        }
    }

    /// The session is over: every socket ends and there will be no more.
    pub fn end(&self) {
        let mut inner = self.inner.lock();
        inner.host = Host::Ended;
        for (_, mut seat) in inner.seats.drain() {
            seat.end(SignalingEnd::SessionEnded);
        }
    }

    /// The edge shuts down.
    pub fn close(&self) {
        let mut inner = self.inner.lock();
        inner.seats.values_mut().for_each(|seat| seat.end(SignalingEnd::Shutdown));
    }

    /// Gives a message of the host to a page.
    pub fn deliver(&self, link: &Link, peer: PeerId, message: &Signal) {
        self.metrics.direct.messages.get(Speaker::Host).add(1);
        if let Err(why) = self.try_deliver(link, peer, message) {
            self.metrics.direct.messages_dropped.get(why).add(1);
        }
    }

    fn try_deliver(
        &self,
        link: &Link,
        peer: PeerId,
        message: &Signal,
    ) -> Result<(), SignalingDrop> {
        if message.from != From::Host || message.session_id != self.session.as_str() {
            return Err(SignalingDrop::Malformed);
        }
        let json = serde_json::to_string(message).map_err(|_| SignalingDrop::Malformed)?;
        if json.len() > MAX_SIGNAL {
            return Err(SignalingDrop::Oversized);
        }
        let mut inner = self.inner.lock();
        // A link that was replaced has no say any more.
        if !inner.is_linked_by(link) {
            return Err(SignalingDrop::UnknownPeer);
        }
        let seat = inner.seats.get_mut(&peer).ok_or(SignalingDrop::UnknownPeer)?;
        seat.mail.try_send(json).map_err(|_| {
            seat.end(SignalingEnd::Unread);
            SignalingDrop::Unread
        })
    }
}

impl Seat {
    /// The name of the session.
    pub fn session(&self) -> &SessionName {
        &self.peers.session
    }

    /// Tells the host of the page. If the host is away, it is told when it comes back.
    pub async fn announce(&self) {
        let _turn = self.peers.turn.lock().await;
        // Away or replaced: there is nobody to tell, or somebody else does.
        let _ = self.be_told().await;
    }

    /// Passes a message to the host; waits for its turn and for the budget of the session.
    ///
    /// # Errors
    /// [`PassError`]; nothing was sent.
    pub async fn pass(&self, message: Signal) -> Result<(), PassError> {
        let message = EdgeToHost::Signaling { peer: self.peer, message };
        let json = control::encode(&message).map_err(|_| PassError::TooLarge)?;
        let _turn = self.peers.turn.lock().await;
        self.be_told().await?;
        self.send(json, |_| ()).await
    }

    /// Tells the host, if it is there, that the page's socket is gone, and gives the seat back.
    pub async fn leave(self) {
        let told = async {
            let _turn = self.peers.turn.lock().await;
            if !self.peers.inner.lock().seats.get(&self.peer).is_some_and(|seat| seat.told) {
                return;
            }
            if let Ok(json) = control::encode(&EdgeToHost::PeerClosed { peer: self.peer }) {
                // Away or replaced, as in `announce`.
                let _ = self.send(json, |seat| seat.told = false).await;
            }
        };
        // A line that does not move holds up nothing but this seat.
        let _ = timeout(LEAVE_DEADLINE, told).await;
    }

    /// Makes sure that the host knows of the page. The caller has the turn.
    async fn be_told(&self) -> Result<(), PassError> {
        match self.peers.inner.lock().seats.get(&self.peer) {
            Some(seat) if seat.number != self.number => return Err(PassError::Replaced),
            None => return Err(PassError::Replaced),
            Some(seat) if seat.told => return Ok(()),
            Some(_) => {}
        }
        let message = EdgeToHost::PeerOpened { peer: self.peer, visitor: self.visitor };
        let json = control::encode(&message).map_err(|_| PassError::TooLarge)?;
        self.send(json, |seat| seat.told = true).await
    }

    /// Sends as soon as the budget allows, then does `then`. The caller has the turn.
    async fn send(&self, json: Vec<u8>, then: impl FnOnce(&mut Taken)) -> Result<(), PassError> {
        loop {
            let wait = {
                let mut inner = self.peers.inner.lock();
                let Inner { host, seats, messages, bytes, .. } = &mut *inner;
                let seat = seats.get_mut(&self.peer).filter(|seat| seat.number == self.number);
                let seat = seat.ok_or(PassError::Replaced)?;
                let Host::Linked(link) = host else { return Err(PassError::Away) };
                let now = Instant::now();
                let lacks = messages.lacks(1, now).max(bytes.lacks(json.len(), now));
                let Some(wait) = lacks else {
                    let _ = (messages.take(1, now), bytes.take(json.len(), now));
                    link.send_control(json);
                    then(seat);
                    return Ok(());
                };
                wait
            };
            self.peers.metrics.direct.messages_delayed.add(1);
            sleep(wait).await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inner = self.peers.inner.lock();
        if inner.seats.get(&self.peer).is_some_and(|seat| seat.number == self.number) {
            inner.seats.remove(&self.peer);
        }
    }
}

impl Inner {
    fn is_linked_by(&self, link: &Link) -> bool {
        matches!(&self.host, Host::Linked(current) if current.is_same(link))
    }
}

impl Taken {
    fn end(&mut self, why: SignalingEnd) {
        if let Some(end) = self.end.take() {
            // An error means that the socket has ended by itself.
            let _ = end.send(why);
        }
    }
}

/// Messages that may wait for a page to read; a host says a dozen for each connection.
const MAILBOX: usize = 64;
const LEAVE_DEADLINE: Duration = Duration::from_secs(10);

/// What a host's link may have unread after a stall of ten seconds (its heartbeat's deadline) is below what
/// [`wingman_link`] takes before it calls it a flood.
const MESSAGE_BURST: u32 = 512;
const MESSAGES_PER_SECOND: u32 = 200;
const BYTE_BURST: u32 = 512 * 1024;
const BYTES_PER_SECOND: u32 = 128 * 1024;

#[cfg(test)]
mod tests;
