//! The service in which both paths end.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use wingman_mux::MAX_UNREAD_INTERIM;

use super::error::ExchangeError;
use super::hop;
use super::rewrite::{HostHeader, Public, Rewriter};
use crate::origin::{Client, OriginContent};

/// Carries out exchanges with the origin. Clones are cheap and share its connections.
///
/// Request extensions it reads: [`Public`] and [`OnInformational`]. A request that ends with its
/// head must have content whose `is_end_stream` says so: hyper would chunk an empty content.
pub struct Service<B> {
    inner: Arc<Inner<B>>,
}

struct Inner<B> {
    client: Client<B>,
    rewriter: Rewriter,
}

impl<B> Service<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// A service for the client's origin.
    pub fn new(client: Client<B>, host: HostHeader) -> Self {
        let rewriter = Rewriter::new(client.target(), host);
        Self { inner: Arc::new(Inner { client, rewriter }) }
    }

    /// The client behind it.
    pub fn client(&self) -> &Client<B> {
        &self.inner.client
    }

    /// Forwards a request and waits for the response head.
    ///
    /// - Dropping the future or the response's content cancels the exchange at the origin.
    /// - A 101 is given only to a request with `Upgrade`; `hyper::upgrade::on(response)` is the
    ///   byte stream then. Its content is empty.
    /// - An error of the response's content is for
    ///   [`classify_body_error`](super::classify_body_error).
    pub async fn call(
        &self,
        mut request: Request<B>,
    ) -> Result<Response<OriginContent>, ExchangeError> {
        let inner = &*self.inner;
        let public = request.extensions_mut().remove::<Public>();
        if let Some(callback) = request.extensions_mut().remove::<OnInformational>() {
            callback.hook(&mut request);
        }
        let purpose = hop::clean_request(&mut request)?;
        inner.rewriter.request(request.headers_mut(), public.as_ref());
        let mut response = inner.client.send(request, purpose).await?;
        hop::clean_response(&mut response, purpose).map_err(ExchangeError::OriginInvalid)?;
        inner.rewriter.response(response.headers_mut(), public.as_ref());
        Ok(response)
    }
}

impl<B> tower::Service<Request<B>> for Service<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<OriginContent>;
    type Error = ExchangeError;
    type Future =
        Pin<Box<dyn Future<Output = Result<Response<OriginContent>, ExchangeError>> + Send>>;

    /// Always ready: the bound on exchanges is the carrier's.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), ExchangeError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Service::call(&service, request).await })
    }
}

impl<B> Clone for Service<B> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<B> fmt::Debug for Service<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("rewriter", &self.inner.rewriter).finish_non_exhaustive()
    }
}

/// Called for every interim response (1xx but 101) of the origin, in order, before the response
/// head. A request extension.
///
/// It runs inside the origin's connection: it must not block. It is called at most
/// [`MAX_UNREAD_INTERIM`] times per exchange, for nobody knows what the carrier's other end has read,
/// and one head too many would close the whole carrier. Only HTTP/1.1 origins have interim responses here; hyper drops HTTP/2's.
#[derive(Clone)]
pub struct OnInformational(Callback);

type Callback = Arc<dyn Fn(StatusCode, &HeaderMap) + Send + Sync>;

impl OnInformational {
    /// Wraps a callback.
    pub fn new(callback: impl Fn(StatusCode, &HeaderMap) + Send + Sync + 'static) -> Self {
        Self(Arc::new(callback))
    }

    fn hook<B>(self, request: &mut Request<B>) {
        let seen = AtomicUsize::new(0);
        hyper::ext::on_informational(request, move |response| {
            if seen.fetch_add(1, Ordering::Relaxed) < MAX_UNREAD_INTERIM {
                (self.0)(response.status(), response.headers());
            }
        });
    }
}

impl fmt::Debug for OnInformational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnInformational")
    }
}
