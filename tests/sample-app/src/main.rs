//! The app that `make demo` shares: pages, an API, events, a chat, images, upload and download.
//!
//! It is also the origin of many tests, so each route can be told apart in its answer and no route
//! buffers content. It listens on loopback only and keeps nothing on disk.

mod app;
mod chat;
mod events;
mod gallery;
mod login;
mod query;
mod reply;
mod server;
mod site;
mod todos;
mod transfer;

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// A small web app to share with `wingman`.
#[derive(Debug, Parser)]
#[command(name = "sample-app", version)]
struct Args {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0, env = "SAMPLE_APP_PORT")]
    port: u16,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let args = Args::parse();
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let listener =
        TcpListener::bind(wanted).await.with_context(|| format!("cannot listen on {wanted}"))?;
    announce(listener.local_addr()?)?;

    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        () = server::serve(listener) => {}
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}

/// Prints the one line that whoever started this program waits for.
fn announce(address: SocketAddr) -> anyhow::Result<()> {
    let ready = serde_json::json!({
        "event": "ready",
        "port": address.port(),
        "url": format!("http://localhost:{}", address.port()),
    });
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{ready}").context("cannot write to stdout")?;
    stdout.flush().context("cannot write to stdout")
}
