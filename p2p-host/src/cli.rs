//! The command line of `wingman`.
//!
//! Flags only say what differs from the other layers; defaults and the forms of values are
//! [`Config`](crate::config::Config)'s business.

mod help;

use std::path::PathBuf;

use clap::Parser;
use figment::value::{Dict, Value};

use crate::config::{LogLevel, OriginProtocol};

/// Share a local port at a public URL, straight from this machine
///
/// Everything the app does works as on localhost: WebSockets, hot reload, event streams, uploads
/// and downloads of any size. The URL lives as long as this process, and survives a lost network:
/// wingman reconnects by itself and keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Parser)]
#[command(
    name = "wingman",
    version = help::VERSION.as_str(),
    after_help = "More, with examples and exit codes: wingman --help",
    after_long_help = help::AFTER.as_str(),
    max_term_width = 100
)]
pub struct Cli {
    /// What to share: the port of your app on localhost, or its URL
    #[arg(value_name = "PORT|URL", allow_hyphen_values = false)]
    pub target: Option<String>,

    /// The edge to share it through
    #[arg(
        long,
        value_name = "URL",
        help = "The edge to share it through [default: https://wingman.dev]"
    )]
    pub edge: Option<String>,

    /// The session's name, the first part of its URL [default: a random one]
    #[arg(long)]
    pub name: Option<String>,

    /// A file with the edge's token; or set WINGMAN_TOKEN
    ///
    /// There is no flag for the token itself: other accounts of this machine could read it in the
    /// list of processes, and the shell keeps it in its history.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Write one JSON object per line to stdout, the first one {"event":"ready","url":…}
    #[arg(long)]
    pub json: bool,

    /// The Host your app sees: origin, preserve or a value [default: origin]
    ///
    /// origin: its own (localhost:3000), so that dev servers with a host check accept it.
    /// preserve: the session's, as in the browser's address bar. Any other value is sent as it is.
    #[arg(long, value_name = "origin|preserve|VALUE")]
    pub host_header: Option<String>,

    /// Never connect browsers directly to this machine
    ///
    /// Otherwise pages find the shortest way here (WebRTC) and go by the edge only until they have.
    #[arg(long)]
    pub relay_only: bool,

    /// Requests whose path begins so never go directly; may be given again
    #[arg(long, value_name = "PREFIX")]
    pub relay_only_path: Vec<String>,

    /// Do not show in pages by which path they are connected
    #[arg(long)]
    pub no_badge: bool,

    /// Leave documents as they are: no badge, and nothing goes directly
    #[arg(long)]
    pub no_inject: bool,

    /// Accept any certificate of an https:// app
    #[arg(long)]
    pub insecure: bool,

    /// The HTTP version your app speaks [default: auto]
    #[arg(long, value_name = "PROTOCOL")]
    pub origin_protocol: Option<OriginProtocol>,

    /// Certificates (PEM) to trust for the edge, besides the system's
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// The configuration file [default: ~/.config/wingman/host.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Do not show the URL as a QR code
    #[arg(long)]
    pub no_qr: bool,

    /// How much of wingman's own log goes to stderr [default: warn]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,

    /// Show query strings in the request log; they may hold secrets
    #[arg(long)]
    pub log_query: bool,

    /// Exit when the link is lost instead of reconnecting, for supervisors
    #[arg(long)]
    pub exit_on_disconnect: bool,

    /// Tell Prometheus at this address of this machine, as 127.0.0.1:9091 [default: off]
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<String>,
}

impl Cli {
    /// The keys the command line sets, as the highest layer of the configuration.
    pub(crate) fn overrides(&self) -> Dict {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let texts = [
            ("target", self.target.clone()),
            ("edge", self.edge.clone()),
            ("name", self.name.clone()),
            ("token_file", self.token_file.as_ref().map(path)),
            ("host_header", self.host_header.clone()),
            ("ca_file", self.ca_file.as_ref().map(path)),
            ("metrics", self.metrics.clone()),
        ];
        let protocol = self.origin_protocol.and_then(|protocol| Value::serialize(protocol).ok());
        let level = self.log_level.map(|level| Value::from(level.as_str()));
        let paths = self.relay_only_path.iter().map(|path| Value::from(path.as_str()));
        let paths: Vec<Value> = paths.collect();
        let paths = (!paths.is_empty()).then(|| Value::from(paths));
        let values =
            [("origin_protocol", protocol), ("log_level", level), ("relay_only_paths", paths)];
        // A flag that is absent says nothing; it does not say `false`.
        let switches = [
            ("json", self.json.then_some(true)),
            ("p2p_enabled", self.relay_only.then_some(false)),
            ("badge", self.no_badge.then_some(false)),
            ("inject", self.no_inject.then_some(false)),
            ("insecure", self.insecure.then_some(true)),
            ("qr", self.no_qr.then_some(false)),
            ("log_query", self.log_query.then_some(true)),
            ("exit_on_disconnect", self.exit_on_disconnect.then_some(true)),
        ];
        let texts = texts.into_iter().map(|(key, text)| (key, text.map(Value::from)));
        let switches = switches.into_iter().map(|(key, on)| (key, on.map(Value::from)));
        texts
            .chain(values)
            .chain(switches)
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect()
    }
}

#[cfg(test)]
mod tests;
