//! Control messages: JSON objects on stream 0, one per CONTROL frame, told apart by `type`.
//!
//! Unknown keys are ignored and unknown types are an error, so that additions do not need a new
//! protocol version but a misunderstanding is never silent.

use serde::{Deserialize, Serialize};

use crate::frame::MAX_PAYLOAD;

/// What a host says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum HostToEdge {
    /// The first message of a link: share an origin.
    Open(Open),
    /// The session ends: forget it, visitors shall not wait for a new link.
    End,
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
}

impl std::fmt::Debug for Open {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Open")
            .field("name", &self.name)
            .field("resume_key", &"…")
            .field("max_exchanges", &self.max_exchanges)
            .field("agent", &self.agent)
            .finish()
    }
}

/// What the edge says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    },
    /// The session is not to be had; the link closes.
    Refused {
        /// Why.
        reason: RefusedReason,
        /// One sentence for a person.
        message: String,
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
