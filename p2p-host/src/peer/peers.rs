//! All peers of this host.

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use wingman_link::Link;
use wingman_telemetry::Held;
use wingman_wire::{
    id::{PeerId, VisitorId},
    signal::{Body, Candidate, From, Reason, Signal, State},
};

use super::{
    certificate::Certificate,
    outbox::Outbox,
    peer::{Command, Peer},
    port::Port,
};
use crate::{
    exchange::Runner,
    status::{Event, Path, Reporter},
    telemetry::Metrics,
};

/// How to have peers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// By which pages know this host.
    pub certificate: Certificate,
    /// Pages may be on this machine and nowhere else: the edge is.
    pub loopback: bool,
    /// STUN servers, as `stun:host:port`, besides the edge's.
    pub stun_servers: Vec<String>,
    /// Peers at once.
    pub max_peers: usize,
    /// Of them, of one visitor.
    pub max_peers_of_visitor: usize,
    /// Exchanges of one peer at once.
    pub max_exchanges: u32,
}

/// Owns every peer and the port they share. Clones are the same.
///
/// A peer begins with a page's offer. It ends when the page says bye or is silent, or by [`Peers::shutdown`];
/// neither the page's signaling socket nor the link has to live as long.
#[derive(Clone)]
pub struct Peers(Arc<Shared>);

/// What peers have in common.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) port: Arc<Port>,
    pub(super) runner: Arc<Runner>,
    pub(super) outbox: Outbox,
    reporter: Reporter,
    /// What the edge names.
    edge_stun_servers: Mutex<Vec<String>>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    entries: HashMap<PeerId, Entry>,
    /// Peers that were: their pages' connections cannot be taken up again.
    ended: VecDeque<PeerId>,
    tasks: JoinSet<()>,
    phase: Phase,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    Closing(Reason),
}

struct Entry {
    visitor: VisitorId,
    socket: Socket,
    state: PeerState,
}

/// The page's signaling socket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Socket {
    Open,
    Gone,
}

enum PeerState {
    /// No offer yet. Candidates may overtake it.
    Expected { candidates: Vec<Candidate> },
    Running {
        commands: mpsc::Sender<Command>,
        stop: watch::Sender<Option<Reason>>,
        since: Instant,
        is_up: bool,
    },
}

impl Peers {
    /// Binds the port.
    ///
    /// # Errors
    /// There is no UDP to be had.
    pub fn start(settings: Settings, runner: Arc<Runner>, reporter: Reporter) -> io::Result<Self> {
        Ok(Self(Arc::new(Shared {
            settings,
            port: Port::bind(0)?,
            runner,
            outbox: Outbox::default(),
            reporter,
            edge_stun_servers: Mutex::default(),
            table: Mutex::default(),
        })))
    }

    /// A link is up: signaling goes by it. The edge will name the pages that have a signaling socket.
    pub fn attach(&self, link: Link, session: String, stun_servers: Vec<String>) {
        *self.0.edge_stun_servers.lock() = stun_servers;
        self.0.outbox.attach(link, session);
    }

    /// The link is gone, and the pages' signaling sockets with it.
    pub fn detach(&self) {
        self.0.outbox.detach();
        let mut table = self.0.table.lock();
        for entry in table.entries.values_mut() {
            entry.socket = Socket::Gone;
        }
        table.forget_the_gone();
    }

    /// A page has a signaling socket.
    pub fn opened(&self, peer: PeerId, visitor: VisitorId) {
        let mut table = self.0.table.lock();
        if let Some(entry) = table.entries.get_mut(&peer) {
            if entry.visitor == visitor {
                entry.socket = Socket::Open;
            }
        } else if table.entries.len() < MAX_ENTRIES {
            let state = PeerState::Expected { candidates: Vec::new() };
            table.entries.insert(peer, Entry { visitor, socket: Socket::Open, state });
        }
    }

    /// A page's signaling socket is gone. Its channels may be up and stay so.
    pub fn closed(&self, peer: PeerId) {
        let mut table = self.0.table.lock();
        if let Some(entry) = table.entries.get_mut(&peer) {
            entry.socket = Socket::Gone;
        }
        table.forget_the_gone();
    }

    /// A page says something.
    pub fn signal(&self, peer: PeerId, message: Signal) {
        if message.from != From::Client {
            return;
        }
        match message.body {
            Body::Offer(offer) => self.offer(peer, offer.sdp),
            Body::IceCandidate(candidate) => self.candidate(peer, candidate),
            Body::ConnectionState(state) => tracing::debug!(?peer, ?state, "page"),
            Body::Answer(_) => {}
        }
    }

    fn offer(&self, peer: PeerId, sdp: String) {
        let mut table = self.0.table.lock();
        let Some(entry) = table.entries.get(&peer) else { return };
        if let PeerState::Running { .. } = entry.state {
            table.command(peer, Command::Offer(sdp));
            return;
        }
        let visitor = entry.visitor;
        let refused = if let Phase::Closing(reason) = table.phase {
            Some((State::Failed, reason))
        } else if table.ended.contains(&peer) {
            // An offer that goes on with a connection that this host has no more.
            Some((State::Closed, Reason::ChannelClosed))
        } else if table.has_room(visitor, &self.0.settings) {
            None
        } else {
            Some((State::Failed, Reason::PeerLimit))
        };
        if let Some((state, reason)) = refused {
            drop(table);
            self.0.outbox.refuse(peer, state, reason);
            return;
        }
        table.start(peer, sdp, &self.0);
    }

    fn candidate(&self, peer: PeerId, candidate: Candidate) {
        let mut table = self.0.table.lock();
        match table.entries.get_mut(&peer).map(|entry| &mut entry.state) {
            Some(PeerState::Expected { candidates }) if candidates.len() < MAX_CANDIDATES => {
                candidates.push(candidate);
            }
            Some(PeerState::Running { .. }) => table.command(peer, Command::Candidate(candidate)),
            _ => {}
        }
    }

    /// Peers that have a connection, or are on the way to one.
    pub fn len(&self) -> usize {
        self.0.table.lock().running().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends every peer, and takes no more.
    pub async fn shutdown(&self, reason: Reason) {
        let mut tasks = {
            let mut table = self.0.table.lock();
            table.phase = Phase::Closing(reason);
            for (_, entry) in table.running() {
                entry.stop(reason);
            }
            std::mem::take(&mut table.tasks)
        };
        let all = async { while tasks.join_next().await.is_some() {} };
        // Dropping the set ends what is left.
        let _ = timeout(SHUTDOWN_DEADLINE, all).await;
    }
}

impl Shared {
    pub(super) fn stun_servers(&self) -> Vec<String> {
        let mut servers = self.edge_stun_servers.lock().clone();
        for server in &self.settings.stun_servers {
            if !servers.contains(server) {
                servers.push(server.clone());
            }
        }
        servers
    }

    /// A peer's direct path is up.
    pub(super) fn up(&self, peer: PeerId, round_trip: Option<Duration>) {
        self.metrics().peers_connected.add(1);
        let mut table = self.table.lock();
        let Some(entry) = table.entries.get_mut(&peer) else { return };
        let visitor = entry.visitor;
        if let PeerState::Running { is_up, .. } = &mut entry.state {
            *is_up = true;
        }
        if table.up(visitor) == 1 {
            drop(table);
            self.report(visitor, Path::Direct, round_trip);
        }
    }

    pub(super) fn metrics(&self) -> &Metrics {
        self.reporter.metrics()
    }

    fn ended(&self, peer: PeerId) {
        let mut table = self.table.lock();
        if table.ended.len() >= MAX_ENDED {
            table.ended.pop_front();
        }
        table.ended.push_back(peer);
        let Some(entry) = table.entries.get_mut(&peer) else { return };
        let visitor = entry.visitor;
        let expected = PeerState::Expected { candidates: Vec::new() };
        let old = std::mem::replace(&mut entry.state, expected);
        table.forget_the_gone();
        let was_up = matches!(old, PeerState::Running { is_up: true, .. });
        if was_up && table.up(visitor) == 0 {
            drop(table);
            self.report(visitor, Path::Relay, None);
        }
    }

    fn report(&self, visitor: VisitorId, path: Path, round_trip: Option<Duration>) {
        let visitor = self.runner.visitor_label(visitor);
        self.reporter.report(Event::VisitorPath { visitor, path, round_trip });
    }
}

impl Table {
    fn running(&self) -> impl Iterator<Item = (PeerId, &Entry)> {
        let entries = self.entries.iter().map(|(peer, entry)| (*peer, entry));
        entries.filter(|(_, entry)| matches!(entry.state, PeerState::Running { .. }))
    }

    /// How many of a visitor's peers are up.
    fn up(&self, visitor: VisitorId) -> usize {
        let is_up = |entry: &Entry| {
            entry.visitor == visitor
                && matches!(entry.state, PeerState::Running { is_up: true, .. })
        };
        self.entries.values().filter(|entry| is_up(entry)).count()
    }

    /// Whether one more peer may be. A visitor's oldest page that has lost its socket gives way to its newest: it
    /// was closed so fast that it could not say bye.
    fn has_room(&self, visitor: VisitorId, settings: &Settings) -> bool {
        let of_visitor = || self.running().filter(|(_, entry)| entry.visitor == visitor);
        let all = self.running().count();
        if all < settings.max_peers && of_visitor().count() < settings.max_peers_of_visitor {
            return true;
        }
        // One that is ending already has given way to another.
        let lost =
            of_visitor().filter(|(_, entry)| entry.socket == Socket::Gone && !entry.is_stopping());
        let Some((_, oldest)) = lost.min_by_key(|(_, entry)| entry.since()) else { return false };
        oldest.stop(Reason::PeerLimit);
        true
    }

    fn start(&mut self, peer: PeerId, sdp: String, shared: &Arc<Shared>) {
        let Some(entry) = self.entries.get_mut(&peer) else { return };
        let (commands, receiver) = mpsc::channel(MAX_COMMANDS);
        let (stop, stopped) = watch::channel(None);
        let visitor = entry.visitor;
        let since = Instant::now();
        let running = PeerState::Running { commands, stop, since, is_up: false };
        let PeerState::Expected { candidates } = std::mem::replace(&mut entry.state, running)
        else {
            return;
        };
        self.command(peer, Command::Offer(sdp));
        for candidate in candidates {
            self.command(peer, Command::Candidate(candidate));
        }
        let task =
            Peer { id: peer, visitor, shared: shared.clone(), commands: receiver, stop: stopped };
        let metrics = shared.metrics();
        metrics.peers_opened.add(1);
        let ended = EndedOnDrop {
            shared: Arc::downgrade(shared),
            peer,
            reason: Reason::Other,
            _held: metrics.peers.hold(),
        };
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(async move {
            ended.because(task.run().await);
        });
    }

    /// A page that says more than its peer can follow is up to no good.
    fn command(&mut self, peer: PeerId, command: Command) {
        if let Some(entry) = self.entries.get(&peer)
            && let PeerState::Running { commands, .. } = &entry.state
            && commands.try_send(command).is_err()
        {
            entry.stop(Reason::Protocol);
        }
    }

    fn forget_the_gone(&mut self) {
        self.entries.retain(|_, entry| {
            entry.socket == Socket::Open || matches!(entry.state, PeerState::Running { .. })
        });
    }
}

impl Entry {
    fn stop(&self, reason: Reason) {
        if let PeerState::Running { stop, .. } = &self.state {
            stop.send_if_modified(|known| known.is_none() && known.replace(reason).is_none());
        }
    }

    fn is_stopping(&self) -> bool {
        matches!(&self.state, PeerState::Running { stop, .. } if stop.borrow().is_some())
    }

    fn since(&self) -> Option<Instant> {
        match &self.state {
            PeerState::Running { since, .. } => Some(*since),
            PeerState::Expected { .. } => None,
        }
    }
}

/// Also when the task is aborted, or panics.
struct EndedOnDrop {
    shared: Weak<Shared>,
    peer: PeerId,
    reason: Reason,
    _held: Held,
}

impl EndedOnDrop {
    fn because(mut self, reason: Reason) {
        self.reason = reason;
    }
}

impl Drop for EndedOnDrop {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.metrics().peers_closed.get(self.reason).add(1);
            shared.ended(self.peer);
        }
    }
}

/// Candidates that may come before the offer; some of them are of no use, and do not count later.
const MAX_CANDIDATES: usize = 32;
/// What one page may say before its peer has come to it.
const MAX_COMMANDS: usize = 64;
/// Pages with a signaling socket. The edge has a lower limit.
const MAX_ENTRIES: usize = 4_096;
const MAX_ENDED: usize = 1_024;
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    const VISITOR: VisitorId = VisitorId::from_bits(1);

    /// A page without a socket, and what its peer is told.
    fn lost() -> (Entry, watch::Receiver<Option<Reason>>) {
        let (stop, stopped) = watch::channel(None);
        let (commands, _) = mpsc::channel(1);
        let state = PeerState::Running { commands, stop, since: Instant::now(), is_up: true };
        (Entry { visitor: VISITOR, socket: Socket::Gone, state }, stopped)
    }

    #[test]
    fn each_lost_page_gives_way_to_one_other() {
        let settings = Settings {
            certificate: Certificate::fresh().unwrap(),
            loopback: true,
            stun_servers: Vec::new(),
            max_peers: 8,
            max_peers_of_visitor: 2,
            max_exchanges: 1,
        };
        let mut table = Table::default();
        let mut told = Vec::new();
        for peer in 0..2 {
            assert!(table.has_room(VISITOR, &settings));
            let (entry, stopped) = lost();
            table.entries.insert(PeerId::from_bits(peer), entry);
            told.push(stopped);
        }
        for gone in 1..=2 {
            assert!(table.has_room(VISITOR, &settings));
            let stopped = told.iter().filter(|told| told.borrow().is_some()).count();
            assert_eq!(stopped, gone);
        }
        assert!(!table.has_room(VISITOR, &settings), "both are ending");
    }
}
