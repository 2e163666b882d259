//! Configuration that was checked: what the edge runs with.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread::available_parallelism;

use tracing_subscriber::EnvFilter;
use wingman_wire::head::Scheme;

use super::{
    ByteSize, Config, Limits, LogFormat, SettingsError, Span, StunServer, Switch, Timeouts,
    TokenConfig,
};
use crate::forwarded::TrustedProxies;
use crate::names::{BaseDomain, SessionName};
use crate::session::DirectPath;
use crate::tokens::{Grant, Registry};

/// All the edge runs with. There is no way to have one that cannot work.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Loopback development.
    pub dev: bool,
    /// Addresses for plain HTTP; with [`Settings::tls`] they redirect. Empty only with TLS.
    pub listen: Vec<SocketAddr>,
    /// HTTPS.
    pub tls: Option<Tls>,
    /// What URLs are made of.
    pub public: PublicAddress,
    /// Who may share.
    pub registry: Registry,
    /// Proxies whose forwarding fields are believed.
    pub trusted_proxies: TrustedProxies,
    /// The STUN responder.
    pub stun: Stun,
    /// Documents get the page script, if their host wants it.
    pub inject: bool,
    /// The Prometheus endpoint.
    pub metrics: Option<SocketAddr>,
    /// `tracing` directives that [`EnvFilter`] reads.
    pub log_level: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// How much.
    pub limits: Limits,
    /// How long.
    pub timeouts: Timeouts,
    /// Threads that serve.
    pub threads: NonZeroUsize,
    /// What pages and hosts may do beside the relay.
    pub direct: DirectPath,
}

/// HTTPS: where, and with what.
#[derive(Clone, Debug)]
pub struct Tls {
    /// At least one address.
    pub listen: Vec<SocketAddr>,
    /// The PEM certificate chain.
    pub cert: PathBuf,
    /// Its PEM key.
    pub key: PathBuf,
}

/// The STUN responder.
#[derive(Clone, Debug)]
pub struct Stun {
    /// UDP addresses.
    pub listen: Vec<SocketAddr>,
    /// They are not the default. That may be taken, by coturn or another edge on this machine, which
    /// answer as well.
    pub required: bool,
    own: Option<StunServer>,
}

/// How the edge is reached from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicAddress {
    /// Of URLs.
    pub scheme: Scheme,
    /// The domain whose subdomains are sessions.
    pub base_domain: BaseDomain,
    /// Of URLs. Set it anew after listening on port 0.
    pub port: u16,
}

impl PublicAddress {
    /// The URL of the base domain, without a slash at the end: what hosts give to `--edge`.
    pub fn edge_url(&self) -> String {
        format!("{}://{}{}", self.scheme.as_str(), self.base_domain, self.port_part())
    }

    /// The URL of a session, without a slash at the end.
    pub fn session_url(&self, name: &SessionName) -> String {
        format!("{}://{name}.{}{}", self.scheme.as_str(), self.base_domain, self.port_part())
    }

    fn port_part(&self) -> String {
        match (self.scheme, self.port) {
            (Scheme::Http, 80) | (Scheme::Https, 443) => String::new(),
            (_, port) => format!(":{port}"),
        }
    }
}

impl Settings {
    /// Adds the edge's own STUN server to those that pages and hosts are told of, as the first. `bound` is
    /// the port it has where it was to be any.
    pub fn advertise_stun(&mut self, bound: Option<u16>) {
        let own = self.stun.own.as_ref().map(|StunServer(url)| {
            let any = url.strip_suffix(":0").zip(bound);
            any.map_or_else(|| url.clone(), |(host, port)| format!("{host}:{port}"))
        });
        let others = self.direct.stun_servers.iter().cloned();
        self.direct.stun_servers = own.into_iter().chain(others).collect();
    }

    pub(super) fn new(config: &Config) -> Result<Self, SettingsError> {
        let dev = config.dev;
        let tls = tls(config)?;
        let listen = match &config.listen {
            Some(list) => list.0.clone(),
            None if dev => vec![DEV_LISTEN],
            None => vec![LISTEN],
        };
        if listen.is_empty() && tls.is_none() {
            return Err(SettingsError::NoListener);
        }
        let metrics = config.metrics.listen.map_or(Some(METRICS_LISTEN), Switch::on);
        addresses(dev, &listen, tls.as_ref(), metrics)?;
        let public = public(config, &listen, tls.as_ref())?;
        EnvFilter::builder()
            .parse(&config.log.level)
            .map_err(|_| SettingsError::LogLevel(config.log.level.clone()))?;
        limits(&config.limits)?;
        timeouts(&config.timeouts)?;
        let cores = || available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let stun = stun(config, &public)?;
        Ok(Self {
            dev,
            listen,
            tls,
            public,
            registry: registry(config)?,
            trusted_proxies: TrustedProxies::new(config.trusted_proxies.0.iter().copied()),
            stun,
            inject: config.inject.enabled,
            metrics,
            log_level: config.log.level.clone(),
            log_format: config.log.format,
            limits: config.limits.clone(),
            timeouts: config.timeouts.clone(),
            threads: NonZeroUsize::new(config.threads).unwrap_or_else(cores),
            direct: direct(config),
        })
    }
}

fn direct(config: &Config) -> DirectPath {
    let servers = config.stun_servers.iter().flat_map(|list| &list.0);
    DirectPath {
        enabled: config.p2p_enabled.unwrap_or(true),
        stun_servers: servers.map(|server| server.0.clone()).collect(),
    }
}

fn tls(config: &Config) -> Result<Option<Tls>, SettingsError> {
    let Some(tls) = &config.tls else {
        return Ok(None);
    };
    let listen = match &tls.listen {
        Some(list) if list.0.is_empty() => return Err(SettingsError::NoTlsListener),
        Some(list) => list.0.clone(),
        None if config.dev => vec![DEV_TLS_LISTEN],
        None => vec![TLS_LISTEN],
    };
    Ok(Some(Tls { listen, cert: tls.cert.clone(), key: tls.key.clone() }))
}

fn addresses(
    dev: bool,
    listen: &[SocketAddr],
    tls: Option<&Tls>,
    metrics: Option<SocketAddr>,
) -> Result<(), SettingsError> {
    let plain = listen.iter().map(|address| ("listen", *address));
    let secure = tls.into_iter().flat_map(|tls| &tls.listen).map(|at| ("tls.listen", *at));
    let metrics = metrics.map(|address| ("metrics.listen", address));
    let mut seen: Vec<(&'static str, SocketAddr)> = Vec::new();
    for (key, address) in plain.chain(secure).chain(metrics) {
        if dev && !address.ip().to_canonical().is_loopback() {
            return Err(SettingsError::DevBeyondLoopback { key, address });
        }
        // Port 0 is another port each time.
        let taken = seen.iter().find(|(_, other)| *other == address && address.port() != 0);
        if let Some((first, _)) = taken {
            return Err(SettingsError::AddressTwice { address, first, second: key });
        }
        seen.push((key, address));
    }
    Ok(())
}

fn public(
    config: &Config,
    listen: &[SocketAddr],
    tls: Option<&Tls>,
) -> Result<PublicAddress, SettingsError> {
    let base_domain = match &config.base_domain {
        Some(domain) => domain.as_str(),
        None if config.dev => "localhost",
        None => return Err(SettingsError::NoBaseDomain),
    };
    let own = if tls.is_some() { Scheme::Https } else { Scheme::Http };
    let scheme = config.public_scheme.unwrap_or(own);
    let listened = tls.map_or(listen, |tls| &tls.listen).first();
    // A scheme of its own means a proxy in front, and its port is the usual one.
    let port = match (scheme, listened) {
        (Scheme::Https, _) if scheme != own => 443,
        (Scheme::Http, _) if scheme != own => 80,
        (_, listened) => listened.map_or(80, SocketAddr::port),
    };
    Ok(PublicAddress {
        scheme,
        base_domain: base_domain.parse().map_err(SettingsError::BaseDomain)?,
        port: config.public_port.unwrap_or(port),
    })
}

fn stun(config: &Config, public: &PublicAddress) -> Result<Stun, SettingsError> {
    let default = if config.dev { DEV_STUN_LISTEN } else { STUN_LISTEN };
    let listen = match &config.stun.listen {
        Some(Switch::Off) => Vec::new(),
        Some(Switch::On(list)) => list.0.clone(),
        None => default.to_vec(),
    };
    let beyond = listen.iter().find(|address| !address.ip().to_canonical().is_loopback());
    if let (true, Some(address)) = (config.dev, beyond) {
        return Err(SettingsError::DevBeyondLoopback { key: "stun.listen", address: *address });
    }
    let derive = |address: &SocketAddr| {
        StunServer(format!("stun:{}:{}", public.base_domain, address.port()))
    };
    let own = match &config.stun.advertise {
        Some(server) => server.clone().on(),
        None => listen.first().map(derive),
    };
    Ok(Stun { required: listen != default, listen, own })
}

fn registry(config: &Config) -> Result<Registry, SettingsError> {
    let sessions = config.limits.sessions_per_token;
    if config.dev {
        return Ok(Registry::open(sessions));
    }
    if config.tokens.is_empty() {
        return Err(SettingsError::NoTokens);
    }
    let (mut ids, mut tokens) = (HashSet::new(), Vec::new());
    for TokenConfig { id, sha256, names, max_sessions } in &config.tokens {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if !(1..=64).contains(&id.len()) || !id.bytes().all(plain) {
            return Err(SettingsError::TokenId(id.clone()));
        }
        if !ids.insert(id) {
            return Err(SettingsError::TokenIdTwice(id.clone()));
        }
        let max_sessions = max_sessions.unwrap_or(sessions);
        let grant = Grant { id: id.as_str().into(), names: names.as_slice().into(), max_sessions };
        if let Some((_, other)) = tokens.iter().find(|(hash, _): &&(_, Grant)| hash == sha256) {
            return Err(SettingsError::TokenTwice(other.id.to_string(), id.clone()));
        }
        tokens.push((*sha256, grant));
    }
    Ok(Registry::Tokens(tokens))
}

fn limits(limits: &Limits) -> Result<(), SettingsError> {
    // 256 KiB and 256 fields are what the HTTP engine itself stands by.
    let (least, most) = (ByteSize(1024), ByteSize(256 * 1024));
    within("limits.head_bytes", limits.head_bytes, least, most)?;
    within("limits.fields", limits.fields, 8, 256)?;
    within("limits.exchanges_per_session", limits.exchanges_per_session, 1, 65_535)?;
    within("limits.sessions_per_token", limits.sessions_per_token, 1, u32::MAX)?;
    // A host is told of all of them at once when its link comes back.
    within("limits.signaling_per_session", limits.signaling_per_session, 1, 256)?;
    within("limits.signaling_per_visitor", limits.signaling_per_visitor, 1, 256)?;
    for (key, limit) in [
        ("limits.visitor_connections_per_address", limits.visitor_connections_per_address),
        ("limits.request_rate_per_address", limits.request_rate_per_address),
        ("limits.links_per_address", limits.links_per_address),
        ("limits.signaling_per_address", limits.signaling_per_address),
    ] {
        limit.on().map_or(Ok(()), |limit| within(key, limit, 1, u32::MAX))?;
    }
    Ok(())
}

fn timeouts(timeouts: &Timeouts) -> Result<(), SettingsError> {
    let period = timeouts.heartbeat_period;
    let deadline = timeouts.heartbeat_deadline;
    let day = || spans(86_400_000);
    for (key, span, least) in [
        ("timeouts.heartbeat_period", period, 100),
        ("timeouts.heartbeat_deadline", deadline, 100),
        ("timeouts.resume_wait", timeouts.resume_wait, 0),
        ("timeouts.session_retention", timeouts.session_retention, 1_000),
        ("timeouts.request_head", timeouts.request_head, 100),
        ("timeouts.request_content_idle", timeouts.request_content_idle, 100),
        ("timeouts.response_content_idle", timeouts.response_content_idle, 100),
        ("timeouts.keepalive_idle", timeouts.keepalive_idle, 100),
        ("timeouts.link_handshake", timeouts.link_handshake, 100),
        ("timeouts.drain", timeouts.drain, 0),
        ("timeouts.signaling_heartbeat", timeouts.signaling_heartbeat, 100),
        ("timeouts.signaling_lifetime", timeouts.signaling_lifetime, 100),
    ] {
        within(key, span, spans(least), day())?;
    }
    if let Switch::On(span) = timeouts.response_head {
        within("timeouts.response_head", span, spans(100), day())?;
    }
    if deadline <= period {
        return Err(SettingsError::Heartbeat { period, deadline });
    }
    Ok(())
}

fn spans(milliseconds: u64) -> Span {
    Span(std::time::Duration::from_millis(milliseconds))
}

fn within<T: PartialOrd + fmt::Display>(
    key: &'static str,
    value: T,
    min: T,
    max: T,
) -> Result<(), SettingsError> {
    if value >= min && value <= max {
        return Ok(());
    }
    let [value, min, max] = [value, min, max].map(|number| number.to_string());
    Err(SettingsError::OutOfRange { key, value, min, max })
}

const DEV_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const DEV_TLS_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8443);
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 80);
const TLS_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 443);
const DEV_STUN_LISTEN: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), STUN_PORT),
    SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), STUN_PORT),
];
const STUN_LISTEN: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), STUN_PORT),
    SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), STUN_PORT),
];
/// RFC 8489 §18.6.
const STUN_PORT: u16 = 3478;
const METRICS_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);
