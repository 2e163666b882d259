//! TCP connections to the origin.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::target::Target;

/// Opens connections to one target, trying its addresses as RFC 8305 does.
#[derive(Debug)]
pub(super) struct Dialer {
    target: Target,
    deadline: Duration,
    /// Index of the address that answered last; it goes first.
    preferred: AtomicUsize,
}

impl Dialer {
    pub(super) fn new(target: Target, deadline: Duration) -> Self {
        Self { target, deadline, preferred: AtomicUsize::new(0) }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// A connected stream with small writes sent at once, or why there is none.
    pub(super) async fn dial(&self) -> Result<TcpStream, ConnectError> {
        match timeout(self.deadline, self.race()).await {
            Ok(result) => result,
            Err(_) => Err(self.timed_out()),
        }
    }

    pub(super) fn timed_out(&self) -> ConnectError {
        ConnectError::Timeout { target: self.target.clone(), after: self.deadline }
    }

    async fn race(&self) -> Result<TcpStream, ConnectError> {
        let addresses = self.resolve().await?;
        let count = addresses.len();
        let first = self.preferred.load(Ordering::Relaxed) % count.max(1);
        let mut attempts = (0..count).map(|step| (first + step) % count);
        let Some(index) = attempts.next() else {
            return Err(ConnectError::NoAddress { target: self.target.clone() });
        };
        let mut failure = Failure::default();
        let mut running = Box::pin(self.attempt(index, addresses[index]));
        // At most two attempts run: the newest, and the one before it that is still silent.
        for next in attempts {
            match select(running, pin!(sleep(STAGGER))).await {
                Either::Left((Ok(stream), _)) => return Ok(stream),
                Either::Left((Err(error), _)) => {
                    failure.add(error);
                    running = Box::pin(self.attempt(next, addresses[next]));
                }
                Either::Right(((), silent)) => {
                    let second = Box::pin(self.attempt(next, addresses[next]));
                    match select(silent, second).await {
                        Either::Left((Ok(stream), _)) | Either::Right((Ok(stream), _)) => {
                            return Ok(stream);
                        }
                        Either::Left((Err(error), rest)) | Either::Right((Err(error), rest)) => {
                            failure.add(error);
                            running = rest;
                        }
                    }
                }
            }
        }
        match running.await {
            Ok(stream) => Ok(stream),
            Err(error) => {
                failure.add(error);
                Err(failure.finish(&self.target))
            }
        }
    }

    async fn resolve(&self) -> Result<Vec<SocketAddr>, ConnectError> {
        let port = self.target.port();
        if let Some(addresses) = self.target.addresses() {
            return Ok(addresses.into_iter().map(|ip: IpAddr| (ip, port).into()).collect());
        }
        match tokio::net::lookup_host((self.target.domain(), port)).await {
            Ok(found) => Ok(found.take(MAX_ADDRESSES).collect()),
            Err(source) => {
                Err(ConnectError::Lookup { host: self.target.domain().to_owned(), source })
            }
        }
    }

    async fn attempt(&self, index: usize, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        // Linux can connect a socket to itself when nothing listens on a port of the ephemeral
        // range: the kernel picks the same port for our end (a simultaneous open).
        if stream.local_addr()? == stream.peer_addr()? {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        stream.set_nodelay(true)?;
        self.preferred.store(index, Ordering::Relaxed);
        Ok(stream)
    }
}

/// The most telling failure of several addresses.
#[derive(Default)]
struct Failure(Option<io::Error>);

impl Failure {
    /// A machine without IPv6 says "address not available" for `::1`: anything else says more,
    /// and a refusal comes from a machine that is there.
    fn add(&mut self, error: io::Error) {
        let rank = |error: &io::Error| match error.kind() {
            io::ErrorKind::AddrNotAvailable => 0,
            io::ErrorKind::ConnectionRefused => 2,
            _ => 1,
        };
        if self.0.as_ref().is_none_or(|known| rank(&error) > rank(known)) {
            self.0 = Some(error);
        }
    }

    fn finish(self, target: &Target) -> ConnectError {
        let target = target.clone();
        match self.0 {
            None => ConnectError::NoAddress { target },
            Some(source) if source.kind() == io::ErrorKind::ConnectionRefused => {
                ConnectError::Refused { target, source }
            }
            Some(source) => ConnectError::Unreachable { target, source },
        }
    }
}

/// Why no connection to the origin came about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The port is closed: the local server is not running, or runs elsewhere.
    #[error("nothing listens on {}", target.authority())]
    Refused {
        /// The origin.
        target: Target,
        /// The system's words.
        source: io::Error,
    },
    /// The system cannot reach the address, or has no more sockets.
    #[error("cannot reach {}", target.authority())]
    Unreachable {
        /// The origin.
        target: Target,
        /// The system's words.
        source: io::Error,
    },
    /// Neither accepted nor refused in time.
    #[error("{} did not accept a connection within {after:?}", target.authority())]
    Timeout {
        /// The origin.
        target: Target,
        /// The deadline.
        after: Duration,
    },
    /// The name is unknown.
    #[error("the host name {host} cannot be looked up")]
    Lookup {
        /// The name.
        host: String,
        /// The resolver's words.
        source: io::Error,
    },
    /// The name has no address.
    #[error("{} has no address", target.authority())]
    NoAddress {
        /// The origin.
        target: Target,
    },
    /// TCP works, TLS does not: an untrusted certificate, or no TLS behind the port.
    #[error("no TLS with {}", target.authority())]
    Tls {
        /// The origin.
        target: Target,
        /// What the handshake says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection ended while HTTP was being set up on it.
    #[error("{} closed the new connection", target.authority())]
    Handshake {
        /// The origin.
        target: Target,
        /// What hyper says.
        source: hyper::Error,
    },
}

/// How long one address may be silent before the next is tried beside it. RFC 8305 §5 recommends
/// 250 ms for the Internet; an origin is on this machine or in this house.
const STAGGER: Duration = Duration::from_millis(50);
const MAX_ADDRESSES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn dialer(target: &str) -> Dialer {
        Dialer::new(target.parse().expect("target"), Duration::from_secs(5))
    }

    #[tokio::test]
    async fn localhost_finds_each_family() {
        for bind in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(bind).await.expect("bind");
            let address = listener.local_addr().expect("address");
            let dialer = dialer(&format!("localhost:{}", address.port()));
            for _ in 0..2 {
                let stream = dialer.dial().await.expect(bind);
                assert_eq!(stream.peer_addr().expect("peer"), address);
                assert!(stream.nodelay().expect("nodelay"));
            }
        }
    }

    #[tokio::test]
    async fn the_last_good_address_goes_first() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("address").port();
        let dialer = dialer(&format!("localhost:{port}"));
        dialer.dial().await.expect("dial");
        assert_eq!(dialer.preferred.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_closed_port_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("address").port();
        drop(listener);
        let error = dialer(&format!("{port}")).dial().await.expect_err("refused");
        assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
        assert_eq!(error.to_string(), format!("nothing listens on localhost:{port}"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_address_runs_into_the_deadline() {
        // A listener with a full backlog swallows connection attempts.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
            .expect("socket");
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("bind");
        socket.listen(0).expect("listen");
        let address = socket.local_addr().expect("address").as_socket().expect("ip");
        let mut fillers = Vec::new();
        for _ in 0..4 {
            let filler = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
                .expect("socket");
            filler.set_nonblocking(true).expect("nonblocking");
            let _ = filler.connect(&address.into());
            fillers.push(filler);
        }
        let error = dialer(&address.to_string()).dial().await.expect_err("timeout");
        assert!(matches!(error, ConnectError::Timeout { .. }), "{error:?}");
    }

    #[test]
    fn refusal_outranks_missing_ipv6() {
        let mut failure = Failure::default();
        failure.add(io::ErrorKind::ConnectionRefused.into());
        failure.add(io::ErrorKind::AddrNotAvailable.into());
        let target = "3000".parse().expect("target");
        assert!(matches!(failure.finish(&target), ConnectError::Refused { .. }));
    }
}
