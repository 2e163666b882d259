//! What a configuration can ask for and not get.

use std::net::SocketAddr;

use super::Span;
use crate::names::BaseDomainError;

/// Values that cannot be had, or not together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// `--dev` and an address others can reach.
    #[error(
        "`dev` lets everybody in, so it must not listen on {address}, which is not a loopback \
         address: listen on 127.0.0.1, or leave `dev` out and make a token with `wingman-edge \
         token new`"
    )]
    DevBeyondLoopback {
        /// The key.
        key: &'static str,
        /// Its address.
        address: SocketAddr,
    },
    /// Nobody could share anything.
    #[error(
        "there are no `tokens`, so no host could connect: make one with `wingman-edge token new`, \
         or run with --dev to try it on this machine"
    )]
    NoTokens,
    /// No base domain outside of `--dev`.
    #[error(
        "`base_domain` is missing: the domain whose subdomains are sessions, with a wildcard DNS \
         record that leads here"
    )]
    NoBaseDomain,
    /// Not a domain.
    #[error("`base_domain`: {0}")]
    BaseDomain(BaseDomainError),
    /// Nothing to listen on.
    #[error("`listen` is empty and there is no `tls`: the edge would serve nobody")]
    NoListener,
    /// `[tls]` with an empty list.
    #[error("`tls.listen` is empty: give an address, or leave `[tls]` out")]
    NoTlsListener,
    /// One address twice.
    #[error("{address} is used by both `{first}` and `{second}`")]
    AddressTwice {
        /// The address.
        address: SocketAddr,
        /// One key.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A token's id that would spoil a log line.
    #[error("token id {0:?}: use 1 to 64 letters, digits, `.`, `-` and `_`")]
    TokenId(String),
    /// Two tokens of one id.
    #[error("two `tokens` have the id `{0}`")]
    TokenIdTwice(String),
    /// Two entries for one token.
    #[error("the tokens `{0}` and `{1}` have the same `sha256`: one secret, one entry")]
    TokenTwice(String, String),
    /// Not a log level.
    #[error("`log.level` {0:?}: use error, warn, info, debug, trace or `tracing` directives")]
    LogLevel(String),
    /// A number out of its range.
    #[error("`{key}` is {value}, but must be between {min} and {max}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// What it is.
        value: String,
        /// The least it may be.
        min: String,
        /// The most it may be.
        max: String,
    },
    /// A link would be given up before its heartbeat could answer.
    #[error(
        "`timeouts.heartbeat_deadline` ({deadline}) must be longer than \
         `timeouts.heartbeat_period` ({period})"
    )]
    Heartbeat {
        /// `heartbeat_period`.
        period: Span,
        /// `heartbeat_deadline`.
        deadline: Span,
    },
}

impl SettingsError {
    /// The key at fault, if one is.
    pub fn key(&self) -> Option<&'static str> {
        Some(match self {
            Self::DevBeyondLoopback { key, .. } | Self::OutOfRange { key, .. } => key,
            Self::AddressTwice { second, .. } => second,
            Self::BaseDomain(_) => "base_domain",
            Self::NoListener => "listen",
            Self::NoTlsListener => "tls.listen",
            Self::TokenId(_) | Self::TokenIdTwice(_) | Self::TokenTwice(..) => "tokens",
            Self::LogLevel(_) => "log.level",
            Self::Heartbeat { .. } => "timeouts.heartbeat_deadline",
            Self::NoTokens | Self::NoBaseDomain => return None,
        })
    }
}
