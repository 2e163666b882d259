//! What stands between a client and the origin.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tokio::{process::Command, time::sleep};

use crate::{
    child::Child,
    client::Client,
    origin::{File, free_address},
    proc,
    tool::Tools,
};

/// Which peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The origin alone.
    Origin,
    /// A plain Pingora reverse proxy: what ratios are against.
    Plain,
    /// Edge and host.
    Wingman,
    /// Copies TCP connections, a new pair for each.
    Bore,
    /// The same with connections made beforehand.
    Rathole,
}

impl Kind {
    /// In the order of tables.
    pub const ALL: [Self; 5] =
        [Self::Origin, Self::Plain, Self::Wingman, Self::Bore, Self::Rathole];

    /// Its name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Plain => "plain",
            Self::Wingman => "wingman",
            Self::Bore => "bore",
            Self::Rathole => "rathole",
        }
    }
}

/// One peer that runs, with the origin behind it.
#[derive(Debug)]
pub struct Peer {
    kind: Kind,
    address: SocketAddr,
    host: String,
    /// Empty for the origin, which the run owns.
    children: Vec<Child>,
    /// Processes that its cost is counted for.
    counted: Vec<(&'static str, u32)>,
}

impl Peer {
    /// The origin itself.
    pub fn origin(address: SocketAddr, origin: &Child) -> Self {
        Self {
            kind: Kind::Origin,
            address,
            host: address.to_string(),
            children: Vec::new(),
            counted: vec![(origin.role(), origin.pid())],
        }
    }

    /// Starts a peer in front of `origin`; the files it needs go to `directory`.
    ///
    /// # Errors
    /// A program is missing, ends at once or does not become ready. For [`Kind::Origin`] always.
    pub async fn start(
        kind: Kind,
        tools: &Tools,
        origin: SocketAddr,
        directory: &Path,
    ) -> Result<Self> {
        tools.check(kind)?;
        let (address, host, children) = match kind {
            Kind::Origin => bail!("the origin is started by itself"),
            Kind::Plain => plain(tools, origin, directory)?,
            Kind::Wingman => wingman(tools, origin, directory).await?,
            Kind::Bore => bore(tools, origin, directory).await?,
            Kind::Rathole => rathole(tools, origin, directory)?,
        };
        let counted = children.iter().map(|child| (child.role(), child.pid())).collect();
        let mut peer = Self { kind, address, host, children, counted };
        peer.listens().await.with_context(|| format!("{} did not start", kind.name()))?;
        Ok(peer)
    }

    /// Which.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What they put into `Host`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its processes by role.
    pub fn processes(&self) -> &[(&'static str, u32)] {
        &self.counted
    }

    /// CPU time of each process so far.
    ///
    /// # Errors
    /// One is gone.
    pub fn cpu(&self) -> Result<Vec<(&'static str, Duration)>> {
        self.each(proc::cpu)
    }

    /// Resident memory of each process now, in kB.
    ///
    /// # Errors
    /// One is gone.
    pub fn resident(&self) -> Result<Vec<(&'static str, u64)>> {
        self.each(proc::resident)
    }

    /// The most resident memory of each process so far, in kB.
    ///
    /// # Errors
    /// One is gone.
    pub fn peak(&self) -> Result<Vec<(&'static str, u64)>> {
        self.each(proc::peak)
    }

    fn each<T>(&self, of: impl Fn(u32) -> std::io::Result<T>) -> Result<Vec<(&'static str, T)>> {
        let one = |&(role, pid): &(&'static str, u32)| {
            let value =
                of(pid).with_context(|| format!("{}'s {role} is gone", self.kind.name()))?;
            Ok((role, value))
        };
        self.counted.iter().map(one).collect()
    }

    /// Waits until the origin's small file comes through.
    ///
    /// # Errors
    /// It does not, in time.
    pub async fn serves_files(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY;
        loop {
            let (address, host) = (self.address, self.host.clone());
            let asked = tokio::task::spawn_blocking(move || {
                Client::connect(address, &host)?.get(File::Small.target())
            });
            let problem = match asked.await? {
                Ok(got) if got.status == 200 && got.content == File::Small.length() => {
                    return Ok(());
                }
                Ok(got) => format!("status {}, {} bytes", got.status, got.content),
                Err(error) => error.to_string(),
            };
            self.check()?;
            if Instant::now() > deadline {
                bail!("{} does not serve the origin's files: {problem}", self.kind.name());
            }
            sleep(PAUSE).await;
        }
    }

    /// Whether all of it still runs.
    ///
    /// # Errors
    /// Something has ended.
    pub fn check(&mut self) -> Result<()> {
        self.children.iter_mut().try_for_each(Child::check)
    }

    /// Ends it.
    pub async fn stop(self) {
        for child in self.children.into_iter().rev() {
            child.stop().await;
        }
    }

    async fn listens(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY;
        loop {
            self.check()?;
            match tokio::net::TcpStream::connect(self.address).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(_) => sleep(PAUSE).await,
            }
        }
    }
}

type Started = (SocketAddr, String, Vec<Child>);

fn plain(tools: &Tools, origin: SocketAddr, directory: &Path) -> Result<Started> {
    let address = free_address()?;
    let mut command = Command::new(tools.built("plain-pingora")?);
    command.arg(address.to_string()).arg(origin.to_string()).stdout(Stdio::null());
    let child = Child::spawn("plain", &mut command, directory)?;
    Ok((address, address.to_string(), vec![child]))
}

/// Limits that would only bound the bench are lifted: everything comes from one address.
async fn wingman(tools: &Tools, origin: SocketAddr, directory: &Path) -> Result<Started> {
    let address = free_address()?;
    let mut command = Command::new(tools.built("wingman-edge")?);
    command
        .args(["--dev", "--metrics", "off", "--log-level", "warn", "--listen"])
        .arg(address.to_string())
        .env("WINGMAN_EDGE_LIMITS__VISITOR_CONNECTIONS_PER_ADDRESS", "off")
        .env("WINGMAN_EDGE_LIMITS__LINKS_PER_ADDRESS", "off")
        .env("WINGMAN_EDGE_LIMITS__SESSIONS_PER_TOKEN", "100000")
        .env("WINGMAN_EDGE_LIMITS__EXCHANGES_PER_SESSION", EXCHANGES)
        .stdout(Stdio::null());
    let edge = Child::spawn("edge", &mut command, directory)?;
    let state = tempfile::tempdir_in(directory)?.keep();
    let mut command = Command::new(tools.built("wingman")?);
    command
        .arg(origin.port().to_string())
        .args(["--name", "bench", "--json", "--no-qr", "--edge"])
        .arg(format!("http://localhost:{}", address.port()))
        .env("HOME", &state)
        .env("XDG_STATE_HOME", &state)
        .env("XDG_CONFIG_HOME", &state)
        .env("WINGMAN_LIMITS__EXCHANGES", EXCHANGES)
        .stdout(Stdio::piped());
    wait_for(address).await.context("the edge does not listen")?;
    let mut host = Child::spawn("host", &mut command, directory)?;
    let url = host.line(READY, ready_url).await?;
    let authority = url.strip_prefix("http://").context("the session is not http")?;
    Ok((address, authority.trim_end_matches('/').to_owned(), vec![edge, host]))
}

fn ready_url(line: &str) -> Option<String> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    if event.get("event")? != "ready" {
        return None;
    }
    Some(event.get("url")?.as_str()?.to_owned())
}

/// Its control port cannot be chosen.
const BORE_CONTROL: u16 = 7835;

async fn bore(tools: &Tools, origin: SocketAddr, directory: &Path) -> Result<Started> {
    let control = SocketAddr::from((Ipv4Addr::LOCALHOST, BORE_CONTROL));
    TcpListener::bind(control).with_context(|| format!("bore needs {control}"))?;
    let program = tools.installed("bore")?;
    let address = free_address()?;
    let mut command = Command::new(&program);
    command.args(["server", "--bind-addr", "127.0.0.1"]).stdout(Stdio::null());
    let server = Child::spawn("bore-server", &mut command, directory)?;
    wait_for(control).await.context("bore's server does not listen")?;
    let mut command = Command::new(&program);
    command
        .args(["local", "--local-host", "127.0.0.1", "--to", "127.0.0.1", "--port"])
        .arg(address.port().to_string())
        .arg(origin.port().to_string())
        .stdout(Stdio::null());
    let client = Child::spawn("bore-client", &mut command, directory)?;
    Ok((address, address.to_string(), vec![server, client]))
}

fn rathole(tools: &Tools, origin: SocketAddr, directory: &Path) -> Result<Started> {
    let program = tools.installed("rathole")?;
    let (control, address) = (free_address()?, free_address()?);
    let token = "default_token = \"bench\"";
    let server = directory.join("rathole-server.toml");
    fs::write(
        &server,
        format!(
            "[server]\nbind_addr = \"{control}\"\n{token}\n[server.services.web]\nbind_addr = \"{address}\"\n"
        ),
    )?;
    let client = directory.join("rathole-client.toml");
    fs::write(
        &client,
        format!(
            "[client]\nremote_addr = \"{control}\"\n{token}\n[client.services.web]\nlocal_addr = \"{origin}\"\n"
        ),
    )?;
    let children =
        [("rathole-server", "--server", &server), ("rathole-client", "--client", &client)]
            .into_iter()
            .map(|(role, flag, file)| {
                let mut command = Command::new(&program);
                // It logs each connection otherwise.
                command.arg(flag).arg(file).env("RUST_LOG", "error").stdout(Stdio::null());
                Child::spawn(role, &mut command, directory)
            })
            .collect::<Result<_>>()?;
    Ok((address, address.to_string(), children))
}

async fn wait_for(address: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + READY;
    while let Err(error) = tokio::net::TcpStream::connect(address).await {
        if Instant::now() > deadline {
            return Err(error.into());
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

/// Above what any load has in flight.
const EXCHANGES: &str = "2048";
const READY: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_ready_event_has_the_url() {
        let line = r#"{"event":"ready","url":"http://bench.localhost:8080","session":"bench"}"#;
        assert_eq!(ready_url(line).as_deref(), Some("http://bench.localhost:8080"));
        assert_eq!(ready_url(r#"{"event":"connecting","url":"http://edge"}"#), None);
        assert_eq!(ready_url("wingman"), None);
    }
}
