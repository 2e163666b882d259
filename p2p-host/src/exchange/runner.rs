//! One exchange of either path: from frames to the exchange service and back.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body::Body;
use parking_lot::Mutex;
use tokio::{sync::oneshot, task::JoinSet};
use wingman_link::Exchange;
use wingman_mux::Incoming;
use wingman_wire::{
    code::{Blame, ResetCode},
    direct::field,
    head::RequestHead,
    id::VisitorId,
};

use super::{
    OnInformational, Service,
    asked::{Asked, Facts},
    budget::{Budget, Claim},
    carry::{download, encode_head, first_content, upgraded},
    content::Content,
    ours::{self, Answer},
    progress::{Failed, Progress},
    public_name::PublicName,
    replay::{Begin, Replays, Running},
    resumable::{self, Copy, Resumable},
    transfer_coding::MEMORY,
    visitors::Visitors,
};
use crate::{
    cookies::{Cookies, Stamp},
    status::{Event, Outcome, Path, Reporter, Upgraded},
};

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

    /// Whether it is the direct path.
    pub const fn is_direct(self) -> bool {
        matches!(self, Self::Peer { .. })
    }
}

/// Runs the exchanges of every carrier, link and data channels alike, at the exchange service.
pub struct Runner {
    shared: Arc<Shared>,
    /// Exchanges that outlive the carrier they came by. They end with the runner.
    resumables: Mutex<JoinSet<()>>,
    max_resumables: usize,
}

/// What exchanges have in common.
pub(super) struct Shared {
    pub(super) service: Service<Content>,
    pub(super) replays: Arc<Replays>,
    /// Direct exchanges, those among them that outlive their carrier too: each may be a connection to the origin.
    direct: Arc<Budget>,
    /// Memory of their codings.
    pub(super) coding: Arc<Budget>,
    cookies: Cookies,
    reporter: Reporter,
    visitors: Visitors,
    /// Known once a link is open; direct exchanges are for this name only.
    public: Mutex<Option<PublicName>>,
    /// For the view.
    origin: String,
    origin_is_down: AtomicBool,
}

/// What a visitor's worker fetches the cookies of a direct response with.
#[derive(Debug)]
pub(super) struct Ticket {
    visitor: VisitorId,
    number: HeaderValue,
}

impl Runner {
    /// In front of `service`; `origin` is its origin's name for the view.
    pub fn new(service: Service<Content>, origin: String, reporter: Reporter) -> Self {
        let shared = Shared {
            service,
            replays: Arc::default(),
            direct: Budget::new(MAX_DIRECT, MAX_DIRECT_OF_VISITOR),
            coding: Budget::new(MAX_CODED * MEMORY, MAX_CODED_OF_VISITOR * MEMORY),
            cookies: Cookies::default(),
            reporter,
            visitors: Visitors::default(),
            public: Mutex::new(None),
            origin,
            origin_is_down: AtomicBool::new(false),
        };
        let (resumables, max_resumables) = (Mutex::default(), MAX_RESUMABLES);
        Self { shared: Arc::new(shared), resumables, max_resumables }
    }

    /// With another limit of exchanges that outlive the carrier they came by; more than those go by relay.
    #[must_use]
    pub fn with_resumables(self, max_resumables: usize) -> Self {
        Self { max_resumables, ..self }
    }

    /// Says under which URL visitors know the session; pages of other names are none of its.
    pub fn set_public_url(&self, url: &str) {
        *self.shared.public.lock() = PublicName::of(url);
    }

    /// What the log calls a visitor.
    pub fn visitor_label(&self, visitor: VisitorId) -> String {
        self.shared.visitors.label(Some(visitor), &HeaderMap::new())
    }

    /// What a page is told of its visitor, see [`HostToPage::Hello`](wingman_wire::direct::HostToPage::Hello).
    pub fn visitor_tag(&self, visitor: VisitorId) -> String {
        self.shared.visitors.tag(visitor)
    }

    /// Runs one exchange to its end.
    pub async fn run(&self, exchange: Exchange, via: Via) {
        let Some(Incoming::Head { head, .. }) = exchange.read().await else { return };
        let slot = match via {
            Via::Link => None,
            Via::Peer { visitor } => {
                let mut slot = self.shared.direct.claim(Some(visitor));
                if !slot.grow(1) {
                    return exchange.reset(ResetCode::Refused);
                }
                Some(slot)
            }
        };
        let exchange = Arc::new(exchange);
        let mut progress = Progress::new(via.path());
        let asked = match self.shared.ask(head, via, &mut progress) {
            Ok(asked) => asked,
            Err(failed) => return self.shared.end(&exchange, progress, Err(failed)),
        };
        if let Some(answer) = ours::answer(&asked, &self.shared.cookies, &self.shared.visitors) {
            let stamp = answer.stamp;
            if self.shared.send_answer(&exchange, answer).await.is_err() {
                self.shared.undelivered(&asked.facts, stamp);
            }
            return;
        }
        if asked.is_upgrade() {
            // The bytes of a connection cannot come again.
            let outcome = self.shared.forward(asked, &exchange, &mut progress).await;
            return self.shared.end(&exchange, progress, outcome);
        }
        let safe = asked.method.is_safe();
        loop {
            match self.shared.replays.begin(&asked.facts, safe) {
                // Without an id nothing can come again, and nothing need be held back.
                Begin::Run(running) if via.is_direct() && asked.facts.id.is_some() => {
                    return self.run_once(asked, exchange, running, (progress, slot)).await;
                }
                Begin::Run(running) => {
                    return self.run_plainly(asked, exchange, running, progress).await;
                }
                Begin::Join(copies) => {
                    let (exchange, facts) = (exchange.clone(), asked.facts.clone());
                    let (done, ended) = oneshot::channel();
                    let copy = Copy { exchange, facts, progress, done };
                    let back = match copies.send(copy).await {
                        Ok(()) => ended.await.ok(),
                        Err(unsent) => Some(unsent.0.progress),
                    };
                    // It has ended just now: what it has left is the answer.
                    let Some(back) = back else { return };
                    progress = back;
                }
                begin => return self.shared.replay(begin, &asked.facts, &exchange, progress).await,
            }
        }
    }

    /// An exchange that ends with its carrier.
    async fn run_plainly(
        &self,
        asked: Asked,
        exchange: Arc<Exchange>,
        running: Running,
        mut progress: Progress,
    ) {
        let outcome = self.shared.forward(asked, &exchange, &mut progress).await;
        drop(running);
        self.shared.end(&exchange, progress, outcome);
    }

    /// A direct exchange that is executed once, whatever becomes of its carrier.
    async fn run_once(
        &self,
        asked: Asked,
        exchange: Arc<Exchange>,
        mut running: Running,
        (mut progress, slot): (Progress, Option<Claim>),
    ) {
        let shared = self.shared.clone();
        let facts = asked.facts.clone();
        let safe = asked.method.is_safe();
        let prepared = async {
            let content = first_content(&exchange, &progress.bytes_in);
            let content =
                resumable::whole(content, shared.replays.held.claim(facts.visitor)).await?;
            // The jar is asked last: cookies may have changed while the content came.
            shared.prepare(asked, content, &exchange)
        };
        let prepared = tokio::select! {
            prepared = prepared => prepared,
            _ = &mut running.superseded => {
                running.was_superseded();
                return shared.end(&exchange, progress, Err(Failed::Elsewhere(ResetCode::Cancelled)));
            }
        };
        let request = match prepared {
            Ok(request) => request,
            Err(failed) => {
                // Before the page hears of it: its copy is to be run.
                drop(running);
                return shared.end(&exchange, progress, Err(failed));
            }
        };
        if !self.has_room() {
            drop(running);
            return shared.end(&exchange, progress, Err(Failed::Elsewhere(ResetCode::Refused)));
        }
        progress.path = Path::Direct;
        let (done, ended) = oneshot::channel::<()>();
        let Some(resumable) =
            Resumable::new(shared, facts, safe, (exchange, done), progress, running)
        else {
            return;
        };
        self.resumables.lock().spawn(async move {
            resumable.run(request).await;
            drop(slot);
        });
        // An error is how it says that it has ended, or goes on without the carrier.
        let _ = ended.await;
    }

    /// Whether one more exchange may outlive its carrier. A peer's own limit counts only those that it still waits for.
    fn has_room(&self) -> bool {
        let mut tasks = self.resumables.lock();
        while tasks.try_join_next().is_some() {}
        tasks.len() < self.max_resumables
    }
}

impl Shared {
    fn ask(&self, encoded: Bytes, via: Via, progress: &mut Progress) -> Result<Asked, Failed> {
        let head = RequestHead::decode(encoded).map_err(|error| Failed::bad(error.to_string()))?;
        progress.method = String::from_utf8_lossy(&head.method).into_owned();
        progress.target = String::from_utf8_lossy(&head.target).into_owned();
        let asked = Asked::read(head, via, self.public.lock().as_ref())?;
        let Facts { visitor, id, .. } = asked.facts;
        progress.visitor = self.visitors.label(visitor, &asked.fields);
        if let (Via::Link, Some(visitor)) = (via, visitor) {
            self.cookies.relayed(visitor, asked.facts.request(), &asked.fields, id);
        }
        Ok(asked)
    }

    /// The request as the origin gets it.
    fn prepare(
        &self,
        mut asked: Asked,
        content: Content,
        exchange: &Arc<Exchange>,
    ) -> Result<Request<Content>, Failed> {
        let facts = &asked.facts;
        if let (Via::Peer { visitor }, false) = (facts.via, facts.omit) {
            let safe = asked.method.is_safe();
            let document = asked.document.as_ref();
            match self.cookies.direct(visitor, facts.request(), safe, document, facts.id) {
                Ok(Some(cookie)) => drop(asked.fields.insert(http::header::COOKIE, cookie)),
                Ok(None) => {}
                Err(unsure) => {
                    tracing::debug!(%unsure, "a direct request goes by relay");
                    return Err(Failed::Elsewhere(ResetCode::RelayOnly));
                }
            }
        }
        let mut request = asked.into_request(content);
        let interim = exchange.clone();
        request.extensions_mut().insert(OnInformational::new(move |status, fields| {
            // A late interim head after a reset is of no interest.
            let _ = interim.send_head(encode_head(status, fields), true, false);
        }));
        Ok(request)
    }

    async fn forward(
        &self,
        asked: Asked,
        exchange: &Arc<Exchange>,
        progress: &mut Progress,
    ) -> Result<(), Failed> {
        let content = if asked.is_upgrade() {
            // What follows belongs to the upgraded connection.
            Content::Empty
        } else {
            first_content(exchange, &progress.bytes_in)
        };
        let facts = asked.facts.clone();
        let request = self.prepare(asked, content, exchange)?;
        let mut gone = pin!(exchange.reset_by_peer());
        let mut response = tokio::select! {
            response = self.service.call(request) => response.map_err(Failed::origin)?,
            code = &mut gone => return Err(Failed::ByPeer(code)),
        };
        progress.answered(response.status().as_u16());
        let end = response.body().is_end_stream();
        let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let mut stamp = None;
        match facts.via {
            Via::Link => stamp = self.set_cookies(&facts, response.headers()),
            Via::Peer { .. } => drop(self.keep_cookies(&facts, response.headers_mut())),
        }
        let head = encode_head(response.status(), response.headers());
        let sent = exchange.send_head(head, false, end && !switching).map_err(Failed::send);
        let outcome = match sent {
            Ok(()) if switching => {
                progress.upgraded = true;
                self.reporter.report(Event::Upgraded(Upgraded {
                    target: progress.target.clone(),
                    path: progress.path,
                    visitor: progress.visitor.clone(),
                }));
                return upgraded(response, exchange, progress).await;
            }
            Ok(()) if end => Ok(()),
            Ok(()) => download(response.into_body(), exchange, gone, &mut progress.bytes_out).await,
            Err(failed) => Err(failed),
        };
        if outcome.is_err() {
            self.undelivered(&facts, stamp);
        }
        outcome
    }

    /// A request that is not run, because it was.
    async fn replay(
        &self,
        begin: Begin,
        facts: &Facts,
        exchange: &Arc<Exchange>,
        mut progress: Progress,
    ) {
        let mut stamp = None;
        let outcome = match begin {
            Begin::Answer(recording) => {
                if let Some((status, fields)) = recording.head() {
                    progress.answered(status.as_u16());
                    stamp = self.set_cookies(facts, fields);
                    if let Some(ticket) = recording.ticket()
                        && facts.visitor != Some(ticket.visitor)
                    {
                        // They are another browser's now, as far as the host can tell.
                        self.retract(ticket);
                    }
                }
                recording.play(exchange).await.map(|bytes| progress.bytes_out = bytes)
            }
            Begin::Lost => {
                progress.answered(StatusCode::BAD_GATEWAY.as_u16());
                self.send_answer(exchange, Answer::replay_lost()).await
            }
            Begin::Refused => Err(Failed::Elsewhere(ResetCode::Refused)),
            Begin::Late | Begin::Run(_) | Begin::Join(_) => {
                Err(Failed::Elsewhere(ResetCode::Cancelled))
            }
        };
        if outcome.is_err() {
            self.undelivered(facts, stamp);
        }
        self.end(exchange, progress, outcome);
    }

    pub(super) async fn send_answer(
        &self,
        exchange: &Exchange,
        answer: Answer,
    ) -> Result<(), Failed> {
        let mut content = answer.content;
        let head = encode_head(answer.status, &answer.fields);
        exchange.send_head(head, false, content.is_empty()).map_err(Failed::send)?;
        if content.is_empty() {
            return Ok(());
        }
        exchange.send_data(&mut content).await.map_err(Failed::send)?;
        exchange.finish(Bytes::new()).map_err(Failed::send)
    }

    /// A response by relay: its cookies are on their way to the browser.
    pub(super) fn set_cookies(&self, facts: &Facts, fields: &HeaderMap) -> Option<Stamp> {
        self.cookies.answered(facts.visitor?, facts.request(), fields)
    }

    /// The browser may not have got them.
    pub(super) fn undelivered(&self, facts: &Facts, stamp: Option<Stamp>) {
        if let (Some(visitor), Some(stamp)) = (facts.visitor, stamp) {
            self.cookies.undelivered(visitor, stamp);
        }
    }

    /// A direct response: browsers would drop its cookies, so they wait under a ticket.
    pub(super) fn keep_cookies(&self, facts: &Facts, fields: &mut HeaderMap) -> Option<Ticket> {
        // Only the host says it.
        fields.remove(&TICKET);
        let Some(visitor) = facts.visitor.filter(|_| !facts.omit) else {
            fields.remove(http::header::SET_COOKIE);
            return None;
        };
        let number = self.cookies.keep(visitor, facts.request(), fields)?;
        fields.insert(&TICKET, number.clone());
        Some(Ticket { visitor, number })
    }

    /// The response goes another way, with its cookies.
    pub(super) fn retract(&self, ticket: &Ticket) {
        self.cookies.revoke(ticket.visitor, &ticket.number);
    }

    /// Ends an exchange and reports it.
    fn end(&self, exchange: &Exchange, progress: Progress, outcome: Result<(), Failed>) {
        match &outcome {
            Err(Failed::Ours { code, .. }) => exchange.abort(*code),
            Err(Failed::Elsewhere(code)) => exchange.reset(*code),
            Ok(()) | Err(Failed::ByPeer(_)) => {}
        }
        self.report(progress, outcome);
    }

    pub(super) fn report(&self, progress: Progress, outcome: Result<(), Failed>) {
        self.note_origin(&outcome);
        let outcome = match outcome {
            Ok(()) => Some(Outcome::Finished),
            Err(failed) => failed.outcome(progress.path),
        };
        if let Some(outcome) = outcome {
            self.reporter.report(Event::Exchange(progress.record(outcome)));
        }
    }

    /// Tells when the origin stops answering, and when it is back; not every single time.
    fn note_origin(&self, outcome: &Result<(), Failed>) {
        let down = match outcome {
            Ok(()) => false,
            Err(Failed::Ours { code: ResetCode::OriginRefused, blame: Blame::Origin, .. }) => true,
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
}

/// Of all peers. One that nobody waits for any more may stay for a minute.
const MAX_RESUMABLES: usize = 1_024;
/// Direct exchanges at once.
const MAX_DIRECT: usize = 2_048;
/// Of one visitor, in all of its pages: each may hold half a megabyte of a response, and a file.
const MAX_DIRECT_OF_VISITOR: usize = 128;

/// Responses that are coded at once; others go as they are.
const MAX_CODED: usize = 64;
const MAX_CODED_OF_VISITOR: usize = 16;

static TICKET: HeaderName = HeaderName::from_static(field::TICKET);
