//! The command line of `wingman-edge`.

// Doc comments here are help texts: people copy these URLs from a terminal.
#![allow(rustdoc::bare_urls)]

use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, ConfigError, Layer, Loaded};
use crate::tokens::{NamePattern, Token, TokenError};

/// The public server of Wingman: gives local web servers a URL of their own.
///
/// Developers run `wingman 3000 --edge https://share.example`; this program accepts their
/// connections and serves visitors at https://NAME.share.example.
#[derive(Debug, Parser)]
#[command(name = "wingman-edge", version, after_long_help = EXAMPLES, max_term_width = 100)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What else to do than serve.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to serve.
    #[command(flatten)]
    pub serve: Serve,
}

/// Flags of the server itself.
#[derive(Debug, Default, Args)]
pub struct Serve {
    /// Read this TOML file (conf/edge.toml shows every key)
    ///
    /// Every key is also an environment variable: limits.head_bytes is
    /// WINGMAN_EDGE_LIMITS__HEAD_BYTES. The file loses to the environment, the environment to
    /// flags.
    #[arg(long, value_name = "FILE", env = "WINGMAN_EDGE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Try it on this machine: no tokens, http://NAME.localhost:8080
    ///
    /// Listens on 127.0.0.1:8080, with base domain `localhost`, metrics on 127.0.0.1:9090 and STUN
    /// on 127.0.0.1:3478. Everybody who reaches it may share, so it refuses to listen beyond loopback.
    #[arg(long)]
    pub dev: bool,
    /// Listen here for HTTP; give it again for more addresses
    #[arg(long, value_name = "ADDR")]
    pub listen: Vec<SocketAddr>,
    /// The domain whose subdomains are sessions
    ///
    /// Needs a wildcard DNS record, and for HTTPS a wildcard certificate.
    #[arg(long, value_name = "DOMAIN")]
    pub base_domain: Option<String>,
    /// Serve Prometheus metrics here, or `off`
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<String>,
    /// Answer STUN here (UDP), or `off`; give it again for more addresses
    #[arg(long, value_name = "ADDR")]
    pub stun: Vec<String>,
    /// error, warn, info, debug, trace, or `tracing` directives
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Read and check the configuration, say what is wrong, and exit
    #[arg(long)]
    pub check_config: bool,
}

/// What else `wingman-edge` does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make tokens for developers
    #[command(subcommand)]
    Token(TokenCommand),
}

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token; prints it once, with the lines for edge.toml
    New {
        /// Your word for it, for logs: whose it is, or what for
        #[arg(long, value_name = "NAME", default_value = "developer")]
        id: String,
        /// A session name it may ask for, such as demo or 'team-*'; give it again for more
        ///
        /// Without any, the edge chooses the names of its sessions.
        #[arg(long = "name", value_name = "PATTERN")]
        names: Vec<NamePattern>,
    },
    /// Print the hash of a token read from standard input
    Hash,
}

impl Serve {
    /// Reads the configuration of these flags, their file and the given environment.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(
        &self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Loaded, ConfigError> {
        let mut layers = Vec::new();
        if let Some(path) = &self.config {
            layers.push(Layer::file(path)?);
        }
        // Names that are not Unicode are not ours; of values the unreadable part shows as such.
        let texts = environment.into_iter().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        });
        layers.extend(Layer::environment(texts));
        layers.extend(self.layers());
        Config::load(layers)
    }

    fn layers(&self) -> Vec<Layer> {
        let mut layers = Vec::new();
        if self.dev {
            layers.push(Layer::flag("--dev", "dev", true));
        }
        if !self.listen.is_empty() {
            let list: Vec<String> = self.listen.iter().map(SocketAddr::to_string).collect();
            layers.push(Layer::flag("--listen", "listen", list));
        }
        if !self.stun.is_empty() {
            // As in the environment: one text with commas, or "off".
            layers.push(Layer::flag("--stun", "stun.listen", self.stun.join(",")));
        }
        for (name, key, value) in [
            ("--base-domain", "base_domain", &self.base_domain),
            ("--metrics", "metrics.listen", &self.metrics),
            ("--log-level", "log.level", &self.log_level),
        ] {
            if let Some(value) = value {
                layers.push(Layer::flag(name, key, value.as_str()));
            }
        }
        layers
    }
}

impl TokenCommand {
    /// Does it.
    ///
    /// # Errors
    /// [`TokenCommandError`].
    pub fn run(
        &self,
        mut input: impl BufRead,
        mut output: impl Write,
    ) -> Result<(), TokenCommandError> {
        match self {
            Self::New { id, names } => {
                let token = Token::generate()?;
                let list: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
                writeln!(
                    output,
                    "Give this token to the developer. It is not kept and not shown again:\n\n    \
                     {}\n\nPut these lines into edge.toml and restart the edge:\n\n\
                     [[tokens]]\nid = {}\nsha256 = \"{}\"\nnames = [{}]",
                    token.expose(),
                    toml::Value::from(id.as_str()),
                    token.hash(),
                    list.join(", "),
                )?;
            }
            Self::Hash => {
                let mut line = String::new();
                // No token is so long; do not read a whole disk.
                io::Read::take(&mut input, 4096).read_line(&mut line)?;
                writeln!(output, "{}", line.trim().parse::<Token>()?.hash())?;
            }
        }
        Ok(())
    }
}

/// Why `wingman-edge token` failed.
#[derive(Debug, thiserror::Error)]
pub enum TokenCommandError {
    /// There is no token, or what was read is none.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Reading or writing failed.
    #[error("cannot read the token or write the answer")]
    Io(#[from] io::Error),
}

const EXAMPLES: &str = "\
Examples:
  wingman-edge --dev                      Try it: then run `wingman 3000` beside it
  wingman-edge token new --id alice       Make a token, and the lines for edge.toml
  wingman-edge --config /etc/wingman/edge.toml --check-config
  WINGMAN_EDGE_LOG__LEVEL=debug wingman-edge --config /etc/wingman/edge.toml

Signals: SIGTERM ends it after running exchanges had their time; SIGHUP reads the certificate anew.";

#[cfg(test)]
mod tests;
