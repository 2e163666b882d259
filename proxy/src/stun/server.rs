//! The task behind the STUN sockets.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::join_all;
use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::UdpSocket,
    time::{Instant, sleep},
};

use super::{
    limiter::Limiter,
    message::{self, Answer, MAX_REQUEST},
};
use crate::telemetry::{Metrics, StunOutcome};

/// Bound sockets that nobody reads yet.
#[derive(Debug, Default)]
pub struct Sockets(Vec<std::net::UdpSocket>);

impl Sockets {
    /// Binds one more.
    ///
    /// # Errors
    /// The address is taken, or not ours.
    pub fn bind(&mut self, address: SocketAddr) -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            // [::] and 0.0.0.0 are two listeners, whatever the system's default is.
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        self.0.push(socket.into());
        Ok(())
    }

    /// The port of the first one.
    pub fn port(&self) -> Option<u16> {
        Some(self.0.first()?.local_addr().ok()?.port())
    }

    /// Whether there is nothing to serve.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Answers on all of them, for as long as the future is polled.
    ///
    /// # Errors
    /// The sockets do not fit into this runtime.
    pub async fn serve(self, metrics: Arc<Metrics>) -> io::Result<()> {
        let sockets: Result<Vec<_>, _> = self.0.into_iter().map(UdpSocket::from_std).collect();
        let server = Server { limiter: Mutex::default(), began: Instant::now(), metrics };
        join_all(sockets?.iter().map(|socket| server.serve(socket))).await;
        Ok(())
    }
}

struct Server {
    limiter: Mutex<Limiter>,
    began: Instant,
    metrics: Arc<Metrics>,
}

impl Server {
    async fn serve(&self, socket: &UdpSocket) {
        // One more than is looked at, so that what does not fit is seen to be too long.
        let mut datagram = [0; MAX_REQUEST + 1];
        loop {
            match socket.recv_from(&mut datagram).await {
                Ok((length, source)) => {
                    let outcome = self.answer(socket, &datagram[..length], source);
                    self.metrics.stun_requests.get(outcome).add(1);
                }
                // Out of memory, say. There is nobody to tell, and trying again at once would spin.
                Err(_) => sleep(AFTER_ERROR).await,
            }
        }
    }

    fn answer(&self, socket: &UdpSocket, datagram: &[u8], source: SocketAddr) -> StunOutcome {
        // First of all: what is above the limit costs no more than this.
        if !self.limiter.lock().admits(source.ip(), self.began.elapsed()) {
            return StunOutcome::Limited;
        }
        let Ok(request) = message::read(datagram) else {
            return StunOutcome::Malformed;
        };
        let answer = Answer::to(&request, source);
        // A full send buffer loses the answer, as the network may; the asker asks again.
        match (socket.try_send_to(&answer.encode(&request), source), answer) {
            (Err(_), _) => StunOutcome::Unsent,
            (Ok(_), Answer::Mapped(_)) => StunOutcome::Answered,
            (Ok(_), Answer::UnknownAttributes) => StunOutcome::Unknown,
        }
    }
}

const AFTER_ERROR: Duration = Duration::from_millis(10);

#[cfg(test)]
#[path = "tests/server.rs"]
mod tests;
