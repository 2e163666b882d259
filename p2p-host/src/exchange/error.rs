//! What can go wrong in an exchange, and who is to blame.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::origin::ConnectError;

/// Why an exchange has no response, or no whole one.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// Nothing listens at the origin's address.
    #[error("the origin refused the connection")]
    OriginRefused(#[source] ConnectError),
    /// The origin cannot be reached, or does not accept in time.
    #[error("the origin cannot be reached")]
    OriginUnreachable(#[source] ConnectError),
    /// TLS with the origin failed.
    #[error("no encrypted connection to the origin")]
    OriginTls(#[source] ConnectError),
    /// The origin closed the connection before a response head.
    #[error("the origin closed the connection without an answer")]
    OriginReset(#[source] hyper::Error),
    /// The origin closed the connection amid the response's content.
    #[error("the origin closed the connection amid its answer")]
    OriginCut(#[source] hyper::Error),
    /// The origin's answer is not HTTP, or not an answer to the request.
    #[error("the origin's answer is invalid")]
    OriginInvalid(#[source] InvalidAnswer),
    /// The origin took the request and sent no response head.
    #[error("the origin did not answer within {after:?}")]
    OriginTimeout {
        /// The deadline, counted from the last request byte taken.
        after: Duration,
    },
    /// The request's content broke off: the visitor went away, or its path did.
    #[error("the request's content broke off")]
    RequestContent(#[source] Box<dyn Error + Send + Sync>),
    /// The request cannot be forwarded.
    #[error("the request cannot be forwarded")]
    RequestInvalid(#[from] InvalidRequest),
}

/// What is wrong with an origin's answer.
#[derive(Debug, thiserror::Error)]
pub enum InvalidAnswer {
    /// It does not parse, or its head is larger than 256 KiB or 400 field lines.
    #[error("it is malformed")]
    Malformed(#[source] hyper::Error),
    /// It switches protocols without having been asked.
    #[error("it switches protocols unasked")]
    UnaskedUpgrade,
    /// Its `Transfer-Encoding` is other than `chunked`.
    #[error("its transfer coding is unknown")]
    TransferCoding,
    /// TLS agreed on a version of HTTP that was not offered.
    #[error("it agreed on a protocol that was not offered")]
    Protocol,
}

/// What is wrong with a visitor's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// `CONNECT` is for proxies.
    #[error("CONNECT is not for origins")]
    Connect,
    /// `Content-Length` is no number, is given twice, or contradicts content that is absent.
    /// Forwarded on a kept connection, the next visitor's request would be read as its content.
    #[error("Content-Length contradicts the content")]
    ContentLength,
    /// `Host` is no authority.
    #[error("Host is no authority")]
    Host,
    /// The request target cannot be written in the origin's protocol.
    #[error("the request target cannot be forwarded")]
    Target,
}

/// Who caused an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The visitor, or the way from it.
    Visitor,
    /// The local server.
    Origin,
}

impl ExchangeError {
    /// Who caused it.
    pub fn blame(&self) -> Blame {
        match self {
            Self::OriginRefused(_)
            | Self::OriginUnreachable(_)
            | Self::OriginTls(_)
            | Self::OriginReset(_)
            | Self::OriginCut(_)
            | Self::OriginInvalid(_)
            | Self::OriginTimeout { .. } => Blame::Origin,
            Self::RequestContent(_) | Self::RequestInvalid(_) => Blame::Visitor,
        }
    }

    /// What hyper's error means while the response head is waited for.
    pub(crate) fn before_head(error: hyper::Error) -> Self {
        if error.is_user() {
            // The content's own error, or less content than its length promised.
            Self::RequestContent(error.into())
        } else if error.is_parse() {
            Self::OriginInvalid(InvalidAnswer::Malformed(error))
        } else {
            Self::OriginReset(error)
        }
    }

    /// The same error where the visitor's content is known to have failed.
    pub(crate) fn with_request_blamed(self) -> Self {
        match self {
            Self::OriginReset(error) => Self::RequestContent(error.into()),
            other => other,
        }
    }

    pub(crate) fn unexpected_protocol() -> Self {
        Self::OriginInvalid(InvalidAnswer::Protocol)
    }
}

impl From<ConnectError> for ExchangeError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Refused { .. } => Self::OriginRefused(error),
            ConnectError::Tls { .. } => Self::OriginTls(error),
            ConnectError::Unreachable { .. }
            | ConnectError::Timeout { .. }
            | ConnectError::Lookup { .. }
            | ConnectError::NoAddress { .. }
            | ConnectError::Handshake { .. } => Self::OriginUnreachable(error),
        }
    }
}

/// What an error of a response's content means.
pub fn classify_body_error(error: hyper::Error) -> ExchangeError {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(inner) = inner.downcast_ref::<io::Error>() {
            // hyper's decoder reports malformed chunks this way; a closed connection has its own
            // kinds.
            if matches!(inner.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) {
                return ExchangeError::OriginInvalid(InvalidAnswer::Malformed(error));
            }
        }
        cause = inner.source();
    }
    ExchangeError::OriginCut(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connect_errors_keep_their_meaning() {
        let target = || "3000".parse().expect("target");
        let refused = ConnectError::Refused {
            target: target(),
            source: io::ErrorKind::ConnectionRefused.into(),
        };
        assert!(matches!(refused.into(), ExchangeError::OriginRefused(_)));
        let tls = ConnectError::Tls { target: target(), source: "x".into() };
        assert!(matches!(tls.into(), ExchangeError::OriginTls(_)));
        let slow = ConnectError::Timeout { target: target(), after: Duration::from_secs(5) };
        let slow = ExchangeError::from(slow);
        assert!(matches!(slow, ExchangeError::OriginUnreachable(_)));
        assert_eq!(slow.blame(), Blame::Origin);
        assert_eq!(ExchangeError::from(InvalidRequest::Connect).blame(), Blame::Visitor);
    }
}
