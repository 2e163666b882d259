//! What is shared: nginx with three files.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
};

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::{child::Child, tool::Tools};

/// A file of the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// 1 KB.
    Small,
    /// 100 KB.
    Medium,
    /// 100 MB.
    Bulk,
}

impl File {
    const ALL: [Self; 3] = [Self::Small, Self::Medium, Self::Bulk];

    /// Its request target.
    pub fn target(self) -> &'static str {
        match self {
            Self::Small => "/1k.bin",
            Self::Medium => "/100k.bin",
            Self::Bulk => "/100m.bin",
        }
    }

    /// Its length in bytes.
    pub fn length(self) -> u64 {
        match self {
            Self::Small => 1024,
            Self::Medium => 100 * 1024,
            Self::Bulk => 100 * 1024 * 1024,
        }
    }
}

/// Starts nginx at an address of its own, in one process (so that nothing outlives it), and without
/// anything that only a log or a limit would cost.
///
/// # Errors
/// It cannot be set up or started.
pub fn start(tools: &Tools, directory: &Path) -> Result<(Child, SocketAddr)> {
    let root = directory.join("files");
    if !root.is_dir() {
        fs::create_dir(&root).context("cannot make the origin's files")?;
        for file in File::ALL {
            let length = usize::try_from(file.length())?;
            fs::write(root.join(&file.target()[1..]), vec![b'w'; length])?;
        }
    }
    let address = free_address()?;
    let configuration = directory.join("nginx.conf");
    fs::write(&configuration, CONFIGURATION.replace("ADDRESS", &address.to_string()))?;
    let mut command = Command::new(&tools.nginx);
    command.arg("-p").arg(directory).arg("-c").arg(&configuration);
    command.args(["-e", "nginx-error.log"]).stdout(std::process::Stdio::null());
    Ok((Child::spawn("origin", &mut command, directory)?, address))
}

/// A loopback address where nobody listens at this moment.
///
/// # Errors
/// There is none.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?)
}

const CONFIGURATION: &str = "\
daemon off;
master_process off;
worker_processes 1;
worker_rlimit_nofile 16384;
error_log nginx-error.log crit;
pid nginx.pid;
events { worker_connections 8192; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 600s;
  keepalive_requests 1000000000;
  client_body_temp_path tmp-body;
  proxy_temp_path tmp-proxy;
  fastcgi_temp_path tmp-fastcgi;
  uwsgi_temp_path tmp-uwsgi;
  scgi_temp_path tmp-scgi;
  server {
    listen ADDRESS;
    root files;
  }
}
";
