//! Signaling messages between a page and the host; the edge passes them on.
//!
//! JSON of the form `{type, sessionId, from, data}`. The page sends them as text messages on its signaling
//! socket; between edge and host they are wrapped into control messages that name the peer.

use serde::{Deserialize, Serialize};

/// The largest signaling message, bytes of JSON. An offer with a dozen candidates has 3 KiB.
pub const MAX_SIGNAL: usize = 12 * 1024;

/// One message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signal {
    /// The name of the session.
    pub session_id: String,
    /// Who speaks.
    pub from: From,
    /// What is said.
    #[serde(flatten)]
    pub body: Body,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum From {
    /// The laptop.
    Host,
    /// The page.
    Client,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "kebab-case")]
pub enum Body {
    /// The page's session description; also for an ICE restart.
    Offer(Description),
    /// The host's.
    Answer(Description),
    /// One more address, as found.
    IceCandidate(Candidate),
    /// How it goes.
    ConnectionState(ConnectionState),
}

/// A session description.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// In SDP (RFC 8866).
    pub sdp: String,
}

/// An ICE candidate, as in `RTCIceCandidateInit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// `candidate:…`; empty: there are no more.
    pub candidate: String,
    /// The media section it belongs to.
    #[serde(default)]
    pub sdp_mid: Option<String>,
    /// The same as a number.
    #[serde(default)]
    pub sdp_m_line_index: Option<u16>,
}

/// How it goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionState {
    /// As in `RTCPeerConnectionState`.
    pub state: State,
    /// Why, where that is not plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What the page has seen since its last report. Only pages send it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
}

/// `RTCPeerConnectionState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing yet.
    New,
    /// On its way.
    Connecting,
    /// Up.
    Connected,
    /// Silent for a moment.
    Disconnected,
    /// Given up.
    Failed,
    /// Over.
    Closed,
}

/// Why a connection does not come up or went down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The host wants no peers.
    RelayOnly,
    /// The host has as many peers as it takes.
    PeerLimit,
    /// The host shuts down.
    Shutdown,
    /// The session is over.
    SessionEnded,
    /// The host is away: its link is down.
    HostAway,
    /// Not up within the time for it.
    Timeout,
    /// ICE found no way.
    Ice,
    /// Something answered, but not as it should.
    Protocol,
    /// The channel fell silent.
    Silent,
    /// A channel was closed.
    ChannelClosed,
    /// The browser has no data channels.
    Unsupported,
    /// The page went away.
    PageGone,
    /// A reason of a newer peer.
    #[serde(other)]
    Other,
}

/// What a page has seen since its last report. Numbers are the page's word: clamp them, trust none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    /// From the start of the page to the first hello, ms; once per page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_direct_ms: Option<f64>,
    /// The last round trip on the data channel, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct_round_trip_ms: Option<f64>,
    /// The last round trip by relay to the host, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay_round_trip_ms: Option<f64>,
    /// Requests that went direct.
    pub direct_exchanges: u64,
    /// Content bytes of their requests.
    pub direct_bytes_sent: u64,
    /// Content bytes of their responses.
    pub direct_bytes_received: u64,
    /// Fallbacks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<Fallback>,
    /// The kind of path that ICE chose; with the first report after it is up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
}

/// One change from direct to relay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fallback {
    /// Why.
    pub cause: Reason,
    /// From the last sign of life to the relay being used, ms.
    pub duration_ms: f64,
}

/// The kind of path that ICE chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Network {
    /// The page's candidate.
    pub candidate: CandidateKind,
    /// Its transport.
    pub protocol: Protocol,
    /// Its address family.
    pub family: Family,
}

/// RFC 8445 §4.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CandidateKind {
    /// An address of the machine.
    Host,
    /// What a STUN server saw.
    Srflx,
    /// What the peer saw.
    Prflx,
    /// Of a TURN server.
    Relay,
}

/// Transport of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

/// Address family of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_the_form_of_the_design() {
        let json = r#"{"sessionId":"s","from":"client","type":"ice-candidate","data":{"candidate":"","sdpMid":"0","sdpMLineIndex":0}}"#;
        let signal: Signal = serde_json::from_str(json).unwrap();
        assert!(
            matches!(&signal.body, Body::IceCandidate(candidate) if candidate.candidate.is_empty())
        );
        assert_eq!(serde_json::to_string(&signal).unwrap(), json);
        let json = r#"{"type":"connection-state","sessionId":"s","from":"client","data":{"state":"failed","reason":"of-tomorrow","report":{"directExchanges":3}}}"#;
        let signal: Signal = serde_json::from_str(json).unwrap();
        let Body::ConnectionState(state) = signal.body else { panic!("{:?}", signal.body) };
        assert_eq!(state.reason, Some(Reason::Other));
        assert_eq!(state.report.unwrap().direct_exchanges, 3);
    }
}
