//! The programmable origin: keeps what it received, answers with the bytes of the case.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::{
    case::{Answer, Case},
    message::{Connection, Request, values},
};

/// Names the case of a request.
pub(crate) const CASE_FIELD: &str = "X-Case";

type Received = Arc<Mutex<HashMap<usize, Vec<Request>>>>;

/// An origin for a list of cases.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    received: Received,
    task: JoinHandle<()>,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Origin {
    pub(crate) async fn start(cases: Arc<Vec<Case>>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let received = Received::default();
        let log = received.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (cases, log) = (cases.clone(), log.clone());
                // Ends with its connection; connections end with the test's processes.
                tokio::spawn(async move {
                    // A visitor or host that hangs up is no fault here: the comparison sees it.
                    let _ = serve(Connection::new(stream), address, &cases, &log).await;
                });
            }
        });
        Ok(Self { address, received, task })
    }

    /// What came for a case since the last time.
    pub(crate) fn take(&self, case: usize) -> Vec<Request> {
        self.received.lock().expect("no panic in there").remove(&case).unwrap_or_default()
    }
}

async fn serve(
    mut connection: Connection,
    address: SocketAddr,
    cases: &[Case],
    received: &Received,
) -> io::Result<()> {
    while let Some(request) = connection.request().await? {
        let number = values(&request.lines, CASE_FIELD)
            .next()
            .and_then(|number| std::str::from_utf8(number).ok())
            .and_then(|number| number.parse::<usize>().ok());
        let last = values(&request.lines, "connection")
            .any(|value| value.to_ascii_lowercase().windows(5).any(|word| word == b"close"));
        let whole = request.content.complete;
        let Some((number, case)) = number.and_then(|number| Some((number, cases.get(number)?)))
        else {
            connection.write(PLAIN).await?;
            continue;
        };
        received.lock().expect("no panic in there").entry(number).or_default().push(request);
        let Answer { pieces, close } = &case.answer;
        for piece in pieces {
            connection.write(&place(piece, &authority(address))).await?;
            tokio::task::yield_now().await;
        }
        if *close || last || !whole {
            break;
        }
    }
    connection.shutdown().await
}

/// How the origin is called by itself and by visitors that come without an edge.
pub(crate) fn authority(address: SocketAddr) -> String {
    format!("localhost:{}", address.port())
}

/// Puts an authority in the place of [`super::case::SELF`].
pub(crate) fn place(bytes: &[u8], authority: &str) -> Vec<u8> {
    let mark = super::case::SELF.as_bytes();
    let mut out = Vec::with_capacity(bytes.len() + 32);
    let mut rest = bytes;
    while let Some(at) = rest.windows(mark.len()).position(|window| window == mark) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(authority.as_bytes());
        rest = &rest[at + mark.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// Connects as a visitor.
pub(crate) async fn connect(address: SocketAddr) -> io::Result<Connection> {
    Ok(Connection::new(TcpStream::connect(address).await?))
}

/// For requests of no case.
const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain";
