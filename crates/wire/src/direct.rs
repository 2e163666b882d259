//! What page and host agree on beyond frames: channels, the hello, field lines of ours.

use serde::{Deserialize, Serialize};

/// How many data channels a peer has, with ids 0, 1, …; pre-negotiated, ordered, reliable. Each is a carrier of
/// its own with its own mux; an exchange stays on its channel, so a lost packet stalls only that one.
pub const CHANNELS: u16 = 4;

/// The channel whose CONTROL frames carry [`PageToHost`] and [`HostToPage`]; WebSockets go there too. The others
/// are lanes for requests.
pub const CONTROL_CHANNEL: u16 = 0;

/// Label and subprotocol of each channel.
pub const CHANNEL_LABEL: &str = crate::SUBPROTOCOL;

/// What a page says on the control channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum PageToHost {
    /// Its first message, the answer to the host's.
    Hello {
        /// [`crate::VERSION`]; another one is answered by `bye`.
        version: u16,
    },
    /// The page goes away: free everything now.
    Bye,
}

/// What the host says on the control channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum HostToPage {
    /// Its first message; the direct path is up when the page has it.
    Hello {
        /// [`crate::VERSION`].
        version: u16,
        /// Exchanges at once on all channels of this peer; beyond it RESET `Refused`.
        max_exchanges: u32,
        /// The [`field::VISITOR_TAG`] of the visitor whose peer this is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        visitor: Option<String>,
    },
    /// The host closes the peer: use the relay at once.
    Bye {
        /// Why.
        reason: crate::signal::Reason,
    },
}

/// Fields of ours between page, edge and host. None of them reaches the origin or the app.
pub mod field {
    /// Request: a [`crate::id::RequestId`]. On every direct request, and on its copy by relay.
    pub const REQUEST_ID: &str = "wingman-request-id";
    /// Request, by relay: a [`crate::id::VisitorId`]. Only the edge says it.
    pub const VISITOR: &str = "wingman-visitor";
    /// Request, direct: `document.cookie` of the page that asks, may be empty.
    pub const DOCUMENT_COOKIE: &str = "wingman-document-cookie";
    /// Request, direct: path of the page that asks, to which `document.cookie` belongs.
    pub const DOCUMENT_PATH: &str = "wingman-document-path";
    /// Request, direct: `omit` where the app asked for no cookies (`credentials: 'omit'`).
    pub const CREDENTIALS: &str = "wingman-credentials";
    /// Request, direct: the transfer coding that the worker takes off, [`GZIP`]. As `TE` (RFC 9110 §10.1.4), but for the
    /// data channel, where HTTP's own framing is not.
    pub const TE: &str = "wingman-te";
    /// Response, direct: the coding that the host has put on the content, [`GZIP`]; as `Transfer-Encoding`.
    pub const TRANSFER_CODING: &str = "wingman-transfer-coding";
    /// The transfer coding that there is (RFC 1952).
    pub const GZIP: &str = "gzip";
    /// Response, direct: cookies wait below [`super::COOKIES_PATH`] under this ticket.
    pub const TICKET: &str = "wingman-ticket";
    /// Response to [`super::ECHO_PATH`]: which visitor the request had, if any. It means nothing but the same visitor
    /// where it is the same.
    pub const VISITOR_TAG: &str = "wingman-visitor-tag";
}

/// The page script.
pub const PAGE_PATH: &str = "/_wingman/page.js";
/// The second script of a page, which the first one loads.
pub const EXTRAS_PATH: &str = "/_wingman/extras.js";
/// The worker script.
pub const WORKER_PATH: &str = "/_wingman/worker.js";
/// The signaling socket; `?peer=` and a [`crate::id::PeerId`].
pub const SIGNAL_PATH: &str = "/_wingman/signal";
/// Followed by a ticket: the edge relays it and the host answers 204 with the `Set-Cookie` lines, once.
pub const COOKIES_PATH: &str = "/_wingman/cookies/";
/// The edge relays it and the host answers 204: the relay's round trip.
pub const ECHO_PATH: &str = "/_wingman/echo";
