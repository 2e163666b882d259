//! The small value types of the configuration.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use http::HeaderValue;
use http::uri::Authority;
use serde::{Deserialize, Serialize};

/// What the origin sees as `Host`, and in `Origin` and `Referer` accordingly.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HostHeader {
    /// The origin's own authority, so that dev servers with a host check accept it.
    #[default]
    Origin,
    /// The session's, as the visitor sent it.
    Preserve,
    /// This one.
    Value(HeaderValue),
}

/// Why a text is no `host_header`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is origin, preserve, or a host name with an optional port")]
pub struct HostHeaderError;

/// The HTTP version towards the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub enum OriginProtocol {
    /// HTTP/1.1; over TLS, what the origin prefers
    #[default]
    Auto,
    /// HTTP/1.1
    Http1,
    /// HTTP/2 without TLS, known beforehand (for gRPC)
    H2c,
}

/// How much of the process's own log goes to stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub enum LogLevel {
    /// Nothing
    Off,
    /// Failures of wingman itself
    Error,
    /// What is odd but handled
    #[default]
    Warn,
    /// The course of things
    Info,
    /// For finding faults
    Debug,
    /// Everything
    Trace,
}

impl LogLevel {
    /// As a directive of tracing's `EnvFilter`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl FromStr for HostHeader {
    type Err = HostHeaderError;

    fn from_str(text: &str) -> Result<Self, HostHeaderError> {
        match text {
            "origin" => Ok(Self::Origin),
            "preserve" => Ok(Self::Preserve),
            text => {
                let authority: Authority = text.parse().map_err(|_| HostHeaderError)?;
                // An authority may carry a user (`a@b`) and a dangling port (`a:`); Host may not.
                let port_is_sound = match authority.as_str().rsplit_once(':') {
                    Some((_, rest)) if !rest.ends_with(']') => authority.port_u16().is_some(),
                    _ => true,
                };
                if text.contains('@') || authority.host().is_empty() || !port_is_sound {
                    return Err(HostHeaderError);
                }
                HeaderValue::from_str(text)
                    .map(Self::Value)
                    .map_err(|_| HostHeaderError)
            }
        }
    }
}

impl fmt::Display for HostHeader {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Origin => out.write_str("origin"),
            Self::Preserve => out.write_str("preserve"),
            // An authority is ASCII, so nothing is lost.
            Self::Value(value) => out.write_str(&String::from_utf8_lossy(value.as_bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_header_is_a_word_or_an_authority() {
        for text in [
            "origin",
            "preserve",
            "app.test",
            "app.test:8080",
            "[::1]:80",
            "[::1]",
        ] {
            assert_eq!(text.parse::<HostHeader>().expect(text).to_string(), text);
        }
        for text in [
            "", "a b", "http://a", "a/b", "me@a", "a:", "a:x", "a:99999", "ä", "a\r\nb",
        ] {
            assert_eq!(text.parse::<HostHeader>(), Err(HostHeaderError), "{text:?}");
        }
    }

    #[test]
    fn log_levels_have_the_names_the_filter_knows() {
        for level in LogLevel::value_variants() {
            let name = serde_json::to_value(level).expect("serializes");
            assert_eq!(name, level.as_str());
            level
                .as_str()
                .parse::<tracing_subscriber::filter::LevelFilter>()
                .expect("a level");
        }
    }
}
