//! An edge with a configuration file, as operators run it: tokens, names, limits.

use std::{path::Path, time::Duration};

use tempfile::TempDir;
use tokio::{net::TcpStream, process::Command};
use wingman_tests::{Program, free_port, until};

/// An edge that asks for tokens.
pub(crate) struct TokenEdge {
    pub(crate) port: u16,
    /// Allows `demo` and `team-*`, and two sessions.
    pub(crate) token: String,
    _directory: TempDir,
    _program: Program,
}

impl TokenEdge {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (token, table) = new_token(&["--id", "ci", "--name", "demo", "--name", "team-*"]).await;
        let (port, metrics) = (free_port(), free_port());
        let config = format!(
            "base_domain = \"localhost\"\nlisten = [\"127.0.0.1:{port}\"]\n{table}max_sessions = 2\n\
             [metrics]\nlisten = \"127.0.0.1:{metrics}\"\n"
        );
        let file = directory.path().join("edge.toml");
        std::fs::write(&file, config).expect("is writable");
        let program = serve(&file);
        until("the edge serves", Duration::from_secs(10), async || {
            TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
        Self { port, token, _directory: directory, _program: program }
    }
}

fn serve(config: &Path) -> Program {
    Program::start("wingman-edge", |command| {
        command.arg("--config").arg(config);
    })
}

/// What `wingman-edge token new` prints: the token, and the lines for the configuration.
pub(crate) async fn new_token(arguments: &[&str]) -> (String, String) {
    let mut program = Program::start("wingman-edge", |command: &mut Command| {
        command.args(["token", "new"]).args(arguments);
    });
    let status = program.ended(Duration::from_secs(10)).await;
    assert!(status.success(), "{}", program.log());
    let mut lines = Vec::new();
    until("it has printed a token", Duration::from_secs(5), async || {
        lines = program.stdout();
        lines.iter().any(|line| line.starts_with("[[tokens]]"))
            && lines.iter().any(|line| line.starts_with("names"))
    })
    .await;
    let token =
        lines.iter().flat_map(|line| line.split_whitespace()).find(|w| w.starts_with("wm_"));
    let table = lines.iter().skip_while(|line| !line.starts_with("[[tokens]]"));
    let table: String = table.map(|line| format!("{line}\n")).collect();
    (token.expect("a token").to_owned(), table)
}
