//! `wingman-edge`: the public server between visitors and hosts.

use std::{error::Error, io, process::ExitCode};

use clap::Parser;
use tracing_subscriber::EnvFilter;
use wingman_edge::{
    cli::{Cli, Command},
    config::{LogFormat, Settings},
    gateway,
};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.command {
        Some(Command::Token(command)) => command
            .run(io::stdin().lock(), io::stdout().lock())
            .map_err(|error| (Box::from(error), FAILED)),
        None => serve(&cli),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err((error, code)) => {
            print_error(&*error);
            ExitCode::from(code)
        }
    }
}

fn serve(cli: &Cli) -> Result<(), (Box<dyn Error>, u8)> {
    let loaded = cli.serve.load(std::env::vars_os()).map_err(|e| (Box::from(e), USAGE))?;
    let settings = loaded.settings().map_err(|e| (Box::from(e), USAGE))?;
    if cli.serve.check_config {
        println!("The configuration is good. Sessions are at {}", settings.public.edge_url());
        return Ok(());
    }
    start_log(&settings);
    gateway::run(settings).map_err(|e| (Box::from(e), FAILED))
}

fn start_log(settings: &Settings) {
    // Pingora logs every visitor that hangs up as an error; exchanges have lines of our own.
    // What an operator asks for wins, but at `trace` tungstenite writes out what frames carry.
    let quiet = "pingora_core=off,pingora_proxy=off,tungstenite=off,tokio_tungstenite=off";
    let directives = format!("{quiet},{}", settings.log_level);
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(directives))
        .with_writer(io::stderr)
        .with_target(false);
    match settings.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

/// The error and its causes, each on its own line.
fn print_error(error: &dyn Error) {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}

/// Exit codes: the command line or configuration is wrong; it cannot start.
const USAGE: u8 = 2;
const FAILED: u8 = 1;
