//! A direct exchange that must not be executed twice, and so outlives its carrier.
//!
//! 1. The request content is taken whole before the origin sees anything: a request that breaks off was not
//!    executed, and its copy by relay is run like any other.
//! 2. The request is executed once. What comes of it is recorded and sent to the carrier, if there is one.
//! 3. A copy by relay takes over at any time: it gets the recording and then what follows.
//! 4. What is recorded stays for later copies.

use std::{future::Future, pin::Pin, pin::pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};
use wingman_link::Exchange;
use wingman_wire::{
    code::{Blame, ResetCode},
    direct::field,
};

use super::{
    asked::Facts,
    budget::Claim,
    carry::{Piece, encode_head, next_piece},
    content::Content,
    ours::Answer,
    progress::{Failed, Progress},
    recording::Recording,
    replay::Running,
    runner::Shared,
    transfer_coding::Coder,
};
use crate::cookies::Stamp;

/// A request that came again by relay, and takes over.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) exchange: Arc<Exchange>,
    /// Its visitor's cookies are set, whosever the direct request was.
    pub(super) facts: Facts,
    pub(super) progress: Progress,
    /// Dropped when the copy has ended. It gets the progress back if there is nothing to take over.
    pub(super) done: oneshot::Sender<Progress>,
}

/// Takes the whole content of a request, if it is not too much, and `claim`, which is empty, can grow by it.
///
/// # Errors
/// [`Failed`]; nothing was executed.
pub(super) async fn whole(mut content: Content, claim: Claim) -> Result<Content, Failed> {
    let mut held = Held { content: BytesMut::new(), claim };
    while let Some(frame) = content.frame().await {
        let frame = frame.map_err(|error| Failed::Ours {
            code: ResetCode::RequestAborted,
            blame: Blame::Visitor,
            reason: error.to_string(),
        })?;
        // Trailers of requests mean nothing here: no browser sends any.
        let Ok(data) = frame.into_data() else { continue };
        if held.content.len() + data.len() > MAX_CONTENT || !held.claim.grow(data.len()) {
            return Err(Failed::Elsewhere(ResetCode::RelayOnly));
        }
        held.content.extend_from_slice(&data);
    }
    if held.content.is_empty() {
        return Ok(Content::Empty);
    }
    Ok(Content::Held(Bytes::from_owner(held)))
}

/// Content that counts for as long as anybody has it.
struct Held {
    content: BytesMut,
    claim: Claim,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.content
    }
}

/// An exchange under way, and who gets its response.
pub(super) struct Resumable {
    shared: Arc<Shared>,
    facts: Facts,
    recording: Recording,
    receiver: Receiver,
    copies: mpsc::Receiver<Copy>,
    progress: Progress,
    /// When the cookies of the response went to a copy.
    stamp: Option<Stamp>,
    /// Its method is safe (RFC 9110 §9.2.1): executing it a second time is no harm, if it must be.
    safe: bool,
    /// Gone when copies of it are to be run instead.
    running: Option<Running>,
}

/// Who gets the response.
enum Receiver {
    Direct {
        exchange: Arc<Exchange>,
        /// What the content goes through.
        coder: Option<Box<Coder>>,
        #[expect(dead_code, reason = "dropped at its end")]
        done: oneshot::Sender<()>,
    },
    Copy(
        Arc<Exchange>,
        #[expect(dead_code, reason = "dropped at its end")] oneshot::Sender<Progress>,
    ),
    /// Nobody yet; a copy may come until then.
    Nobody(Instant),
}

/// Nobody wanted the response for too long.
struct Abandoned;

impl Resumable {
    /// `None`: the copy was there first, and nothing is to be executed here.
    pub(super) fn new(
        shared: Arc<Shared>,
        facts: Facts,
        safe: bool,
        (exchange, done): (Arc<Exchange>, oneshot::Sender<()>),
        progress: Progress,
        mut running: Running,
    ) -> Option<Self> {
        let (sender, copies) = mpsc::channel(1);
        if !running.execute(sender) {
            return None;
        }
        let replays = &shared.replays;
        let budget = if safe { &replays.kept_safe } else { &replays.kept };
        let recording = Recording::new(budget.claim(facts.visitor));
        let receiver = Receiver::Direct { exchange, coder: None, done };
        let running = Some(running);
        let stamp = None;
        Some(Self { shared, facts, recording, receiver, copies, progress, stamp, safe, running })
    }

    /// Runs it to its end.
    pub(super) async fn run(mut self, request: Request<Content>) {
        let ended = self.execute(request).await;
        let outcome = match ended {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failed)) => {
                if let Failed::Ours { code, .. } = &failed {
                    self.recording.fail(*code);
                    if let Some(exchange) = self.receiver.exchange() {
                        exchange.abort(*code);
                    }
                }
                Err(failed)
            }
            Err(Abandoned) => {
                // What there is of a response is none. A copy of a safe request is run, any other is told.
                drop(self.running.take());
                Err(Failed::ByPeer(None))
            }
        };
        if let Some(running) = self.running.take()
            && self.recording.is_whole()
        {
            // Copies that come from now on find it; one that has just come is let in below.
            running.keep(self.recording, self.safe);
        }
        self.copies.close();
        while let Some(Copy { done, progress, .. }) = self.copies.recv().await {
            // If nobody waits, its link is gone.
            let _ = done.send(progress);
        }
        self.shared.report(self.progress, outcome);
    }

    async fn execute(
        &mut self,
        request: Request<Content>,
    ) -> Result<Result<(), Failed>, Abandoned> {
        let shared = self.shared.clone();
        let response = {
            let mut call = pin!(shared.service.call(request));
            match self.during(call.as_mut()).await? {
                Ok(response) => response,
                Err(error) => return Ok(Err(Failed::origin(error))),
            }
        };
        let (head, mut content) = response.into_parts();
        self.progress.answered(head.status.as_u16());
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Err(Failed::bad("an upgrade that was not asked for")));
        }
        self.recording.set_head(head.status, head.headers);
        self.send_head();
        let mut trailers = Bytes::new();
        while !content.is_end_stream() {
            if self.receiver.exchange().is_none() && !self.recording.is_whole() {
                return Err(self.give_up().await);
            }
            let piece = {
                let mut next = pin!(next_piece(&mut content));
                self.during(next.as_mut()).await?
            };
            match piece {
                None => break,
                Some(Err(failed)) => return Ok(Err(failed)),
                Some(Ok(Piece::Trailers(fields))) => trailers = fields,
                Some(Ok(Piece::Data(data))) => self.send(data).await,
            }
        }
        if let Receiver::Direct { coder: Some(coder), .. } = &mut self.receiver {
            let last = coder.finish();
            self.deliver(last).await;
        }
        self.recording.finish(trailers.clone());
        if let Some(exchange) = self.receiver.exchange() {
            // If it is gone, a copy finds the recording.
            let finished = exchange.finish(trailers).map_err(Failed::send);
            if finished.is_err() {
                self.doubt_cookies();
            }
            return Ok(finished);
        }
        Ok(Err(Failed::ByPeer(None)))
    }

    /// Nobody takes what comes, and no copy could: the origin is not asked for more. Whoever opens many long downloads and
    /// leaves would have them run at full speed. A copy that comes soon is told what has become of it.
    async fn give_up(&mut self) -> Abandoned {
        if !self.safe {
            let mut never = pin!(std::future::pending::<()>());
            let _ = self.during(never.as_mut()).await;
        }
        Abandoned
    }

    /// Does the origin's part of the work, and meanwhile sees to who gets it.
    async fn during<T>(
        &mut self,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Abandoned> {
        loop {
            let exchange = self.receiver.exchange().cloned();
            let patience = self.receiver.patience();
            tokio::select! {
                biased;
                Some(copy) = self.copies.recv() => self.attach(copy).await,
                output = &mut work => return Ok(output),
                code = gone(exchange.as_deref()) => self.detach(code),
                () = until(patience) => return Err(Abandoned),
            }
        }
    }

    /// Sends a piece of content. While nobody takes it, nothing more is asked of the origin; when there is nobody,
    /// it is only recorded.
    async fn send(&mut self, data: Bytes) {
        self.recording.push(&data);
        if self.safe && !self.recording.is_whole() {
            // Too long to be taken over: a copy is run like any other request.
            drop(self.running.take());
        }
        self.progress.bytes_out += data.len() as u64;
        let coded = match &mut self.receiver {
            Receiver::Direct { coder: Some(coder), .. } => coder.code(&data),
            _ => data,
        };
        self.deliver(coded).await;
    }

    async fn deliver(&mut self, mut rest: Bytes) {
        let Some(exchange) = self.receiver.exchange().cloned() else { return };
        tokio::select! {
            biased;
            // It gets this piece with the recording.
            Some(copy) = self.copies.recv() => self.attach(copy).await,
            sent = exchange.send_data(&mut rest) => match sent.map_err(Failed::send) {
                Err(Failed::ByPeer(code)) => self.detach(code),
                Err(_) => self.detach(None),
                Ok(()) => {}
            },
            code = exchange.reset_by_peer() => self.detach(code),
        }
    }

    /// The head as the direct path has it.
    fn send_head(&mut self) {
        let Some((status, fields)) = self.recording.head() else { return };
        let (status, mut fields) = (*status, fields.clone());
        match &mut self.receiver {
            Receiver::Direct { exchange, coder, .. } => {
                let shared = &self.shared;
                let ticket = shared.keep_cookies(&self.facts, &mut fields);
                // Only the host says it.
                fields.remove(&TRANSFER_CODING);
                if self.facts.gzip && self.facts.method != Method::HEAD {
                    let claim = shared.coding.claim(self.facts.visitor);
                    *coder = Coder::new(status, &fields, claim).map(Box::new);
                }
                if coder.is_some() {
                    fields.insert(&TRANSFER_CODING, HeaderValue::from_static(field::GZIP));
                }
                self.recording.set_ticket(ticket);
                // If it is gone, that is seen when content is sent, or at the end.
                let _ = exchange.send_head(encode_head(status, &fields), false, false);
            }
            Receiver::Copy(exchange, _) => {
                self.stamp = self.shared.set_cookies(&self.facts, &fields);
                let _ = exchange.send_head(encode_head(status, &fields), false, false);
            }
            Receiver::Nobody(_) => {}
        }
    }

    /// A copy takes over, with everything from the start.
    async fn attach(&mut self, copy: Copy) {
        let Copy { exchange, facts, progress, done } = copy;
        if let Some(last) = self.receiver.exchange() {
            last.reset(ResetCode::Cancelled);
        }
        self.doubt_cookies();
        if !self.recording.is_whole() && self.safe {
            // It has come just before its kind were sent elsewhere: to be run.
            let _ = done.send(progress);
            self.receiver = Receiver::Nobody(Instant::now());
            return;
        }
        if !self.recording.is_whole() {
            let _ = self.shared.send_answer(&exchange, Answer::replay_lost()).await;
            self.receiver = Receiver::Nobody(Instant::now() + PATIENCE);
            return;
        }
        let (before, bytes_out) =
            (std::mem::replace(&mut self.progress, progress), &mut self.progress.bytes_out);
        if let Some((status, fields)) = self.recording.head() {
            *bytes_out = before.bytes_out;
            self.progress.answered(status.as_u16());
            self.stamp = self.shared.set_cookies(&facts, fields);
            if let Some(ticket) = self.recording.take_ticket() {
                self.shared.retract(&ticket);
            }
        }
        self.facts = facts;
        let played = self.recording.play(&exchange).await;
        self.receiver = Receiver::Copy(exchange, done);
        if let Err(Failed::ByPeer(code)) = played {
            self.detach(code);
        }
    }

    /// A copy's cookies may not have come to the browser.
    fn doubt_cookies(&mut self) {
        self.shared.undelivered(&self.facts, self.stamp.take());
    }

    fn detach(&mut self, code: Option<ResetCode>) {
        self.doubt_cookies();
        let patience = match code {
            None | Some(ResetCode::PathLost) if self.safe => SAFE_PATIENCE,
            None | Some(ResetCode::PathLost) => PATIENCE,
            // A page may change its mind.
            Some(_) => CHANGE_OF_MIND,
        };
        self.receiver = Receiver::Nobody(Instant::now() + patience);
    }
}

impl Receiver {
    fn exchange(&self) -> Option<&Arc<Exchange>> {
        match self {
            Self::Direct { exchange, .. } | Self::Copy(exchange, _) => Some(exchange),
            Self::Nobody(_) => None,
        }
    }

    fn patience(&self) -> Option<Instant> {
        match self {
            Self::Nobody(until) => Some(*until),
            Self::Direct { .. } | Self::Copy(..) => None,
        }
    }
}

async fn gone(exchange: Option<&Exchange>) -> Option<ResetCode> {
    match exchange {
        Some(exchange) => exchange.reset_by_peer().await,
        None => std::future::pending().await,
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Workers send no more directly.
const MAX_CONTENT: usize = 1024 * 1024;
/// How long an exchange without a carrier goes on for a copy that may come.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same for one whose loss harms nobody: longer than a page takes to notice a dead path and to ask again.
const SAFE_PATIENCE: Duration = Duration::from_secs(10);
/// The same after the page said that it does not want the response.
const CHANGE_OF_MIND: Duration = Duration::from_secs(1);

static TRANSFER_CODING: HeaderName = HeaderName::from_static(field::TRANSFER_CODING);
