//! The UDP port that all peers of this host share.

use std::{
    future::poll_fn,
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Weak},
    task::{Context, Poll, Wake, Waker},
    time::Instant,
};

use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::task::JoinSet;
use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Runtime as _, TokioRuntime, Transmit};

use super::{
    endpoint::Endpoint,
    routes::{Found, Routes},
    stun::Stun,
};

/// One UDP port, on IPv4 and IPv6, bound when the host starts: a router has to be asked for one mapping only, and
/// a firewall's user for one rule. Its tasks end with it.
#[derive(Debug)]
pub(super) struct Port {
    v4: Option<Half>,
    v6: Option<Half>,
    routes: Mutex<Routes>,
    readers: Mutex<JoinSet<()>>,
}

/// The socket of one address family, on all interfaces.
#[derive(Debug)]
struct Half {
    socket: Arc<dyn AsyncUdpSocket>,
    number: u16,
    /// Peers that wait for the socket to take more. tokio wakes only the last task that has asked.
    blocked: Arc<Blocked>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Blocked(Mutex<Vec<Waker>>);

impl Wake for Blocked {
    fn wake(self: Arc<Self>) {
        let blocked = std::mem::take(&mut *self.0.lock());
        blocked.into_iter().for_each(Waker::wake);
    }
}

impl Port {
    /// Binds it; to be called on the runtime whose tasks will use it. `number` 0: any.
    ///
    /// # Errors
    /// Neither address family can be bound.
    pub(super) fn bind(number: u16) -> io::Result<Arc<Self>> {
        let v4 = Half::bind(Ipv4Addr::UNSPECIFIED.into(), number);
        let same = v4.as_ref().map_or(number, |half| half.number);
        let v6 = Half::bind(Ipv6Addr::UNSPECIFIED.into(), same)
            .or_else(|_| Half::bind(Ipv6Addr::UNSPECIFIED.into(), number));
        let (v4, v6) = match (v4, v6) {
            (Err(error), Err(_)) => return Err(error),
            (v4, v6) => (v4.ok(), v6.ok()),
        };
        let port = Arc::new(Self {
            v4,
            v6,
            routes: Mutex::default(),
            readers: Mutex::new(JoinSet::new()),
        });
        for half in [&port.v4, &port.v6].into_iter().flatten() {
            let socket = half.socket.clone();
            port.readers.lock().spawn(read(socket, Arc::downgrade(&port)));
        }
        Ok(port)
    }

    /// Its number, where it can be reached by addresses like `ip`.
    pub(super) fn number(&self, ip: IpAddr) -> Option<u16> {
        self.half(ip).map(|half| half.number)
    }

    /// Checks for `ufrag` are `endpoint`'s from now on.
    pub(super) fn add(&self, ufrag: &str, endpoint: &Arc<Endpoint>) {
        self.routes.lock().add(ufrag, endpoint);
    }

    /// Forgets an endpoint.
    pub(super) fn remove(&self, endpoint: &Endpoint) {
        self.routes.lock().remove(endpoint);
    }

    /// A request of `endpoint` is about to be sent.
    pub(super) fn note_sent(&self, endpoint: &Weak<Endpoint>, to: SocketAddr, stun: &Stun<'_>) {
        self.routes.lock().note_sent(Instant::now(), endpoint, to, stun);
    }

    /// The round trip to an address that has answered a check.
    pub(super) fn round_trip(&self, address: SocketAddr) -> Option<std::time::Duration> {
        self.routes.lock().round_trip(address)
    }

    /// Sends datagrams from the address `transmit.src_ip`.
    pub(super) fn poll_send(
        &self,
        context: &mut Context<'_>,
        transmit: &Transmit<'_>,
    ) -> Poll<io::Result<usize>> {
        let Some(half) = self.half(transmit.destination.ip()) else {
            return Poll::Ready(Err(io::ErrorKind::AddrNotAvailable.into()));
        };
        let sent = half.socket.poll_send(&mut Context::from_waker(&half.waker), transmit);
        if sent.is_pending() {
            let mut blocked = half.blocked.0.lock();
            if !blocked.iter().any(|known| known.will_wake(context.waker())) {
                blocked.push(context.waker().clone());
            }
            drop(blocked);
            // The socket may have become writable between the two steps, with nobody to wake.
            return half.socket.poll_send(&mut Context::from_waker(&half.waker), transmit);
        }
        sent
    }

    /// How many datagrams one send may have.
    pub(super) fn max_segments(&self, ip: IpAddr) -> usize {
        self.half(ip).map_or(1, |half| half.socket.max_gso_segments())
    }

    fn deliver(&self, from: SocketAddr, to: Option<IpAddr>, datagram: &[u8]) {
        let now = Instant::now();
        let found = self.routes.lock().find(now, from, datagram);
        let Some(Found { endpoint, round_trip }) = found else { return };
        if let Some(round_trip) = round_trip {
            endpoint.on_check(now, from, round_trip);
        }
        endpoint.deliver(from, to, datagram);
    }

    /// One that reaches nobody.
    #[cfg(test)]
    pub(super) fn without_sockets() -> Arc<Self> {
        let (routes, readers) = (Mutex::default(), Mutex::new(JoinSet::new()));
        Arc::new(Self { v4: None, v6: None, routes, readers })
    }

    fn half(&self, ip: IpAddr) -> Option<&Half> {
        if ip.is_ipv4() { self.v4.as_ref() } else { self.v6.as_ref() }
    }
}

impl Half {
    fn bind(ip: IpAddr, number: u16) -> io::Result<Self> {
        let address = SocketAddr::new(ip, number);
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if ip.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        // A burst of a page must fit until this thread comes to it.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        let _ = socket.set_send_buffer_size(RECEIVE_BUFFER);
        if let Ok(size) = socket.recv_buffer_size()
            && size < RECEIVE_BUFFER
        {
            tracing::info!(
                size,
                "uploads over long direct paths are slower than they could be: \
                 sysctl net.core.rmem_max={RECEIVE_BUFFER}"
            );
        }
        let number = socket.local_addr()?.as_socket().map_or(number, |address| address.port());
        let socket = TokioRuntime.wrap_udp_socket(socket.into())?;
        let blocked = Arc::new(Blocked::default());
        let waker = Waker::from(blocked.clone());
        Ok(Self { socket, number, blocked, waker })
    }
}

/// Hands datagrams to their peers until the port is gone.
async fn read(socket: Arc<dyn AsyncUdpSocket>, port: Weak<Port>) {
    let mut buffers = vec![vec![0_u8; READ_BUFFER]; READ_MESSAGES];
    let mut meta = [RecvMeta::default(); READ_MESSAGES];
    loop {
        let read = poll_fn(|context| {
            let mut slices = buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer));
            let mut slices: [IoSliceMut<'_>; READ_MESSAGES] =
                std::array::from_fn(|_| slices.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
            socket.poll_recv(context, &mut slices, &mut meta)
        })
        .await;
        let Some(port) = port.upgrade() else { return };
        match read {
            Ok(count) => {
                for (buffer, meta) in buffers.iter().zip(&meta).take(count) {
                    let bytes = buffer.get(..meta.len).unwrap_or_default();
                    for datagram in bytes.chunks(meta.stride.max(1)) {
                        port.deliver(meta.addr, meta.dst_ip, datagram);
                    }
                }
            }
            // An ICMP error of an earlier datagram, say.
            Err(error) => tracing::debug!(%error, "UDP receive failed"),
        }
        // The peers that have got something are to run before the next batch is read.
        tokio::task::yield_now().await;
    }
}

/// Bytes of the socket's own buffers.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;
/// What one receive can hold when the kernel puts datagrams of one flow together.
const READ_BUFFER: usize = 64 * 1024;
/// Receives at once.
const READ_MESSAGES: usize = 4;
