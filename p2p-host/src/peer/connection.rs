//! One WebRTC connection, made the way this host wants it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::BytesMut;
use parking_lot::Mutex;
use rtc::{
    ice::mdns::MulticastDnsMode,
    peer_connection::configuration::setting_engine::SctpMaxMessageSize,
    peer_connection::transport::RTCIceCandidateInit,
};
use tokio::{sync::mpsc, time::timeout};
use webrtc::{
    data_channel::{DataChannel, RTCDataChannelInit},
    peer_connection::{
        PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
        RTCIceServer, RTCPeerConnectionIceEvent, RTCPeerConnectionState, RTCSessionDescription,
        SettingEngineBuilder,
    },
};
use wingman_wire::{
    direct::{CHANNEL_LABEL, CHANNELS},
    frame::MAX_MESSAGE,
    signal::Candidate,
};

use super::{
    candidates::{self, Candidates},
    certificate::Certificate,
    endpoint::Endpoint,
    gathering::Gathering,
    runtime::PeerRuntime,
};

/// A connection with its channels; nothing of the `webrtc` crate is seen outside of it but channels.
pub(super) struct Connection {
    inner: Arc<dyn PeerConnection>,
    closed: AtomicBool,
    pub(super) channels: Vec<Arc<dyn DataChannel>>,
    endpoint: Arc<Endpoint>,
    /// Of the page.
    candidates: Mutex<Candidates>,
    gathering: Arc<Gathering>,
}

/// What a connection tells by itself.
#[derive(Debug)]
pub(super) enum News {
    /// One more local candidate; empty: no more.
    Candidate(Candidate),
    /// ICE and DTLS together.
    State(RTCPeerConnectionState),
    /// The page has opened a channel: it may have none but those that were agreed on.
    Channel,
}

/// What the `webrtc` crate says when something is wrong.
pub(super) use webrtc::error::Error as RtcError;

impl Connection {
    /// Makes one with its channels, in the answering role.
    pub(super) async fn new(
        endpoint: Arc<Endpoint>,
        certificate: &Certificate,
        addresses: Vec<SocketAddr>,
        stun_servers: &[String],
        news: mpsc::Sender<News>,
    ) -> Result<Self, RtcError> {
        let servers = RTCIceServer { urls: stun_servers.to_vec(), ..RTCIceServer::default() };
        let servers = if stun_servers.is_empty() { Vec::new() } else { vec![servers] };
        let configuration = RTCConfigurationBuilder::new()
            .with_certificates(vec![certificate.to_rtc()])
            .with_ice_servers(servers)
            .build();
        let max_message = u32::try_from(MAX_MESSAGE).unwrap_or(u32::MAX);
        let settings = SettingEngineBuilder::new()
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .with_ice_connection_attempts(Some(CHECK_INTERVAL), Some(CHECKS))
            .with_ice_timeouts(Some(DISCONNECTED), Some(FAILED), Some(KEEP_ALIVE))
            .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(max_message))
            .build();
        let gathering = Arc::new(Gathering::new(endpoint.clone(), &addresses));
        let inner = PeerConnectionBuilder::new()
            .with_configuration(configuration)
            .with_setting_engine(settings)
            .with_runtime(Arc::new(PeerRuntime::new(endpoint.clone())))
            .with_handler(Arc::new(Handler { news, gathering: gathering.clone() }))
            .with_udp_addrs(addresses)
            .build()
            .await?;
        // From here on whatever fails drops it, and it is closed.
        let mut connection = Self {
            inner: Arc::new(inner),
            closed: AtomicBool::new(false),
            channels: Vec::new(),
            endpoint,
            candidates: Mutex::default(),
            gathering,
        };
        for id in 0..CHANNELS {
            let options = RTCDataChannelInit {
                ordered: true,
                protocol: CHANNEL_LABEL.to_owned(),
                negotiated: Some(id),
                ..RTCDataChannelInit::default()
            };
            let channel =
                connection.inner.create_data_channel(CHANNEL_LABEL, Some(options)).await?;
            connection.channels.push(channel);
        }
        Ok(connection)
    }

    /// Answers an offer, the first one or one that restarts ICE.
    pub(super) async fn answer(&self, offer: String) -> Result<String, RtcError> {
        let (offer, candidates) = candidates::take_out(&offer);
        self.gathering.begin();
        self.inner.set_remote_description(RTCSessionDescription::offer(offer)?).await?;
        let answer = self.inner.create_answer(None).await?;
        let ufrags = answer.sdp.lines().filter_map(|line| line.strip_prefix("a=ice-ufrag:"));
        for ufrag in ufrags {
            self.endpoint.answer_to(ufrag.trim());
            self.candidates.lock().generation(ufrag.trim());
        }
        // Where ICE begins anew the crate puts candidates in, with the ports that it believes in.
        let (sdp, _) = candidates::take_out(&answer.sdp);
        self.inner.set_local_description(answer).await?;
        for candidate in candidates {
            let (sdp_mid, sdp_m_line_index) = (None, Some(0));
            self.add_candidate(Candidate { candidate, sdp_mid, sdp_m_line_index }).await?;
        }
        Ok(self.gathering.complete(sdp).await)
    }

    /// One more candidate of the page, if it is to be used.
    pub(super) async fn add_candidate(&self, candidate: Candidate) -> Result<(), RtcError> {
        if !self.candidates.lock().admit(&candidate.candidate) {
            return Ok(());
        }
        let init = RTCIceCandidateInit {
            candidate: candidate.candidate,
            sdp_mid: candidate.sdp_mid,
            sdp_mline_index: candidate.sdp_m_line_index,
            ..RTCIceCandidateInit::default()
        };
        self.inner.add_ice_candidate(init).await?;
        self.endpoint.hurry();
        Ok(())
    }

    /// Sends a message on a channel. What it may be is the caller's budget.
    pub(super) async fn send(&self, channel: usize, message: BytesMut) -> Result<(), RtcError> {
        match self.channels.get(channel) {
            Some(channel) => channel.try_send(message).await,
            None => Err(RtcError::ErrDataChannelClosed),
        }
    }

    /// Bytes given to SCTP that the page has not acknowledged.
    pub(super) async fn outstanding(&self, channel: usize) -> usize {
        match self.channels.get(channel) {
            Some(channel) => channel.outstanding_bytes().await.unwrap_or(0),
            None => 0,
        }
    }

    /// Ends it, and the task that drives it.
    pub(super) async fn close(&self) {
        close(&*self.inner).await;
        self.closed.store(true, Ordering::Relaxed);
    }
}

/// Its owner was aborted, or has panicked: `webrtc` would let its driver run for ever.
impl Drop for Connection {
    fn drop(&mut self) {
        if self.closed.load(Ordering::Relaxed) {
            return;
        }
        let inner = self.inner.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { timeout(CLOSE_DEADLINE, close(&*inner)).await });
        }
    }
}

async fn close(connection: &dyn PeerConnection) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "closing a peer's connection failed");
    }
}

/// Its methods run on the connection's own task, so they only pass on what they hear.
struct Handler {
    news: mpsc::Sender<News>,
    gathering: Arc<Gathering>,
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        let Ok(init) = event.candidate.to_json() else { return };
        if let Some(candidate) = self.gathering.found(init) {
            let _ = self.news.try_send(News::Candidate(candidate));
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let _ = self.news.try_send(News::State(state));
    }

    async fn on_data_channel(&self, _: Arc<dyn DataChannel>) {
        let _ = self.news.try_send(News::Channel);
    }
}

/// For a connection to close. Its tasks and its sockets go with it.
pub(super) const CLOSE_DEADLINE: Duration = Duration::from_secs(2);
/// Checks are cheap, and the first one that gets through decides how long the set-up takes.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// For each pair of candidates: four seconds.
const CHECKS: u16 = 200;
const DISCONNECTED: Duration = Duration::from_secs(3);
/// Later than the silence after which the peer is freed: a page may restart ICE until then.
const FAILED: Duration = Duration::from_secs(20);
/// Each keep-alive measures the round trip.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::port::Port;

    /// Whatever becomes of its owner: the driver, and what it holds, must end.
    #[tokio::test]
    async fn a_connection_that_is_dropped_is_closed() {
        let endpoint = Endpoint::new(Port::bind(0).unwrap());
        let held = Arc::downgrade(&endpoint);
        let certificate = Certificate::fresh().unwrap();
        let (news, _told) = mpsc::channel(64);
        let address = "127.0.0.1:0".parse().unwrap();
        let connection = Connection::new(endpoint, &certificate, vec![address], &[], news);
        drop(connection.await.unwrap());
        let gone = async {
            while held.upgrade().is_some() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(2 * CLOSE_DEADLINE, gone).await.expect("the driver has ended");
    }
}
