//! A program under test: started, watched, sent signals, and never left behind.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
};

use crate::time::within;

/// Lines of output kept for a test that fails.
const KEPT_LINES: usize = 200;

/// A running program.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    pid: u32,
    output: Output,
}

/// Signals that tests send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// What supervisors send.
    Terminate,
    /// Reload.
    Hangup,
    /// No time for last words.
    Kill,
    /// Freeze.
    Stop,
    /// Thaw.
    Continue,
}

/// What a program has said; clones see the same.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    /// Everything, newest last, for people.
    log: Arc<Mutex<VecDeque<String>>>,
    /// Standard output, for programs.
    stdout: Arc<Mutex<Vec<String>>>,
    /// Lines of `stdout` so far.
    pub(crate) count: watch::Sender<usize>,
}

impl Program {
    /// Starts `binary` (a name below the directory of binaries, or a path) with nothing of the test's
    /// own environment but `PATH` and what `command` sets.
    pub fn start(binary: &str, prepare: impl FnOnce(&mut Command)) -> Self {
        Self::start_within(None, binary, prepare)
    }

    /// As [`Program::start`], in a network namespace if one is named.
    pub fn start_within(
        namespace: Option<&str>,
        binary: &str,
        prepare: impl FnOnce(&mut Command),
    ) -> Self {
        let path = if binary.contains('/') { PathBuf::from(binary) } else { find(binary) };
        let mut command = match namespace {
            // It becomes the program: signals reach that.
            Some(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name]).arg(&path);
                command
            }
            None => Command::new(&path),
        };
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        prepare(&mut command);
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", path.display()));
        let output =
            Output { log: Arc::default(), stdout: Arc::default(), count: watch::Sender::new(0) };
        // Unless `prepare` has sent it elsewhere.
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(follow(stdout, output.clone(), true));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(follow(stderr, output.clone(), false));
        }
        let pid = child.id().expect("has just started");
        Self { name: binary.to_owned(), child, pid, output }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Lines of its standard output so far.
    pub fn stdout(&self) -> Vec<String> {
        lock(&self.output.stdout).clone()
    }

    /// Everything it has printed lately, both outputs.
    pub fn log(&self) -> String {
        lock(&self.output.log).iter().fold(String::new(), |all, line| all + line + "\n")
    }

    pub(crate) fn output(&self) -> &Output {
        &self.output
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("is our child").is_none()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let raw = rustix::process::Pid::from_raw(i32::try_from(self.pid).expect("a pid"));
        let signal = match signal {
            Signal::Interrupt => rustix::process::Signal::INT,
            Signal::Terminate => rustix::process::Signal::TERM,
            Signal::Hangup => rustix::process::Signal::HUP,
            Signal::Kill => rustix::process::Signal::KILL,
            Signal::Stop => rustix::process::Signal::STOP,
            Signal::Continue => rustix::process::Signal::CONT,
        };
        rustix::process::kill_process(raw.expect("is not 0"), signal)
            .unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.name));
    }

    /// Its exit status; panics when it does not end within `limit`.
    pub async fn ended(&mut self, limit: Duration) -> ExitStatus {
        within(limit, self.child.wait()).await.expect("is our child")
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("is our child");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {} (pid {}) ---\n{}---", self.name, self.pid, self.log());
        }
    }
}

async fn follow(from: impl AsyncRead + Unpin, output: Output, is_stdout: bool) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        {
            let mut log = lock(&output.log);
            if log.len() == KEPT_LINES {
                log.pop_front();
            }
            log.push_back(line.clone());
        }
        if is_stdout {
            lock(&output.stdout).push(line);
            output.count.send_modify(|count| *count += 1);
        }
    }
}

impl Output {
    /// The lines of standard output from `first` on.
    pub(crate) fn since(&self, first: usize) -> Vec<String> {
        lock(&self.stdout).get(first..).unwrap_or_default().to_vec()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn find(binary: &str) -> PathBuf {
    let directory = std::env::var_os("WINGMAN_BIN_DIR").map(PathBuf::from).unwrap_or_else(|| {
        let test = std::env::current_exe().expect("the test has a path");
        // target/PROFILE/deps/TEST
        test.ancestors().nth(2).map(Path::to_owned).expect("tests are below target/")
    });
    let path = directory.join(binary);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build -p wingman-edge -p wingman-host` first, or point \
         WINGMAN_BIN_DIR to the binaries",
        path.display()
    );
    warn_if_stale(&path);
    path
}

/// Says so when sources are newer than the binary: the commonest reason for a test that should pass.
fn warn_if_stale(binary: &Path) {
    let modified = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut directories: Vec<PathBuf> =
        ["proxy/src", "p2p-host/src", "crates"].iter().map(|path| root.join(path)).collect();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs")
                && modified(&path) > modified(binary)
            {
                eprintln!("{} is older than {}: build it", binary.display(), path.display());
                return;
            }
        }
    }
}

/// A port of 127.0.0.1 where nothing listens, out of the range that the kernel gives to connections:
/// a program that is restarted gets it again.
pub fn free_port() -> u16 {
    for _ in 0..1000 {
        let port = rand::random_range(11_000..32_000);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}
