//! TCP connections to the origin.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::target::Target;
use crate::dial::{race, resolve};

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
        let mut addresses = self.resolve().await?;
        let target = || self.target.clone();
        if addresses.is_empty() {
            return Err(ConnectError::NoAddress { target: target() });
        }
        let first = self.preferred.load(Ordering::Relaxed) % addresses.len();
        addresses.rotate_left(first);
        match race(&addresses, STAGGER).await {
            Ok((index, stream)) => {
                self.preferred.store((first + index) % addresses.len(), Ordering::Relaxed);
                Ok(stream)
            }
            Err(source) if source.kind() == io::ErrorKind::ConnectionRefused => {
                Err(ConnectError::Refused { target: target(), source })
            }
            Err(source) => Err(ConnectError::Unreachable { target: target(), source }),
        }
    }

    async fn resolve(&self) -> Result<Vec<SocketAddr>, ConnectError> {
        let port = self.target.port();
        if let Some(addresses) = self.target.addresses() {
            return Ok(addresses.into_iter().map(|ip: IpAddr| (ip, port).into()).collect());
        }
        let host = self.target.domain();
        resolve(host, port)
            .await
            .map_err(|source| ConnectError::Lookup { host: host.to_owned(), source })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dial::tests::Silent;
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
        let silent = Silent::new();
        let error = dialer(&silent.address.to_string()).dial().await.expect_err("timeout");
        assert!(matches!(error, ConnectError::Timeout { .. }), "{error:?}");
    }
}
