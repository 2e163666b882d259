//! Origins that do what a test tells them.

use std::{
    future::Future,
    net::SocketAddr,
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{JoinHandle, JoinSet},
};

use crate::{
    time::soon,
    wire::{Head, Wire},
};

/// A listening origin; it ends with its handle.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicUsize,
    open: AtomicUsize,
    requests: AtomicUsize,
}

/// A connection to the origin: its [`Wire`], counted.
#[derive(Debug)]
pub struct OriginConnection {
    wire: Wire<TcpStream>,
    number: usize,
    open: Open,
}

/// Counts a connection as open.
#[derive(Debug)]
struct Open(Arc<Counts>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Requests that have reached an origin; see [`Origin::handing_over`].
///
/// A host keeps a connection after its response and may send the next request there: drop a connection
/// on which no more requests are read.
#[derive(Debug)]
pub struct Handed(mpsc::Receiver<(OriginConnection, Head)>);

impl Handed {
    /// The next one. Later requests on its connection are for [`OriginConnection::request`]. Panics
    /// when it takes longer than [`soon`] allows.
    pub async fn next(&mut self) -> (OriginConnection, Head) {
        soon(self.0.recv()).await.expect("the origin listens")
    }

    /// Whether none has come that was not taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Origin {
    /// Listens, and runs `script` for each connection; the connection closes when its script ends.
    ///
    /// wingman connects once at its start to see whether anybody listens, and says nothing then:
    /// [`OriginConnection::request`] gives `None` on that connection.
    pub async fn start<F>(script: impl Fn(OriginConnection) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start_at("127.0.0.1", script).await
    }

    /// The same at another address of this machine.
    async fn start_at<F>(
        address: &str,
        script: impl Fn(OriginConnection) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((address, 0)).await.expect("a port");
        let address = listener.local_addr().expect("is bound");
        let counts = Arc::new(Counts::default());
        let shared = counts.clone();
        let task = tokio::spawn(async move {
            let mut scripts = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("is connected");
                shared.open.fetch_add(1, Ordering::SeqCst);
                let connection = OriginConnection {
                    wire: Wire::new(stream),
                    number: shared.connections.fetch_add(1, Ordering::SeqCst) + 1,
                    open: Open(shared.clone()),
                };
                scripts.spawn(script(connection));
                while let Some(ended) = scripts.try_join_next() {
                    // A script that fails an assertion has printed it; the test will miss its answer.
                    drop(ended);
                }
            }
        });
        Self { address, counts, task }
    }

    /// Answers every request, content read, with 200 and this content.
    pub async fn saying(content: &'static str) -> Self {
        Self::start(move |mut connection| async move {
            while let Some(head) = connection.request().await {
                if connection.content(&head, false).await.is_err() {
                    return;
                }
                let length = content.len();
                let answer =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{content}");
                if connection.try_send(&answer).await.is_err() {
                    return;
                }
            }
        })
        .await
    }

    /// Hands each connection with a request on it to the test, which then plays the origin itself.
    pub async fn handing_over() -> (Self, Handed) {
        Self::handing_over_at("127.0.0.1").await
    }

    /// The same at another address of this machine.
    pub async fn handing_over_at(address: &str) -> (Self, Handed) {
        let (sender, receiver) = mpsc::channel(1024);
        let origin = Self::start_at(address, move |mut connection| {
            let sender = sender.clone();
            async move {
                if let Some(head) = connection.request().await {
                    // A test that has ended takes no more.
                    let _ = sender.send((connection, head)).await;
                }
            }
        })
        .await;
        (origin, Handed(receiver))
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What `wingman` takes as its target.
    pub fn target(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Connections accepted so far, the probe of wingman's start included.
    pub fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// Connections whose script runs.
    pub fn open(&self) -> usize {
        self.counts.open.load(Ordering::SeqCst)
    }

    /// Request heads read by [`OriginConnection::request`] so far.
    pub fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        // With the task go its scripts.
        self.task.abort();
    }
}

impl OriginConnection {
    /// The next request head; `None` when the host has closed the connection.
    pub async fn request(&mut self) -> Option<Head> {
        let head = self.wire.head().await.ok().flatten()?;
        self.open.0.requests.fetch_add(1, Ordering::SeqCst);
        Some(head)
    }

    /// The connection alone, for another protocol. It is not counted as open any more.
    pub fn into_wire(self) -> Wire<TcpStream> {
        self.wire
    }

    /// Which connection of the origin it is, from 1.
    pub fn number(&self) -> usize {
        self.number
    }
}

impl Deref for OriginConnection {
    type Target = Wire<TcpStream>;

    fn deref(&self) -> &Self::Target {
        &self.wire
    }
}

impl DerefMut for OriginConnection {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.wire
    }
}
