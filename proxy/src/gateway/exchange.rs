//! One request to a session: opened on its host's link, relayed, counted, and answered if it fails.

use std::time::Duration;

use http::Method;
use pingora::{
    Error, ErrorType, Result, proxy::Session as Downstream, time::fast_timeout::fast_timeout,
};
use tokio::time::Instant;
use wingman_wire::{code::ResetCode, head::Scheme};

use super::{
    Gateway,
    head::{self, Asked, Browser},
    relay::{self, Failure, Report, Rules},
};
use crate::{
    fields::{self, RequestRules},
    inject::Injection,
    pages::Problem,
    session::{Session, Unavailable},
    telemetry::{Content, Outcome, Path},
    visitors::{VisitorCookie, is_document},
};

/// Before a request that was refused unexecuted is offered again.
const AGAIN: Duration = Duration::from_millis(20);

impl Gateway {
    pub(super) async fn exchange(
        &self,
        downstream: &mut Downstream,
        session: &Session,
        scheme: Scheme,
    ) -> Result<bool> {
        let _in_flight = self.metrics.exchanges_in_flight.hold();
        let began = Instant::now();
        let mut report = Report::default();
        let failure = self.run(downstream, session, scheme, &mut report).await.err();
        let status = match &failure {
            Some(End::Answer(problem)) => Some(problem.status().as_u16()),
            _ => report.status,
        };
        let outcome = status.map_or(Outcome::None, Outcome::of);
        let whole = (!report.upgraded).then(|| began.elapsed());
        self.metrics.exchange_ended(Path::Relay, outcome, whole);
        if let Some(head_at) = report.head_at {
            self.metrics.exchange_head.observe(head_at - began);
        }
        if let Some(outcome) = report.document {
            self.metrics.injections.get(outcome).add(1);
        }
        let bytes = |content| self.metrics.content_bytes.get(Path::Relay, content);
        bytes(Content::Request).add(report.uploaded);
        bytes(Content::Response).add(report.downloaded);
        tracing::debug!(
            session = %session.name(),
            status,
            uploaded = report.uploaded,
            downloaded = report.downloaded,
            failure = failure.as_ref().map(tracing::field::display),
            "exchange"
        );
        match failure {
            None => {
                if !report.upgraded {
                    super::hear_out(downstream).await;
                }
                Ok(true)
            }
            Some(End::Answer(problem)) => {
                if problem == Problem::ContentTooLarge
                    || !downstream.as_downstream_mut().is_body_done()
                {
                    downstream.as_downstream_mut().set_keepalive(None);
                }
                self.problem(downstream, problem).await
            }
            Some(End::Cut(problem)) => {
                if let Some(problem) = problem {
                    self.metrics.problem(problem);
                }
                Err(Error::explain(ErrorType::ConnectionClosed, "exchange broke off"))
            }
        }
    }

    async fn run(
        &self,
        downstream: &mut Downstream,
        session: &Session,
        scheme: Scheme,
        report: &mut Report,
    ) -> Result<(), End> {
        let (limits, timeouts) = (&self.settings.limits, &self.settings.timeouts);
        let no_content = downstream.as_downstream_mut().is_body_empty();
        let sender = super::client_address(downstream).ok_or(End::Answer(Problem::EdgeFailed))?;
        let request = downstream.req_header();
        if request.headers.len() > limits.fields {
            return Err(End::Answer(Problem::HeadTooLarge));
        }
        let mut rules = RequestRules::examine(request.version, fields::lines(&request.headers))
            .map_err(|_| End::Answer(Problem::BadRequest))?;
        let known = self.cookie.find(&request.headers);
        let is_new = known.is_none() && session.pages().is_some() && is_document(&request.headers);
        let id = known.or_else(|| is_new.then(VisitorCookie::mint));
        let new_visitor = id.filter(|_| is_new).map(|id| self.cookie.set(id));
        let pages = session.pages().filter(|_| self.settings.inject);
        let injection = Injection::of(pages, &request.headers, scheme);
        let asked = Asked {
            version: request.version,
            is_head: request.method == Method::HEAD,
            websocket: rules.websocket,
            base_domain: self.settings.public.base_domain.as_str(),
            cookie: self.cookie,
            new_visitor: new_visitor.as_ref(),
            injection: &injection,
        };
        let max_content = limits.content_bytes.on().map(|bytes| bytes.0);
        if let (Some(length), Some(max)) = (rules.content_length, max_content)
            && length > max
        {
            return Err(End::Answer(Problem::ContentTooLarge));
        }
        let visitor = self.visitor(downstream, sender, scheme);
        if self.request_rate.as_ref().is_some_and(|rate| !rate.admits(visitor.address)) {
            return Err(End::Answer(Problem::TooManyRequests));
        }
        let authority = head::authority(request).as_bytes().to_vec();
        let target = head::target(request).ok_or(End::Answer(Problem::BadRequest))?;
        let browser = Browser { cookie: self.cookie, id };
        let encoded = head::encode_request(
            request, target, &authority, &visitor, browser, &injection, &mut rules,
        );
        // RFC 9110 §10.1.1: from HTTP/1.0 it means nothing.
        let waits = rules.expects_continue && asked.version != http::Version::HTTP_10;
        if encoded.len() as u64 > limits.head_bytes.0 {
            return Err(End::Answer(Problem::HeadTooLarge));
        }
        let end = no_content && !asked.websocket;
        let rules = Rules {
            asked,
            max_content,
            max_head: limits.head_bytes.0,
            head_deadline: timeouts.response_head.on().map(|span| span.0),
            content_idle: timeouts.request_content_idle.0,
            unread: timeouts.response_content_idle.0,
            no_content: end,
        };
        let deadline = Instant::now() + timeouts.resume_wait.0;
        let mut said_continue = !waits || no_content;
        loop {
            let patience = deadline.saturating_duration_since(Instant::now());
            let exchange = session
                .open(encoded.clone(), end, visitor.address, patience)
                .await
                .map_err(unavailable)?;
            if !std::mem::replace(&mut said_continue, true) {
                // RFC 9110 §10.1.1 lets an intermediary say it for the origin, whose host is there.
                let say = downstream.as_downstream_mut().write_continue_response();
                let said = fast_timeout(timeouts.response_content_idle.0, say).await;
                said.ok().and_then(Result::ok).ok_or(End::Cut(None))?;
            }
            let _stream = self.metrics.streams.hold();
            let upgrades = &self.metrics.upgrades;
            let failure = match relay::run(downstream, &exchange, rules, report, upgrades).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            // Refused before it was run (the host says goodbye, say): another link may take it.
            let refused = matches!(failure, Failure::Reset(ResetCode::Refused));
            if refused
                && report.status.is_none()
                && report.uploaded == 0
                && Instant::now() < deadline
            {
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            tracing::debug!(error = %failure, "relay failed");
            // A host that drains would have taken it on its next link; but its content has begun.
            let problem = if refused && exchange.peer_drains() {
                Some(Problem::HostAway)
            } else {
                problem_of(&failure)
            };
            return Err(match (report.status, problem) {
                (None, Some(problem)) => End::Answer(problem),
                (_, problem) => End::Cut(problem),
            });
        }
    }
}

fn unavailable(why: Unavailable) -> End {
    End::Answer(match why {
        Unavailable::Away => Problem::HostAway,
        Unavailable::Ended => Problem::SessionEnded,
        Unavailable::Busy => Problem::TooManyExchanges,
        Unavailable::HeadTooLarge => Problem::HeadTooLarge,
    })
}

/// How a failed exchange ends for the visitor.
#[derive(Debug)]
enum End {
    /// With a page of ours.
    Answer(Problem),
    /// By cutting the connection: the response had begun, or nobody is there.
    Cut(Option<Problem>),
}

impl std::fmt::Display for End {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Answer(problem) | Self::Cut(Some(problem)) => out.write_str(problem.as_str()),
            Self::Cut(None) => out.write_str("visitor left"),
        }
    }
}

/// The one place where failures become problems; `None` when there is nobody to tell.
fn problem_of(failure: &Failure) -> Option<Problem> {
    Some(match failure {
        Failure::Reset(code) => match code {
            ResetCode::OriginRefused => Problem::OriginRefused,
            ResetCode::OriginReset => Problem::OriginReset,
            ResetCode::OriginTimeout => Problem::OriginTimeout,
            ResetCode::OriginInvalid => Problem::OriginInvalid,
            ResetCode::OriginTls => Problem::OriginTls,
            ResetCode::TooLarge => Problem::ContentTooLarge,
            ResetCode::BadRequest | ResetCode::RequestAborted => Problem::BadRequest,
            ResetCode::Refused => Problem::TooManyExchanges,
            ResetCode::Enough
            | ResetCode::Cancelled
            | ResetCode::Protocol
            | ResetCode::Internal
            | ResetCode::RelayOnly
            | ResetCode::PathLost => Problem::HostFailed,
        },
        Failure::LinkLost => Problem::LinkLost,
        Failure::HeadTooLarge => Problem::OriginInvalid,
        Failure::BadHead(_) => Problem::HostFailed,
        Failure::Late => Problem::OriginTimeout,
        Failure::TooLarge => Problem::ContentTooLarge,
        Failure::Stalled => Problem::RequestTimeout,
        Failure::Visitor(error) if is_malformed(error) => Problem::BadRequest,
        Failure::Visitor(_) | Failure::Gone | Failure::Unread => return None,
    })
}

/// The visitor is there, but what it sends is not HTTP. Pingora names its own errors by text only.
fn is_malformed(error: &Error) -> bool {
    error.etype == ErrorType::InvalidHTTPHeader || error.etype.as_str() == "InvalidChunk"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blame_of_a_reset_survives_its_way_to_the_page() {
        for code in ResetCode::ALL {
            let problem = problem_of(&Failure::Reset(code)).unwrap();
            let origin = code.blame() == wingman_wire::code::Blame::Origin;
            assert_eq!(origin, problem.blame() == wingman_wire::code::Blame::Origin, "{code:?}");
        }
    }

    #[test]
    fn a_visitor_that_left_gets_no_page() {
        let gone = Error::explain(ErrorType::ConnectionClosed, "gone");
        assert_eq!(problem_of(&Failure::Visitor(gone)), None);
        assert_eq!(problem_of(&Failure::Gone), None);
        assert_eq!(problem_of(&Failure::Unread), None);
        assert_eq!(problem_of(&Failure::Stalled), Some(Problem::RequestTimeout));
    }
}
