//! A response that is kept in case it has to be given again.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use wingman_link::Exchange;
use wingman_wire::code::ResetCode;

use super::{budget::Claim, carry::encode_head, progress::Failed, runner::Ticket};

/// What has come of a response so far, from its head on.
#[derive(Debug)]
pub(super) struct Recording {
    head: Option<(StatusCode, HeaderMap)>,
    /// Under which the cookies of that head wait as well.
    ticket: Option<Ticket>,
    content: Vec<Bytes>,
    /// The bytes of `content`.
    claim: Claim,
    end: End,
}

#[derive(Clone, Debug)]
enum End {
    /// More may come.
    Open,
    /// Trailers, encoded.
    Finished(Bytes),
    Failed(ResetCode),
    /// It is too long to be kept.
    TooLong,
}

impl Recording {
    /// `claim` is empty.
    pub(super) fn new(claim: Claim) -> Self {
        Self { head: None, ticket: None, content: Vec::new(), claim, end: End::Open }
    }

    /// The head as the origin gave it.
    pub(super) fn set_head(&mut self, status: StatusCode, fields: HeaderMap) {
        self.head = Some((status, fields));
    }

    /// The direct path had the head, without its cookies.
    pub(super) fn set_ticket(&mut self, ticket: Option<Ticket>) {
        self.ticket = ticket;
    }

    pub(super) fn ticket(&self) -> Option<&Ticket> {
        self.ticket.as_ref()
    }

    /// The ticket is not to be used any more.
    pub(super) fn take_ticket(&mut self) -> Option<Ticket> {
        self.ticket.take()
    }

    pub(super) fn push(&mut self, data: &Bytes) {
        if !matches!(self.end, End::Open) {
            return;
        }
        if self.claim.amount() + data.len() > MAX_CONTENT || !self.claim.grow(data.len()) {
            self.end = End::TooLong;
            self.content.clear();
            self.claim.clear();
            return;
        }
        // Its own bytes: a piece may hold on to a larger buffer.
        self.content.push(Bytes::copy_from_slice(data));
    }

    pub(super) fn finish(&mut self, trailers: Bytes) {
        if matches!(self.end, End::Open) {
            self.end = End::Finished(trailers);
        }
    }

    /// It broke off. Copies break the same way.
    pub(super) fn fail(&mut self, code: ResetCode) {
        if matches!(self.end, End::Open) {
            self.end = End::Failed(code);
        }
    }

    /// Whether copies can have it.
    pub(super) fn is_whole(&self) -> bool {
        !matches!(self.end, End::TooLong)
    }

    /// The head, once there is one.
    pub(super) fn head(&self) -> Option<&(StatusCode, HeaderMap)> {
        self.head.as_ref()
    }

    /// Sends what there is so far, and the end if it has come. The bytes of content that were sent.
    pub(super) async fn play(&self, exchange: &Exchange) -> Result<u64, Failed> {
        let Some((status, fields)) = &self.head else {
            return match self.end {
                End::Failed(code) => Err(failed(code)),
                _ => Ok(0),
            };
        };
        exchange.send_head(encode_head(*status, fields), false, false).map_err(Failed::send)?;
        for piece in &self.content {
            exchange.send_data(&mut piece.clone()).await.map_err(Failed::send)?;
        }
        match &self.end {
            End::Open | End::TooLong => {}
            End::Finished(trailers) => exchange.finish(trailers.clone()).map_err(Failed::send)?,
            End::Failed(code) => return Err(failed(*code)),
        }
        Ok(self.claim.amount() as u64)
    }
}

fn failed(code: ResetCode) -> Failed {
    Failed::Ours { code, blame: code.blame(), reason: "failed on the direct path".to_owned() }
}

/// Bytes of content; longer responses are not kept.
const MAX_CONTENT: usize = 256 * 1024;
