//! What is at `/_wingman/` on session hosts: none of it reaches the origin.

use http::{HeaderValue, Method, header};
use pingora::{Result, proxy::Session as Downstream};
use wingman_wire::{
    direct::{COOKIES_PATH, ECHO_PATH, PAGE_PATH, WORKER_PATH},
    head::Scheme,
};

use super::Gateway;
use crate::{pages::Problem, scripts::Script, session::Session};

impl Gateway {
    pub(super) async fn ours(
        &self,
        downstream: &mut Downstream,
        session: &Session,
        scheme: Scheme,
    ) -> Result<bool> {
        match downstream.req_header().uri.path() {
            PAGE_PATH => self.script(downstream, &self.scripts.page).await,
            WORKER_PATH => self.script(downstream, &self.scripts.worker).await,
            // A host that said nothing of pages would take these for the origin's.
            path if is_for_host(path) && session.pages().is_some() => {
                self.exchange(downstream, session, scheme).await
            }
            _ => self.problem(downstream, Problem::NotFound).await,
        }
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
