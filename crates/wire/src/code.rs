//! Codes that end things: a stream (RESET) or a whole carrier (WebSocket close).

/// Whose fault an error is; decides the page a visitor sees and the label in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Blame {
    /// The person's browser or what it sent.
    Visitor,
    /// Our public server.
    Edge,
    /// The developer's laptop, its `wingman`, or the network to it.
    Host,
    /// The local server that is shared.
    Origin,
}

impl Blame {
    /// Stable lower-case name for metrics, logs and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Edge => "edge",
            Self::Host => "host",
            Self::Origin => "origin",
        }
    }
}

/// Why a stream was reset. Numbers are never reused; removed ones stay, marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum ResetCode {
    /// The response is complete and the rest of the request content is not wanted
    /// (RFC 9113 §8.1 has the same use of NO_ERROR). Not an error.
    Enough = 0,
    /// The visitor went away or lost interest.
    Cancelled = 1,
    /// Refused before anything was executed (limit reached, draining): safe to send again.
    Refused = 2,
    /// Nothing accepts connections at the origin's address.
    OriginRefused = 3,
    /// The origin closed or reset its connection before the response was complete.
    OriginReset = 4,
    /// The origin sent no response head in time, or did not accept a connection in time.
    OriginTimeout = 5,
    /// What the origin sent is not HTTP.
    OriginInvalid = 6,
    /// TLS towards the origin failed.
    OriginTls = 7,
    /// The peer broke the rules of this stream.
    Protocol = 8,
    /// A head, or the content, is larger than a limit.
    TooLarge = 9,
    /// The sender of this code failed inside.
    Internal = 10,
    /// The request cannot be expressed towards the origin (method, target or field line).
    BadRequest = 11,
    /// The visitor stopped sending the request content in the middle.
    RequestAborted = 12,
    /// Nothing was executed, and only the relay can carry this request (direct path; cookies that only the
    /// browser knows, say).
    RelayOnly = 13,
    /// The sender lost the path that the request went by (direct path): a copy of it may come by relay.
    PathLost = 14,
}

impl ResetCode {
    /// All codes, for tables and tests.
    pub const ALL: [Self; 15] = [
        Self::Enough,
        Self::Cancelled,
        Self::Refused,
        Self::OriginRefused,
        Self::OriginReset,
        Self::OriginTimeout,
        Self::OriginInvalid,
        Self::OriginTls,
        Self::Protocol,
        Self::TooLarge,
        Self::Internal,
        Self::BadRequest,
        Self::RequestAborted,
        Self::RelayOnly,
        Self::PathLost,
    ];

    /// The number on the wire.
    pub const fn to_wire(self) -> u16 {
        self as u16
    }

    /// The code for a number; a number of a newer peer becomes [`ResetCode::Internal`].
    pub fn from_wire(number: u16) -> Self {
        Self::ALL.into_iter().find(|code| code.to_wire() == number).unwrap_or(Self::Internal)
    }

    /// Who is at fault when the *host* sends this code.
    pub const fn blame(self) -> Blame {
        match self {
            Self::OriginRefused
            | Self::OriginReset
            | Self::OriginTimeout
            | Self::OriginInvalid
            | Self::OriginTls => Blame::Origin,
            Self::Refused | Self::Internal | Self::Protocol | Self::RelayOnly => Blame::Host,
            Self::Enough
            | Self::Cancelled
            | Self::TooLarge
            | Self::BadRequest
            | Self::RequestAborted
            | Self::PathLost => Blame::Visitor,
        }
    }
}

/// Why a carrier was closed; the code of the WebSocket close frame (private range 4000-4999).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    /// The sender ends the session for good.
    Ended = 4000,
    /// A newer holder of the resume key took the session: do not reconnect.
    Replaced = 4001,
    /// The peer broke the protocol.
    Protocol = 4002,
    /// Nothing was heard from the peer for the heartbeat deadline.
    Silent = 4003,
    /// The sender restarts: reconnect at once, the session is kept.
    Restarting = 4004,
    /// The request to open a session was refused; a control message said why.
    Refused = 4005,
}

impl CloseCode {
    /// All codes.
    pub const ALL: [Self; 6] = [
        Self::Ended,
        Self::Replaced,
        Self::Protocol,
        Self::Silent,
        Self::Restarting,
        Self::Refused,
    ];

    /// The number on the wire.
    pub const fn to_wire(self) -> u16 {
        self as u16
    }

    /// The code for a number, or `None` for one of another protocol or version.
    pub fn from_wire(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.to_wire() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_round_trips_and_strangers_are_tolerated() {
        for (position, code) in ResetCode::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(code.to_wire()), position, "no gaps, no repeats");
            assert_eq!(ResetCode::from_wire(code.to_wire()), code);
        }
        assert_eq!(ResetCode::from_wire(9_999), ResetCode::Internal);
        for code in CloseCode::ALL {
            assert_eq!(CloseCode::from_wire(code.to_wire()), Some(code));
        }
        assert_eq!(CloseCode::from_wire(1000), None);
    }
}
