//! The edge's end of a link: who may have one, and what is said on its control stream.

mod admission;
mod places;

pub use admission::{Admission, Refusal, admit};
pub use places::{Full, Place, Places};

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, tungstenite::protocol};
use wingman_link::{Burst, Closed, Link, Stats, drive, websocket_config};
use wingman_mux::{CarrierError, Config, HeartbeatConfig, Role};
use wingman_wire::{
    code::CloseCode,
    control::{self, EdgeToHost, HostToEdge, Open, RefusedReason},
};

use crate::{
    config::PublicAddress,
    session::{Claim, Claimed, DirectPath, PageConfig, Registry, ResumeProof, Session},
    telemetry::{LinkBytes, LinkEnd, LinkRefusal, LinkStart, Metrics},
    tokens::Grant,
};

/// What this edge calls itself towards hosts.
pub const AGENT: &str = concat!("wingman-edge/", env!("CARGO_PKG_VERSION"));

/// Limits of links.
#[derive(Clone, Copy, Debug)]
pub struct LinkLimits {
    /// From the 101 to the host's first control message.
    pub handshake: Duration,
    /// Exchanges at once on one link, whatever the host offers.
    pub max_exchanges: usize,
    /// Liveness.
    pub heartbeat: HeartbeatConfig,
}

/// Serves links.
#[derive(Debug)]
pub struct LinkServer {
    /// The sessions that links belong to.
    pub registry: Arc<Registry>,
    /// For the `opened` message.
    pub public: PublicAddress,
    /// Limits.
    pub limits: LinkLimits,
    /// What pages and hosts may do beside the relay.
    pub direct: DirectPath,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// The running links.
    pub tasks: Mutex<JoinSet<()>>,
}

impl LinkServer {
    /// Serves one link in a task of its own: the caller's is Pingora's, whose request is over but whose
    /// state would be kept for as long as the link lives. `place` is given back at its end.
    pub fn spawn<S>(self: &Arc<Self>, stream: S, grant: Grant, place: Option<Place>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let server = self.clone();
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            server.serve(stream, grant).await;
            drop(place);
        });
    }

    /// Serves one link to its end. The caller's task moves the bytes; what is said on the control stream
    /// has a task of its own, so that a message of an exchange does not wake it.
    async fn serve<S>(self: &Arc<Self>, stream: S, grant: Grant)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = websocket_config();
        let role = protocol::Role::Server;
        let socket = WebSocketStream::from_raw_socket(Burst::new(stream), role, Some(config)).await;
        let mut config = Config::new(Role::Opener);
        config.heartbeat = self.limits.heartbeat;
        config.max_streams = self.limits.max_exchanges;
        let link = Link::new(config);
        let token = grant.id.clone();
        let (server, attended) = (self.clone(), link.clone());
        let mut attendant = AbortOnDrop(tokio::spawn(async move {
            tokio::join!(server.control(&attended, &grant), server.measure(&attended));
        }));
        let closed = drive(socket, link).await;
        // It ends with the link.
        let _ = (&mut attendant.0).await;
        self.metrics.links_closed.get(link_end(&closed)).add(1);
        tracing::info!(%token, %closed, "link closed");
    }

    async fn control(&self, link: &Link, grant: &Grant) {
        let first = match timeout(self.limits.handshake, link.control()).await {
            Ok(Some(json)) => control::decode(&json),
            Ok(None) => return,
            Err(_) => return link.close(CloseCode::Protocol, "no open message in time"),
        };
        let open = match first {
            Ok(HostToEdge::Open(open)) => open,
            Ok(HostToEdge::End | HostToEdge::Signaling { .. }) | Err(_) => {
                return link.close(CloseCode::Protocol, "expected an open message");
            }
        };
        let session = match self.open(&open, link, grant) {
            Ok(claimed) => {
                let session = claimed.session;
                self.say(
                    link,
                    &EdgeToHost::Opened {
                        session: session.name().as_str().to_owned(),
                        url: self.public.session_url(&session.name()),
                        resumed: claimed.start != LinkStart::New,
                        agent: AGENT.to_owned(),
                        stun_servers: self.direct.stun_servers.to_vec(),
                    },
                );
                session
            }
            Err(reason) => {
                tracing::info!(token = %grant.id, ?reason, "session refused");
                self.metrics.links_refused.get(refusal(reason)).add(1);
                let message = explain(reason).to_owned();
                self.say(link, &EdgeToHost::Refused { reason, message });
                return link.close(CloseCode::Refused, "session refused");
            }
        };
        let _held = self.metrics.links.hold();
        session.peers().attach(link);
        self.follow(link, &session).await;
        self.registry.lost(&session, link);
    }

    /// Counts what the link moves, now and then and at its end.
    async fn measure(&self, link: &Link) {
        let mut before = Stats::default();
        loop {
            let over = timeout(MEASURE_PERIOD, link.closed()).await.is_ok();
            let now = link.stats();
            self.metrics.link_bytes.get(LinkBytes::Sent).add(now.sent - before.sent);
            self.metrics.link_bytes.get(LinkBytes::Received).add(now.received - before.received);
            if let Some(round_trip) = now.round_trip {
                self.metrics.link_round_trip.observe(round_trip);
            }
            if over {
                return;
            }
            before = now;
        }
    }

    fn open(&self, open: &Open, link: &Link, grant: &Grant) -> Result<Claimed, RefusedReason> {
        let name = open.name.as_deref().map(str::parse).transpose();
        let name = name.map_err(|_| RefusedReason::NameInvalid)?;
        let proof = ResumeProof::of(&open.resume_key).ok_or(RefusedReason::BadRequest)?;
        let offered = usize::try_from(open.max_exchanges).unwrap_or(usize::MAX);
        if offered == 0 {
            return Err(RefusedReason::BadRequest);
        }
        let pages = open
            .pages
            .clone()
            .map(|wish| PageConfig::new(&name.unwrap_or(proof.name()), wish, &self.direct))
            .transpose()
            .map_err(|_| RefusedReason::BadRequest)?
            .map(Arc::new);
        let exchanges = offered.min(self.limits.max_exchanges);
        link.set_max_exchanges(exchanges);
        let claim = Claim { name, proof, grant, pages, exchanges };
        let claimed = self.registry.claim(&claim, link)?;
        self.metrics.links_opened.get(claimed.start).add(1);
        tracing::info!(
            session = %claimed.session.name(),
            token = %grant.id,
            start = claimed.start.as_str(),
            "session opened"
        );
        Ok(claimed)
    }

    /// Control messages after the first.
    async fn follow(&self, link: &Link, session: &Arc<Session>) {
        while let Some(json) = link.control().await {
            match control::decode(&json) {
                Ok(HostToEdge::End) => {
                    tracing::info!(session = %session.name(), "session ended by its host");
                    self.registry.end(session, link);
                }
                Ok(HostToEdge::Signaling { peer, message }) => {
                    session.peers().deliver(link, peer, &message);
                }
                Ok(HostToEdge::Open(_)) | Err(_) => {
                    link.close(CloseCode::Protocol, "unexpected control message");
                }
            }
        }
    }

    fn say(&self, link: &Link, message: &EdgeToHost) {
        match control::encode(message) {
            Ok(json) => link.send_control(json),
            Err(error) => tracing::error!(%error, "control message cannot be encoded"),
        }
    }
}

/// A task that does not outlive the one that awaits it.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A heartbeat measures one round trip in this time.
const MEASURE_PERIOD: Duration = Duration::from_secs(5);

const fn explain(reason: RefusedReason) -> &'static str {
    match reason {
        RefusedReason::NameTaken => "another host shares under this name",
        RefusedReason::NameInvalid => {
            "a name is one DNS label: letters, digits and inner hyphens, at most 63, and not reserved"
        }
        RefusedReason::NameNotAllowed => "this token does not allow this name",
        RefusedReason::SessionLimit => "this token has all the sessions it may have",
        RefusedReason::BadRequest => "the open message is not acceptable",
        RefusedReason::Other => "refused",
    }
}

const fn refusal(reason: RefusedReason) -> LinkRefusal {
    match reason {
        RefusedReason::NameTaken => LinkRefusal::NameTaken,
        RefusedReason::NameInvalid => LinkRefusal::NameInvalid,
        RefusedReason::NameNotAllowed => LinkRefusal::NameNotAllowed,
        RefusedReason::SessionLimit => LinkRefusal::Limit,
        RefusedReason::BadRequest | RefusedReason::Other => LinkRefusal::Malformed,
    }
}

const fn link_end(closed: &Closed) -> LinkEnd {
    match closed {
        Closed::Locally(CloseCode::Replaced) => LinkEnd::Replaced,
        Closed::Locally(CloseCode::Restarting) => LinkEnd::Shutdown,
        Closed::Locally(CloseCode::Ended | CloseCode::Refused)
        | Closed::ByPeer { code: CloseCode::Ended, .. } => LinkEnd::Ended,
        Closed::Locally(CloseCode::Silent) | Closed::Carrier(CarrierError::Silent(_)) => {
            LinkEnd::Silent
        }
        Closed::Locally(CloseCode::Protocol) | Closed::Carrier(_) | Closed::Flood => {
            LinkEnd::Protocol
        }
        Closed::ByPeer { .. } | Closed::Lost(_) => LinkEnd::Broken,
    }
}
