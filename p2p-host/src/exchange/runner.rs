//! One exchange of either path: from frames to the exchange service and back.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use wingman_link::{Exchange, LinkSendError};
use wingman_mux::Incoming;
use wingman_wire::{
    code::{Blame, ResetCode},
    direct::field,
    head::{self, RequestHead, ResponseHead},
    id::VisitorId,
};

use super::{
    ExchangeError, OnInformational, OriginContent, Public, Service, classify_body_error,
    content::{self, Content},
    forwarding,
    public_name::PublicName,
    request_target,
    visitors::Visitors,
};
use crate::status::{Event, ExchangeRecord, Outcome, Path, Reporter, Upgraded};

/// Bytes read from an upgraded connection at once.
const UPGRADED_READ: usize = 16 * 1024;

/// How long the origin's client may take to hand over an upgraded connection.
const UPGRADE_DEADLINE: Duration = Duration::from_secs(10);

/// How an exchange came to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Over the host's link: the relay path.
    Link,
    /// Over a data channel of this visitor's page: the direct path.
    Peer {
        /// Whose page, as the edge said when the peer signaled.
        visitor: VisitorId,
    },
}

impl Via {
    /// The word for logs and metrics.
    pub const fn path(self) -> Path {
        match self {
            Self::Link => Path::Relay,
            Self::Peer { .. } => Path::Direct,
        }
    }
}

/// Runs the exchanges of every carrier, link and data channels alike, at the exchange service.
pub struct Runner {
    service: Service<Content>,
    reporter: Reporter,
    visitors: Visitors,
    /// Known once a link is open; direct exchanges are for this name only.
    public: Mutex<Option<PublicName>>,
    /// For the view.
    origin: String,
    origin_is_down: AtomicBool,
}

/// Why an exchange ended badly.
enum Failed {
    /// The other end of the carrier gave up, or the carrier is gone.
    ByPeer(Option<ResetCode>),
    /// We reset it.
    Ours { code: ResetCode, blame: Blame, reason: String },
}

/// What the log will say.
struct Progress {
    path: Path,
    method: String,
    target: String,
    visitor: String,
    began: Instant,
    head_after: Option<Duration>,
    status: Option<u16>,
    bytes_in: Arc<AtomicU64>,
    bytes_out: u64,
    upgraded: bool,
}

impl Runner {
    /// In front of `service`; `origin` is its origin's name for the view.
    pub fn new(service: Service<Content>, origin: String, reporter: Reporter) -> Self {
        let visitors = Visitors::default();
        let public = Mutex::new(None);
        Self { service, reporter, visitors, public, origin, origin_is_down: AtomicBool::new(false) }
    }

    /// Says under which URL visitors know the session; pages of other names are none of its.
    pub fn set_public_url(&self, url: &str) {
        *self.public.lock() = PublicName::of(url);
    }

    /// What the log calls a visitor.
    pub fn visitor_label(&self, visitor: VisitorId) -> String {
        self.visitors.label(Some(visitor), &HeaderMap::new())
    }

    /// Runs one exchange to its end.
    pub async fn run(&self, exchange: Exchange, via: Via) {
        let Some(Incoming::Head { head, .. }) = exchange.read().await else { return };
        let exchange = Arc::new(exchange);
        let mut progress = Progress::new(via.path());
        let outcome = match self.request(head, &exchange, via, &mut progress).await {
            Err(failed) => Err(failed),
            Ok(request) => self.forward(request, &exchange, &mut progress).await,
        };
        self.note_origin(&outcome);
        let outcome = match outcome {
            Ok(()) => Outcome::Finished,
            Err(Failed::ByPeer(code)) => Outcome::Reset {
                by: if code.is_some() { Blame::Visitor } else { Blame::Edge },
                reason: code.map_or("link lost", describe).to_owned(),
            },
            Err(Failed::Ours { code, blame, reason }) => {
                exchange.abort(code);
                Outcome::Reset { by: blame, reason }
            }
        };
        self.reporter.report(Event::Exchange(progress.record(outcome)));
    }

    /// Tells when the origin stops answering, and when it is back; not every single time.
    fn note_origin(&self, outcome: &Result<(), Failed>) {
        let down = match outcome {
            Ok(()) => false,
            Err(Failed::Ours { code: ResetCode::OriginRefused, .. }) => true,
            Err(_) => return,
        };
        if self.origin_is_down.load(Ordering::Relaxed) != down
            && self.origin_is_down.swap(down, Ordering::Relaxed) != down
        {
            let origin = self.origin.clone();
            self.reporter.report(if down {
                Event::OriginDown { origin }
            } else {
                Event::OriginUp { origin }
            });
        }
    }

    async fn request(
        &self,
        encoded: Bytes,
        exchange: &Arc<Exchange>,
        via: Via,
        progress: &mut Progress,
    ) -> Result<Request<Content>, Failed> {
        let bad = |reason: String| Failed::Ours {
            code: ResetCode::BadRequest,
            blame: Blame::Visitor,
            reason,
        };
        let head = RequestHead::decode(encoded).map_err(|error| bad(error.to_string()))?;
        progress.method = String::from_utf8_lossy(&head.method).into_owned();
        progress.target = String::from_utf8_lossy(&head.target).into_owned();
        let method = Method::from_bytes(&head.method).map_err(|error| bad(error.to_string()))?;
        let uri = request_target(head.target).map_err(|error| bad(error.to_string()))?;
        let mut fields =
            content::fields(head.fields).ok_or_else(|| bad("malformed field".into()))?;
        let visitor = match via {
            Via::Link => fields.get(field::VISITOR).and_then(visitor_id),
            Via::Peer { visitor } => Some(visitor),
        };
        progress.visitor = self.visitors.label(visitor, &fields);
        if let Via::Peer { .. } = via {
            // A page can only ask its own origin, but what comes over a channel can be anything.
            let public = self.public.lock();
            if !public.as_ref().is_some_and(|public| public.is(head.scheme, &head.authority)) {
                return Err(bad("not this session's name".into()));
            }
            drop(public);
            forwarding::replace(&mut fields, head.scheme, &head.authority);
        }
        drop_ours(&mut fields);
        let authority = HeaderValue::from_maybe_shared(head.authority)
            .map_err(|error| bad(error.to_string()))?;
        let content = if fields.contains_key(http::header::UPGRADE) {
            // What follows belongs to the upgraded connection.
            Content::Empty
        } else {
            first_content(exchange, &progress.bytes_in)
        };
        let mut request = Request::new(content);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = fields;
        let scheme = match head.scheme {
            head::Scheme::Http => crate::origin::Scheme::Http,
            head::Scheme::Https => crate::origin::Scheme::Https,
        };
        request.extensions_mut().insert(Public::new(scheme, authority));
        let interim = exchange.clone();
        request.extensions_mut().insert(OnInformational::new(move |status, fields| {
            // A late interim head after a reset is of no interest.
            let _ = interim.send_head(encode_head(status, fields), true, false);
        }));
        Ok(request)
    }

    async fn forward(
        &self,
        request: Request<Content>,
        exchange: &Exchange,
        progress: &mut Progress,
    ) -> Result<(), Failed> {
        let mut gone = pin!(exchange.reset_by_peer());
        let response = tokio::select! {
            response = self.service.call(request) => response.map_err(Failed::origin)?,
            code = &mut gone => return Err(Failed::ByPeer(code)),
        };
        progress.head_after = Some(progress.began.elapsed());
        progress.status = Some(response.status().as_u16());
        let end = response.body().is_end_stream();
        let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let head = encode_head(response.status(), response.headers());
        exchange.send_head(head, false, end && !switching).map_err(Failed::send)?;
        if switching {
            progress.upgraded = true;
            self.reporter.report(Event::Upgraded(Upgraded {
                target: progress.target.clone(),
                path: progress.path,
                visitor: progress.visitor.clone(),
            }));
            return upgraded(response, exchange, progress).await;
        }
        if end {
            return Ok(());
        }
        download(response.into_body(), exchange, gone, &mut progress.bytes_out).await
    }
}

/// Pulls the response content from the origin as fast as the carrier takes it.
async fn download(
    mut content: OriginContent,
    exchange: &Exchange,
    mut gone: Pin<&mut impl Future<Output = Option<ResetCode>>>,
    bytes_out: &mut u64,
) -> Result<(), Failed> {
    let mut trailers = Bytes::new();
    loop {
        let frame = tokio::select! {
            biased;
            frame = std::future::poll_fn(|context| Pin::new(&mut content).poll_frame(context)) => frame,
            code = &mut gone => return Err(Failed::ByPeer(code)),
        };
        let frame = match frame {
            None => break,
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Err(Failed::origin(classify_body_error(error))),
        };
        match frame.into_data() {
            Ok(mut data) => {
                *bytes_out += data.len() as u64;
                if !data.is_empty() {
                    exchange.send_data(&mut data).await.map_err(Failed::send)?;
                }
                // Known by its length: the end leaves in the same message as the content.
                if content.is_end_stream() {
                    break;
                }
            }
            Err(frame) => {
                if let Ok(fields) = frame.into_trailers() {
                    let mut out = BytesMut::new();
                    put_fields(&mut out, &fields);
                    trailers = out.freeze();
                }
            }
        }
    }
    exchange.finish(trailers).map_err(Failed::send)
}

/// Copies both directions of an upgraded connection, each to its own end.
async fn upgraded(
    response: Response<OriginContent>,
    exchange: &Exchange,
    progress: &mut Progress,
) -> Result<(), Failed> {
    let reset = |reason: String| Failed::Ours {
        code: ResetCode::OriginReset,
        blame: Blame::Origin,
        reason,
    };
    let origin = match timeout(UPGRADE_DEADLINE, hyper::upgrade::on(response)).await {
        Ok(Ok(upgraded)) => upgraded,
        Ok(Err(error)) => return Err(reset(error.to_string())),
        Err(_) => return Err(reset("no upgraded connection in time".to_owned())),
    };
    let (mut from_origin, mut to_origin) = tokio::io::split(TokioIo::new(origin));
    let bytes_in = progress.bytes_in.clone();
    let up = async {
        loop {
            match exchange.read().await {
                Some(Incoming::Data(bytes)) => {
                    bytes_in.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    to_origin.write_all(&bytes).await.map_err(|error| reset(error.to_string()))?;
                    to_origin.flush().await.map_err(|error| reset(error.to_string()))?;
                }
                Some(Incoming::Finish { .. }) => {
                    // The origin may have closed first.
                    let _ = to_origin.shutdown().await;
                    return Ok(());
                }
                Some(Incoming::Reset(code)) => return Err(Failed::ByPeer(Some(code))),
                Some(Incoming::Head { .. }) | None => return Err(Failed::ByPeer(None)),
            }
        }
    };
    let bytes_out = &mut progress.bytes_out;
    let down = async {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(UPGRADED_READ);
            let length = from_origin
                .read_buf(&mut buffer)
                .await
                .map_err(|error| reset(error.to_string()))?;
            if length == 0 {
                return exchange.finish(Bytes::new()).map_err(Failed::send);
            }
            *bytes_out += length as u64;
            let mut bytes = buffer.split().freeze();
            exchange.send_data(&mut bytes).await.map_err(Failed::send)?;
        }
    };
    tokio::try_join!(up, down).map(|((), ())| ())
}

/// Looks whether content is on its way; an origin must not be sent empty chunked content.
fn first_content(exchange: &Arc<Exchange>, pulled: &Arc<AtomicU64>) -> Content {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let ahead = match exchange.poll_read(&mut context) {
        std::task::Poll::Ready(Some(Incoming::Finish { trailers })) if trailers.is_empty() => {
            return Content::Empty;
        }
        std::task::Poll::Ready(item) => item,
        std::task::Poll::Pending => None,
    };
    Content::Pulled { exchange: exchange.clone(), ahead, pulled: pulled.clone() }
}

fn visitor_id(value: &HeaderValue) -> Option<VisitorId> {
    value.to_str().ok()?.parse().ok()
}

/// Fields between edge, page and host go no further.
fn drop_ours(fields: &mut HeaderMap) {
    let ours: Vec<_> =
        fields.keys().filter(|name| name.as_str().starts_with("wingman-")).cloned().collect();
    for name in ours {
        fields.remove(name);
    }
}

fn encode_head(status: StatusCode, fields: &HeaderMap) -> Bytes {
    let mut out = BytesMut::with_capacity(512);
    ResponseHead::put(&mut out, status.as_u16());
    put_fields(&mut out, fields);
    out.freeze()
}

fn put_fields(out: &mut BytesMut, fields: &HeaderMap) {
    for (name, value) in fields {
        head::put_field(out, name.as_str().as_bytes(), value.as_bytes());
    }
}

impl Failed {
    fn origin(error: ExchangeError) -> Self {
        let code = match &error {
            ExchangeError::OriginRefused(_) => ResetCode::OriginRefused,
            ExchangeError::OriginUnreachable(_) | ExchangeError::OriginTimeout { .. } => {
                ResetCode::OriginTimeout
            }
            ExchangeError::OriginTls(_) => ResetCode::OriginTls,
            ExchangeError::OriginReset(_) | ExchangeError::OriginCut(_) => ResetCode::OriginReset,
            ExchangeError::OriginInvalid(_) => ResetCode::OriginInvalid,
            ExchangeError::RequestContent(_) => ResetCode::RequestAborted,
            ExchangeError::RequestInvalid(_) => ResetCode::BadRequest,
        };
        Self::Ours { code, blame: code.blame(), reason: error.to_string() }
    }

    fn send(error: LinkSendError) -> Self {
        match error {
            LinkSendError::Closed => Self::ByPeer(None),
            LinkSendError::Stream(wingman_mux::SendError::Reset(code)) => Self::ByPeer(Some(code)),
            LinkSendError::Stream(error) => Self::Ours {
                code: ResetCode::OriginInvalid,
                blame: Blame::Origin,
                reason: error.to_string(),
            },
        }
    }
}

const fn describe(code: ResetCode) -> &'static str {
    match code {
        ResetCode::RequestAborted => "visitor stopped sending",
        ResetCode::TooLarge => "content too large",
        _ => "visitor went away",
    }
}

impl Progress {
    fn new(path: Path) -> Self {
        Self {
            path,
            method: String::new(),
            target: String::new(),
            visitor: String::new(),
            began: Instant::now(),
            head_after: None,
            status: None,
            bytes_in: Arc::default(),
            bytes_out: 0,
            upgraded: false,
        }
    }

    fn record(self, outcome: Outcome) -> ExchangeRecord {
        ExchangeRecord {
            method: self.method,
            target: self.target,
            status: self.status,
            duration: self.began.elapsed(),
            head_after: self.head_after,
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out,
            path: self.path,
            visitor: self.visitor,
            outcome,
            upgraded: self.upgraded,
        }
    }
}
