//! `wingman-bench`: measures the relay path.

use std::{fs, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Parser;
use tokio::signal::{
    ctrl_c,
    unix::{SignalKind, signal},
};
use wingman_bench::{cli::Cli, json, report, run};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("error: cannot start the runtime: {error}");
                return ExitCode::FAILURE;
            }
        };
    let done = runtime.block_on(bench(&cli));
    // A client of ours in mid-request would hold up the end.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn bench(cli: &Cli) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    // Dropping the run ends all that it has started.
    let figures = tokio::select! {
        figures = run::run(cli) => figures?,
        _ = ctrl_c() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    };
    if let Some(file) = &cli.json {
        let text = serde_json::to_string_pretty(&json::json(&figures))?;
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    print!("{}", report::markdown(&figures));
    Ok(())
}
