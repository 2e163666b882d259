//! Configuration: defaults < TOML file < environment < flags.
//!
//! [`Config`] is what may be written, key by key; [`Config::load`] reads it from its layers, and
//! [`Loaded::settings`] turns it into [`Settings`], which hold only what is possible. Everything
//! behind the start-up takes `Settings`.
//!
//! `conf/edge.toml` describes every key; a test keeps it complete.

mod layers;
mod problem;
mod settings;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

pub use layers::{ConfigError, Layer, Loaded, Origin};
pub use problem::SettingsError;
pub use settings::{PublicAddress, Settings, Stun, Tls};
pub use values::{ByteSize, List, LogFormat, Span, StunServer, Switch};

use crate::tokens::{NamePattern, TokenHash};
use wingman_wire::head::Scheme;

/// All that can be configured, as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Loopback development: open registration, and defaults that need no file.
    pub dev: bool,
    /// Addresses for plain HTTP. With `tls` they only redirect to HTTPS.
    pub listen: Option<List<SocketAddr>>,
    /// HTTPS.
    pub tls: Option<TlsConfig>,
    /// The domain whose subdomains are sessions.
    pub base_domain: Option<String>,
    /// The scheme in URLs of sessions, where a proxy in front of the edge ends TLS.
    #[serde(deserialize_with = "values::scheme")]
    pub public_scheme: Option<Scheme>,
    /// The port in URLs of sessions, where it is not the one listened on.
    pub public_port: Option<u16>,
    /// Who may share.
    pub tokens: Vec<TokenConfig>,
    /// Networks of proxies whose forwarding fields are believed.
    pub trusted_proxies: List<IpNet>,
    /// The STUN responder.
    pub stun: StunConfig,
    /// What is put into documents.
    pub inject: InjectConfig,
    /// The Prometheus endpoint.
    pub metrics: MetricsConfig,
    /// The log.
    pub log: LogConfig,
    /// How much.
    pub limits: Limits,
    /// How long.
    pub timeouts: Timeouts,
    /// Threads that serve; 0 is one for each core.
    pub threads: usize,
    /// Whether pages may connect to hosts; `true` if absent.
    pub p2p_enabled: Option<bool>,
    /// STUN servers that pages and hosts are told of.
    pub stun_servers: Option<List<StunServer>>,
}

/// `[tls]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// Addresses for HTTPS.
    #[serde(default)]
    pub listen: Option<List<SocketAddr>>,
    /// The PEM certificate chain, the server's own certificate first.
    pub cert: PathBuf,
    /// Its PEM key.
    pub key: PathBuf,
}

/// `[[tokens]]`: what the holder of one token may do.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// The operator's word for it, for logs.
    pub id: String,
    /// The token's hash.
    pub sha256: TokenHash,
    /// Names it may ask for.
    #[serde(default)]
    pub names: Vec<NamePattern>,
    /// Sessions at one time, where it differs from `limits.sessions_per_token`.
    #[serde(default)]
    pub max_sessions: Option<u32>,
}

/// `[stun]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StunConfig {
    /// UDP addresses.
    pub listen: Option<Switch<List<SocketAddr>>>,
    /// What pages and hosts are told to ask, where it is not the base domain.
    pub advertise: Option<Switch<StunServer>>,
}

/// `[inject]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InjectConfig {
    /// Documents get the page script, if their host wants it.
    pub enabled: bool,
}

impl Default for InjectConfig {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// `[metrics]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Its address. No session is reachable there.
    pub listen: Option<Switch<SocketAddr>>,
}

/// `[log]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// A level, or `tracing` directives.
    pub level: String,
    /// For people or for machines.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// `[limits]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Of a request's head and of a response's.
    pub head_bytes: ByteSize,
    /// Field lines of a head.
    pub fields: usize,
    /// Exchanges under way at once in one session, of which one address has seven eighths at most.
    pub exchanges_per_session: u32,
    /// Connections from one address, whatever becomes of them; trusted proxies are not counted.
    pub visitor_connections_per_address: Switch<u32>,
    /// Requests in a second from one visitor's address.
    pub request_rate_per_address: Switch<u32>,
    /// Content of one request.
    pub content_bytes: Switch<ByteSize>,
    /// Sessions at one time with one token.
    pub sessions_per_token: u32,
    /// Links at one time from one address.
    pub links_per_address: Switch<u32>,
    /// Signaling sockets at one time of one session.
    pub signaling_per_session: u32,
    /// Signaling sockets at one time of one visitor in one session.
    pub signaling_per_visitor: u32,
    /// Signaling sockets at one time from one address.
    pub signaling_per_address: Switch<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: ByteSize(64 * 1024),
            fields: 256,
            exchanges_per_session: 256,
            visitor_connections_per_address: Switch::On(1024),
            request_rate_per_address: Switch::Off,
            content_bytes: Switch::Off,
            sessions_per_token: 64,
            links_per_address: Switch::On(64),
            signaling_per_session: 256,
            signaling_per_visitor: 16,
            signaling_per_address: Switch::On(64),
        }
    }
}

/// `[timeouts]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// Between heartbeats on a link.
    pub heartbeat_period: Span,
    /// A link that shows no sign of life for so long is lost.
    pub heartbeat_deadline: Span,
    /// Requests wait so long for a host that lost its link.
    pub resume_wait: Span,
    /// A session without a link keeps its name so long.
    pub session_retention: Span,
    /// A visitor has so long to send a request's head.
    pub request_head: Span,
    /// A visitor may pause so long within a request's content, and either side of an upgraded connection after
    /// the other has ended its half.
    pub request_content_idle: Span,
    /// A visitor may take nothing of a response for so long.
    pub response_content_idle: Span,
    /// A host has so long to send a response's head.
    pub response_head: Switch<Span>,
    /// A visitor's connection may be idle so long between requests.
    pub keepalive_idle: Span,
    /// A host has so long from its connection to its open session.
    pub link_handshake: Span,
    /// On shutdown, exchanges have so long to end.
    pub drain: Span,
    /// Between pings on a page's signaling socket; after two unanswered ones it is closed.
    pub signaling_heartbeat: Span,
    /// A signaling socket lives so long; then its page opens a new one.
    pub signaling_lifetime: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = |seconds| Span(Duration::from_secs(seconds));
        Self {
            heartbeat_period: seconds(5),
            heartbeat_deadline: seconds(10),
            resume_wait: seconds(5),
            session_retention: seconds(600),
            request_head: seconds(30),
            request_content_idle: seconds(60),
            response_content_idle: seconds(300),
            response_head: Switch::Off,
            keepalive_idle: seconds(60),
            link_handshake: seconds(10),
            drain: seconds(5),
            signaling_heartbeat: seconds(25),
            signaling_lifetime: seconds(24 * 3600),
        }
    }
}

#[cfg(test)]
mod tests;
