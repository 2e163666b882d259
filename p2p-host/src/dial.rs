//! TCP connections to the first of several addresses that answers, as RFC 8305 ("happy eyeballs") has it.
//!
//! Nothing here has a deadline: who dials has one for all it does.

use std::{collections::VecDeque, io, net::SocketAddr, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    net::{TcpStream, lookup_host},
    time::sleep,
};

/// The addresses of a name, or an address itself, in the order in which to try them: as the resolver sorts
/// them, but the two families in turn (RFC 8305 §4), so that a broken one costs one step and not all of them.
pub(crate) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let mut addresses = in_turn(lookup_host((host, port)).await?);
    addresses.truncate(MAX_ADDRESSES);
    Ok(addresses)
}

/// A connection to one of `addresses`, with small writes sent at once, and which one it is. Each next address
/// is tried when the ones before it have failed, or have been silent for `stagger`.
///
/// # Errors
/// The most telling failure.
pub(crate) async fn race(
    addresses: &[SocketAddr],
    stagger: Duration,
) -> io::Result<(usize, TcpStream)> {
    let mut waiting = addresses.iter().copied().enumerate();
    let mut running = FuturesUnordered::new();
    let mut failure = Failure::default();
    loop {
        let next = waiting.next();
        let is_last = next.is_none();
        if let Some((index, address)) = next {
            running.push(async move { (index, connect(address).await) });
        }
        let ended = tokio::select! {
            ended = running.next() => ended,
            () = sleep(stagger), if !is_last => continue,
        };
        match ended {
            Some((index, Ok(stream))) => return Ok((index, stream)),
            Some((_, Err(error))) => failure.add(error),
            None => return Err(failure.finish()),
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Linux can connect a socket to itself when nothing listens on a port of the ephemeral
    // range: the kernel picks the same port for our end (a simultaneous open).
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn in_turn(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addresses = addresses.peekable();
    let first_is_v6 = addresses.peek().is_some_and(SocketAddr::is_ipv6);
    let (mut now, mut then): (VecDeque<_>, VecDeque<_>) =
        addresses.partition(|address| address.is_ipv6() == first_is_v6);
    let mut sorted = Vec::with_capacity(now.len() + then.len());
    while let Some(address) = now.pop_front() {
        sorted.push(address);
        if !then.is_empty() {
            std::mem::swap(&mut now, &mut then);
        }
    }
    sorted
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

    fn finish(self) -> io::Error {
        self.0.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no address"))
    }
}

/// More are not tried.
const MAX_ADDRESSES: usize = 8;

#[cfg(test)]
pub(crate) mod tests {
    use socket2::{Domain, Socket, Type};
    use tokio::{
        net::TcpListener,
        time::{Instant, timeout},
    };

    use super::*;

    const STAGGER: Duration = Duration::from_millis(50);

    /// An address that swallows connection attempts, as long as this lives: a listener with a full backlog.
    pub(crate) struct Silent {
        pub(crate) address: SocketAddr,
        _sockets: Vec<Socket>,
    }

    impl Silent {
        pub(crate) fn new() -> Self {
            let tcp = || Socket::new(Domain::IPV4, Type::STREAM, None).expect("socket");
            let listener = tcp();
            listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("bind");
            listener.listen(0).expect("listen");
            let address = listener.local_addr().expect("address").as_socket().expect("ip");
            let mut sockets = vec![listener];
            for _ in 0..4 {
                let filler = tcp();
                filler.set_nonblocking(true).expect("nonblocking");
                let _ = filler.connect(&address.into());
                sockets.push(filler);
            }
            Self { address, _sockets: sockets }
        }
    }

    async fn listening() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address");
        (listener, address)
    }

    async fn closed() -> SocketAddr {
        listening().await.1
    }

    #[tokio::test]
    async fn silent_addresses_cost_a_moment_each() {
        let silent: Vec<Silent> = (0..3).map(|_| Silent::new()).collect();
        let (_listener, good) = listening().await;
        let addresses: Vec<_> = silent.iter().map(|silent| silent.address).chain([good]).collect();
        let began = Instant::now();
        let raced = timeout(Duration::from_secs(5), race(&addresses, STAGGER)).await;
        let (index, stream) = raced.expect("in time").expect("connected");
        assert_eq!((index, stream.peer_addr().expect("peer")), (3, good));
        assert!(stream.nodelay().expect("nodelay"));
        assert!(began.elapsed() >= STAGGER * 3, "each had its moment");
    }

    #[tokio::test]
    async fn a_refusal_costs_nothing() {
        let (_listener, good) = listening().await;
        let addresses = [closed().await, closed().await, good];
        let raced = timeout(Duration::from_secs(5), race(&addresses, Duration::from_secs(60)));
        assert_eq!(raced.await.expect("at once").expect("connected").0, 2);
    }

    #[tokio::test]
    async fn a_slow_address_may_still_win() {
        // The second one fails while the first is silent: the first goes on.
        let silent = Silent::new();
        let addresses = [silent.address, closed().await];
        let raced = timeout(Duration::from_millis(500), race(&addresses, STAGGER)).await;
        assert!(raced.is_err(), "{raced:?}");
    }

    #[tokio::test]
    async fn the_most_telling_failure_is_told() {
        // Broadcast is no place for TCP.
        let unroutable = SocketAddr::from(([255, 255, 255, 255], 9));
        for addresses in [[closed().await, unroutable], [unroutable, closed().await]] {
            let error = race(&addresses, STAGGER).await.expect_err("nobody there");
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        }
        let error = race(&[], STAGGER).await.expect_err("nowhere to go");
        assert_eq!(error.to_string(), "no address");
    }

    #[test]
    fn refusal_outranks_missing_ipv6() {
        let mut failure = Failure::default();
        failure.add(io::ErrorKind::ConnectionRefused.into());
        failure.add(io::ErrorKind::AddrNotAvailable.into());
        assert_eq!(failure.finish().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn families_take_turns() {
        let sorted = |addresses: &[&str]| {
            let parsed = addresses.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 1));
            let sorted = in_turn(parsed).into_iter().map(|address| address.ip().to_string());
            sorted.collect::<Vec<_>>()
        };
        let (a, b, c, x, y) = ("2001:db8::a", "2001:db8::b", "2001:db8::c", "10.0.0.1", "10.0.0.2");
        assert_eq!(sorted(&[a, b, c, x]), [a, x, b, c]);
        assert_eq!(sorted(&[x, y, a, b]), [x, a, y, b]);
        assert_eq!(sorted(&[a, x]), [a, x]);
        assert_eq!(sorted(&[x]), [x]);
        assert!(sorted(&[]).is_empty());
    }

    #[tokio::test]
    async fn addresses_need_no_resolver() {
        for ip in ["127.0.0.1", "::1"] {
            let found = resolve(ip, 80).await.expect("an address");
            assert_eq!(found, [SocketAddr::new(ip.parse().unwrap(), 80)]);
        }
        assert!(resolve("edge.invalid", 80).await.is_err());
    }
}
