//! One peer's share of the port: its datagrams in and out.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::Notify;
use webrtc::runtime::Transmit;

use super::{checks::Checks, pacer::Pacer, path::Path, port::Port, stun::Stun};

/// One peer, as the port sees it: a mailbox for each local address, and the estimates of its path.
#[derive(Debug)]
pub(super) struct Endpoint {
    port: Arc<Port>,
    this: Weak<Self>,
    inboxes: Mutex<Vec<(IpAddr, Arc<Inbox>)>>,
    /// Ports that the peer's connection believes in, and the true ones.
    ports: Mutex<Vec<(SocketAddr, u16)>>,
    flow: Mutex<Flow>,
    checks: Mutex<Checks>,
    /// Of the receive that moves the pacer. A timer must wake just this: the connection's driver polls what was
    /// woken and nothing else.
    receiver: Mutex<Option<Waker>>,
    /// Datagrams have been handled: acknowledgements may have been among them.
    pub(super) progress: Notify,
    hurry: Notify,
}

#[derive(Debug)]
struct Flow {
    path: Path,
    pacer: Pacer,
    /// Where data goes.
    selected: Option<SocketAddr>,
}

/// Datagrams for one local address that the peer has not read yet.
#[derive(Debug, Default)]
pub(super) struct Inbox(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    datagrams: VecDeque<(SocketAddr, Box<[u8]>)>,
    bytes: usize,
    waker: Option<Waker>,
}

impl Endpoint {
    /// A new peer's.
    pub(super) fn new(port: Arc<Port>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            port,
            this: this.clone(),
            inboxes: Mutex::default(),
            ports: Mutex::default(),
            flow: Mutex::new(Flow {
                path: Path::new(),
                pacer: Pacer::new(Instant::now()),
                selected: None,
            }),
            checks: Mutex::new(Checks::new(Instant::now())),
            receiver: Mutex::default(),
            progress: Notify::new(),
            hurry: Notify::new(),
        })
    }

    /// The mailbox for what is sent to `address`, which is one of this machine's with a port that nobody has.
    pub(super) fn open(&self, address: SocketAddr) -> io::Result<Arc<Inbox>> {
        let number = self.port.number(address.ip()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let inbox = Arc::new(Inbox::default());
        let mut inboxes = self.inboxes.lock();
        inboxes.retain(|(ip, _)| *ip != address.ip());
        inboxes.push((address.ip(), inbox.clone()));
        self.ports.lock().push((address, number));
        Ok(inbox)
    }

    /// Checks for `ufrag` are for this peer.
    pub(super) fn answer_to(&self, ufrag: &str) {
        if let Some(this) = self.this.upgrade() {
            self.port.add(ufrag, &this);
        }
    }

    /// The port that is to be told to pages instead of the one the connection believes in.
    pub(super) fn true_port(&self, address: SocketAddr) -> Option<u16> {
        let ports = self.ports.lock();
        ports.iter().find(|(known, _)| *known == address).map(|(_, number)| *number)
    }

    /// A datagram has arrived. What does not fit is lost, as in any socket.
    pub(super) fn deliver(&self, from: SocketAddr, to: Option<IpAddr>, datagram: &[u8]) {
        let inboxes = self.inboxes.lock();
        let family = |ip: &IpAddr| ip.is_ipv4() == from.is_ipv4();
        let inbox = match to {
            Some(to) => inboxes.iter().find(|(ip, _)| *ip == to),
            // A system that does not say where it was sent to.
            None => inboxes.iter().find(|(ip, _)| family(ip)),
        };
        if let Some((_, inbox)) = inbox {
            inbox.put(from, datagram);
        }
    }

    /// A check was answered.
    pub(super) fn on_check(&self, now: Instant, from: SocketAddr, round_trip: Duration) {
        let mut flow = self.flow.lock();
        if flow.selected == Some(from) {
            flow.path.on_round_trip(now, round_trip);
            let pace = flow.path.pace();
            flow.pacer.set_rate(now, pace);
        }
    }

    /// The connection may have something to do: a candidate to check, a handshake to begin. It looks when its timer
    /// expires, which is every 20 ms while it is set up.
    pub(super) fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// When its timer is to expire early.
    pub(super) async fn hurried(&self) {
        self.hurry.notified().await;
    }

    /// A datagram was read, and is handled by the next time that the connection looks at its timer.
    pub(super) fn on_read(&self) {
        // Once data flows, its timers are those of SCTP.
        if self.flow.lock().selected.is_none() {
            self.hurry();
        }
    }

    /// See [`Path::on_delivered`].
    pub(super) fn on_delivered(&self, delivered: u64) {
        let now = Instant::now();
        let mut flow = self.flow.lock();
        flow.path.on_delivered(now, delivered);
        let pace = flow.path.pace();
        flow.pacer.set_rate(now, pace);
    }

    /// See [`Path::on_idle`].
    pub(super) fn on_idle(&self) {
        self.flow.lock().path.on_idle();
    }

    /// See [`Path::budget`].
    pub(super) fn budget(&self) -> usize {
        self.flow.lock().path.budget()
    }

    /// See [`Path::round_trip`].
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.flow.lock().path.round_trip()
    }

    /// Takes datagrams to send. Data waits for its turn in the pacer; STUN does not, so that round trips are
    /// measured and consent stays fresh.
    pub(super) fn poll_send(
        &self,
        context: &mut Context<'_>,
        transmit: &Transmit<'_>,
    ) -> Poll<io::Result<usize>> {
        if let Some(stun) = Stun::parse(transmit.contents) {
            if !self.may_check(transmit.destination, &stun) {
                return Poll::Ready(Ok(transmit.contents.len()));
            }
            self.port.note_sent(&self.this, transmit.destination, &stun);
            return self.port.poll_send(context, transmit);
        }
        let now = Instant::now();
        if self.flow.lock().selected != Some(transmit.destination) {
            let round_trip = self.port.round_trip(transmit.destination);
            self.flow.lock().select(now, transmit.destination, round_trip);
        }
        let mut flow = self.flow.lock();
        if flow.pacer.take(now, transmit.contents.len()) {
            return self.port.poll_send(context, transmit);
        }
        flow.pacer.queue(transmit);
        drop(flow);
        if let Some(receiver) = &*self.receiver.lock() {
            receiver.wake_by_ref();
        }
        Poll::Ready(Ok(transmit.contents.len()))
    }

    fn may_check(&self, address: SocketAddr, stun: &Stun<'_>) -> bool {
        let is_check = matches!(stun, Stun::Request { ufrag: Some(_), .. });
        // Whoever has answered once wants to hear of us.
        !is_check
            || self.port.round_trip(address).is_some()
            || self.checks.lock().take(Instant::now())
    }

    /// Sends what the pacer lets go; the context, which is a receive's, is woken when it lets go of more.
    pub(super) fn flush(&self, context: &mut Context<'_>) {
        match &mut *self.receiver.lock() {
            Some(receiver) => receiver.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        let mut flow = self.flow.lock();
        // Pending: the context is woken for the rest.
        let _ = flow
            .pacer
            .poll_flush(context, |context, transmit| self.port.poll_send(context, transmit));
    }

    /// How many datagrams one send may have. More are a burst that the pacer cannot cut.
    pub(super) fn max_segments(&self, ip: IpAddr) -> usize {
        self.port.max_segments(ip).min(MAX_SEGMENTS)
    }

    /// One without a network.
    #[cfg(test)]
    pub(super) fn for_tests() -> Arc<Self> {
        Self::new(Port::without_sockets())
    }
}

impl Flow {
    /// Data goes to another address: nothing is known of the path but the round trip of its checks.
    fn select(&mut self, now: Instant, address: SocketAddr, round_trip: Option<Duration>) {
        self.selected = Some(address);
        self.path = Path::new();
        if let Some(round_trip) = round_trip {
            self.path.on_round_trip(now, round_trip);
        }
        self.pacer.set_rate(now, self.path.pace());
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.port.remove(self);
    }
}

impl Inbox {
    /// What does not fit is lost.
    pub(super) fn put(&self, from: SocketAddr, datagram: &[u8]) {
        let mut queue = self.0.lock();
        if queue.bytes + datagram.len() > MAX_INBOX {
            return;
        }
        queue.bytes += datagram.len();
        queue.datagrams.push_back((from, datagram.into()));
        if let Some(waker) = queue.waker.take() {
            drop(queue);
            waker.wake();
        }
    }

    /// Copies the next datagram into `buffer`.
    pub(super) fn poll_next(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<(SocketAddr, usize)> {
        let mut queue = self.0.lock();
        let Some((from, datagram)) = queue.datagrams.pop_front() else {
            queue.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        queue.bytes -= datagram.len();
        let length = datagram.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram[..length]);
        Poll::Ready((from, length))
    }
}

/// Bytes that may wait for a peer: about what a fast path brings while this thread is busy with others.
const MAX_INBOX: usize = 2 * 1024 * 1024;
const MAX_SEGMENTS: usize = 8;
