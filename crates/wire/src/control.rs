//! Control messages: JSON objects on stream 0, one per CONTROL frame, told apart by `type`.
//!
//! Unknown keys are ignored and unknown types are an error, so that additions do not need a new
//! protocol version but a misunderstanding is never silent.

use serde::{Deserialize, Serialize};

use crate::{
    frame::MAX_PAYLOAD,
    id::{PeerId, VisitorId},
    signal::Signal,
};

/// What a host says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum HostToEdge {
    /// The first message of a link: share an origin.
    Open(Open),
    /// The session ends: forget it, visitors shall not wait for a new link.
    End,
    /// A message for a page.
    Signaling {
        /// Whose page.
        peer: PeerId,
        /// What to pass on.
        message: Signal,
    },
}

/// Asks for a session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    /// The wanted session name; `None` lets the edge choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Secret that proves later links to be of the same host. At least 128 random bits.
    pub resume_key: String,
    /// How many exchanges the host runs at once; the edge opens no more.
    pub max_exchanges: u32,
    /// For the edge's log: `wingman/0.1.0`.
    pub agent: String,
    /// What pages of this session may do; absent: nothing, the session is relayed only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<Pages>,
}

/// What the page script does in documents of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pages {
    /// Pages may connect to the host. Without it the script is put into documents only for the badge.
    pub direct: bool,
    /// The badge is shown.
    pub badge: bool,
    /// Milliseconds a page tries to connect before it stays on relay for a while.
    pub timeout_ms: u32,
    /// Requests whose path begins so are never sent directly.
    #[serde(default)]
    pub relay_only_paths: Vec<String>,
    /// STUN servers that the host adds to the edge's, as `stun:host:port`.
    #[serde(default)]
    pub stun_servers: Vec<String>,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Open")
            .field("name", &self.name)
            .field("resume_key", &"…")
            .field("max_exchanges", &self.max_exchanges)
            .field("agent", &self.agent)
            .field("pages", &self.pages)
            .finish()
    }
}

/// What the edge says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum EdgeToHost {
    /// The session is there; exchanges may come.
    Opened {
        /// Its name, the first label of its host name.
        session: String,
        /// What to give to people.
        url: String,
        /// Whether an existing session was taken up again.
        resumed: bool,
        /// For the host's log: `wingman-edge/0.1.0`.
        agent: String,
        /// STUN servers the host may ask for its address, as `stun:host:port`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        stun_servers: Vec<String>,
    },
    /// The session is not to be had; the link closes.
    Refused {
        /// Why.
        reason: RefusedReason,
        /// One sentence for a person.
        message: String,
    },
    /// A page has a signaling socket, for the first time or again.
    PeerOpened {
        /// Which page.
        peer: PeerId,
        /// Whose browser it is in. A host gives a peer to no other visitor.
        visitor: VisitorId,
    },
    /// A message of a page.
    Signaling {
        /// Which page.
        peer: PeerId,
        /// What it says.
        message: Signal,
    },
    /// The page's signaling socket is gone. Its data channels may be up and stay so.
    PeerClosed {
        /// Which page.
        peer: PeerId,
    },
}

/// Why a session was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusedReason {
    /// Another host has the name.
    NameTaken,
    /// The name is not a DNS label, or is reserved.
    NameInvalid,
    /// The token does not allow the name.
    NameNotAllowed,
    /// The token has all the sessions it may have.
    SessionLimit,
    /// The message itself is not acceptable (a weak resume key, say).
    BadRequest,
    /// A reason of a newer edge.
    #[serde(other)]
    Other,
}

/// Why a control message could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Not JSON, an unknown type, or a missing key.
    #[error("not a control message")]
    Json(#[from] serde_json::Error),
    /// Longer than one frame.
    #[error("control message of {0} bytes is too large")]
    TooLarge(usize),
}

/// Encodes a message for a CONTROL frame.
///
/// # Errors
/// [`ControlError::TooLarge`] above one frame's payload.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, ControlError> {
    let json = serde_json::to_vec(message)?;
    if json.len() > MAX_PAYLOAD {
        return Err(ControlError::TooLarge(json.len()));
    }
    Ok(json)
}

/// Decodes the payload of a CONTROL frame.
///
/// # Errors
/// [`ControlError::Json`].
pub fn decode<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, ControlError> {
    Ok(serde_json::from_slice(json)?)
}
