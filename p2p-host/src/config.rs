//! The configuration: defaults < file < environment < command line.
//!
//! [`Config`] is every key there is; `conf/host.toml` shows each with its default. Keys are checked
//! layer by layer, so that an error can name the file, variable or flag that is wrong.

mod edge;
mod error;
mod layer;
mod options;
mod pages;
mod token;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::providers::Serialized;
use figment::value::{Dict, Value};
use serde::{Deserialize, Serialize};

pub use edge::{EdgeUrl, UrlError};
pub use error::{ConfigError, Place};
use layer::Layer;
pub use options::{LogLevel, OriginProtocol};
pub use pages::{PathPrefix, PathPrefixError, StunServer, StunServerError};
pub use token::{Token, TokenError};

use crate::{cli::Cli, exchange::HostHeader, origin::Target};

/// Every key of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What to share, unless the command line says it.
    pub target: Option<Target>,
    /// Where to share it.
    pub edge: EdgeUrl,
    /// The wanted session name; the edge chooses one if there is none.
    pub name: Option<String>,
    /// The secret itself. [`Loaded::token`] is the one to use.
    pub token: Option<Token>,
    /// A file with the secret.
    pub token_file: Option<PathBuf>,
    /// Certificates (PEM) to trust for the edge, besides the system's.
    pub ca_file: Option<PathBuf>,
    /// What the origin sees as `Host`.
    pub host_header: HostHeader,
    /// Accept any certificate of an `https` origin.
    pub insecure: bool,
    /// The HTTP version towards the origin.
    pub origin_protocol: OriginProtocol,
    /// One JSON object per line instead of a view for a person.
    pub json: bool,
    /// Show the URL as a QR code on a terminal.
    pub qr: bool,
    /// How much of the process's own log goes to stderr.
    pub log_level: LogLevel,
    /// Keep query strings in the request log.
    pub log_query: bool,
    /// Exit when the link is lost, instead of reconnecting.
    pub exit_on_disconnect: bool,
    /// Where Prometheus asks, on this machine; nowhere unless it is set.
    pub metrics: Option<SocketAddr>,
    /// Pages may connect directly to this machine.
    pub p2p_enabled: bool,
    /// How long a page tries to, in milliseconds, before it stays on the relay for a while.
    pub p2p_timeout_ms: u32,
    /// STUN servers, besides the edge's, that pages and this host ask for their public addresses.
    pub stun_servers: Vec<StunServer>,
    /// Requests whose path begins so never go directly.
    pub relay_only_paths: Vec<PathPrefix>,
    /// Pages show by which path they are connected.
    pub badge: bool,
    /// Documents get the script that makes pages connect directly, and shows the badge.
    pub inject: bool,
    /// Proof of life on the link, both ways.
    pub heartbeat: Heartbeat,
    /// The pause before a new link.
    pub reconnect: Reconnect,
    /// Patience with the origin.
    pub origin: OriginTimeouts,
    /// Bounds.
    pub limits: Limits,
}

/// Proof of life on the link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// Between two pings.
    #[serde(with = "humantime_serde")]
    pub period: Duration,
    /// The link is lost when nothing was heard for this long.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
}

/// The pause before a new link; doubles from `initial` to `cap`, with jitter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reconnect {
    /// Before the first new attempt.
    #[serde(with = "humantime_serde")]
    pub initial: Duration,
    /// The longest pause.
    #[serde(with = "humantime_serde")]
    pub cap: Duration,
}

/// Patience with the origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginTimeouts {
    /// To accept a connection.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// From the end of the request to the response head. Content has no such limit.
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
}

/// Bounds on what runs at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Exchanges at once; the edge refuses more.
    pub exchanges: u32,
    /// Pages that are connected directly at once.
    pub peers: u32,
    /// Of them, pages of one visitor.
    pub peers_per_visitor: u32,
    /// Exchanges of one directly connected page at once.
    pub exchanges_per_peer: u32,
}

/// A configuration that holds together.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Every key.
    pub config: Config,
    /// What to share.
    pub target: Target,
    /// The secret, from wherever it was given.
    pub token: Option<Token>,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// What a person should know, one sentence each.
    pub warnings: Vec<String>,
}

/// What the process's environment contributes; a value of its own so that tests need not change
/// the real one.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Variables with the prefix `WINGMAN_`, those that the edge has too (`P2P_ENABLED`), and `HOME`, `XDG_CONFIG_HOME` and `XDG_STATE_HOME`.
    pub variables: std::collections::BTreeMap<String, String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            target: None,
            edge: DEFAULT_EDGE.parse().expect("a test parses the constant"),
            name: None,
            token: None,
            token_file: None,
            ca_file: None,
            host_header: HostHeader::Origin,
            insecure: false,
            origin_protocol: OriginProtocol::Auto,
            json: false,
            qr: true,
            log_level: LogLevel::Warn,
            log_query: false,
            exit_on_disconnect: false,
            metrics: None,
            p2p_enabled: true,
            p2p_timeout_ms: 10_000,
            stun_servers: Vec::new(),
            relay_only_paths: Vec::new(),
            badge: true,
            inject: true,
            heartbeat: Heartbeat {
                period: Duration::from_secs(5),
                deadline: Duration::from_secs(10),
            },
            reconnect: Reconnect {
                initial: Duration::from_millis(200),
                cap: Duration::from_secs(5),
            },
            origin: OriginTimeouts {
                connect_timeout: Duration::from_secs(5),
                head_timeout: Duration::from_secs(120),
            },
            limits: Limits {
                exchanges: 256,
                peers: 64,
                peers_per_visitor: 8,
                exchanges_per_peer: 128,
            },
        }
    }
}

impl Config {
    /// Reads all layers.
    ///
    /// # Errors
    /// [`ConfigError`]: the first thing that is wrong, with its place.
    pub fn load(cli: &Cli, environment: &Environment) -> Result<Loaded, ConfigError> {
        let shape = shape();
        let file = environment.config_file(cli);
        // Lowest first.
        let mut layers = Vec::with_capacity(3);
        if let Some(path) = &file {
            layers.push(Layer::file(path, environment.home(), &shape)?);
        }
        layers.push(Layer::environment(&environment.variables, &shape)?);
        layers.push(Layer::flags(cli.overrides()));

        let (given, mut warnings) = credential(&layers)?;
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        for layer in &layers {
            figment = figment.merge(layer);
        }
        let config: Self =
            figment.extract().map_err(|error| ConfigError::extract(error, &layers))?;
        config.check(&layers)?;
        let target = config.target.clone().ok_or(ConfigError::NoTarget)?;
        let token = match given {
            Given::Nothing => None,
            Given::Token => config.token.clone(),
            Given::File => config.token_file.as_deref().map(token::read).transpose()?,
        };
        if given == Given::File
            && let Some(path) = &config.token_file
            && token::is_world_readable(path)
        {
            warnings.push(format!(
                "Every account of this machine can read the token file {0}: chmod 600 {0}",
                path.display()
            ));
        }
        if token.is_some() && !config.edge.is_tls() && !config.edge.is_loopback() {
            warnings.push(format!("The token goes to {} without encryption", config.edge));
        }
        Ok(Loaded { config, target, token, file, warnings })
    }

    /// What types cannot say.
    fn check(&self, layers: &[Layer]) -> Result<(), ConfigError> {
        let fail = |key: &str, problem: &str| {
            Err(ConfigError::Value {
                key: key.to_owned(),
                place: layer::place_of(layers, key),
                problem: problem.to_owned(),
            })
        };
        let durations = [
            ("heartbeat.period", self.heartbeat.period),
            ("heartbeat.deadline", self.heartbeat.deadline),
            ("reconnect.initial", self.reconnect.initial),
            ("reconnect.cap", self.reconnect.cap),
            ("origin.connect_timeout", self.origin.connect_timeout),
            ("origin.head_timeout", self.origin.head_timeout),
        ];
        for (key, duration) in durations {
            if !(MIN_DURATION..=MAX_DURATION).contains(&duration) {
                return fail(key, "it is from 1ms to 1day");
            }
        }
        if self.heartbeat.deadline <= self.heartbeat.period {
            return fail("heartbeat.deadline", "it is longer than heartbeat.period");
        }
        if self.reconnect.cap < self.reconnect.initial {
            return fail("reconnect.cap", "it is not shorter than reconnect.initial");
        }
        let limits = [
            ("limits.exchanges", self.limits.exchanges),
            ("limits.peers", self.limits.peers),
            ("limits.peers_per_visitor", self.limits.peers_per_visitor),
            ("limits.exchanges_per_peer", self.limits.exchanges_per_peer),
        ];
        for (key, limit) in limits {
            if limit == 0 {
                return fail(key, "it is at least 1");
            }
        }
        if !(MIN_P2P_TIMEOUT..=MAX_P2P_TIMEOUT).contains(&self.p2p_timeout_ms) {
            return fail("p2p_timeout_ms", "it is from 100 to 600000");
        }
        if self.metrics.is_some_and(|address| !address.ip().is_loopback()) {
            return fail("metrics", "it is an address of this machine alone, as 127.0.0.1:9091");
        }
        if self.stun_servers.len() > MAX_STUN_SERVERS {
            return fail("stun_servers", "there are at most 8");
        }
        if self.relay_only_paths.len() > MAX_PATHS {
            return fail("relay_only_paths", "there are at most 64");
        }
        Ok(())
    }
}

impl Environment {
    /// The variables of this process that matter.
    #[must_use]
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| {
                name.starts_with(layer::PREFIX)
                    || layer::BARE.contains(&name.as_str())
                    || matches!(name.as_str(), "HOME" | "XDG_CONFIG_HOME" | "XDG_STATE_HOME")
            })
            .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
            .collect();
        Self { variables }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn home(&self) -> Option<&Path> {
        self.get("HOME").map(Path::new)
    }

    /// The file to read: a named one must exist, the default one may.
    fn config_file(&self, cli: &Cli) -> Option<PathBuf> {
        if let Some(named) = cli.config.clone().or_else(|| self.get(CONFIG).map(PathBuf::from)) {
            return Some(named);
        }
        // A relative XDG_CONFIG_HOME is to be ignored (XDG base directory specification).
        let base = self.get("XDG_CONFIG_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
        let base = base.or_else(|| self.home().map(|home| home.join(".config")))?;
        Some(base.join("wingman/host.toml")).filter(|path| path.exists())
    }
}

/// How the secret was given, in the highest layer that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    Nothing,
    Token,
    File,
}

/// `token` and `token_file` are two ways to say one thing, so the higher layer's wins, whichever
/// of the two it uses.
fn credential(layers: &[Layer]) -> Result<(Given, Vec<String>), ConfigError> {
    for layer in layers.iter().rev() {
        match (layer.has("token"), layer.has("token_file")) {
            (false, false) => {}
            (true, true) => {
                return Err(ConfigError::Value {
                    key: "token_file".to_owned(),
                    place: Some(layer.place.clone()),
                    problem: "token is set too; only one of them can be".to_owned(),
                });
            }
            (false, true) => return Ok((Given::File, Vec::new())),
            (true, false) => {
                let warnings = match &layer.place {
                    Place::File(path) if token::is_world_readable(path) => vec![format!(
                        "Every account of this machine can read the token in {0}: chmod 600 {0}",
                        path.display()
                    )],
                    _ => Vec::new(),
                };
                return Ok((Given::Token, warnings));
            }
        }
    }
    Ok((Given::Nothing, Vec::new()))
}

/// The defaults as a tree: all keys, and of which kind each is.
fn shape() -> Dict {
    Value::serialize(Config::default())
        .ok()
        .and_then(Value::into_dict)
        .expect("the configuration is a struct of plain data")
}

macro_rules! serde_by_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

serde_by_text!(Target, EdgeUrl, HostHeader, StunServer, PathPrefix);

/// The public edge.
const DEFAULT_EDGE: &str = "https://wingman.dev";
/// The variable for `--config`; not a key, because a file cannot name itself.
const CONFIG: &str = "WINGMAN_CONFIG";
const MIN_P2P_TIMEOUT: u32 = 100;
const MAX_P2P_TIMEOUT: u32 = 600_000;
const MAX_STUN_SERVERS: usize = 8;
/// They are in every document.
const MAX_PATHS: usize = 64;
const MIN_DURATION: Duration = Duration::from_millis(1);
const MAX_DURATION: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests;
