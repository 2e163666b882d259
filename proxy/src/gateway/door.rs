//! What a connection passes before Pingora reads from it: how many an address may have, and how long a
//! request head may take in all.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use pingora::{
    apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp},
    protocols::{
        Stream,
        http::{ServerSession, v2::server::H2Options},
    },
    proxy::HttpProxy,
    server::ShutdownWatch,
    time::fast_timeout::fast_sleep,
};

use super::Gateway;
use crate::{forwarded::TrustedProxies, link::Places, telemetry::Metrics};

tokio::task_local! {
    /// Set when the head of the request that this task reads is complete.
    static HEAD_COMPLETE: Arc<AtomicBool>;
}

/// Tells the deadline of this connection that the request head is there. HTTP/2 has no such deadline:
/// its streams have tasks of their own and its handshake is bounded by h2.
pub(super) fn head_is_complete() {
    let _ = HEAD_COMPLETE.try_with(|complete| complete.store(true, Ordering::Relaxed));
}

/// The outer door: counts connections.
pub(super) struct Door {
    pub(super) front: Arc<Front>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) trusted: TrustedProxies,
    pub(super) places: Places,
}

#[async_trait]
impl ServerApp for Door {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let address = stream
            .get_socket_digest()
            .and_then(|digest| digest.peer_addr().and_then(|peer| peer.as_inet()).copied())
            .map(|address| address.ip().to_canonical());
        let _place = match address {
            // A proxy brings the connections of many visitors.
            Some(address) if !self.trusted.contains(address) => self.places.take(address).ok()?,
            _ => None,
        };
        let _held = self.metrics.visitor_connections.hold();
        self.front.process_new(stream, shutdown).await
    }

    async fn cleanup(&self) {
        self.front.cleanup().await;
    }
}

/// The inner door: the deadline of a request head.
pub(super) struct Front {
    pub(super) proxy: Arc<HttpProxy<Gateway>>,
    /// From the end of the last request, or the beginning of the connection.
    pub(super) head_deadline: Duration,
}

#[async_trait]
impl HttpServerApp for Front {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if session.is_http2() {
            return self.proxy.process_new_http(session, shutdown).await;
        }
        let complete = Arc::new(AtomicBool::new(false));
        let request =
            HEAD_COMPLETE.scope(complete.clone(), self.proxy.process_new_http(session, shutdown));
        tokio::select! {
            biased;
            reused = request => reused,
            // Dropping the request closes the connection; it has not been answered, nor understood.
            () = expiry(self.head_deadline, &complete) => None,
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
