//! What a connection passes before Pingora reads from it: how many an address may have, how long it may be
//! idle, and how long a request head may take in all.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use bytes::BytesMut;
use pingora::{
    Error, ErrorType,
    apps::{HttpPersistentSettings, HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp},
    listeners::PreTlsProcess,
    protocols::{
        ALPN, GetSocketDigest, Stream,
        http::{ServerSession, v2::server::H2Options},
        l4::stream as l4,
    },
    proxy::HttpProxy,
    server::ShutdownWatch,
    time::fast_timeout::fast_sleep,
    upstreams::peer::{Tracer, Tracing},
};
use tokio::io::{AsyncRead, ReadBuf};

use super::Gateway;
use crate::{
    forwarded::TrustedProxies,
    link::{Full, Place, Places},
    telemetry::Metrics,
};

tokio::task_local! {
    /// Set when the head of the request that this task reads is complete.
    static HEAD_COMPLETE: Arc<AtomicBool>;
}

/// Tells the deadline of this connection that the request head is there. HTTP/2 has no such deadline:
/// its streams have tasks of their own, and none before it has sent a whole one.
pub(super) fn head_is_complete() {
    let _ = HEAD_COMPLETE.try_with(|complete| complete.store(true, Ordering::Relaxed));
}

/// The outer door: counts connections.
pub(super) struct Door {
    pub(super) front: Arc<Front>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) gate: Arc<Gate>,
}

/// How many connections an address may have. A connection keeps its place for as long as it lives, whatever
/// becomes of it: before its TLS handshake, and as a link or a signaling socket.
pub(super) struct Gate {
    pub(super) trusted: TrustedProxies,
    pub(super) places: Places,
}

impl Gate {
    /// Gives the connection a place, or says that its address has all it may have.
    fn pass(&self, stream: &mut l4::Stream) -> Result<(), Full> {
        let address = stream
            .get_socket_digest()
            .and_then(|digest| digest.peer_addr().and_then(|peer| peer.as_inet()).copied())
            .map(|address| address.ip().to_canonical());
        // A proxy brings the connections of many visitors.
        if let Some(address) = address.filter(|address| !self.trusted.contains(*address))
            && let Some(place) = self.places.take(address)?
        {
            // The one thing that a stream keeps for others until its end.
            stream.tracer = Some(Tracer(Box::new(Held { _place: Arc::new(place) })));
        }
        Ok(())
    }
}

#[async_trait]
impl PreTlsProcess for Gate {
    async fn process(&self, stream: &mut l4::Stream) -> pingora::Result<()> {
        self.pass(stream).map_err(|full| {
            Error::because(ErrorType::AcceptError, "before the TLS handshake", full)
        })
    }
}

/// A place that is given back with the stream it is on.
#[derive(Clone, Debug)]
struct Held {
    _place: Arc<Place>,
}

impl Tracing for Held {
    fn on_connected(&self) {}

    fn on_disconnected(&self) {}

    fn boxed_clone(&self) -> Box<dyn Tracing> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl ServerApp for Door {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        // Those with TLS have their place since before the handshake; the others are nothing but the socket.
        let stream = if stream.get_ssl_digest().is_some() {
            stream
        } else {
            let mut plain = stream.into_any().downcast::<l4::Stream>().ok()?;
            self.gate.pass(&mut plain).ok()?;
            plain
        };
        let _held = self.metrics.visitor_connections.hold();
        match stream.selected_alpn_proto() {
            None | Some(ALPN::H1) => self.front.serve_http1(stream, shutdown).await,
            Some(_) => self.front.serve_http2(stream, shutdown).await,
        }
        None
    }

    async fn cleanup(&self) {
        self.front.cleanup().await;
    }
}

/// The inner door: the deadline of a request head.
pub(super) struct Front {
    proxy: Arc<HttpProxy<Gateway>>,
    deadlines: Deadlines,
    /// A request has come, where each connection has a door of its own.
    greeted: AtomicBool,
}

/// How long visitors may take to ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// Of a request head, from its first byte to its end.
    pub(super) head: Duration,
    /// Of a connection before a request.
    pub(super) idle: Duration,
}

impl Front {
    pub(super) fn new(proxy: Arc<HttpProxy<Gateway>>, deadlines: Deadlines) -> Self {
        Self { proxy, deadlines, greeted: AtomicBool::new(false) }
    }

    /// Serves an HTTP/2 connection. Pingora's idle deadline begins when its handshake is over, which has none.
    async fn serve_http2(&self, stream: Stream, shutdown: &ShutdownWatch) {
        let front = Arc::new(Self::new(self.proxy.clone(), self.deadlines));
        tokio::select! {
            biased;
            _ = front.process_new(stream, shutdown) => {}
            () = expiry(self.deadlines.idle, &front.greeted) => {}
        }
    }

    /// Serves one request after the other. Pingora's own loop makes the state of the next request when the
    /// last one has ended, and an idle visitor would keep 20 kB of it.
    async fn serve_http1(self: &Arc<Self>, mut stream: Stream, shutdown: &ShutdownWatch) {
        let mut settings: Option<HttpPersistentSettings> = None;
        loop {
            let begun = if settings.as_ref().is_some_and(has_next_request) {
                None
            } else {
                let mut stopping = shutdown.clone();
                tokio::select! {
                    biased;
                    begun = first_bytes(&mut stream) => match begun {
                        Ok(Some(begun)) => Some(begun),
                        Ok(None) | Err(_) => return,
                    },
                    () = fast_sleep(self.deadlines.idle) => return,
                    // An error says that the server is gone.
                    _ = stopping.wait_for(|stop| *stop) => return,
                }
            };
            let request =
                self.process_new_http(session(stream, settings, begun, shutdown), shutdown);
            let Some(reused) = request.await else { return };
            (stream, settings) = reused.consume();
        }
    }
}

fn session(
    stream: Stream,
    settings: Option<HttpPersistentSettings>,
    begun: Option<BytesMut>,
    shutdown: &ShutdownWatch,
) -> ServerSession {
    let mut session = ServerSession::new_http1(stream);
    // As in Pingora's loop.
    session.set_keepalive(Some(60));
    if let Some(settings) = settings {
        settings.apply_to_session(&mut session);
    }
    if *shutdown.borrow() {
        session.set_keepalive(None);
    }
    if let Some(begun) = begun {
        session.set_pipelined_prefix(begun);
    }
    session
}

/// Whether the next request came right behind the last one and was read with it. Pingora 0.9.1 tells only
/// its `Debug`; should that change, idle visitors cost more memory and nothing else.
fn has_next_request(settings: &HttpPersistentSettings) -> bool {
    let settings = format!("{settings:?}");
    // What follows is the visitor's, who may write the same.
    let prefix = settings.split_once("pipelined_prefix: ").map(|(_, prefix)| prefix);
    prefix.is_none_or(|prefix| !prefix.starts_with("None"))
}

/// Bytes of the first read of a request; most heads fit.
const FIRST: usize = 4096;

/// What a visitor sends next; none at the end of the connection. While it is awaited it needs no buffer.
async fn first_bytes(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<BytesMut>> {
    poll_fn(|context| {
        let mut buffer = [0; FIRST];
        let mut buffer = ReadBuf::new(&mut buffer);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
        let read = buffer.filled();
        Poll::Ready(Ok((!read.is_empty()).then(|| BytesMut::from(read))))
    })
    .await
}

#[async_trait]
impl HttpServerApp for Front {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if session.is_http2() {
            self.greeted.store(true, Ordering::Relaxed);
            return self.proxy.process_new_http(session, shutdown).await;
        }
        let complete = Arc::new(AtomicBool::new(false));
        let request =
            HEAD_COMPLETE.scope(complete.clone(), self.proxy.process_new_http(session, shutdown));
        tokio::select! {
            biased;
            reused = request => reused,
            // Dropping the request closes the connection; it has not been answered, nor understood.
            () = expiry(self.deadlines.head, &complete) => None,
        }
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.proxy.h2_options()
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.proxy.server_options()
    }

    async fn http_cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}

async fn expiry(deadline: Duration, complete: &AtomicBool) {
    fast_sleep(deadline).await;
    if complete.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_was_read_already_is_known() {
        let session = ServerSession::new_http1(Box::new(tokio::io::duplex(1).0));
        let mut settings = HttpPersistentSettings::for_session(&session);
        assert!(!has_next_request(&settings));
        for request in ["GET / HTTP/1.1\r\n", "GET /?pipelined_prefix: None HTTP/1.1\r\n", "N"] {
            settings.set_pipelined_prefix(BytesMut::from(request));
            assert!(has_next_request(&settings), "{request}");
        }
    }

    #[tokio::test]
    async fn the_first_bytes_of_a_request_and_the_end_of_a_connection() {
        assert_eq!(first_bytes(&mut &b"GET"[..]).await.unwrap().unwrap(), "GET");
        assert_eq!(first_bytes(&mut &b""[..]).await.unwrap(), None);
        let long = [b'a'; FIRST + 1];
        assert_eq!(first_bytes(&mut &long[..]).await.unwrap().unwrap().len(), FIRST);
    }
}
