//! The socket that a peer's connection believes to have for itself.

use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::{Context, Poll},
};

use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

use super::endpoint::{Endpoint, Inbox};

/// A UDP socket made of one endpoint's mailbox for one local address.
///
/// The connection's driver reads up to 64 datagrams before it sends anything. One acknowledgement for 64 datagrams
/// lets a browser send only four more, so an upload would have four packets per round trip. This socket runs dry
/// after two: then acknowledgements leave as promptly as SCTP wants them to (RFC 9260 §6.2).
#[derive(Debug)]
pub(super) struct PeerSocket {
    endpoint: Arc<Endpoint>,
    inbox: Arc<Inbox>,
    address: SocketAddr,
    /// Datagrams read since it last ran dry.
    burst: AtomicU8,
    /// Datagrams were read that the driver is done with when it comes back.
    handled: AtomicBool,
}

impl PeerSocket {
    /// In place of a socket bound to `address`.
    pub(super) fn new(endpoint: Arc<Endpoint>, address: SocketAddr) -> io::Result<Self> {
        let inbox = endpoint.open(address)?;
        Ok(Self {
            endpoint,
            inbox,
            address,
            burst: AtomicU8::new(0),
            handled: AtomicBool::new(false),
        })
    }
}

impl AsyncUdpSocket for PeerSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn poll_send(
        &self,
        context: &mut Context<'_>,
        transmit: &Transmit<'_>,
    ) -> Poll<io::Result<usize>> {
        let transmit = Transmit {
            destination: transmit.destination,
            ecn: transmit.ecn,
            contents: transmit.contents,
            segment_size: transmit.segment_size,
            src_ip: Some(self.address.ip()),
        };
        self.endpoint.poll_send(context, &transmit)
    }

    /// The driver always has one receive waiting, with a waker that lives as long: it moves the pacer too.
    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let (Some(buffer), Some(meta)) = (buffers.first_mut(), meta.first_mut()) else {
            return Poll::Ready(Ok(0));
        };
        if self.burst.load(Ordering::Relaxed) >= BURST {
            self.burst.store(0, Ordering::Relaxed);
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.burst.load(Ordering::Relaxed) == 0 && self.handled.swap(false, Ordering::Relaxed) {
            self.endpoint.progress.notify_one();
        }
        self.endpoint.flush(context);
        match self.inbox.poll_next(context, buffer) {
            Poll::Ready((from, length)) => {
                self.burst.fetch_add(1, Ordering::Relaxed);
                self.handled.store(true, Ordering::Relaxed);
                self.endpoint.on_read();
                *meta = RecvMeta::default();
                meta.addr = from;
                meta.len = length;
                meta.stride = length.max(1);
                Poll::Ready(Ok(1))
            }
            Poll::Pending => {
                self.burst.store(0, Ordering::Relaxed);
                Poll::Pending
            }
        }
    }

    fn max_gso_segments(&self) -> usize {
        self.endpoint.max_segments(self.address.ip())
    }

    /// The port has split what the kernel put together.
    fn max_gro_segments(&self) -> usize {
        1
    }
}

/// Datagrams before acknowledgements are to leave.
const BURST: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "192.0.2.1:1000";

    fn socket() -> PeerSocket {
        PeerSocket {
            endpoint: Endpoint::for_tests(),
            inbox: Arc::default(),
            address: "192.0.2.2:2000".parse().unwrap(),
            burst: AtomicU8::new(0),
            handled: AtomicBool::new(false),
        }
    }

    /// How many datagrams it hands out before it runs dry.
    fn burst(socket: &PeerSocket) -> usize {
        let mut context = Context::from_waker(std::task::Waker::noop());
        let (mut buffer, mut meta) = ([0; 16], [RecvMeta::default()]);
        let mut next =
            || socket.poll_recv(&mut context, &mut [IoSliceMut::new(&mut buffer)], &mut meta);
        std::iter::from_fn(|| next().is_ready().then_some(())).count()
    }

    #[test]
    fn the_driver_gets_a_turn_after_two_datagrams() {
        let socket = socket();
        for _ in 0..5 {
            socket.inbox.put(PAGE.parse().unwrap(), b"x");
        }
        assert_eq!([(); 4].map(|()| burst(&socket)), [2, 2, 1, 0]);
    }
}
