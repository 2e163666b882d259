//! What is at `/_wingman/` on session hosts: none of it reaches the origin.

use std::sync::{Arc, atomic::Ordering};

use http::{HeaderValue, Method, header};
use pingora::{Result, proxy::Session as Downstream};
use wingman_wire::{
    direct::{COOKIES_PATH, ECHO_PATH, EXTRAS_PATH, PAGE_PATH, SIGNAL_PATH, WORKER_PATH},
    head::Scheme,
};

use super::{Gateway, head, steal};
use crate::{
    pages::Problem,
    scripts::Script,
    session::Session,
    signaling::{Asked, JoinError, PeerLimits, admit},
    telemetry::SignalingRefusal,
};

impl Gateway {
    pub(super) async fn ours(
        &self,
        downstream: &mut Downstream,
        session: &Arc<Session>,
        scheme: Scheme,
    ) -> Result<bool> {
        match downstream.req_header().uri.path() {
            PAGE_PATH => self.script(downstream, &self.scripts.page).await,
            EXTRAS_PATH => self.script(downstream, &self.scripts.extras).await,
            SIGNAL_PATH => self.signal(downstream, session, scheme).await,
            WORKER_PATH => self.script(downstream, &self.scripts.worker).await,
            // A host that said nothing of pages would take these for the origin's.
            path if is_for_host(path) && session.pages().is_some() => {
                self.exchange(downstream, session, scheme).await
            }
            _ => self.problem(downstream, Problem::NotFound).await,
        }
    }

    /// Becomes a signaling socket, or says why not.
    async fn signal(
        &self,
        downstream: &mut Downstream,
        session: &Arc<Session>,
        scheme: Scheme,
    ) -> Result<bool> {
        if self.shutting_down.load(Ordering::Relaxed) {
            return self.problem(downstream, Problem::EdgeShutdown).await;
        }
        let request = downstream.req_header();
        let asked = Asked {
            version: request.version,
            is_get: request.method == Method::GET,
            fields: &request.headers,
            authority: head::authority(request),
            query: request.uri.query(),
        };
        let refused = |why| self.metrics.direct.sockets_refused.get(why).add(1);
        let pages = session.pages();
        let public = self.settings.public.scheme;
        let admission = match admit(asked, pages.as_deref(), public, self.cookie) {
            Ok(admission) => admission,
            Err(why) => {
                refused(why.label());
                return self.problem(downstream, why.problem()).await;
            }
        };
        let Some(sender) = super::client_address(downstream) else {
            return self.problem(downstream, Problem::EdgeFailed).await;
        };
        let address = self.visitor(downstream, sender, scheme).address;
        let may_ask = self.request_rate.as_ref().is_none_or(|rate| rate.admits(address));
        let Some(place) = may_ask.then(|| self.signaling_places.take(address).ok()).flatten()
        else {
            refused(SignalingRefusal::AddressLimit);
            return self.problem(downstream, Problem::TooManyRequests).await;
        };
        let limits = PeerLimits {
            per_session: self.settings.limits.signaling_per_session as usize,
            per_visitor: self.settings.limits.signaling_per_visitor as usize,
        };
        let joined = session.peers().join(admission.peer, admission.visitor, limits);
        let (seat, mailbox) = match joined {
            Ok(joined) => joined,
            Err(why) => {
                why.label().into_iter().for_each(refused);
                let problem = match why {
                    JoinError::Ended => Problem::SessionEnded,
                    JoinError::Foreign => Problem::Forbidden,
                    JoinError::SessionFull | JoinError::VisitorFull => Problem::TooManyRequests,
                };
                return self.problem(downstream, problem).await;
            }
        };
        let switching = super::switching(admission.accept, None)?;
        let stream = steal::steal(downstream, switching, self.patience()).await?;
        self.signaling.spawn(stream, seat, mailbox, place);
        Ok(true)
    }

    async fn script(&self, downstream: &mut Downstream, script: &Script) -> Result<bool> {
        let request = downstream.req_header();
        if !matches!(request.method, Method::GET | Method::HEAD) {
            self.metrics.problem(Problem::MethodNotAllowed);
            let mut page =
                self.pages.problem(Problem::MethodNotAllowed, super::accept(downstream)).clone();
            page.fields.push((header::ALLOW, HeaderValue::from_static("GET, HEAD")));
            return self.page(downstream, &page).await;
        }
        let page = script.answer(&request.headers).clone();
        self.page(downstream, &page).await
    }
}

/// Whether the host answers at this path.
fn is_for_host(path: &str) -> bool {
    path == ECHO_PATH
        || path
            .strip_prefix(COOKIES_PATH)
            .is_some_and(|ticket| !ticket.is_empty() && !ticket.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_these_paths_reach_the_host() {
        for path in ["/_wingman/echo", "/_wingman/cookies/abc"] {
            assert!(is_for_host(path), "{path}");
        }
        for path in [
            "/_wingman/",
            "/_wingman/echo/",
            "/_wingman/echos",
            "/_wingman/cookies",
            "/_wingman/cookies/",
            "/_wingman/cookies/a/b",
            "/_wingman/signal",
            "/_wingman/../echo",
        ] {
            assert!(!is_for_host(path), "{path}");
        }
    }
}
