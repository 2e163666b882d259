//! Requests over HTTP/1.1.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, Version};
use http_body::Body;

use super::connection::{Connector, Fresh, Lane, Wire};
use super::download::{Lease, OriginContent};
use super::pool::{Limits, Need, Pool};
use super::retry;
use super::upload::{Progress, Upload};
use crate::exchange::ExchangeError;

/// One request per connection at a time, connections kept in a pool.
pub(super) struct Http1<B> {
    connector: Arc<Connector>,
    pool: Arc<Pool<B>>,
}

impl<B> Http1<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(super) fn new(connector: Arc<Connector>, limits: Limits) -> Self {
        Self { connector, pool: Pool::new(limits) }
    }

    /// Sends a request, on `fresh` if there is one, and waits for the response head.
    ///
    /// Dropping the future closes the connection: HTTP/1.1 has no other way to cancel.
    pub(super) async fn send(
        &self,
        mut request: Request<Upload<B>>,
        fresh: Option<Lane<B>>,
        progress: Option<&Arc<Progress>>,
    ) -> Result<Response<OriginContent>, ExchangeError> {
        to_origin_form(&mut request);
        let replayable = retry::is_replayable(&request);
        let need = if replayable { Need::Any } else { Need::Trusted };
        let kept = if fresh.is_some() { None } else { self.pool.take(need) };
        let mut spare = None;
        let (mut lane, mut served) = match (fresh, kept) {
            (Some(lane), _) => (lane, 0),
            (None, Some((idle, trusted))) => {
                if replayable && !trusted {
                    spare = Some(retry::copy(&request));
                }
                (idle.lane, idle.served)
            }
            (None, None) => (self.open().await?, 0),
        };
        loop {
            let mut lease = Lease::new(Some(lane.task.clone()), progress.cloned());
            let mut failure = match lane.sender.try_send_request(request).await {
                Ok(response) => {
                    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                        lease.release();
                    } else {
                        self.pool.put(lane, served.saturating_add(1));
                    }
                    return Ok(response.map(|content| OriginContent::new(content, lease)));
                }
                Err(failure) => failure,
            };
            let unsent = failure.take_message().filter(|_| served > 0);
            let again = unsent
                .or_else(|| spare.take().filter(|_| retry::is_broken_connection(failure.error())));
            let Some(again) = again else {
                return Err(ExchangeError::before_head(failure.into_error()));
            };
            request = again;
            // Others in the pool may be as dead. A new one ends the loop: it has served nothing.
            lane = self.open().await?;
            served = 0;
        }
    }

    async fn open(&self) -> Result<Lane<B>, ExchangeError> {
        match self.connector.open(Wire::Http1).await? {
            Fresh::Http1(lane) => Ok(lane),
            Fresh::Http2(_) => Err(ExchangeError::unexpected_protocol()),
        }
    }
}

/// The request target as an origin server takes it (RFC 9112 §3.2.1, §3.2.4).
fn to_origin_form<B>(request: &mut Request<B>) {
    *request.version_mut() = Version::HTTP_11;
    if request.uri().authority().is_some() {
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    }
}
