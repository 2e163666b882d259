//! What idling costs: resident memory of fresh processes before and after many of one thing.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use tokio::time::sleep;

use crate::{
    client::Client,
    figures::{Idle, Thing},
    origin::File,
    peer::{Kind, Peer},
    session::Session,
    socket::{Echo, Socket},
    tool::Tools,
};

/// How many of each.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// Connections of visitors.
    pub visitors: usize,
    /// WebSockets through the peer.
    pub sockets: usize,
    /// Sessions at the edge.
    pub sessions: usize,
}

impl Counts {
    /// What the targets are about.
    pub const FULL: Self = Self { visitors: 1_000, sockets: 1_000, sessions: 400 };
    /// Enough to see that it works.
    pub const QUICK: Self = Self { visitors: 200, sockets: 200, sessions: 100 };

    /// Files this process has open at most: an echo WebSocket has two ends here.
    pub fn files(self) -> u64 {
        (2 * self.sockets.max(self.visitors).max(self.sessions) + 200) as u64
    }
}

/// Measures one thing at a fresh peer. `files` is an origin for what needs one.
///
/// # Errors
/// The peer does not start, or does not hold as many of it.
pub async fn measure(
    kind: Kind,
    thing: Thing,
    counts: Counts,
    tools: &Tools,
    files: SocketAddr,
    directory: &Path,
) -> Result<Idle> {
    let directory = tempfile::tempdir_in(directory)?;
    let echo = Echo::start().await?;
    let origin = if thing == Thing::WebSocket { echo.address() } else { files };
    let mut peer = Peer::start(kind, tools, origin, directory.path()).await?;
    let measured = match thing {
        Thing::Visitor => visitors(&mut peer, counts.visitors).await,
        Thing::WebSocket => sockets(&mut peer, counts.sockets).await,
        Thing::Session => sessions(&mut peer, counts.sessions).await,
    };
    peer.stop().await;
    measured
}

async fn visitors(peer: &mut Peer, count: usize) -> Result<Idle> {
    peer.serves_files().await?;
    let before = settled(peer).await?;
    let (address, host) = (peer.address(), peer.host().to_owned());
    let open = move || -> Result<Vec<TcpStream>> {
        let one = |_| -> Result<TcpStream> {
            let mut client = Client::connect(address, &host)?;
            let got = client.get(File::Small.target())?;
            ensure!(got.status == 200, "a visitor got status {}", got.status);
            Ok(client.into_stream())
        };
        (0..count).map(one).collect()
    };
    let streams = tokio::task::spawn_blocking(open).await?.context("visitors cannot connect")?;
    let after = settled(peer).await?;
    let closed = streams.iter().filter(|stream| !is_open(stream)).count();
    ensure!(closed == 0, "{closed} of {count} idle connections were closed");
    Ok(idle(peer, Thing::Visitor, count, &before, &after))
}

async fn sockets(peer: &mut Peer, count: usize) -> Result<Idle> {
    // The first also pays for what all share.
    let first = first_socket(peer).await?;
    let before = settled(peer).await?;
    let mut sockets = Vec::with_capacity(count);
    let mut failed = 0;
    while sockets.len() < count {
        match Socket::open(peer.address(), peer.host()).await {
            Ok(socket) => sockets.push(socket),
            // Pingora as a plain proxy breaks one now and then (1 in some hundreds).
            Err(_) if failed < TOLERATED => failed += 1,
            Err(error) => {
                let opened = sockets.len();
                return Err(error.context(format!("failure {failed} after {opened} WebSockets")));
            }
        }
    }
    let after = settled(peer).await?;
    for socket in &mut sockets {
        socket.echoes().await.context("an idle WebSocket is broken")?;
    }
    drop(first);
    let mut idle = idle(peer, Thing::WebSocket, count, &before, &after);
    idle.failed = failed;
    Ok(idle)
}

/// Tunnels take connections before they are ready to pass them on.
async fn first_socket(peer: &mut Peer) -> Result<Socket> {
    for _ in 0..FIRST_ATTEMPTS {
        if let Ok(socket) = Socket::open(peer.address(), peer.host()).await {
            return Ok(socket);
        }
        peer.check()?;
        sleep(Duration::from_millis(100)).await;
    }
    bail!("no WebSocket goes through {}", peer.kind().name())
}

async fn sessions(peer: &mut Peer, count: usize) -> Result<Idle> {
    peer.serves_files().await?;
    let first = Session::open(peer.address()).await?;
    let before = settled(peer).await?;
    let mut sessions = Vec::with_capacity(count);
    for number in 0..count {
        let session = Session::open(peer.address()).await;
        sessions.push(session.with_context(|| format!("session {number}"))?);
    }
    let after = settled(peer).await?;
    let lost = sessions.iter().filter(|session| !session.is_open()).count();
    ensure!(lost == 0, "{lost} of {count} links were lost");
    drop(first);
    let mut idle = idle(peer, Thing::Session, count, &before, &after);
    // The links are of this process; the one host has no part in it.
    idle.each.retain(|(role, _)| *role == "edge");
    Ok(idle)
}

async fn settled(peer: &mut Peer) -> Result<Vec<(&'static str, u64)>> {
    sleep(SETTLE).await;
    peer.check()?;
    peer.resident()
}

fn idle(
    peer: &Peer,
    thing: Thing,
    count: usize,
    before: &[(&'static str, u64)],
    after: &[(&'static str, u64)],
) -> Idle {
    let each = before
        .iter()
        .zip(after)
        .map(|((role, before), (_, after))| {
            (*role, (*after as f64 - *before as f64) / count.max(1) as f64)
        })
        .collect();
    Idle { kind: peer.kind(), thing, count, failed: 0, each }
}

fn is_open(stream: &TcpStream) -> bool {
    let nothing_there = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
    stream.set_nonblocking(true).is_ok() && stream.peek(&mut [0]).as_ref().is_err_and(nothing_there)
}

const SETTLE: Duration = Duration::from_millis(1_500);
const FIRST_ATTEMPTS: u32 = 50;
const TOLERATED: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_open_until_the_other_end_goes() {
        let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (other, _) = listener.accept().unwrap();
        assert!(is_open(&stream));
        drop(other);
        stream.set_nonblocking(false).unwrap();
        assert_eq!(stream.peek(&mut [0]).unwrap(), 0);
        assert!(!is_open(&stream));
    }
}
