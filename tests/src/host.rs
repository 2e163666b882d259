//! `wingman` under test.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    edge::{Edge, TLS_NAME},
    program::{Program, Signal},
};

/// How a host is started.
#[derive(Clone, Debug, Default)]
pub struct HostOptions {
    name: Option<String>,
    arguments: Vec<String>,
    settings: Vec<(String, String)>,
    state: Option<Arc<TempDir>>,
    edge_port: Option<u16>,
    namespace: Option<String>,
}

impl HostOptions {
    /// Reaches the edge through this port of 127.0.0.1, where a test has put something in between.
    #[must_use]
    pub fn edge_port(mut self, port: u16) -> Self {
        self.edge_port = Some(port);
        self
    }

    /// Runs in this network namespace.
    #[must_use]
    pub fn within_namespace(mut self, name: &str) -> Self {
        self.namespace = Some(name.to_owned());
        self
    }

    /// The session name to ask for.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// One more argument.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Sets a key of the configuration, as `set("heartbeat.period", "500ms")`.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Keeps its state (the resume key) where `other` does: it is the same host to the edge.
    #[must_use]
    pub fn same_state_as(mut self, other: &Host) -> Self {
        self.state = Some(other.state.clone());
        self
    }

    /// Starts it, without waiting for anything.
    pub fn spawn(mut self, edge: &Edge, target: &str) -> Host {
        let state = self
            .state
            .clone()
            .unwrap_or_else(|| Arc::new(tempfile::tempdir().expect("a temporary directory")));
        if edge.ca_file().is_some() {
            self.name.get_or_insert_with(|| TLS_NAME.to_owned());
        }
        let url = self.edge_port.map(|port| format!("http://localhost:{port}"));
        let launch = Launch {
            options: self,
            edge: url.unwrap_or_else(|| edge.url()),
            ca: edge.ca_file(),
            target: target.to_owned(),
        };
        let program = launch.run(&state);
        Host { launch, state, program, url: String::new() }
    }

    /// Starts it and waits until its session is open.
    pub async fn start(self, edge: &Edge, target: &str) -> Host {
        let mut host = self.spawn(edge, target);
        host.ready().await;
        host
    }
}

/// A running host.
#[derive(Debug)]
pub struct Host {
    launch: Launch,
    state: Arc<TempDir>,
    program: Program,
    url: String,
}

#[derive(Clone, Debug)]
struct Launch {
    options: HostOptions,
    edge: String,
    ca: Option<PathBuf>,
    target: String,
}

impl Launch {
    fn run(&self, state: &TempDir) -> Program {
        let namespace = self.options.namespace.as_deref();
        Program::start_within(namespace, "wingman", |command| {
            command.current_dir(state.path());
            command.env("HOME", state.path()).env("XDG_STATE_HOME", state.path());
            command.args([&*self.target, "--edge", &self.edge, "--json", "--no-qr"]);
            if let Some(ca) = &self.ca {
                command.arg("--ca-file").arg(ca);
            }
            if let Some(name) = &self.options.name {
                command.args(["--name", name]);
            }
            command.args(&self.options.arguments);
            for (key, value) in &self.options.settings {
                let variable = key.to_uppercase().replace('.', "__");
                command.env(format!("WINGMAN_{variable}"), value);
            }
        })
    }
}

impl Host {
    /// Shares `target` (a port, or a URL) under a name the edge chooses.
    pub async fn start(edge: &Edge, target: &str) -> Self {
        HostOptions::default().start(edge, target).await
    }

    /// The session's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What visitors send as `Host`: `NAME.localhost:PORT`.
    pub fn authority(&self) -> &str {
        self.url.split_once("://").map_or(&*self.url, |(_, rest)| rest)
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

    /// Events it has printed, from the `first` on.
    pub fn events(&self, first: usize) -> Vec<Value> {
        let lines = self.program.output().since(first);
        let parse = |line: String| {
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a JSON line: {line}"))
        };
        lines.into_iter().map(parse).collect()
    }

    /// Waits for an event of this kind among those from the `first` on; panics after `limit`, or when
    /// the host ends without.
    pub async fn event(&mut self, kind: &str, first: usize, limit: Duration) -> Value {
        let deadline = Instant::now() + limit;
        let mut lines = self.program.output().count.subscribe();
        loop {
            // Looked at first: what it printed before its end is there a moment later.
            let runs = self.program.is_running();
            lines.mark_unchanged();
            if let Some(event) = self.events(first).into_iter().find(|event| event["event"] == kind)
            {
                return event;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if runs {
                assert!(!left.is_zero(), "no event {kind:?} within {limit:?}");
            }
            let nap = left.min(Duration::from_millis(200));
            let more = tokio::time::timeout(nap, lines.changed()).await.is_ok();
            assert!(runs || more, "the host has ended without an event {kind:?}");
        }
    }

    /// Kills it and starts it again, without waiting for its session: the same host to the edge.
    pub async fn kill_and_spawn(&mut self) {
        self.program.kill().await;
        self.spawn_again();
    }

    /// Starts it again after it has ended.
    pub fn spawn_again(&mut self) {
        assert!(!self.program.is_running(), "the host still runs");
        self.program = self.launch.run(&self.state);
    }

    /// Waits until its session is open.
    pub async fn ready(&mut self) -> Value {
        let ready = self.event("ready", 0, Duration::from_secs(15)).await;
        self.url = ready["url"].as_str().expect("ready has a url").to_owned();
        ready
    }
}
