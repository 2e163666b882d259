//! Puts the parts together: configuration, view, origin, link.

use std::{path::PathBuf, sync::Arc};

use tokio::{signal, sync::watch};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder};
use tracing_subscriber::EnvFilter;
use wingman_mux::HeartbeatConfig;
use wingman_wire::control::Pages;

use crate::{
    cli::Cli,
    config::{Config, Environment, Loaded, LogLevel, OriginProtocol},
    exchange::{Runner, Service},
    link::{self, Backoff, EdgeAddress, Identity, Settings, Trust},
    origin::{Client, Options, Protocol},
    peer::{self, Certificate, Peers},
    status::{self, Event, Failure, Reporter, Terminal},
    telemetry::Endpoint,
};

/// Why `wingman` could not go on.
#[derive(Debug)]
pub struct Ended {
    /// To be printed.
    pub failure: Failure,
    /// As JSON.
    pub json: bool,
}

/// Runs `wingman` until the user ends it or it cannot go on; the caller owns the runtime.
///
/// # Errors
/// [`Ended`].
pub async fn run(cli: &Cli) -> Result<(), Ended> {
    let environment = Environment::of_process();
    let loaded = Config::load(cli, &environment)
        .map_err(|failure| Ended { failure: failure.into(), json: cli.json })?;
    let json = loaded.config.json;
    run_as(&loaded, &environment).await.map_err(|failure| Ended { failure, json })
}

async fn run_as(loaded: &Loaded, environment: &Environment) -> Result<(), Failure> {
    let config = &loaded.config;
    let options = status::Options::for_stdout(config.json, config.qr, config.log_query, terminal());
    let reporter = Reporter::start(options).map_err(|error| Failure::Other {
        doing: "Starting the view".into(),
        cause: error.into(),
    })?;
    // Lines go through a bounded queue to a thread: a terminal that is stopped must not stop exchanges.
    let queue = NonBlockingBuilder::default().buffered_lines_limit(LOG_LINES);
    let (log, log_flushed) = queue.finish(reporter.log_writer());
    start_log(config, log);
    let ended = share(loaded, environment, &reporter).await;
    if ended.is_ok() {
        reporter.report(Event::Closing { reason: "stopped by the user".into() });
    }
    reporter.finish().await;
    drop(log_flushed);
    ended
}

/// Lines of the log that may wait. Each has its place in memory from the start, and the default of 128,000 takes 4 MB.
const LOG_LINES: usize = 1_024;

async fn share(
    loaded: &Loaded,
    environment: &Environment,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let config = &loaded.config;
    for message in &loaded.warnings {
        reporter.report(Event::Warning { message: message.clone() });
    }
    let endpoint = match config.metrics {
        Some(address) => Endpoint::bind(address).await.map_err(|error| Failure::Other {
            doing: format!("Listening for Prometheus on {address}"),
            cause: error.into(),
        })?,
        None => Endpoint::none(),
    };
    let client = client(loaded)?;
    let target = client.target().origin().to_owned();
    client.probe().await?;
    let identity = identity(loaded, environment, &target)?;
    let service = Service::new(client, config.host_header.clone());
    let runner = Arc::new(Runner::new(service, target.clone(), reporter.clone()));
    let peers = peers(loaded, environment, &runner, reporter);
    let settings = Settings {
        edge: EdgeAddress {
            url: config.edge.to_string(),
            link_url: config.edge.link_url(),
            token: loaded.token.clone(),
            trust: Trust::new(config.ca_file.as_deref())?,
        },
        name: config.name.clone(),
        identity,
        max_exchanges: config.limits.exchanges,
        heartbeat: HeartbeatConfig {
            period: config.heartbeat.period,
            deadline: config.heartbeat.deadline,
        },
        backoff: Backoff { initial: config.reconnect.initial, cap: config.reconnect.cap },
        exit_on_disconnect: config.exit_on_disconnect,
        target,
        pages: pages(config, peers.is_some()),
        peers,
    };
    let (stop, stopped) = watch::channel(false);
    let keep = link::keep(settings, runner, reporter.clone(), stopped);
    tokio::pin!(keep);
    tokio::select! {
        ended = &mut keep => return ended,
        () = endpoint.serve(reporter.metrics()) => {}
        () = interrupted() => {}
    }
    // From here `keep` says goodbye; a second signal does not wait for it.
    let _ = stop.send(true);
    tokio::select! {
        ended = keep => ended,
        () = interrupted() => Ok(()),
    }
}

/// What pages may do; `None`: documents stay as they are.
fn pages(config: &Config, direct: bool) -> Option<Pages> {
    let pages = Pages {
        direct,
        badge: config.badge,
        timeout_ms: config.p2p_timeout_ms,
        relay_only_paths: config.relay_only_paths.iter().map(ToString::to_string).collect(),
        stun_servers: config.stun_servers.iter().map(ToString::to_string).collect(),
    };
    (config.inject && (direct || config.badge)).then_some(pages)
}

/// Where pages connect directly. A machine where that cannot be shares by the relay all the same.
fn peers(
    loaded: &Loaded,
    environment: &Environment,
    runner: &Arc<Runner>,
    reporter: &Reporter,
) -> Option<Peers> {
    let config = &loaded.config;
    if !config.p2p_enabled || !config.inject {
        return None;
    }
    let warn = |doing: &str, error: &dyn std::error::Error| {
        reporter.report(Event::Warning { message: format!("{doing}: {error}") });
    };
    let kept = match state_directory(environment) {
        Some(directory) => Certificate::load(&directory),
        None => Certificate::fresh(),
    };
    let certificate = kept.or_else(|error| {
        warn("The certificate of the direct path is a new one", &error);
        Certificate::fresh()
    });
    let certificate = match certificate {
        Ok(certificate) => certificate,
        Err(error) => {
            warn("All visitors go by the relay", &error);
            return None;
        }
    };
    let settings = peer::Settings {
        certificate,
        loopback: config.edge.is_loopback(),
        stun_servers: config.stun_servers.iter().map(ToString::to_string).collect(),
        max_peers: config.limits.peers as usize,
        max_peers_of_visitor: config.limits.peers_per_visitor as usize,
        max_exchanges: config.limits.exchanges_per_peer,
    };
    Peers::start(settings, runner.clone(), reporter.clone())
        .inspect_err(|error| warn("All visitors go by the relay: no UDP", error))
        .ok()
}

fn client<B>(loaded: &Loaded) -> Result<Client<B>, Failure>
where
    B: http_body::Body<Data = bytes::Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let config = &loaded.config;
    let options = Options {
        protocol: match config.origin_protocol {
            OriginProtocol::Auto => Protocol::Auto,
            OriginProtocol::Http1 => Protocol::Http1,
            OriginProtocol::H2c => Protocol::H2c,
        },
        insecure: config.insecure,
        connect_deadline: config.origin.connect_timeout,
        head_deadline: Some(config.origin.head_timeout),
        ..Options::default()
    };
    Client::new(loaded.target.clone(), options)
        .map_err(|error| Failure::of_tls_setup(&loaded.target, error))
}

/// The URL survives a restart if there is a place to keep the key; without a home it lives as long as
/// the process.
fn identity(loaded: &Loaded, environment: &Environment, target: &str) -> Result<Identity, Failure> {
    let Some(directory) = state_directory(environment) else { return Ok(Identity::fresh()) };
    let what = loaded.config.name.as_deref().unwrap_or(target);
    Identity::load(&directory, &loaded.config.edge.to_string(), what).map_err(|error| {
        Failure::Other { doing: "Reading the kept session".into(), cause: error.into() }
    })
}

fn state_directory(environment: &Environment) -> Option<PathBuf> {
    let variable = |name: &str| {
        environment.variables.get(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    };
    let state = variable("XDG_STATE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".local").join("state")))?;
    Some(state.join("wingman"))
}

/// What std does not know of the terminal and the clock.
fn terminal() -> Terminal {
    Terminal {
        width: || terminal_size::terminal_size().map(|(width, _)| width.0),
        utc_offset: |time| chrono::DateTime::<chrono::Local>::from(time).offset().local_minus_utc(),
    }
}

fn start_log(config: &Config, writer: NonBlocking) {
    // A second subscriber exists only in tests that run the app twice.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(log_directives(config.log_level)))
        .with_writer(move || writer.clone())
        .with_target(false)
        .try_init();
}

/// The WebRTC crates log the addresses of visitors, and as errors what is every day's business: a page that is gone.
fn log_directives(level: LogLevel) -> String {
    let level = level.as_str();
    // At `trace` tungstenite writes out the link's request, with the token in it, and what its frames carry.
    let quiet = "tungstenite=off,tokio_tungstenite=off";
    match level {
        "debug" | "trace" => format!("{level},{quiet}"),
        _ => format!("{level},{quiet},webrtc=off,rtc=off"),
    }
}

/// Ctrl-C, or the signal by which a supervisor ends a process.
async fn interrupted() {
    #[cfg(unix)]
    {
        use signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = signal::ctrl_c().await;
}
