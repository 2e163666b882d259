use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::{task::JoinHandle, time::timeout};

use super::*;

const REQUEST: [u8; 20] =
    [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/// A server on loopback; it ends with its handle.
struct Stage {
    v4: SocketAddr,
    v6: SocketAddr,
    metrics: Arc<Metrics>,
    task: JoinHandle<io::Result<()>>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stage {
    fn start() -> Self {
        let mut sockets = Sockets::default();
        assert!(sockets.is_empty() && sockets.port().is_none());
        sockets.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        sockets.bind((Ipv6Addr::LOCALHOST, 0).into()).unwrap();
        let [v4, v6] = [0, 1].map(|at| sockets.0[at].local_addr().unwrap());
        assert_eq!(sockets.port(), Some(v4.port()));
        let metrics = Arc::new(Metrics::new());
        let task = tokio::spawn(sockets.serve(metrics.clone()));
        Self { v4, v6, metrics, task }
    }

    fn count(&self, outcome: StunOutcome) -> u64 {
        self.metrics.stun_requests.get(outcome).value()
    }
}

async fn visitor(of: SocketAddr) -> UdpSocket {
    let own: IpAddr =
        if of.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    let socket = UdpSocket::bind((own, 0)).await.unwrap();
    socket.connect(of).await.unwrap();
    socket
}

async fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut answer = [0; 2048];
    let received = timeout(Duration::from_secs(5), socket.recv(&mut answer)).await;
    answer[..received.expect("an answer").unwrap()].to_vec()
}

#[tokio::test]
async fn both_families_are_told_their_address() {
    let stage = Stage::start();
    for server in [stage.v4, stage.v6] {
        let visitor = visitor(server).await;
        visitor.send(&REQUEST).await.unwrap();
        let answer = receive(&visitor).await;
        let request = message::read(&REQUEST).unwrap();
        let own = visitor.local_addr().unwrap();
        assert_eq!(answer, Answer::Mapped(own).encode(&request), "{own}");
    }
    assert_eq!(stage.count(StunOutcome::Answered), 2);
}

#[tokio::test]
async fn malformed_datagrams_are_dropped_and_the_next_request_is_answered() {
    let stage = Stage::start();
    let visitor = visitor(stage.v4).await;
    let mut response = REQUEST;
    response[0] = 1;
    let bad: [&[u8]; 5] = [b"", b"x", &REQUEST[..19], &response, &[0; 3000]];
    for datagram in bad {
        visitor.send(datagram).await.unwrap();
    }
    visitor.send(&REQUEST).await.unwrap();
    // The first thing that comes back is for the good one: datagrams on loopback keep their order.
    assert_eq!(receive(&visitor).await[8..20], REQUEST[8..]);
    assert_eq!(stage.count(StunOutcome::Malformed), 5);
    assert_eq!(stage.count(StunOutcome::Answered), 1);
    let unknown = [&REQUEST[..2], &[0, 4], &REQUEST[4..], &[0, 3, 0, 0]].concat();
    visitor.send(&unknown).await.unwrap();
    assert_eq!(receive(&visitor).await[..2], [1, 0x11]);
    assert_eq!(stage.count(StunOutcome::Unknown), 1);
}

#[tokio::test]
async fn a_flood_is_limited_and_other_sources_are_served() {
    let stage = Stage::start();
    let flood = visitor(stage.v4).await;
    let mut answers = 0;
    let mut answer = [0; 64];
    for _ in 0..40 {
        for _ in 0..50 {
            flood.send(&REQUEST).await.unwrap();
        }
        // In batches, so that what is missing is not lost in full socket buffers.
        while timeout(Duration::from_millis(5), flood.recv(&mut answer)).await.is_ok() {
            answers += 1;
        }
    }
    let limited = stage.count(StunOutcome::Limited);
    assert!((400..1_200).contains(&answers), "{answers} answers");
    assert!(limited > 800, "{limited} limited");
    // A /64 of its own: another source.
    let other = visitor(stage.v6).await;
    other.send(&REQUEST).await.unwrap();
    assert_eq!(receive(&other).await[8..20], REQUEST[8..]);
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_and_frees_nothing() {
    let taken = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut sockets = Sockets::default();
    let error = sockets.bind(taken.local_addr().unwrap()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(sockets.is_empty());
}

#[tokio::test]
async fn the_sockets_close_with_the_task() {
    let stage = Stage::start();
    let address = stage.v4;
    stage.task.abort();
    let deadline = Instant::now() + Duration::from_secs(5);
    while UdpSocket::bind(address).await.is_err() {
        assert!(Instant::now() < deadline, "the socket is still there");
        tokio::task::yield_now().await;
    }
}
