//! `wingman-edge` under test.

use std::{path::PathBuf, time::Duration};

use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};

use crate::{
    metrics::Metrics,
    program::{Program, Signal, free_port},
    time::{soon, until},
    wire::Wire,
};

/// How an edge is started; `EdgeOptions::default()` is `wingman-edge --dev` on free ports.
#[derive(Clone, Debug, Default)]
pub struct EdgeOptions {
    tls: bool,
    settings: Vec<(String, String)>,
}

impl EdgeOptions {
    /// Sets a key of the configuration, as `set("timeouts.resume_wait", "1s")`.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Also listens for HTTPS (with HTTP/2), with a certificate made for it; see [`Edge::ca_file`]. It is
    /// good for one session, `app.localhost`, which a host without a name of its own asks for then.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Starts it and waits until it serves.
    pub async fn start(self) -> Edge {
        let mut directory = tempfile::tempdir().expect("a temporary directory");
        if self.tls {
            // Clients refuse a wildcard right below a top-level domain: one session has a name.
            let names = ["localhost".to_owned(), format!("{TLS_NAME}.localhost")];
            let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
            let write = |name: &str, text: String| {
                std::fs::write(directory.path().join(name), text).expect("is writable");
            };
            write("cert.pem", made.cert.pem());
            write("key.pem", made.signing_key.serialize_pem());
        }
        // Another process may take a port between the look and the use.
        for _ in 0..3 {
            let ports = Ports { http: free_port(), https: free_port(), metrics: free_port() };
            let program = run(&self, &directory, ports);
            let mut edge = Edge { options: self.clone(), directory, ports, program };
            if edge.ready().await {
                return edge;
            }
            if !edge.program.log().contains("cannot listen") {
                panic!("the edge does not start:\n{}", edge.program.log());
            }
            directory = edge.directory;
        }
        panic!("no free ports for an edge");
    }
}

/// A running edge, in development mode, with base domain `localhost`.
#[derive(Debug)]
pub struct Edge {
    options: EdgeOptions,
    directory: TempDir,
    ports: Ports,
    program: Program,
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    http: u16,
    https: u16,
    metrics: u16,
}

impl Edge {
    /// `wingman-edge --dev`.
    pub async fn start() -> Self {
        EdgeOptions::default().start().await
    }

    /// The port for HTTP.
    pub fn port(&self) -> u16 {
        self.ports.http
    }

    /// The port for HTTPS, of an edge with TLS.
    pub fn https_port(&self) -> u16 {
        assert!(self.options.tls, "this edge has no TLS");
        self.ports.https
    }

    /// The port for Prometheus.
    pub fn metrics_port(&self) -> u16 {
        self.ports.metrics
    }

    /// What hosts give to `--edge`.
    pub fn url(&self) -> String {
        if self.options.tls {
            format!("https://localhost:{}", self.ports.https)
        } else {
            format!("http://localhost:{}", self.ports.http)
        }
    }

    /// The certificate to trust, of an edge with TLS.
    pub fn ca_file(&self) -> Option<PathBuf> {
        self.options.tls.then(|| self.directory.path().join("cert.pem"))
    }

    /// A new visitor's connection, plain HTTP/1.1.
    pub async fn visit(&self) -> Wire<TcpStream> {
        let stream = soon(TcpStream::connect(("127.0.0.1", self.ports.http))).await;
        Wire::new(stream.expect("the edge listens"))
    }

    /// A visitor at another address of this machine: 127.0.0.`last`.
    pub async fn visit_from(&self, last: u8) -> Wire<TcpStream> {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, last], 0).into()).expect("is this machine's");
        let stream = soon(socket.connect(([127, 0, 0, 1], self.ports.http).into())).await;
        Wire::new(stream.expect("the edge listens"))
    }

    /// What it counts.
    pub async fn metrics(&self) -> Metrics {
        soon(Metrics::scrape(self.ports.metrics)).await.expect("the edge tells its metrics")
    }

    /// The process.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.program.signal(signal);
    }

    /// Starts it again after it has ended, on the same ports, and waits until it serves.
    pub async fn start_again(&mut self) {
        assert!(!self.program.is_running(), "the edge still runs");
        self.program = run(&self.options, &self.directory, self.ports);
        assert!(self.ready().await, "the edge does not start again:\n{}", self.program.log());
    }

    async fn ready(&mut self) -> bool {
        let Self { program, ports, .. } = self;
        let listens = async |port| TcpStream::connect(("127.0.0.1", port)).await.is_ok();
        let mut ended = false;
        until("the edge serves", Duration::from_secs(15), async || {
            ended = !program.is_running();
            ended || (listens(ports.http).await && listens(ports.metrics).await)
        })
        .await;
        !ended
    }
}

/// The session that the certificate is for.
pub(crate) const TLS_NAME: &str = "app";

fn run(options: &EdgeOptions, directory: &TempDir, ports: Ports) -> Program {
    Program::start("wingman-edge", |command| {
        command.current_dir(directory.path()).arg("--dev");
        command.args(["--listen", &format!("127.0.0.1:{}", ports.http)]);
        command.args(["--metrics", &format!("127.0.0.1:{}", ports.metrics)]);
        let mut set = |key: &str, value: &str| {
            let variable = key.to_uppercase().replace('.', "__");
            command.env(format!("WINGMAN_EDGE_{variable}"), value);
        };
        if options.tls {
            set("tls.listen", &format!("127.0.0.1:{}", ports.https));
            set("tls.cert", &directory.path().join("cert.pem").to_string_lossy());
            set("tls.key", &directory.path().join("key.pem").to_string_lossy());
        }
        // Each edge of a test has its own port, whatever else runs here.
        set("stun.listen", "127.0.0.1:0");
        for (key, value) in &options.settings {
            set(key, value);
        }
    })
}
