//! The client: one request in, one response out.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body::Body;
use tokio::time::{Instant, sleep};

use super::connect::ConnectError;
use super::connection::{Connector, Fresh, Wire};
use super::download::OriginContent;
use super::http1::Http1;
use super::http2::Http2;
use super::pool::Limits;
use super::target::Target;
use super::tls::TlsSetupError;
use super::upload::{Progress, Turn, Upload};
use crate::exchange::ExchangeError;

/// Sends requests to the one origin. Clones share its connections.
///
/// `B` is the requests' content. Content is never collected: it moves as the slower side allows.
pub struct Client<B> {
    inner: Arc<Inner<B>>,
}

struct Inner<B> {
    connector: Arc<Connector>,
    http1: Http1<B>,
    http2: Http2<B>,
    head_deadline: Option<Duration>,
}

/// How the origin is spoken to.
#[derive(Debug, Clone)]
pub struct Options {
    /// The version of HTTP.
    pub protocol: Protocol,
    /// Accept any certificate of an `https://` origin.
    pub insecure: bool,
    /// How long a TCP connection may take, and then a TLS handshake.
    pub connect_deadline: Duration,
    /// How long the origin may be silent before its response head, counted from the last request
    /// byte it took. `None` waits for ever. Content has no deadline.
    pub head_deadline: Option<Duration>,
    /// What is kept of idle connections.
    pub pool: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            protocol: Protocol::default(),
            insecure: false,
            connect_deadline: Duration::from_secs(5),
            head_deadline: Some(Duration::from_secs(120)),
            pool: Limits::default(),
        }
    }
}

/// The version of HTTP that an origin is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// With TLS what ALPN agrees on; without, HTTP/2 for an origin that opens with an HTTP/2
    /// SETTINGS frame and for gRPC, else HTTP/1.1. Upgrades always go by HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 with prior knowledge only (RFC 9113 §3.3); upgrades still go by HTTP/1.1.
    H2c,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A response.
    Ordinary,
    /// Another protocol on the same connection.
    Upgrade,
}

impl<B> Client<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// A client for `target`. Opens no connection yet.
    pub fn new(target: Target, options: Options) -> Result<Self, TlsSetupError> {
        let connector = Arc::new(Connector::new(target, &options)?);
        Ok(Self {
            inner: Arc::new(Inner {
                http1: Http1::new(Arc::clone(&connector), options.pool),
                http2: Http2::new(Arc::clone(&connector)),
                connector,
                head_deadline: options.head_deadline,
            }),
        })
    }

    /// The origin.
    pub fn target(&self) -> &Target {
        self.inner.connector.target()
    }

    /// Whether a connection can be made now. Sends nothing on it (but a TLS handshake).
    ///
    /// Also finds out the protocol, so that the first request need not.
    pub async fn probe(&self) -> Result<(), ConnectError> {
        self.inner.connector.probe().await
    }

    /// Sends a cleaned and rewritten request and waits for the response head.
    ///
    /// Dropping the future, or later the response's content, cancels the exchange at the origin.
    pub(crate) async fn send(
        &self,
        request: Request<B>,
        purpose: Purpose,
    ) -> Result<Response<OriginContent>, ExchangeError> {
        let (parts, content) = request.into_parts();
        let (upload, progress) = Upload::new(content, content_length(&parts.headers));
        let request = Request::from_parts(parts, upload);
        let answer = self.inner.dispatch(request, purpose, progress.as_ref());
        let result = match self.inner.head_deadline {
            None => answer.await,
            Some(limit) => within(limit, progress.as_deref(), answer).await,
        };
        match result {
            // Over HTTP/2, hyper reports the visitor's failure as the stream's.
            Err(error) if progress.is_some_and(|progress| progress.has_failed()) => {
                Err(error.with_request_blamed())
            }
            result => result,
        }
    }
}

impl<B> Inner<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    async fn dispatch(
        &self,
        request: Request<Upload<B>>,
        purpose: Purpose,
        progress: Option<&Arc<Progress>>,
    ) -> Result<Response<OriginContent>, ExchangeError> {
        match self.wire(request.headers(), purpose) {
            Wire::Http1 => self.http1.send(request, None, progress).await,
            Wire::Http2 => self.http2.send(request, None).await,
            Wire::Unknown => match self.connector.open(Wire::Unknown).await? {
                Fresh::Http1(fresh) => self.http1.send(request, Some(fresh), progress).await,
                Fresh::Http2(fresh) => self.http2.send(request, Some(fresh)).await,
            },
        }
    }

    fn wire(&self, headers: &HeaderMap, purpose: Purpose) -> Wire {
        match (purpose, self.connector.wire()) {
            (Purpose::Upgrade, _) => Wire::Http1,
            (Purpose::Ordinary, Wire::Http1 | Wire::Unknown)
                if self.connector.may_choose() && is_grpc(headers) =>
            {
                Wire::Http2
            }
            (Purpose::Ordinary, wire) => wire,
        }
    }
}

impl<B> Clone for Client<B> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<B> fmt::Debug for Client<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("connector", &self.inner.connector).finish_non_exhaustive()
    }
}

/// Waits for the answer as long as the origin owes it.
async fn within<T>(
    limit: Duration,
    progress: Option<&Progress>,
    answer: impl Future<Output = Result<T, ExchangeError>>,
) -> Result<T, ExchangeError> {
    let mut answer = pin!(answer);
    let mut timer = pin!(sleep(limit));
    loop {
        tokio::select! {
            biased;
            result = &mut answer => return result,
            () = &mut timer => {}
        }
        let now = Instant::now();
        let since = match progress.map(Progress::turn) {
            None => return Err(ExchangeError::OriginTimeout { after: limit }),
            Some(Turn::Visitor) => now,
            Some(Turn::Origin(since)) => since,
        };
        if since + limit <= now {
            return Err(ExchangeError::OriginTimeout { after: limit });
        }
        timer.as_mut().reset(since + limit);
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// gRPC proper, not gRPC-Web, which is made for HTTP/1.1.
fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else {
        return false;
    };
    match kind.as_bytes().strip_prefix(b"application/grpc") {
        Some(rest) => matches!(rest.first(), None | Some(b'+' | b';' | b' ')),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn grpc_is_told_from_grpc_web() {
        let check = |kind: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            is_grpc(&headers)
        };
        assert!(check("application/grpc"));
        assert!(check("application/grpc+proto"));
        assert!(!check("application/grpc-web+proto"));
        assert!(!check("application/json"));
        assert!(!is_grpc(&HeaderMap::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_origin_runs_into_the_deadline() {
        let start = Instant::now();
        let limit = Duration::from_secs(120);
        let error = within::<()>(limit, None, std::future::pending()).await.expect_err("timeout");
        assert!(matches!(error, ExchangeError::OriginTimeout { after } if after == limit));
        assert_eq!(start.elapsed(), limit);
    }
}
