//! The small value types of the configuration.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_levels_have_the_names_the_filter_knows() {
        for level in LogLevel::value_variants() {
            let name = serde_json::to_value(level).expect("serializes");
            assert_eq!(name, level.as_str());
            level.as_str().parse::<tracing_subscriber::filter::LevelFilter>().expect("a level");
        }
    }
}
