//! `wingman`: share a local port at a public URL.

use std::process::ExitCode;

use clap::Parser;
use wingman_host::{
    app::{self, Ended},
    cli::Cli,
    status::Failure,
};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // One thread: an exchange is a few short steps of several tasks, and handing them between threads costs
    // more than running them (ARCHITECTURE.md has the figures).
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(app::run(&cli));
            // Nothing that is still running may hold up the end of the process.
            runtime.shutdown_background();
            ended
        }
        Err(error) => {
            let failure =
                Failure::Other { doing: "Starting the runtime".into(), cause: error.into() };
            Err(Ended { failure, json: cli.json })
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Ended { failure, json }) => {
            failure.print(json);
            failure.exit_code().code().into()
        }
    }
}
