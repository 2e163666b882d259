//! The network between a page and the host, as the page's sockets see it.

use std::{
    collections::VecDeque,
    future::Future,
    io::{self, IoSliceMut},
    net::{SocketAddr, TcpListener, UdpSocket},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::time::{Sleep, sleep_until};
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime,
    TokioRuntime, Transmit,
};

/// What a network does to datagrams. A page's runtime, for its sockets do it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network {
    /// One way.
    pub(crate) delay: Duration,
    /// Bytes per second, each way; more waits.
    pub(crate) rate: Option<u64>,
    /// Bytes that may wait; more is lost.
    pub(crate) queue: usize,
    /// Everything is lost while it is set.
    pub(crate) hole: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Slow {
    socket: Arc<dyn AsyncUdpSocket>,
    network: Network,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    there: Line,
    here: Line,
    timer: Pin<Box<Sleep>>,
    /// A datagram was just handed out: the driver has to deal with it before it gets another one. Else data that
    /// comes right behind the end of the handshake finds no channel; browsers have no such weakness.
    handed: bool,
}

/// One direction.
#[derive(Debug)]
struct Line {
    /// When the last datagram has left the bottleneck.
    free: Instant,
    waiting: VecDeque<(Instant, SocketAddr, Vec<u8>)>,
}

impl Line {
    fn new() -> Self {
        Self { free: Instant::now(), waiting: VecDeque::new() }
    }

    fn push(&mut self, network: &Network, address: SocketAddr, datagram: &[u8]) {
        let now = Instant::now();
        if network.hole.load(Ordering::Relaxed) {
            return;
        }
        if let Some(rate) = network.rate {
            let backlog = self.free.saturating_duration_since(now).as_secs_f64() * rate as f64;
            if backlog > network.queue as f64 {
                return;
            }
            let takes = Duration::from_secs_f64(datagram.len() as f64 / rate as f64);
            self.free = self.free.max(now) + takes;
        } else {
            self.free = now;
        }
        self.waiting.push_back((self.free + network.delay, address, datagram.to_vec()));
    }

    fn due(&self) -> Option<Instant> {
        self.waiting.front().map(|(due, ..)| *due)
    }

    fn pop(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        if self.due()? > Instant::now() {
            return None;
        }
        self.waiting.pop_front().map(|(_, address, datagram)| (address, datagram))
    }
}

impl AsyncUdpSocket for Slow {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn poll_send(&self, _: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let mut state = self.state.lock();
        for datagram in transmit.contents.chunks(transmit.segment_size.unwrap_or(usize::MAX)) {
            state.there.push(&self.network, transmit.destination, datagram);
        }
        self.flush(&mut state);
        Poll::Ready(Ok(transmit.contents.len()))
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state.lock();
        self.flush(&mut state);
        let mut buffer = [0; 65_536];
        let mut got = [RecvMeta::default()];
        while self
            .socket
            .poll_recv(context, &mut [IoSliceMut::new(&mut buffer)], &mut got)?
            .is_ready()
        {
            for datagram in buffer[..got[0].len].chunks(got[0].stride) {
                state.here.push(&self.network, got[0].addr, datagram);
            }
        }
        if std::mem::take(&mut state.handed) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some((from, datagram)) = state.here.pop() {
            state.handed = true;
            buffers[0][..datagram.len()].copy_from_slice(&datagram);
            meta[0] = RecvMeta::default();
            meta[0].addr = from;
            meta[0].len = datagram.len();
            meta[0].stride = datagram.len();
            return Poll::Ready(Ok(1));
        }
        let due = [state.here.due(), state.there.due()].into_iter().flatten().min();
        if let Some(due) = due {
            state.timer.as_mut().reset(due.into());
            if state.timer.as_mut().poll(context).is_ready() {
                context.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }
}

impl Slow {
    fn flush(&self, state: &mut State) {
        while let Some((to, datagram)) = state.there.pop() {
            let transmit = Transmit {
                destination: to,
                ecn: None,
                contents: &datagram,
                segment_size: None,
                src_ip: None,
            };
            // A full socket buffer loses it, as networks do.
            let _ = self
                .socket
                .poll_send(&mut Context::from_waker(std::task::Waker::noop()), &transmit);
        }
    }
}

impl Runtime for Network {
    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
        let socket = TokioRuntime.wrap_udp_socket(socket)?;
        let timer = Box::pin(sleep_until(tokio::time::Instant::now()));
        let state = State { there: Line::new(), here: Line::new(), timer, handed: false };
        Ok(Arc::new(Slow { socket, network: self.clone(), state: Mutex::new(state) }))
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Box<dyn JoinHandle> {
        TokioRuntime.spawn(future)
    }

    fn wrap_tcp_listener(&self, listener: TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        TokioRuntime.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(
        &'a self,
        address: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = io::Result<Arc<dyn AsyncTcpStream>>> + Send + 'a>> {
        TokioRuntime.connect_tcp(address)
    }

    fn resolve_host<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        TokioRuntime.resolve_host(host)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        TokioRuntime.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }
}
