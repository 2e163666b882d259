//! Requests over HTTP/2.

use std::sync::Arc;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery};
use http::{Request, Response, Uri, Version, header};
use http_body::Body;
use hyper::client::conn::http2::SendRequest;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::connection::{Connector, Fresh, Wire};
use super::download::{Lease, OriginContent};
use super::retry;
use super::upload::Upload;
use crate::exchange::{ExchangeError, InvalidRequest};

/// All requests on one connection.
pub(super) struct Http2<B> {
    connector: Arc<Connector>,
    /// Held while connecting, so that many requests at once open one connection.
    current: Mutex<Option<SendRequest<Upload<B>>>>,
}

impl<B> Http2<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(super) fn new(connector: Arc<Connector>) -> Self {
        Self { connector, current: Mutex::new(None) }
    }

    /// Sends a request, on `fresh` if there is one, and waits for the response head.
    ///
    /// Dropping the future resets the stream.
    pub(super) async fn send(
        &self,
        mut request: Request<Upload<B>>,
        fresh: Option<SendRequest<Upload<B>>>,
    ) -> Result<Response<OriginContent>, ExchangeError> {
        self.to_absolute_form(&mut request)?;
        let (mut sender, mut reused) = self.sender(fresh).await?;
        let mut spare = (reused && retry::is_replayable(&request)).then(|| retry::copy(&request));
        loop {
            let mut failure = match sender.try_send_request(request).await {
                Ok(response) => {
                    let lease = Lease::new(None, None);
                    return Ok(response.map(|content| OriginContent::new(content, lease)));
                }
                Err(failure) => failure,
            };
            let unsent = failure.take_message().filter(|_| reused);
            let again = unsent.or_else(|| {
                let broken = sender.is_closed() && retry::is_broken_connection(failure.error());
                spare.take().filter(|_| broken)
            });
            let Some(again) = again else {
                return Err(ExchangeError::before_head(failure.into_error()));
            };
            request = again;
            (sender, reused) = self.sender(None).await?;
        }
    }

    /// The connection, and whether it was there already.
    async fn sender(
        &self,
        fresh: Option<SendRequest<Upload<B>>>,
    ) -> Result<(SendRequest<Upload<B>>, bool), ExchangeError> {
        let connect = async {
            let mut current = self.current.lock().await;
            if let Some(sender) = current.as_ref().filter(|sender| !sender.is_closed()) {
                return Ok((sender.clone(), true));
            }
            let sender = match fresh {
                Some(sender) => sender,
                None => match self.connector.open(Wire::Http2).await? {
                    Fresh::Http2(sender) => sender,
                    Fresh::Http1(_) => return Err(ExchangeError::unexpected_protocol()),
                },
            };
            Ok((current.insert(sender).clone(), false))
        };
        // One deadline for the queue too: else the tenth request waits ten deadlines. Twice,
        // for TCP and TLS.
        match timeout(self.connector.deadline() * 2, connect).await {
            Ok(result) => result,
            Err(_) => Err(self.connector.timed_out().into()),
        }
    }

    /// Moves `Host` into the target's authority (RFC 9113 §8.3.1).
    fn to_absolute_form(&self, request: &mut Request<Upload<B>>) -> Result<(), ExchangeError> {
        let target = self.connector.target();
        let host = request.headers_mut().remove(header::HOST);
        let authority = match &host {
            Some(host) => Authority::try_from(host.as_bytes()),
            None => Authority::try_from(target.authority()),
        };
        let authority = authority.map_err(|_| InvalidRequest::Host)?;
        let path = request.uri().path_and_query().cloned();
        let uri = Uri::builder()
            .scheme(target.scheme().as_str())
            .authority(authority)
            .path_and_query(path.unwrap_or_else(|| PathAndQuery::from_static("/")))
            .build()
            .map_err(|_| InvalidRequest::Target)?;
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_2;
        Ok(())
    }
}
