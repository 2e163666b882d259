//! The host's end of the link: making it, keeping it, and the exchanges that come over it.
//!
//! - [`keep`]: connects, opens the session, serves it, and starts again when the link is lost.
//! - [`Identity`]: the resume key and name by which the edge knows this host again, kept on disk so that
//!   even a killed `wingman` gets its URL back.

mod backoff;
mod connect;
mod identity;
mod network;
mod serve;

pub use backoff::Backoff;
pub use connect::{EdgeAddress, Trust};
pub use identity::{Identity, IdentityError};

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use wingman_link::Closed;
use wingman_mux::HeartbeatConfig;
use wingman_wire::{
    code::CloseCode,
    control::{Open, Pages},
    signal::Reason,
};

use crate::{
    exchange::Runner,
    peer::Peers,
    status::{Event, Failure, Reporter},
};

use network::Network;

/// What this host calls itself towards edges.
pub const AGENT: &str = concat!("wingman/", env!("CARGO_PKG_VERSION"));

/// How to keep a link.
pub struct Settings {
    /// Where the edge is.
    pub edge: EdgeAddress,
    /// The wanted session name.
    pub name: Option<String>,
    /// Who this host is.
    pub identity: Identity,
    /// Exchanges at once.
    pub max_exchanges: u32,
    /// Liveness.
    pub heartbeat: HeartbeatConfig,
    /// Pauses between attempts.
    pub backoff: Backoff,
    /// Leave instead of reconnecting.
    pub exit_on_disconnect: bool,
    /// What is shared, for the view.
    pub target: String,
    /// What pages may do.
    pub pages: Option<Pages>,
    /// Pages that come by the direct path; `None`: they are all refused.
    pub peers: Option<Peers>,
}

/// Keeps a link until `stop` turns true (then it returns `Ok`) or there is no point in going on.
///
/// # Errors
/// [`Failure`]: the first attempt failed, the edge refuses, or another host took the session.
pub async fn keep(
    settings: Settings,
    runner: Arc<Runner>,
    reporter: Reporter,
    stop: watch::Receiver<bool>,
) -> Result<(), Failure> {
    let peers = settings.peers.clone();
    let ended = keep_link(settings, runner, reporter, stop).await;
    if let Some(peers) = peers {
        let reason = if ended.is_ok() { Reason::Shutdown } else { Reason::SessionEnded };
        peers.shutdown(reason).await;
    }
    ended
}

async fn keep_link(
    mut settings: Settings,
    runner: Arc<Runner>,
    reporter: Reporter,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Failure> {
    let mut attempt = 1_u32;
    let mut was_ready = false;
    let mut network = Network::watch();
    loop {
        reporter.report(Event::Connecting { edge: settings.edge.url.clone(), attempt });
        let opened = tokio::select! {
            opened = serve::open(&settings, open_message(&settings), &runner) => opened,
            _ = stop.wait_for(|stop| *stop) => {
                return if was_ready { Ok(()) } else { Err(Failure::Interrupted) };
            }
            // It may wait for an answer to what left by a network that is gone.
            () = network.changed(), if was_ready => continue,
        };
        let (reason, nearby) = match opened {
            Ok(session) => {
                runner.set_public_url(&session.url);
                settings.identity.remember(&session.name, &reporter);
                was_ready = true;
                attempt = 1;
                reporter.report(Event::Ready {
                    url: session.url.clone(),
                    session: session.name.clone(),
                    edge: settings.edge.url.clone(),
                    target: settings.target.clone(),
                    resumed: session.resumed,
                    version: wingman_wire::VERSION,
                });
                match session.run(&mut stop, &mut network).await {
                    None => return Ok(()),
                    Some(closed) => lost(&closed, settings.identity.name().unwrap_or_default())?,
                }
            }
            Err(failure) if !was_ready || is_final(&failure) => return Err(failure),
            Err(failure) => (describe(&failure), is_nearby(&failure)),
        };
        if settings.exit_on_disconnect {
            return Err(Failure::LinkLost { reason });
        }
        let pause = settings.backoff.pause(attempt, rand::random(), nearby);
        reporter.report(Event::LinkLost {
            reason,
            retry_in_ms: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
        });
        attempt = attempt.saturating_add(1);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = network.changed() => attempt = 1,
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        }
    }
}

fn open_message(settings: &Settings) -> Open {
    Open {
        name: settings.name.clone().or_else(|| settings.identity.name().map(str::to_owned)),
        resume_key: settings.identity.key().to_owned(),
        max_exchanges: settings.max_exchanges,
        agent: AGENT.to_owned(),
        pages: settings.pages.clone(),
    }
}

/// Whether a lost link may be replaced: the reason, and that the edge's machine was reachable.
fn lost(closed: &Closed, session: &str) -> Result<(String, bool), Failure> {
    match closed {
        Closed::ByPeer { code: CloseCode::Replaced, .. } => {
            Err(Failure::Replaced { session: session.to_owned() })
        }
        Closed::ByPeer { code: CloseCode::Ended, reason } => {
            Err(Failure::SessionEnded { reason: reason.clone() })
        }
        closed => Ok((closed.to_string(), true)),
    }
}

/// Failures that another attempt would only repeat.
const fn is_final(failure: &Failure) -> bool {
    !matches!(
        failure,
        Failure::EdgeUnreachable { .. }
            | Failure::EdgeTls { .. }
            | Failure::NotAnEdge { .. }
            | Failure::NoWebSocket { .. }
            | Failure::SessionLimit
    )
}

/// Whether the edge's machine can be reached, and only its process does not listen.
fn is_nearby(failure: &Failure) -> bool {
    use std::io::ErrorKind;
    let Failure::EdgeUnreachable { cause, .. } = failure else { return false };
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&**cause);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            // No others: a name that cannot be looked up has no kind of its own, nor has what comes next year.
            return matches!(
                error.kind(),
                ErrorKind::ConnectionRefused
                    | ErrorKind::ConnectionReset
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::BrokenPipe
                    | ErrorKind::UnexpectedEof
            );
        }
        cause = error.source();
    }
    // It has answered.
    true
}

fn describe(failure: &Failure) -> String {
    let mut text = failure.to_string();
    let mut source = std::error::Error::source(failure);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// How long the edge may take for each step of a new link.
const STEP_DEADLINE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn only_a_machine_that_answers_is_nearby() {
        let unreachable = |cause: Box<dyn std::error::Error + Send + Sync>| {
            is_nearby(&Failure::EdgeUnreachable { edge: "https://e".into(), cause })
        };
        let wrapped = |kind: io::ErrorKind| {
            // As what TLS or the WebSocket says.
            unreachable(tokio_tungstenite::tungstenite::Error::Io(kind.into()).into())
        };
        assert!(wrapped(io::ErrorKind::ConnectionRefused));
        assert!(wrapped(io::ErrorKind::UnexpectedEof), "it hung up");
        assert!(unreachable("it answers 503 for now".into()));
        assert!(!wrapped(io::ErrorKind::NetworkUnreachable));
        assert!(!wrapped(io::ErrorKind::TimedOut));
        assert!(!unreachable(io::Error::other("failed to lookup address information").into()));
        assert!(!is_nearby(&Failure::SessionLimit));
    }
}
