//! One link, from the open message to its end.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep_until, timeout},
};
use wingman_link::{Closed, Link, drive};
use wingman_mux::{Config, Role};
use wingman_wire::{
    code::CloseCode,
    control::{self, EdgeToHost, HostToEdge, Open, RefusedReason},
};

use super::{STEP_DEADLINE, Settings, connect::connect};
use crate::{
    exchange::{Runner, Via},
    status::{Failure, NameRefusal},
};

/// How long running exchanges have when the user ends the session.
const FAREWELL: Duration = Duration::from_secs(3);

/// An open session on a link that is up.
pub(super) struct Session {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) resumed: bool,
    link: Link,
    driver: AbortOnDrop,
    runner: Arc<Runner>,
}

struct AbortOnDrop(JoinHandle<Closed>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Connects and opens the session.
pub(super) async fn open(
    settings: &Settings,
    message: Open,
    runner: &Arc<Runner>,
) -> Result<Session, Failure> {
    let wanted = message.name.clone();
    let socket = connect(&settings.edge).await?;
    let mut config = Config::new(Role::Acceptor);
    config.heartbeat = settings.heartbeat;
    // The edge may count a stream as over a moment before this end has let go of it.
    config.max_streams = (settings.max_exchanges as usize).saturating_mul(2);
    let link = Link::new(config);
    let driver = AbortOnDrop(tokio::spawn(drive(socket, link.clone())));
    let unreachable = |cause: String| Failure::EdgeUnreachable {
        edge: settings.edge.url.clone(),
        cause: cause.into(),
    };
    let json = control::encode(&HostToEdge::Open(message))
        .map_err(|error| unreachable(error.to_string()))?;
    link.send_control(json);
    let answer = match timeout(STEP_DEADLINE, link.control()).await {
        Ok(Some(json)) => control::decode::<EdgeToHost>(&json),
        Ok(None) => return Err(unreachable(link.closed().await.to_string())),
        Err(_) => return Err(unreachable(format!("no session within {STEP_DEADLINE:?}"))),
    };
    match answer {
        Ok(EdgeToHost::Opened { session, url, resumed, agent, stun_servers: _ }) => {
            tracing::debug!(%agent, session, resumed, "session opened");
            Ok(Session { name: session, url, resumed, link, driver, runner: runner.clone() })
        }
        Ok(EdgeToHost::Refused { reason, message }) => {
            Err(refusal(reason, message, wanted.unwrap_or_default()))
        }
        Ok(unexpected) => Err(unreachable(format!("unexpected answer {unexpected:?}"))),
        Err(error) => Err(unreachable(error.to_string())),
    }
}

fn refusal(reason: RefusedReason, message: String, name: String) -> Failure {
    let refused = |reason| Failure::NameRefused { name, reason };
    match reason {
        RefusedReason::NameTaken => refused(NameRefusal::Taken),
        RefusedReason::NameInvalid => refused(NameRefusal::Invalid),
        RefusedReason::NameNotAllowed => refused(NameRefusal::NotAllowed),
        RefusedReason::SessionLimit => Failure::SessionLimit,
        RefusedReason::BadRequest | RefusedReason::Other => Failure::Refused { message },
    }
}

impl Session {
    /// Serves until the link is over (then says why) or `stop` turns true (then says goodbye).
    pub(super) async fn run(self, stop: &mut watch::Receiver<bool>) -> Option<Closed> {
        let mut exchanges = JoinSet::new();
        let closed = loop {
            tokio::select! {
                exchange = self.link.accept() => match exchange {
                    Some(exchange) => {
                        let runner = self.runner.clone();
                        exchanges.spawn(async move { runner.run(exchange, Via::Link).await });
                    }
                    None => break self.link.closed().await,
                },
                Some(ended) = exchanges.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "exchange failed");
                    }
                }
                _ = stop.wait_for(|stop| *stop) => {
                    self.say_goodbye(&mut exchanges).await;
                    return None;
                }
            }
        };
        // Exchanges of a dead link end by themselves; dropping the set makes sure.
        Some(closed)
    }

    async fn say_goodbye(mut self, exchanges: &mut JoinSet<()>) {
        self.link.drain();
        let deadline = Instant::now() + FAREWELL;
        loop {
            tokio::select! {
                biased;
                // Opened before the edge heard of the drain: they are run like the others.
                exchange = self.link.accept() => match exchange {
                    Some(exchange) => {
                        let runner = self.runner.clone();
                        exchanges.spawn(async move { runner.run(exchange, Via::Link).await });
                    }
                    None => break,
                },
                () = std::future::ready(()), if exchanges.is_empty() => break,
                _ = exchanges.join_next() => {}
                () = sleep_until(deadline) => break,
            }
        }
        if let Ok(json) = control::encode(&HostToEdge::End) {
            self.link.send_control(json);
        }
        self.link.close(CloseCode::Ended, "");
        let _ = timeout(FAREWELL, &mut self.driver.0).await;
    }
}
