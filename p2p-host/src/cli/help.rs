//! The parts of `--help` and `--version` that are made from what they describe.

use std::fmt::Write as _;
use std::sync::LazyLock;

use crate::status::Exit;

/// `0.1.0 (protocol 1)`
pub(super) static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} (protocol {})", env!("CARGO_PKG_VERSION"), wingman_wire::VERSION));

/// Examples, environment and exit codes.
pub(super) static AFTER: LazyLock<String> = LazyLock::new(|| {
    let mut text = EXAMPLES.to_owned();
    text.push_str("\nExit codes:\n");
    for exit in Exit::ALL {
        let _ = writeln!(text, "  {}  {}", exit.code(), exit.meaning());
    }
    text
});

const EXAMPLES: &str = "\
Examples:
  wingman 3000
      Share http://localhost:3000 at a random URL.
  wingman 5173 --name shop
      Ask for the name: https://shop.wingman.dev
  wingman https://localhost:8443 --insecure
      An app with a self-signed certificate.
  wingman 3000 --edge http://localhost:8080
      Through an edge of your own (wingman-edge --dev).
  wingman 3000 --json | jq -r 'select(.event == \"ready\").url'
      For scripts: the first line has the URL.
  WINGMAN_TOKEN=… wingman 3000 --exit-on-disconnect
      Under a supervisor that starts it again.

Configuration, each overriding the one before: defaults, file, environment, flags.
  The file has the flags' names with underscores, and more (conf/host.toml shows all). Every key
  is also a variable: `edge` is WINGMAN_EDGE, `period` in [heartbeat] is WINGMAN_HEARTBEAT__PERIOD.
  The token is the key `token`, WINGMAN_TOKEN or a file. NO_COLOR=1 turns colours off.
";
