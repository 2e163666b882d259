//! Everything that can go wrong with a visitor's request, and what we say about it.

use http::StatusCode;
use wingman_wire::code::Blame;

use wingman_telemetry::labels;

labels! {
    /// Why the edge answers a request itself. The name is stable: it is the `Wingman-Error` field,
    /// the `code` in JSON and a label of metrics.
    pub enum Problem {
        /// No session has this name (any more).
        UnknownSession = "unknown-session",
        /// The host has ended the session with this name.
        SessionEnded = "session-ended",
        /// Nothing of ours is at this path below `/_wingman/`, or the host is not ours.
        NotFound = "not-found",
        /// The session exists, its host is not connected and did not come back in time.
        HostAway = "host-away",
        /// Nothing listens at the origin's address.
        OriginRefused = "origin-refused",
        /// The origin closed its connection without a full response.
        OriginReset = "origin-reset",
        /// The origin's answer is not HTTP.
        OriginInvalid = "origin-invalid",
        /// TLS towards the origin failed.
        OriginTls = "origin-tls",
        /// The origin did not answer in time.
        OriginTimeout = "origin-timeout",
        /// The host broke the protocol, refused the exchange or failed inside.
        HostFailed = "host-failed",
        /// The link broke while the exchange ran.
        LinkLost = "link-lost",
        /// The request's content is larger than the edge's limit.
        ContentTooLarge = "content-too-large",
        /// The request's head is larger than the edge's limit, or has too many fields.
        HeadTooLarge = "head-too-large",
        /// The request is not valid HTTP.
        BadRequest = "bad-request",
        /// The visitor stopped sending in the middle of a request.
        RequestTimeout = "request-timeout",
        /// A method the edge does not pass on (CONNECT).
        MethodNotAllowed = "method-not-allowed",
        /// A request to the link endpoint that is no WebSocket handshake of our protocol.
        LinkExpected = "link-expected",
        /// A link without a valid token.
        TokenRefused = "token-refused",
        /// A page that may not have what it asks of the edge.
        Forbidden = "forbidden",
        /// The visitor's address sends more than its share.
        TooManyRequests = "too-many-requests",
        /// The session has as many exchanges as it may have at once.
        TooManyExchanges = "too-many-exchanges",
        /// The edge is shutting down.
        EdgeShutdown = "edge-shutdown",
        /// The edge failed inside.
        EdgeFailed = "edge-failed",
    }
}

/// What people read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    pub(super) title: &'static str,
    pub(super) explanation: &'static str,
    pub(super) way_out: &'static str,
}

impl Problem {
    /// The status of the answer.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::TokenRefused => StatusCode::UNAUTHORIZED,
            Self::UnknownSession | Self::NotFound => StatusCode::NOT_FOUND,
            Self::SessionEnded => StatusCode::GONE,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::ContentTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::LinkExpected => StatusCode::UPGRADE_REQUIRED,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::EdgeFailed => StatusCode::INTERNAL_SERVER_ERROR,
            Self::OriginRefused
            | Self::OriginReset
            | Self::OriginInvalid
            | Self::OriginTls
            | Self::HostFailed
            | Self::LinkLost => StatusCode::BAD_GATEWAY,
            Self::HostAway | Self::TooManyExchanges | Self::EdgeShutdown => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::OriginTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// Whose fault it is.
    pub const fn blame(self) -> Blame {
        match self {
            Self::UnknownSession
            | Self::NotFound
            | Self::ContentTooLarge
            | Self::HeadTooLarge
            | Self::BadRequest
            | Self::RequestTimeout
            | Self::MethodNotAllowed
            | Self::Forbidden
            | Self::TooManyRequests => Blame::Visitor,
            Self::TooManyExchanges | Self::EdgeShutdown | Self::EdgeFailed => Blame::Edge,
            Self::HostAway
            | Self::SessionEnded
            | Self::HostFailed
            | Self::LinkLost
            | Self::LinkExpected
            | Self::TokenRefused => Blame::Host,
            Self::OriginRefused
            | Self::OriginReset
            | Self::OriginInvalid
            | Self::OriginTls
            | Self::OriginTimeout => Blame::Origin,
        }
    }

    /// For `Retry-After`, in seconds, where waiting helps.
    pub const fn retry_after(self) -> Option<u32> {
        match self {
            Self::TooManyRequests | Self::TooManyExchanges | Self::EdgeShutdown => Some(1),
            Self::HostAway => Some(2),
            _ => None,
        }
    }

    /// Whether the page tries again by itself: the app will answer at this address before long.
    pub const fn reloads(self) -> bool {
        matches!(self, Self::HostAway | Self::EdgeShutdown)
    }

    pub(super) const fn text(self) -> Text {
        let (title, explanation, way_out) = match self {
            Self::UnknownSession => (
                "No such session",
                "Nobody shares anything at this address now.",
                "Check the address for typing errors, or ask the developer for a new one: an \
                 address ends when its session does.",
            ),
            Self::SessionEnded => (
                "This session is over",
                "The developer has stopped sharing the app at this address.",
                "Ask the developer for a new address, or to share it again.",
            ),
            Self::Forbidden => (
                "Not for you",
                "Only pages of this session may use this address, with the cookie they were given.",
                "Open the shared app itself. Browsers that block its cookies work without a direct \
                 connection.",
            ),
            Self::NotFound => (
                "Nothing here",
                "This address is not one this edge serves.",
                "Check the address. Paths below /_wingman/ belong to Wingman and never reach \
                 the shared app.",
            ),
            Self::HostAway => (
                "The developer\u{2019}s computer is away",
                "This session exists, but the computer that shares it is not connected: asleep, \
                 offline, or just restarting.",
                "This page tries again by itself and opens the app as soon as it is back.",
            ),
            Self::OriginRefused => (
                "The app is not running",
                "The developer\u{2019}s computer is connected, but nothing accepts connections \
                 on the port it shares.",
                "Developer: start the app, or check the port given to wingman. Then reload.",
            ),
            Self::OriginReset => (
                "The app hung up",
                "The app closed its connection before it had answered completely.",
                "Developer: the app\u{2019}s own log should say why. Then reload.",
            ),
            Self::OriginInvalid => (
                "The app did not speak HTTP",
                "What came back from the shared port is not a valid HTTP response.",
                "Developer: is it the right port? For a TLS server, share https://localhost:PORT.",
            ),
            Self::OriginTls => (
                "No secure connection to the app",
                "TLS between wingman and the app failed on the developer\u{2019}s computer.",
                "Developer: for a self-signed certificate run wingman with --insecure; for a \
                 server without TLS share http:// instead.",
            ),
            Self::OriginTimeout => (
                "The app did not answer",
                "The app took the request but sent nothing back in time.",
                "Reload to try again. Developer: look for what the app is waiting for.",
            ),
            Self::HostFailed => (
                "The developer\u{2019}s computer could not answer",
                "The wingman program on the developer\u{2019}s computer refused the request or \
                 failed.",
                "Reload to try again. Developer: wingman\u{2019}s own output says more.",
            ),
            Self::LinkLost => (
                "The connection broke",
                "The connection to the developer\u{2019}s computer broke while your request was \
                 under way. It may have been carried out.",
                "Reload to try again, unless doing it twice would do harm.",
            ),
            Self::ContentTooLarge => (
                "Too large",
                "What you sent is larger than this edge accepts.",
                "Send less, or ask the operator of the edge to raise limits.content_bytes.",
            ),
            Self::HeadTooLarge => (
                "Request head too large",
                "The address, cookies and other fields of the request are larger than this edge \
                 accepts.",
                "Clearing this site\u{2019}s cookies often helps.",
            ),
            Self::BadRequest => (
                "Not a valid request",
                "The request breaks the rules of HTTP in a way that must not be guessed about.",
                "Browsers do not do this; look at the program or proxy that sent it.",
            ),
            Self::RequestTimeout => (
                "The request never ended",
                "The rest of the request did not arrive in time.",
                "Send it again.",
            ),
            Self::MethodNotAllowed => (
                "Method not allowed",
                "This method is not passed on to shared apps.",
                "Use another method; CONNECT needs a proxy, and this is none.",
            ),
            Self::LinkExpected => (
                "Only for wingman",
                "At this address hosts connect, by WebSocket and in Wingman\u{2019}s own protocol.",
                "Use the wingman program, in a version that fits this edge.",
            ),
            Self::TokenRefused => (
                "Token refused",
                "This edge lets in only hosts with a token it knows.",
                "Ask the operator of the edge for a token and pass it with --token-file FILE.",
            ),
            Self::TooManyRequests => (
                "Too many requests",
                "Your address sends more than its share to this edge.",
                "Wait a moment, then try again.",
            ),
            Self::TooManyExchanges => (
                "Busy",
                "This session already has as many requests under way as it may have at once.",
                "Try again in a moment.",
            ),
            Self::EdgeShutdown => (
                "Restarting",
                "This edge is shutting down; another is about to take over.",
                "This page tries again by itself and opens the app as soon as it can.",
            ),
            Self::EdgeFailed => (
                "Our fault",
                "The edge failed while it handled the request.",
                "Try again; if it stays, tell the operator of the edge what you did.",
            ),
        };
        Text { title, explanation, way_out }
    }
}
