//! Where Prometheus asks.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use wingman_telemetry::answer;

use super::Metrics;

/// An address on which the metrics are told, or none.
#[derive(Debug)]
pub struct Endpoint(Option<TcpListener>);

impl Endpoint {
    /// Tells nobody.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Listens at `address`.
    ///
    /// # Errors
    /// The address is not to be had.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(|listener| Self(Some(listener)))
    }

    /// Answers one scrape after the other, for ever: it is for one Prometheus, and a slow one is cut.
    pub async fn serve(&self, metrics: &Metrics) {
        let Some(listener) = &self.0 else { return std::future::pending().await };
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let _ = timeout(SCRAPE_DEADLINE, answer(stream, metrics.exposition())).await;
                }
                // Out of descriptors, say: that does not end by asking again at once.
                Err(error) => {
                    tracing::debug!(%error, "a scrape was not accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

const SCRAPE_DEADLINE: Duration = Duration::from_secs(2);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    async fn scrape(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn scrapes_are_answered_behind_one_that_hangs() {
        let endpoint = Endpoint::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = endpoint.0.as_ref().unwrap().local_addr().unwrap();
        let metrics = Metrics::new();
        metrics.peers_opened.add(7);
        let ask = async {
            let first = scrape(address).await;
            assert!(first.contains("\nwingman_host_peers_opened_total 7\n"), "{first}");
            let hanging = TcpStream::connect(address).await.unwrap();
            let second = scrape(address).await;
            assert!(second.contains("\nwingman_host_peers_opened_total 7\n"), "{second}");
            drop(hanging);
        };
        let limit = SCRAPE_DEADLINE + Duration::from_secs(10);
        tokio::select! {
            () = endpoint.serve(&metrics) => unreachable!("it serves for ever"),
            asked = timeout(limit, ask) => asked.expect("in time"),
        }
        let again = Endpoint::bind(address).await;
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
