//! One exchange on the relay path: the visitor's request to the host, the host's response back.
//!
//! Both directions move in one loop, so that neither waits for the other: credit for the upload is
//! awaited beside the next piece of the response. Nothing is buffered beyond one piece each way.

use std::{collections::VecDeque, pin::pin, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora::{
    Error, ErrorType, protocols::http::HttpTask, proxy::Session, time::fast_timeout::fast_timeout,
};
use tokio::time::{Instant, sleep};
use wingman_link::{Exchange, LinkSendError};
use wingman_mux::{Incoming, SendError};
use wingman_wire::{code::ResetCode, head::FieldLines};

use super::{
    head::{self, Asked, BadHead, Document},
    presence::{self, Attention},
};
use crate::{
    inject::Rewriter,
    telemetry::{Held, Injected, Level},
};

/// Content gathered into one write.
const BATCH: usize = 64 * 1024;

/// A piece of content that does not fit Pingora's write buffer takes along what waits there.
const LARGE: usize = 8 * 1024;

/// Marks the error by which a flush is asked for; see [`Relay::write`].
const FLUSH: &str = "wingman: flush";

/// Why an exchange did not end well.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The host ended it.
    #[error("reset by the host: {0:?}")]
    Reset(ResetCode),
    /// The link broke.
    #[error("link lost")]
    LinkLost,
    /// The host answered with something that is not HTTP.
    #[error("bad response head")]
    BadHead(#[from] BadHead),
    /// The response head is above the limit.
    #[error("response head is too large")]
    HeadTooLarge,
    /// The host sent no response head in time.
    #[error("no response head in time")]
    Late,
    /// The request content is above the limit.
    #[error("request content is too large")]
    TooLarge,
    /// The visitor paused too long within the content of its request.
    #[error("visitor stopped sending")]
    Stalled,
    /// The visitor does not take the response.
    #[error("visitor stopped reading")]
    Unread,
    /// The visitor was found to be gone while nothing was read from it.
    #[error("visitor is gone")]
    Gone,
    /// The visitor went away.
    #[error("visitor went away")]
    Visitor(#[source] Box<Error>),
}

/// What happened, for metrics and the log.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// The final status, once its head was written.
    pub(super) status: Option<u16>,
    /// When.
    pub(super) head_at: Option<Instant>,
    /// Request content bytes.
    pub(super) uploaded: u64,
    /// Response content bytes.
    pub(super) downloaded: u64,
    /// A WebSocket.
    pub(super) upgraded: bool,
    /// A document, and what became of it with regard to the page script.
    pub(super) document: Option<Injected>,
}

/// How to relay.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) asked: Asked<'a>,
    /// The most request content; `None` is no limit.
    pub(super) max_content: Option<u64>,
    /// The largest response head, encoded.
    pub(super) max_head: u64,
    /// From the last request byte to the response head; `None` is no limit.
    pub(super) head_deadline: Option<Duration>,
    /// The longest pause of a visitor within the content of its request, and of either side of an upgraded
    /// connection after the other has ended its half.
    pub(super) content_idle: Duration,
    /// How long a visitor may take nothing of the response.
    pub(super) unread: Duration,
    /// OPEN said that there is no content.
    pub(super) no_content: bool,
}

/// The visitor's direction.
#[derive(Debug)]
enum Upload {
    /// Reading the next piece.
    Reading,
    /// A piece waits for credit.
    Sending(Bytes),
    /// A WebSocket request: bytes come after the 101.
    Held,
    /// Everything was sent, or nobody wants more.
    Done,
}

/// The host's direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Download {
    Head,
    /// `by_length`: to an HTTP/1 visitor and of a known length, which Pingora writes as it is but holds
    /// back what does not fill its buffer.
    Content {
        by_length: bool,
    },
    Upgraded,
    /// It is over, and the visitor of an upgraded connection may still speak.
    HalfClosed,
    Done,
}

/// Runs an exchange to its end. After an error nothing more can be sent, unless `report.status` is
/// `None`: then an error page can.
pub(super) async fn run(
    session: &mut Session,
    exchange: &Exchange,
    rules: Rules<'_>,
    report: &mut Report,
    upgrades: &Level,
) -> Result<(), Failure> {
    let upload = if rules.asked.websocket {
        Upload::Held
    } else if rules.no_content {
        Upload::Done
    } else {
        Upload::Reading
    };
    let download = Download::Head;
    let mut relay = Relay {
        session,
        exchange,
        rules,
        report,
        upload,
        download,
        upgrades,
        held: None,
        rewriter: None,
    };
    relay.run().await
}

struct Relay<'a, 'b> {
    session: &'a mut Session,
    exchange: &'a Exchange,
    rules: Rules<'b>,
    report: &'a mut Report,
    upload: Upload,
    download: Download,
    upgrades: &'a Level,
    /// Counts this one while it is upgraded.
    held: Option<Held>,
    /// Puts the page script into a document, until it is there.
    rewriter: Option<Rewriter>,
}

impl Relay<'_, '_> {
    async fn run(&mut self) -> Result<(), Failure> {
        let mut items = VecDeque::new();
        let after = |wait| Instant::now() + wait;
        let Rules { head_deadline, content_idle, .. } = self.rules;
        let mut late = pin!(sleep(head_deadline.unwrap_or_default()));
        let mut quiet = pin!(sleep(content_idle));
        let mut look = pin!(sleep(presence::PERIOD));
        let mut was_idle = true;
        while !self.is_over() {
            if matches!(self.upload, Upload::Reading) && self.has_all_content() {
                // The end of a content may come by itself, over HTTP/2 as an empty frame; Pingora tells it only here.
                self.finish_upload();
            }
            let idle = matches!(self.upload, Upload::Held | Upload::Done);
            if idle
                && !was_idle
                && let Some(wait) = head_deadline
            {
                late.as_mut().reset(after(wait));
            }
            was_idle = idle;
            let upgraded = self.is_upgraded();
            let answered = self.download == Download::HalfClosed;
            // A visitor that has ended its half of an upgraded connection may still wait for the other half;
            // for Pingora it would be gone.
            let half_closed = upgraded && idle;
            let mut nothing = Bytes::new();
            let (sending, piece) = match &mut self.upload {
                Upload::Sending(piece) => (true, piece),
                Upload::Reading | Upload::Held | Upload::Done => (false, &mut nothing),
            };
            let reading = !sending && !idle;
            let attention = match () {
                () if sending || half_closed => Attention::Presence,
                () if idle => Attention::Idle,
                () => Attention::Content,
            };
            tokio::select! {
                alive = self.exchange.read_batch(&mut items, BATCH) => {
                    if !alive {
                        return if answered { Ok(()) } else { Err(Failure::LinkLost) };
                    }
                    self.on_items(&mut items).await?;
                    if half_closed || self.download == Download::HalfClosed {
                        quiet.as_mut().reset(after(content_idle));
                    }
                }
                sent = self.exchange.send_data(piece), if sending => {
                    self.on_sent(sent);
                    quiet.as_mut().reset(after(content_idle));
                }
                read = presence::attend(&mut self.session.downstream_session, attention) => {
                    self.on_read(read)?;
                    quiet.as_mut().reset(after(content_idle));
                }
                () = &mut late, if self.download == Download::Head && idle && head_deadline.is_some() => {
                    return Err(Failure::Late);
                }
                () = &mut quiet, if half_closed || reading && (answered || !upgraded) => {
                    self.exchange.reset(self.abandoned());
                    return Err(if upgraded { Failure::Gone } else { Failure::Stalled });
                }
                () = &mut look, if !reading => {
                    if presence::has_left(&self.session.downstream_session, half_closed) {
                        self.exchange.reset(self.abandoned());
                        return Err(Failure::Gone);
                    }
                    look.as_mut().reset(after(presence::PERIOD));
                }
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        match self.download {
            Download::Done => true,
            Download::HalfClosed => matches!(self.upload, Upload::Done),
            _ => false,
        }
    }

    fn is_upgraded(&self) -> bool {
        matches!(self.download, Download::Upgraded | Download::HalfClosed)
    }

    /// What the host is told of a visitor that is no longer there.
    fn abandoned(&self) -> ResetCode {
        match self.upload {
            Upload::Reading | Upload::Sending(_) if !self.is_upgraded() => {
                ResetCode::RequestAborted
            }
            _ => ResetCode::Cancelled,
        }
    }

    fn on_read(&mut self, read: Result<Option<Bytes>, Box<Error>>) -> Result<(), Failure> {
        match read {
            Ok(Some(piece)) if piece.is_empty() => {}
            Ok(Some(piece)) => {
                self.report.uploaded += piece.len() as u64;
                if self.rules.max_content.is_some_and(|max| self.report.uploaded > max)
                    && !self.is_upgraded()
                {
                    self.exchange.reset(ResetCode::TooLarge);
                    return Err(Failure::TooLarge);
                }
                self.upload = Upload::Sending(piece);
            }
            Ok(None) => self.finish_upload(),
            Err(error) => {
                self.exchange.reset(self.abandoned());
                return Err(Failure::Visitor(error));
            }
        }
        Ok(())
    }

    fn on_sent(&mut self, sent: Result<(), LinkSendError>) {
        self.upload = match sent {
            Ok(()) => Upload::Reading,
            // The host has answered and wants no more, or it is gone: its direction tells which.
            Err(LinkSendError::Stream(_) | LinkSendError::Closed) => Upload::Done,
        };
    }

    fn has_all_content(&mut self) -> bool {
        !self.is_upgraded() && self.session.as_mut().is_body_done()
    }

    fn finish_upload(&mut self) {
        self.upload = Upload::Done;
        match self.exchange.finish(Bytes::new()) {
            // As in `on_sent`.
            Ok(()) | Err(LinkSendError::Closed | LinkSendError::Stream(SendError::Reset(_))) => {}
            Err(LinkSendError::Stream(error)) => {
                debug_assert!(false, "upload finished in a wrong state: {error}");
            }
        }
    }

    async fn on_items(&mut self, items: &mut VecDeque<Incoming>) -> Result<(), Failure> {
        let mut tasks = Vec::with_capacity(items.len() + 1);
        let mut failure = None;
        for item in items.drain(..) {
            if let Some(last) = self.end_document(&item) {
                push(&mut tasks, HttpTask::Body(Some(last), false));
            }
            match self.task(item) {
                Ok(Some(task)) => push(&mut tasks, task),
                Ok(None) => {}
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
            // After the head of an upgrade Pingora must have switched before it takes content.
            if self.download == Download::Upgraded && !self.session.was_upgraded() {
                self.write(std::mem::take(&mut tasks)).await?;
            }
        }
        if !tasks.is_empty() {
            self.write(tasks).await?;
        }
        if self.download == Download::HalfClosed {
            // Pingora would end both directions; what fails here fails the next read.
            let closing = self.session.as_mut().shutdown();
            let _ = fast_timeout(self.rules.unread, closing).await;
        }
        failure.map_or(Ok(()), Err)
    }

    fn task(&mut self, item: Incoming) -> Result<Option<HttpTask>, Failure> {
        Ok(match item {
            Incoming::Head { head, interim } => {
                if head.len() as u64 > self.rules.max_head {
                    self.exchange.reset(ResetCode::TooLarge);
                    return Err(Failure::HeadTooLarge);
                }
                let response = head::decode_response(head, interim, self.rules.asked)?;
                if interim {
                    // RFC 9110 §15.2: not to HTTP/1.0.
                    let old = self.rules.asked.version == http::Version::HTTP_10;
                    return Ok((!old).then_some(HttpTask::Header(response.header, false)));
                }
                let status = response.header.status.as_u16();
                self.report.status = Some(status);
                self.report.head_at = Some(Instant::now());
                if status == 101 {
                    self.report.upgraded = true;
                    self.held = Some(self.upgrades.hold());
                    self.download = Download::Upgraded;
                    self.upload = Upload::Reading;
                } else {
                    if matches!(self.upload, Upload::Held) {
                        self.finish_upload();
                    }
                    match response.document {
                        Document::None => {}
                        Document::Left(reason) => self.report.document = Some(reason),
                        Document::Changed(rewriter) => self.rewriter = Some(rewriter),
                    }
                    let http1 = !self.session.as_mut().is_http2();
                    self.download = Download::Content { by_length: http1 && response.has_length };
                }
                Some(HttpTask::Header(response.header, false))
            }
            Incoming::Data(content) => {
                self.report.downloaded += content.len() as u64;
                let content = self.rewrite(content);
                if content.is_empty() {
                    return Ok(None);
                }
                Some(match self.download {
                    Download::Upgraded => HttpTask::UpgradedBody(Some(content), false),
                    _ => HttpTask::Body(Some(content), false),
                })
            }
            Incoming::Finish { .. } if self.download == Download::Upgraded => {
                self.download = Download::HalfClosed;
                None
            }
            Incoming::Finish { trailers } => {
                self.download = Download::Done;
                Some(match decode_trailers(trailers) {
                    Some(trailers) => HttpTask::Trailer(Some(Box::new(trailers))),
                    None => HttpTask::Done,
                })
            }
            // Of the other direction, which nobody takes any more.
            Incoming::Reset(_) if self.download == Download::HalfClosed => {
                self.download = Download::Done;
                None
            }
            Incoming::Reset(code) => return Err(Failure::Reset(code)),
        })
    }

    fn rewrite(&mut self, content: Bytes) -> Bytes {
        let Some(rewriter) = &mut self.rewriter else { return content };
        let content = rewriter.write(content);
        if let Some(outcome) = rewriter.outcome() {
            self.report.document = Some(outcome);
            self.rewriter = None;
        }
        content
    }

    /// What a document held back, if this is its last item.
    fn end_document(&mut self, item: &Incoming) -> Option<Bytes> {
        let whole = match item {
            Incoming::Finish { .. } => true,
            Incoming::Reset(_) => false,
            Incoming::Head { .. } | Incoming::Data(_) => return None,
        };
        let mut rewriter = self.rewriter.take()?;
        let last = rewriter.end(whole);
        self.report.document = rewriter.outcome();
        (!last.is_empty()).then_some(last)
    }

    /// Writes to the visitor and flushes.
    ///
    /// Pingora keeps up to 1,460 bytes of content of a known length back until it is complete, and has
    /// no flush. But a `Failed` task that is not alone makes it flush and hand the error back, which
    /// changes nothing else (pingora-core 0.9.1, v1/server.rs `response_duplex_vec`).
    async fn write(&mut self, mut tasks: Vec<HttpTask>) -> Result<(), Failure> {
        let flush = matches!(self.download, Download::Content { by_length: true })
            && !matches!(tasks.last(), Some(HttpTask::Body(Some(last), _)) if last.len() >= LARGE);
        if flush {
            tasks.push(HttpTask::Failed(Error::new(ErrorType::Custom(FLUSH))));
        }
        let socket = presence::socket(&self.session.downstream_session);
        let mut taken = None;
        let mut writing = pin!(self.session.write_response_tasks(tasks));
        let written = loop {
            match fast_timeout(self.rules.unread, writing.as_mut()).await {
                Ok(written) => break written,
                // Slow is not stalled: over HTTP/1 this is the second look at the earliest.
                Err(_) => match presence::taken(socket.as_deref()) {
                    now if now > taken => taken = now,
                    _ => {
                        self.exchange.reset(ResetCode::Cancelled);
                        return Err(Failure::Unread);
                    }
                },
            }
        };
        match written {
            Ok(_) => Ok(()),
            Err(error) if flush && error.etype == ErrorType::Custom(FLUSH) => Ok(()),
            Err(error) => {
                self.exchange.reset(ResetCode::Cancelled);
                Err(Failure::Visitor(error))
            }
        }
    }
}

/// Adds a task. Content right behind content becomes one piece: a system call for each frame, and a visitor
/// that wakes up for each, cost more than the copy.
fn push(tasks: &mut Vec<HttpTask>, task: HttpTask) {
    match (tasks.last_mut(), task) {
        (Some(HttpTask::Body(Some(last), false)), HttpTask::Body(Some(next), false)) => {
            let mut whole = std::mem::take(last).try_into_mut().unwrap_or_else(|shared| {
                let mut owned = BytesMut::with_capacity(BATCH);
                owned.extend_from_slice(&shared);
                owned
            });
            whole.extend_from_slice(&next);
            *last = whole.freeze();
        }
        (_, task) => tasks.push(task),
    }
}

/// Trailers that may go to a visitor: none that frame, route or control the message (RFC 9110 §6.5.1).
fn decode_trailers(encoded: Bytes) -> Option<HeaderMap> {
    if encoded.is_empty() {
        return None;
    }
    let mut trailers = HeaderMap::new();
    for line in FieldLines::new(encoded) {
        let (name, value) = line.ok()?;
        let name = HeaderName::from_bytes(&name).ok()?;
        let value = HeaderValue::from_maybe_shared(value).ok()?;
        let forbidden = crate::fields::is_hop_by_hop(name.as_str().as_bytes())
            || matches!(
                name.as_str(),
                "content-length" | "host" | "set-cookie" | "content-encoding"
            );
        if !forbidden {
            trailers.append(name, value);
        }
    }
    (!trailers.is_empty()).then_some(trailers)
}

#[cfg(test)]
mod tests;
