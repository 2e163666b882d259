//! Pingora, and nothing else has its types: the HTTP engine towards visitors.
//!
//! A connection passes the `door` (limits, deadline of the request head), Pingora reads the request,
//! and `Gateway` decides by `Host` whom it is for: a session (see `relay`), or the base domain (the
//! link endpoint, health, the landing page). Everything is answered from `request_filter`; Pingora's
//! upstream side is never used.

mod door;
mod exchange;
mod head;
mod ours;
mod presence;
mod rate;
mod relay;
mod server;
mod steal;
mod stun;

pub use server::{StartError, run};

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use pingora::{
    Error, ErrorType, Result,
    http::ResponseHeader,
    modules::http::HttpModules,
    proxy::{FailToProxy, ProxyHttp, Session},
    time::fast_timeout::fast_timeout,
    upstreams::peer::HttpPeer,
};
use wingman_wire::{LINK_PATH, RESERVED_PREFIX, SUBPROTOCOL, head::Scheme};

use self::rate::RequestRate;
use crate::{
    config::Settings,
    forwarded::Visitor,
    link::{LinkServer, Places, Refusal, admit},
    names::Route,
    pages::{ERROR_FIELD, Page, Pages, Problem},
    scripts::Scripts,
    session::{Found, Registry},
    signaling::SignalingServer,
    telemetry::{LinkRefusal, Metrics},
    visitors::VisitorCookie,
};

/// The edge as Pingora sees it.
pub(crate) struct Gateway {
    settings: Arc<Settings>,
    sessions: Arc<Registry>,
    links: Arc<LinkServer>,
    pages: Pages,
    metrics: Arc<Metrics>,
    shutting_down: Arc<AtomicBool>,
    signaling: Arc<SignalingServer>,
    signaling_places: Places,
    scripts: Scripts,
    cookie: VisitorCookie,
    link_places: Places,
    request_rate: Option<RequestRate>,
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = ();

    fn new_ctx(&self) {}

    /// None: Pingora would give each request a compressor that does nothing.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, _: &mut ()) -> Result<()> {
        door::head_is_complete();
        let downstream = session.as_downstream_mut();
        let timeouts = &self.settings.timeouts;
        // A visitor that sends its next request early is served in order, not cut off (RFC 9112 §9.3.2).
        downstream.set_pipelining_enabled(true);
        // The relay has deadlines of its own, for HTTP/2 as well.
        downstream.set_read_timeout(None);
        downstream.set_total_drain_timeout(Some(DRAIN));
        // Pingora's default is to wait for ever.
        if downstream.get_keepalive() == Some(0) {
            downstream.set_keepalive(Some(timeouts.keepalive_idle.0.as_secs().max(1)));
        }
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, _: &mut ()) -> Result<bool> {
        let is_tls = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
        // Without TLS of our own, a proxy in front may end it.
        let scheme = if is_tls { Scheme::Https } else { self.settings.public.scheme };
        let request = session.req_header();
        if request.headers.get_all(header::HOST).iter().count() > 1 {
            return self.problem(session, Problem::BadRequest).await;
        }
        let route = Route::of(head::authority(request), &self.settings.public.base_domain);
        let path = request.uri.path();
        if self.settings.tls.is_some() && !is_tls && !HEALTH.contains(&path) {
            return self.redirect_to_https(session).await;
        }
        match route {
            Route::Invalid => self.problem(session, Problem::BadRequest).await,
            Route::Session(name) => {
                let is_ours = path.starts_with(RESERVED_PREFIX);
                match self.sessions.find_or_await(&name).await {
                    Found::Session(found) if is_ours => self.ours(session, &found, scheme).await,
                    Found::Session(found) => self.exchange(session, &found, scheme).await,
                    Found::Ended => self.problem(session, Problem::SessionEnded).await,
                    Found::Unknown => self.problem(session, Problem::UnknownSession).await,
                }
            }
            // An edge is also reachable by its address; only what needs no session is there.
            Route::Base | Route::Foreign => match path {
                LINK_PATH => self.link(session, scheme).await,
                "/healthz" => self.health(session, true).await,
                "/readyz" => {
                    self.health(session, !self.shutting_down.load(Ordering::Relaxed)).await
                }
                "/" if route == Route::Base => {
                    let page = self.pages.landing(accept(session)).clone();
                    self.page(session, &page).await
                }
                _ => self.problem(session, Problem::NotFound).await,
            },
        }
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        // `request_filter` answers everything.
        Err(Error::explain(ErrorType::InternalError, "the gateway has no upstream"))
    }

    /// A request that ended amid its response: Pingora closes the connection (or resets the HTTP/2
    /// stream), which tells the visitor that it is not complete.
    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, _: &mut ()) -> FailToProxy {
        if session.response_written().is_none()
            && !matches!(error.etype, ErrorType::ConnectionClosed | ErrorType::WriteTimedout)
        {
            let _ = self.problem(session, Problem::EdgeFailed).await;
        }
        FailToProxy { error_code: 0, can_reuse_downstream: false }
    }

    fn suppress_error_log(&self, _: &Session, _: &(), _: &Error) -> bool {
        // The exchange has its own line.
        true
    }
}

impl Gateway {
    /// Becomes a link, or says why not.
    async fn link(&self, session: &mut Session, scheme: Scheme) -> Result<bool> {
        let request = session.req_header();
        let admitted = if self.shutting_down.load(Ordering::Relaxed) {
            return self.problem(session, Problem::EdgeShutdown).await;
        } else {
            admit(&request.method, &request.headers, &self.settings.registry)
        };
        let admission = match admitted {
            Ok(admission) => admission,
            Err(refusal) => {
                let (problem, counted) = match refusal {
                    Refusal::NotWebSocket => (Problem::LinkExpected, LinkRefusal::Malformed),
                    Refusal::Version => (Problem::LinkExpected, LinkRefusal::Version),
                    Refusal::TokenMissing | Refusal::TokenUnknown => {
                        (Problem::TokenRefused, LinkRefusal::Token)
                    }
                };
                self.metrics.links_refused.get(counted).add(1);
                self.metrics.problem(problem);
                let mut page = self.pages.problem(problem, accept(session)).clone();
                let supported = HeaderValue::from_static(SUBPROTOCOL);
                page.fields.push((header::SEC_WEBSOCKET_PROTOCOL, supported));
                page.fields.retain(|(name, _)| name != ERROR_FIELD);
                page.fields.push((
                    HeaderName::from_static(ERROR_FIELD),
                    HeaderValue::from_static(refusal.code()),
                ));
                return self.page(session, &page).await;
            }
        };
        let sender = client_address(session);
        let host = sender.map(|sender| self.visitor(session, sender, scheme).address);
        let place = match host.map(|address| self.link_places.take(address)) {
            Some(Err(_)) => {
                self.metrics.links_refused.get(LinkRefusal::Limit).add(1);
                return self.problem(session, Problem::TooManyRequests).await;
            }
            Some(Ok(place)) => place,
            None => None,
        };
        let switching = switching(admission.accept, Some(SUBPROTOCOL))?;
        let stream = steal::steal(session, switching, self.patience()).await?;
        self.links.spawn(stream, admission.grant, place);
        Ok(true)
    }

    async fn health(&self, session: &mut Session, good: bool) -> Result<bool> {
        let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let content = if good { "ok\n" } else { "shutting down\n" };
        let page = Page {
            status,
            fields: vec![
                (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
                (header::CONTENT_LENGTH, content.len().into()),
            ],
            content: content.into(),
        };
        self.page(session, &page).await
    }

    async fn redirect_to_https(&self, session: &mut Session) -> Result<bool> {
        let request = session.req_header();
        let authority = head::authority(request);
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let port = match self.settings.public.port {
            443 => String::new(),
            port => format!(":{port}"),
        };
        let Some(target) = head::target(request) else {
            return self.problem(session, Problem::BadRequest).await;
        };
        let target = String::from_utf8_lossy(target);
        let location = format!("https://{host}{port}{target}");
        let Ok(location) = HeaderValue::from_str(&location) else {
            return self.problem(session, Problem::BadRequest).await;
        };
        let page = Page {
            status: StatusCode::PERMANENT_REDIRECT,
            fields: vec![(header::LOCATION, location), (header::CONTENT_LENGTH, 0.into())],
            content: bytes::Bytes::new(),
        };
        self.page(session, &page).await
    }

    /// Answers with an error page.
    async fn problem(&self, session: &mut Session, problem: Problem) -> Result<bool> {
        self.metrics.problem(problem);
        let page = self.pages.problem(problem, accept(session)).clone();
        self.page(session, &page).await
    }

    async fn page(&self, session: &mut Session, page: &Page) -> Result<bool> {
        let mut head = ResponseHeader::build(page.status, Some(page.fields.len() + 2))?;
        for (name, value) in &page.fields {
            head.append_header(name.clone(), value.clone())?;
        }
        let is_head = session.req_header().method == Method::HEAD;
        let waits = session.req_header().headers.contains_key(header::EXPECT);
        if waits && !session.as_downstream_mut().is_body_done() {
            // The visitor may or may not send its content now: the connection cannot be used again.
            session.as_downstream_mut().set_keepalive(None);
        }
        let content =
            (!is_head).then(|| page.content.clone()).filter(|content| !content.is_empty());
        let write = async {
            session.write_response_header(Box::new(head), content.is_none()).await?;
            session.write_response_body(content, true).await
        };
        match fast_timeout(self.patience(), write).await {
            Ok(written) => written?,
            Err(_) => {
                return Err(Error::explain(ErrorType::WriteTimedout, "a page is not read"));
            }
        }
        hear_out(session).await;
        Ok(true)
    }

    /// With visitors that do not read.
    fn patience(&self) -> Duration {
        self.settings.timeouts.response_content_idle.0
    }

    /// Who sent the request that came from `sender`.
    fn visitor(&self, session: &Session, sender: IpAddr, scheme: Scheme) -> Visitor {
        let fields = &session.req_header().headers;
        Visitor::of(sender, scheme, fields, &self.settings.trusted_proxies)
    }
}

/// Reads the rest of a request whose response is complete. Pingora closes the connection of such a request at once,
/// which resets it if anything is unread, and the response may be lost on its way.
async fn hear_out(session: &mut Session) {
    let downstream = session.as_downstream_mut();
    if downstream.is_http2() || downstream.is_body_done() {
        return;
    }
    let rest = async {
        downstream.finish_body().await?;
        // The visitor sees the end of the response, and can go.
        downstream.shutdown().await;
        downstream.drain_request_body().await
    };
    // It has gone, or sends more than anybody waits for: then the connection is closed after all.
    let _ = fast_timeout(DRAIN, rest).await;
}

/// The 101 of a WebSocket that ends here.
fn switching(accept: String, protocol: Option<&str>) -> Result<ResponseHeader> {
    let mut switching = ResponseHeader::build(StatusCode::SWITCHING_PROTOCOLS, Some(4))?;
    switching.insert_header(header::CONNECTION, "Upgrade")?;
    switching.insert_header(header::UPGRADE, "websocket")?;
    switching.insert_header(header::SEC_WEBSOCKET_ACCEPT, accept)?;
    if let Some(protocol) = protocol {
        switching.insert_header(header::SEC_WEBSOCKET_PROTOCOL, protocol)?;
    }
    Ok(switching)
}

fn client_address(session: &Session) -> Option<IpAddr> {
    let address = session.client_addr().and_then(|address| address.as_inet())?;
    Some(address.ip().to_canonical())
}

fn accept(session: &Session) -> Option<&[u8]> {
    session.req_header().headers.get(header::ACCEPT).map(HeaderValue::as_bytes)
}

/// Paths that also answer on the plain listener of an edge with TLS: health checks have no certificate.
const HEALTH: [&str; 2] = ["/healthz", "/readyz"];

/// How long the rest of a request is read after its response is complete: closing at once would reset the
/// connection and could destroy the response on its way.
const DRAIN: Duration = Duration::from_secs(5);
