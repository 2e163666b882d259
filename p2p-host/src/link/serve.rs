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
    control::{self, ControlError, EdgeToHost, HostToEdge, Open, RefusedReason},
    id::PeerId,
    signal::{Body, ConnectionState, From, Reason, Signal, State},
};

use super::{STEP_DEADLINE, Settings, connect::connect, network::Network};
use crate::{
    exchange::{Runner, Via},
    peer::Peers,
    status::{Failure, NameRefusal},
};

/// How long running exchanges have when the user ends the session.
const FAREWELL: Duration = Duration::from_secs(3);

/// For exchanges to notice that their link is gone.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How long the edge may take to show a sign of life after this machine's network has changed. A connection
/// by an address that is gone breaks without a word; the heartbeat would find out much later.
const PROBE: Duration = Duration::from_secs(3);

/// An open session on a link that is up.
pub(super) struct Session {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) resumed: bool,
    link: Link,
    driver: AbortOnDrop,
    runner: Arc<Runner>,
    peers: Attached,
}

/// The peers' way to their pages while this link is up.
struct Attached {
    peers: Option<Peers>,
    link: Link,
    session: String,
}

impl Attached {
    /// What the edge says of pages.
    fn hear(&self, json: &[u8]) -> Result<(), ControlError> {
        match (control::decode(json)?, &self.peers) {
            (EdgeToHost::PeerOpened { peer, visitor }, Some(peers)) => peers.opened(peer, visitor),
            (EdgeToHost::PeerClosed { peer }, Some(peers)) => peers.closed(peer),
            (EdgeToHost::Signaling { peer, message }, Some(peers)) => peers.signal(peer, message),
            (EdgeToHost::Signaling { peer, message }, None) => self.refuse(peer, &message)?,
            (EdgeToHost::PeerOpened { .. } | EdgeToHost::PeerClosed { .. }, None) => {}
            (unexpected, _) => tracing::debug!(?unexpected, "not now"),
        }
        Ok(())
    }

    /// This host wants no peers.
    fn refuse(&self, peer: PeerId, message: &Signal) -> Result<(), ControlError> {
        if !matches!(message.body, Body::Offer(_)) {
            return Ok(());
        }
        let state =
            ConnectionState { state: State::Failed, reason: Some(Reason::RelayOnly), report: None };
        let message = Signal {
            session_id: self.session.clone(),
            from: From::Host,
            body: Body::ConnectionState(state),
        };
        self.link.send_control(control::encode(&HostToEdge::Signaling { peer, message })?);
        Ok(())
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if let Some(peers) = &self.peers {
            peers.detach();
        }
    }
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
        Ok(EdgeToHost::Opened { session, url, resumed, agent, stun_servers }) => {
            tracing::debug!(%agent, session, resumed, "session opened");
            let peers = settings.peers.clone();
            if let Some(peers) = &peers {
                peers.attach(link.clone(), session.clone(), stun_servers);
            }
            let peers = Attached { peers, link: link.clone(), session: session.clone() };
            let runner = runner.clone();
            Ok(Session { name: session, url, resumed, link, driver, runner, peers })
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
    pub(super) async fn run(
        self,
        stop: &mut watch::Receiver<bool>,
        network: &mut Network,
    ) -> Option<Closed> {
        let mut exchanges = JoinSet::new();
        // What had been received when the link was asked for a sign of life, and until when it may come.
        let mut probe: Option<(u64, Instant)> = None;
        let closed = loop {
            tokio::select! {
                exchange = self.link.accept() => match exchange {
                    Some(exchange) => {
                        let runner = self.runner.clone();
                        exchanges.spawn(async move { runner.run(exchange, Via::Link).await });
                    }
                    None => break self.link.closed().await,
                },
                json = self.link.control() => {
                    // `None` is the end of the link, which `accept` sees too.
                    if let Some(json) = json
                        && let Err(error) = self.peers.hear(&json)
                    {
                        tracing::warn!(%error, "the edge says what cannot be understood");
                        self.link.close(CloseCode::Protocol, "unknown control message");
                        break self.link.closed().await;
                    }
                }
                Some(ended) = exchanges.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "exchange failed");
                    }
                }
                () = network.changed() => {
                    self.link.ping();
                    probe = Some((self.link.stats().received, Instant::now() + PROBE));
                }
                received = expired(probe), if probe.is_some() => {
                    if self.link.stats().received == received {
                        break Closed::Lost("no answer after the network has changed".to_owned());
                    }
                    probe = None;
                }
                _ = stop.wait_for(|stop| *stop) => {
                    self.say_goodbye(&mut exchanges).await;
                    return None;
                }
            }
        };
        // With the driver all exchanges of the link end, and each says what became of it; dropping the set makes sure.
        self.driver.0.abort();
        let all = async { while exchanges.join_next().await.is_some() {} };
        let _ = timeout(LAST_WORDS, all).await;
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

/// Waits until the time of `probe` is over; returns what had been received when it began.
async fn expired(probe: Option<(u64, Instant)>) -> u64 {
    match probe {
        Some((received, until)) => {
            sleep_until(until).await;
            received
        }
        None => std::future::pending().await,
    }
}
