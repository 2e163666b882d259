//! Start-up and shutdown: Pingora's server with our services.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::{
    apps::HttpServerOptions,
    listeners::{ListenerConfig, TcpSocketOptions, tls::TlsSettings},
    protocols::{TcpKeepalive, http::v2::server::H2Options, l4::stream::L4BufferSettings},
    proxy::{HttpProxy, http_proxy},
    server::{RunArgs, Server, ShutdownWatch, configuration::ServerConf},
    services::{
        background::{BackgroundService, background_service},
        listening::Service,
    },
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::{interval, sleep, timeout},
};
use wingman_mux::HeartbeatConfig;
use wingman_telemetry::answer;
use wingman_wire::code::CloseCode;

use super::{
    Gateway,
    door::{Deadlines, Door, Front, Gate},
    rate::RequestRate,
    stun::{self, StunService},
};
use crate::{
    certs::{CertError, Certificates},
    config::Settings,
    link::{LinkLimits, LinkServer, Places},
    pages::Pages,
    scripts::Scripts,
    session::{Registry, RegistryLimits},
    signaling::{SignalingServer, SocketLimits},
    telemetry::{Metrics, SessionEnd},
    visitors::VisitorCookie,
};

/// Buffers of a visitor's connection; Pingora's default to read is 64 KiB for each idle visitor. Reading needs
/// none: whoever reads has a buffer. Writing needs room for the head and content of a small response, so that
/// they leave together.
const READ_BUFFER: usize = 0;
const WRITE_BUFFER: usize = 2 * 1024;

/// Upload window of HTTP/2 streams and connections; h2's default of 64 KiB is slow over distance.
const H2_STREAM_WINDOW: u32 = 1024 * 1024;
const H2_CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// Why the edge cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The certificate.
    #[error("TLS certificate")]
    Certificate(#[from] CertError),
    /// An address is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// Pingora refuses.
    #[error("cannot start the server: {0}")]
    Pingora(String),
}

/// Serves until a signal ends the process's work: SIGTERM and SIGINT drain, SIGINT faster.
///
/// # Errors
/// [`StartError`]; once it serves it does not fail.
pub fn run(mut settings: Settings) -> Result<(), StartError> {
    let stun = stun::bind(&settings)?;
    settings.advertise_stun(stun.port());
    let settings = Arc::new(settings);
    let addresses = settings.tls.iter().flat_map(|tls| &tls.listen).chain(&settings.listen);
    for address in addresses.chain(&settings.metrics) {
        // Pingora panics in a service's thread when it cannot listen; ask first.
        std::net::TcpListener::bind(address)
            .map_err(|cause| StartError::Listen { address: *address, cause })?;
    }
    let certificates = settings
        .tls
        .as_ref()
        .map(|tls| Certificates::load(&tls.cert, &tls.key).map(Arc::new))
        .transpose()?;
    let mut server = Server::new_with_opt_and_conf(None, configuration(&settings));
    server.bootstrap();
    let metrics = Arc::new(Metrics::new());
    let sessions = Arc::new(Registry::new(
        RegistryLimits {
            retention: settings.timeouts.session_retention.0,
            waiting: 2 * settings.limits.exchanges_per_session as usize,
        },
        metrics.clone(),
    ));
    let shutting_down = Arc::new(AtomicBool::new(false));
    let gateway = Gateway {
        links: Arc::new(LinkServer {
            registry: sessions.clone(),
            public: settings.public.clone(),
            limits: link_limits(&settings),
            direct: settings.direct.clone(),
            metrics: metrics.clone(),
            tasks: Mutex::default(),
        }),
        pages: Pages::new(&settings.public.edge_url(), !settings.registry.is_open()),
        sessions: sessions.clone(),
        metrics: metrics.clone(),
        shutting_down: shutting_down.clone(),
        signaling: Arc::new(SignalingServer::new(
            SocketLimits {
                heartbeat: settings.timeouts.signaling_heartbeat.0,
                lifetime: settings.timeouts.signaling_lifetime.0,
            },
            metrics.clone(),
        )),
        signaling_places: Places::new(settings.limits.signaling_per_address.on()),
        scripts: Scripts::new(),
        cookie: VisitorCookie::of(settings.public.scheme),
        link_places: Places::new(settings.limits.links_per_address.on()),
        request_rate: settings.limits.request_rate_per_address.on().map(RequestRate::new),
        settings: settings.clone(),
    };
    server.add_service(visitors(&server, gateway, certificates.clone())?);
    server.add_service(background_service(
        "housekeeping",
        Housekeeping {
            sessions,
            metrics: metrics.clone(),
            certificates,
            shutting_down,
            drain: settings.timeouts.drain.0,
        },
    ));
    if let Some(address) = settings.metrics {
        server.add_service(background_service(
            "metrics",
            MetricsEndpoint { address, metrics: metrics.clone() },
        ));
    }
    if !stun.is_empty() {
        server.add_service(background_service("stun", StunService::new(stun, metrics)));
    }
    announce(&settings);
    server.run(RunArgs::default());
    Ok(())
}

fn announce(settings: &Settings) {
    for address in &settings.listen {
        tracing::info!(%address, "listening for HTTP");
    }
    for address in settings.tls.iter().flat_map(|tls| &tls.listen) {
        tracing::info!(%address, "listening for HTTPS");
    }
    tracing::info!(servers = ?settings.direct.stun_servers, "STUN servers for pages and hosts");
    tracing::info!(url = settings.public.edge_url(), dev = settings.dev, "wingman-edge is up");
}

fn configuration(settings: &Settings) -> ServerConf {
    ServerConf {
        threads: settings.threads.get(),
        // Pingora sleeps this long after a signal before it ends its runtimes; draining is ours.
        grace_period_seconds: Some(settings.timeouts.drain.0.as_secs()),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    }
}

fn link_limits(settings: &Settings) -> LinkLimits {
    LinkLimits {
        handshake: settings.timeouts.link_handshake.0,
        max_exchanges: settings.limits.exchanges_per_session as usize,
        heartbeat: HeartbeatConfig {
            period: settings.timeouts.heartbeat_period.0,
            deadline: settings.timeouts.heartbeat_deadline.0,
        },
    }
}

fn visitors(
    server: &Server,
    gateway: Gateway,
    certificates: Option<Arc<Certificates>>,
) -> Result<Service<Door>, StartError> {
    let settings = gateway.settings.clone();
    let metrics = gateway.metrics.clone();
    let timeouts = &settings.timeouts;
    let mut proxy: HttpProxy<Gateway> = http_proxy(&server.configuration, gateway);
    let mut options = HttpServerOptions::default();
    options.h2_idle_timeout = Some(timeouts.keepalive_idle.0);
    proxy.server_options = Some(options);
    let mut h2 = H2Options::new();
    h2.initial_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(settings.limits.head_bytes.0).unwrap_or(u32::MAX))
        .max_concurrent_streams(100);
    proxy.h2_options = Some(h2);
    let gate = Arc::new(Gate {
        trusted: settings.trusted_proxies.clone(),
        places: Places::new(settings.limits.visitor_connections_per_address.on()),
    });
    let deadlines = Deadlines { head: timeouts.request_head.0, idle: timeouts.keepalive_idle.0 };
    let front = Arc::new(Front::new(Arc::new(proxy), deadlines));
    let door = Door { front, metrics, gate: gate.clone() };
    let mut service = Service::new("visitors".to_owned(), door);
    service.endpoints().set_pre_tls_callback(gate);
    for address in &settings.listen {
        service.add_listener(listener(address));
    }
    if let (Some(tls), Some(certificates)) = (&settings.tls, certificates) {
        for address in &tls.listen {
            let mut tls = TlsSettings::intermediate("", "")
                .map_err(|error| StartError::Pingora(error.to_string()))?;
            tls.set_cert_resolver(certificates.clone());
            tls.enable_h2();
            service.add_listener(listener(address).tls(tls));
        }
    }
    Ok(service)
}

fn listener(address: &std::net::SocketAddr) -> ListenerConfig {
    let mut options = TcpSocketOptions::default();
    // Finds visitors that vanished without a word while nothing is sent to them.
    options.tcp_keepalive = Some(TcpKeepalive {
        idle: Duration::from_secs(60),
        interval: Duration::from_secs(15),
        count: 4,
        #[cfg(target_os = "linux")]
        user_timeout: Duration::ZERO,
    });
    ListenerConfig::tcp(address.to_string())
        .tcp_socket_options(options)
        .l4_buffer(L4BufferSettings::new(READ_BUFFER, WRITE_BUFFER))
}

/// What goes on besides requests.
struct Housekeeping {
    sessions: Arc<Registry>,
    metrics: Arc<Metrics>,
    certificates: Option<Arc<Certificates>>,
    shutting_down: Arc<AtomicBool>,
    drain: Duration,
}

#[async_trait]
impl BackgroundService for Housekeeping {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let watch = async {
            let watched = match self.certificates.clone() {
                Some(certificates) => certificates.watch().await,
                None => ignore_hangups().await,
            };
            if let Err(error) = watched {
                tracing::error!(%error, "SIGHUP is not handled");
            }
            std::future::pending::<()>().await;
        };
        let sweep = async {
            let mut ticks = interval(Duration::from_secs(5));
            loop {
                ticks.tick().await;
                self.sessions.sweep(Instant::now());
            }
        };
        tokio::select! {
            () = watch => {}
            () = sweep => {}
            () = requested(&mut shutdown) => {}
        }
        self.drain().await;
        // Pingora would sleep for the rest of the grace period; a restart waits for this process.
        std::process::exit(0);
    }
}

/// The signal to reload ends a process that does not ask for it; without TLS there is nothing to reload.
async fn ignore_hangups() -> std::io::Result<()> {
    let mut hangups = signal(SignalKind::hangup())?;
    while hangups.recv().await.is_some() {}
    Ok(())
}

/// Waits until the server shuts down.
pub(super) async fn requested(shutdown: &mut ShutdownWatch) {
    // An error means that the server is gone.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

impl Housekeeping {
    /// Running exchanges have until the end of the grace period; then hosts are told to come again.
    async fn drain(&self) {
        self.shutting_down.store(true, Ordering::Relaxed);
        tracing::info!("shutting down");
        let deadline = Instant::now() + self.drain.saturating_sub(FAREWELL);
        while self.metrics.exchanges_in_flight.value() > 0 && Instant::now() < deadline {
            sleep(Duration::from_millis(20)).await;
        }
        self.sessions.close_signaling();
        for link in self.sessions.links() {
            link.close(CloseCode::Restarting, "the edge restarts");
        }
        self.metrics.sessions_closed.get(SessionEnd::Shutdown).add(self.sessions.len() as u64);
        let farewell = Instant::now() + FAREWELL;
        while self.metrics.links.value() > 0 && Instant::now() < farewell {
            sleep(Duration::from_millis(20)).await;
        }
        // For the last bytes of exchanges that have just ended.
        sleep(Duration::from_millis(50)).await;
    }
}

/// Left of the grace period for closing links.
const FAREWELL: Duration = Duration::from_millis(500);

/// Prometheus's endpoint: `GET /metrics`, on an address of its own where no session can be.
struct MetricsEndpoint {
    address: std::net::SocketAddr,
    metrics: Arc<Metrics>,
}

#[async_trait]
impl BackgroundService for MetricsEndpoint {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let listener = match TcpListener::bind(self.address).await {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, address = %self.address, "no metrics endpoint");
                return;
            }
        };
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = requested(&mut shutdown) => return,
            };
            if let Ok((stream, _)) = accepted {
                // One scrape at a time: it is for one Prometheus, and a slow one is cut.
                let answer = answer(stream, self.metrics.exposition());
                let _ = timeout(SCRAPE_DEADLINE, answer).await;
            }
        }
    }
}

const SCRAPE_DEADLINE: Duration = Duration::from_secs(2);
