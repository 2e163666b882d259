//! Why a start failed, in words that help, with the way out.

mod cause;
mod origin;

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use self::cause::is_certificate;
use super::exit::Exit;
use super::json::to_line;
use super::reporter::wants_colour;
use super::text::{self, Ink};
use crate::config::ConfigError;

/// For whoever reads what is printed last.
const PRINT_DEADLINE: Duration = Duration::from_secs(1);

/// The error underneath.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Every end of the process that is not a wish of the person who started it, and
/// [`Failure::Interrupted`].
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The origin's machine refuses connections to the port.
    #[error("Nothing listens on {target}")]
    NoOrigin {
        /// The origin.
        target: String,
    },
    /// No connection to the origin for another reason: name, route, or no answer in time.
    #[error("{target} cannot be reached")]
    OriginUnreachable {
        /// The origin.
        target: String,
        /// What the resolver or the operating system said.
        #[source]
        cause: Cause,
    },
    /// The origin's certificate was not accepted.
    #[error("The certificate of {target} cannot be trusted")]
    OriginCertificate {
        /// The origin.
        target: String,
        /// What TLS said.
        #[source]
        cause: Cause,
    },
    /// Something listens at the origin's address, but does not speak TLS as it should.
    #[error("No TLS with {target}")]
    OriginTls {
        /// The origin.
        target: String,
        /// What TLS said.
        #[source]
        cause: Cause,
    },
    /// No connection to the edge: name, route, refused, or no answer in time.
    #[error("The edge {edge} cannot be reached")]
    EdgeUnreachable {
        /// Its URL.
        edge: String,
        /// What the operating system said.
        #[source]
        cause: Cause,
    },
    /// The edge's certificate was not accepted.
    #[error("No secure connection to the edge {edge}")]
    EdgeTls {
        /// Its URL.
        edge: String,
        /// What TLS said.
        #[source]
        cause: Cause,
    },
    /// Something answers there, but it is no edge.
    #[error("{edge} answers{}, but is not a wingman edge", with_status(*status))]
    NotAnEdge {
        /// Its URL.
        edge: String,
        /// The status it answered with, if that is HTTP.
        status: Option<u16>,
    },
    /// An edge answers, but what reaches it is no WebSocket handshake.
    #[error("WebSockets do not reach the edge {edge}")]
    NoWebSocket {
        /// Its URL.
        edge: String,
    },
    /// The edge does not know the token.
    #[error("The edge {edge} does not accept the token")]
    TokenRefused {
        /// Its URL.
        edge: String,
    },
    /// The edge wants a token and none was given.
    #[error("The edge {edge} wants a token")]
    TokenMissing {
        /// Its URL.
        edge: String,
    },
    /// The session name is not to be had.
    #[error("The edge refuses the name \"{name}\": {reason}")]
    NameRefused {
        /// The wanted name.
        name: String,
        /// Why.
        reason: NameRefusal,
    },
    /// No protocol version in common.
    #[error("This wingman speaks protocol version {ours}, the edge {}", speaks(*theirs))]
    VersionMismatch {
        /// Ours.
        ours: u16,
        /// The edge's, if it said so.
        theirs: Option<u16>,
    },
    /// The token has as many sessions as it may have.
    #[error("The token has all the sessions it may have")]
    SessionLimit,
    /// The edge refused for another reason.
    #[error("The edge refuses the session: {message}")]
    Refused {
        /// The edge's words.
        message: String,
    },
    /// What to share is missing or makes no sense.
    #[error("{problem}")]
    BadTarget {
        /// What is wrong, as a sentence.
        problem: String,
    },
    /// The configuration does not hold together.
    #[error(transparent)]
    BadConfig(ConfigError),
    /// The link was lost, and `--exit-on-disconnect` was given.
    #[error("The link to the edge was lost: {reason}")]
    LinkLost {
        /// What ended it.
        reason: String,
    },
    /// A newer `wingman` with the same resume key took the session.
    #[error("Another wingman took over the session {session}")]
    Replaced {
        /// Its name.
        session: String,
    },
    /// The edge ended the session for good.
    #[error("The edge ended the session: {reason}")]
    SessionEnded {
        /// The edge's words.
        reason: String,
    },
    /// Ctrl-C or SIGTERM before the session was ready.
    #[error("Stopped before the session was ready")]
    Interrupted,
    /// A failure inside, or of the operating system.
    #[error("{doing} failed")]
    Other {
        /// What was being done, as a noun: `Starting the runtime`.
        doing: String,
        /// What went wrong.
        #[source]
        cause: Cause,
    },
}

/// Why a name was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameRefusal {
    /// Another host has it.
    #[error("another host uses it")]
    Taken,
    /// Not a DNS label, or reserved.
    #[error("it is not allowed as a session name")]
    Invalid,
    /// The token does not cover it.
    #[error("the token does not allow it")]
    NotAllowed,
}

impl Failure {
    /// The exit code of the process.
    #[must_use]
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::NoOrigin { .. }
            | Self::OriginUnreachable { .. }
            | Self::OriginCertificate { .. }
            | Self::OriginTls { .. } => Exit::NoOrigin,
            Self::EdgeUnreachable { .. }
            | Self::EdgeTls { .. }
            | Self::NotAnEdge { .. }
            | Self::NoWebSocket { .. } => Exit::EdgeUnreachable,
            Self::TokenRefused { .. }
            | Self::TokenMissing { .. }
            | Self::NameRefused { .. }
            | Self::SessionLimit
            | Self::Refused { .. } => Exit::Refused,
            Self::VersionMismatch { .. } => Exit::VersionMismatch,
            Self::BadTarget { .. } | Self::BadConfig(_) => Exit::Usage,
            Self::LinkLost { .. } => Exit::LinkLost,
            Self::Replaced { .. } => Exit::Replaced,
            Self::SessionEnded { .. } | Self::Other { .. } => Exit::Other,
            Self::Interrupted => Exit::Clean,
        }
    }

    /// A stable name for scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoOrigin { .. } => "no-origin",
            Self::OriginUnreachable { .. } => "origin-unreachable",
            Self::OriginCertificate { .. } => "origin-certificate",
            Self::OriginTls { .. } => "origin-tls",
            Self::EdgeUnreachable { .. } => "edge-unreachable",
            Self::EdgeTls { .. } => "edge-tls",
            Self::NotAnEdge { .. } => "not-an-edge",
            Self::NoWebSocket { .. } => "no-websocket",
            Self::TokenRefused { .. } => "token-refused",
            Self::TokenMissing { .. } => "token-missing",
            Self::NameRefused { reason: NameRefusal::Taken, .. } => "name-taken",
            Self::NameRefused { reason: NameRefusal::Invalid, .. } => "name-invalid",
            Self::NameRefused { reason: NameRefusal::NotAllowed, .. } => "name-not-allowed",
            Self::VersionMismatch { .. } => "version-mismatch",
            Self::SessionLimit => "session-limit",
            Self::Refused { .. } => "refused",
            Self::BadTarget { .. } => "bad-target",
            Self::BadConfig(_) => "bad-config",
            Self::LinkLost { .. } => "link-lost",
            Self::Replaced { .. } => "replaced",
            Self::SessionEnded { .. } => "session-ended",
            Self::Interrupted => "interrupted",
            Self::Other { .. } => "other",
        }
    }

    /// The way out, as a sentence or two; empty if there is nothing to advise.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NoOrigin { .. } => "Start your app first, or name the port it listens on: \
                wingman PORT (most dev servers print it)."
                .into(),
            Self::OriginUnreachable { .. } => "Check the name and the port, and whether this machine \
                can connect there: wingman shares what it can reach itself."
                .into(),
            Self::OriginCertificate { .. } => "If it is your app's own certificate, accept it with \
                --insecure. Otherwise have this machine trust the authority that signed it."
                .into(),
            Self::OriginTls { target, .. } => format!(
                "If your app does not speak HTTPS there, share it as http://{target}, or name the \
                port on which it does."
            ),
            Self::EdgeUnreachable { edge, .. } => format!(
                "Check your network, and the address: --edge {edge}. \
                Behind a firewall, port 443 to it must be open."
            ),
            Self::EdgeTls { cause, .. } if is_certificate(&**cause) => "If the edge has a \
                certificate of your own authority, name that authority's certificate with --ca-file. \
                Otherwise check this machine's clock and root certificates, and whether a proxy opens \
                TLS connections on the way."
                .into(),
            Self::EdgeTls { .. } => "If the edge has no TLS, give its address with http://. \
                Otherwise something on the way may break TLS connections."
                .into(),
            Self::NotAnEdge { .. } => "Give the base domain of a wingman edge with --edge, \
                without a session name. If it is right, a proxy in front of it may not pass \
                WebSockets."
                .into(),
            Self::NoWebSocket { .. } => "A proxy on the way drops the handshake. If it is in front of \
                the edge, it must pass Upgrade and Sec-WebSocket-Protocol at /_wingman/link; if it is \
                in your network, ask for the edge to be let through."
                .into(),
            Self::TokenRefused { .. } => {
                format!("Ask the edge's operator for a token. {GIVE_TOKEN}")
            }
            Self::TokenMissing { .. } => GIVE_TOKEN.into(),
            Self::NameRefused { reason, .. } => match reason {
                NameRefusal::Taken => {
                    "Choose another --name, or leave it out to get a random one.".into()
                }
                NameRefusal::Invalid => "A name has up to 63 letters a-z, digits and hyphens, no \
                    hyphen at an end, and is not one of the edge's reserved names."
                    .into(),
                NameRefusal::NotAllowed => "Leave --name out to get a random one, or ask the \
                    edge's operator to allow the name for your token."
                    .into(),
            },
            Self::VersionMismatch { ours, theirs: Some(theirs) } if theirs > ours => {
                "Upgrade wingman on this machine.".into()
            }
            Self::VersionMismatch { theirs: Some(_), .. } => {
                "The edge is older: ask its operator to upgrade it, or use an older wingman.".into()
            }
            Self::VersionMismatch { theirs: None, .. } => {
                "Upgrade wingman on this machine, or ask the edge's operator to upgrade it.".into()
            }
            Self::SessionLimit => {
                "End another wingman that uses the token, or ask the edge's operator for more."
                    .into()
            }
            Self::BadTarget { .. } => "Name the port of your app, or its URL: wingman 3000, \
                wingman https://localhost:8443."
                .into(),
            Self::BadConfig(error) => error.hint(),
            Self::LinkLost { .. } => {
                "Without --exit-on-disconnect wingman reconnects by itself.".into()
            }
            Self::Replaced { .. } => "If that was not you, start wingman again.".into(),
            Self::SessionEnded { .. } => "Start wingman again to get a new session.".into(),
            Self::Refused { .. } | Self::Interrupted | Self::Other { .. } => String::new(),
        }
    }

    /// Tells it: with `json` as an object on stdout, else to a person on stderr.
    ///
    /// Call it after [`Reporter::finish`](super::Reporter::finish). Nothing can be done if this
    /// cannot be written, or nobody reads within a second; the exit code remains.
    pub fn print(&self, json: bool) {
        let (line, on_stdout) = if json {
            (to_line(&self.to_json()).unwrap_or_default(), true)
        } else {
            let colour = io::stderr().is_terminal() && wants_colour();
            (self.to_text(colour).into_bytes(), false)
        };
        let (written, done) = mpsc::sync_channel(1);
        // The reporter's thread may hold the lock of stdout for as long as nobody reads.
        let writer = thread::Builder::new().spawn(move || {
            let result = if on_stdout {
                let mut out = io::stdout().lock();
                out.write_all(&line).and_then(|()| out.flush())
            } else {
                io::stderr().write_all(&line)
            };
            // Gone: it took too long.
            let _ = written.send(result);
        });
        if writer.is_ok() {
            let _ = done.recv_timeout(PRINT_DEADLINE);
        }
    }

    fn to_text(&self, colour: bool) -> String {
        let mut told = format!("{} {}\n", Ink::Red.paint("error:", colour), self.message());
        let hint = self.hint();
        if !hint.is_empty() {
            let label = Ink::Cyan.paint("hint:", colour);
            told.push_str(&format!(" {label} {}\n", text::line(&hint)));
        }
        told
    }

    fn to_json(&self) -> impl Serialize {
        #[derive(Serialize)]
        struct Line {
            event: &'static str,
            code: &'static str,
            message: String,
            hint: String,
            exit_code: u8,
        }
        Line {
            event: "error",
            code: self.code(),
            message: self.message(),
            hint: self.hint(),
            exit_code: self.exit_code().code(),
        }
    }

    /// The failure and its causes on one line; they may quote the edge.
    fn message(&self) -> String {
        let mut message = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let told = error.to_string();
            // Many libraries repeat their source in their own text.
            if !message.ends_with(&told) {
                message.push_str(": ");
                message.push_str(&told);
            }
            cause = error.source();
        }
        text::line(&message)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::NoTarget => Self::BadTarget { problem: error.to_string() },
            ConfigError::Value { ref key, .. } if key == "target" => {
                Self::BadTarget { problem: error.to_string() }
            }
            error => Self::BadConfig(error),
        }
    }
}

fn speaks(theirs: Option<u16>) -> String {
    theirs.map_or_else(|| "another one".to_owned(), |version| format!("version {version}"))
}

fn with_status(status: Option<u16>) -> String {
    status.map_or_else(String::new, |status| format!(" (status {status})"))
}

const GIVE_TOKEN: &str = "Put the token into a file only you can read and give it with \
    --token-file FILE, or set WINGMAN_TOKEN.";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn cause() -> Cause {
        io::Error::from(io::ErrorKind::ConnectionRefused).into()
    }

    fn all() -> Vec<(Failure, u8)> {
        let edge = || "https://wingman.dev".to_owned();
        let origin = || "localhost:3000".to_owned();
        let name = |reason| Failure::NameRefused { name: "shop".into(), reason };
        let version = |theirs| Failure::VersionMismatch { ours: 2, theirs };
        vec![
            (Failure::NoOrigin { target: origin() }, 3),
            (Failure::OriginUnreachable { target: origin(), cause: cause() }, 3),
            (Failure::OriginCertificate { target: origin(), cause: "expired".into() }, 3),
            (Failure::OriginTls { target: origin(), cause: "corrupt message".into() }, 3),
            (Failure::EdgeUnreachable { edge: edge(), cause: cause() }, 4),
            (Failure::EdgeTls { edge: edge(), cause: "unknown issuer".into() }, 4),
            (Failure::NotAnEdge { edge: edge(), status: Some(404) }, 4),
            (Failure::NoWebSocket { edge: edge() }, 4),
            (Failure::TokenRefused { edge: edge() }, 5),
            (Failure::TokenMissing { edge: edge() }, 5),
            (name(NameRefusal::Taken), 5),
            (name(NameRefusal::Invalid), 5),
            (name(NameRefusal::NotAllowed), 5),
            (Failure::SessionLimit, 5),
            (Failure::Refused { message: "no".into() }, 5),
            (version(Some(3)), 6),
            (version(Some(1)), 6),
            (version(None), 6),
            (Failure::from(ConfigError::NoTarget), 2),
            (Failure::from(ConfigError::TokenEmpty { path: "/t".into() }), 2),
            (Failure::LinkLost { reason: "silent".into() }, 7),
            (Failure::Replaced { session: "shop".into() }, 8),
            (Failure::SessionEnded { reason: "expired".into() }, 1),
            (Failure::Interrupted, 0),
            (Failure::Other { doing: "Starting".into(), cause: cause() }, 1),
        ]
    }

    fn json_of(failure: &Failure) -> Value {
        let line = to_line(&failure.to_json()).expect("serializes");
        serde_json::from_slice(&line).expect("JSON")
    }

    #[test]
    fn every_failure_has_its_exit_code_a_unique_name_and_a_way_out() {
        let mut codes: Vec<&str> = Vec::new();
        for (failure, exit) in all() {
            assert_eq!(failure.exit_code().code(), exit, "{failure:?}");
            codes.push(failure.code());
            let spoken = matches!(
                failure,
                Failure::Refused { .. } | Failure::Interrupted | Failure::Other { .. }
            );
            assert_eq!(failure.hint().is_empty(), spoken, "{failure:?}");
        }
        codes.dedup();
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), count, "a code means one thing: {codes:?}");
    }

    #[test]
    fn a_person_reads_what_is_wrong_and_what_to_do() {
        let failure = Failure::NoOrigin { target: "localhost:3000".into() };
        assert_eq!(
            failure.to_text(false),
            "error: Nothing listens on localhost:3000\n hint: Start your app first, or name the \
             port it listens on: wingman PORT (most dev servers print it).\n"
        );
        assert!(failure.to_text(true).starts_with("\x1b[31merror:\x1b[0m Nothing"));
        assert_eq!(Failure::Interrupted.to_text(false).lines().count(), 1, "no empty hint");
    }

    #[test]
    fn a_script_reads_the_same_as_an_object() {
        let failure = Failure::EdgeUnreachable { edge: "https://e".into(), cause: cause() };
        assert_eq!(
            json_of(&failure),
            json!({
                "event": "error",
                "code": "edge-unreachable",
                "message": "The edge https://e cannot be reached: connection refused",
                "hint": failure.hint(),
                "exit_code": 4
            })
        );
    }

    #[test]
    fn the_version_hint_says_which_side_to_upgrade() {
        let hint = |ours, theirs| Failure::VersionMismatch { ours, theirs }.hint();
        assert!(hint(1, Some(2)).starts_with("Upgrade wingman on this machine."));
        assert!(hint(2, Some(1)).starts_with("The edge is older"));
        assert!(hint(2, None).contains(" or "));
    }

    #[test]
    fn words_of_the_edge_cannot_steer_the_terminal() {
        let failure = Failure::Refused { message: "\x1b[2J\r\n\u{202e}".into() };
        assert_eq!(
            failure.to_text(false),
            "error: The edge refuses the session: \\x1b[2J\\x0d\\x0a\\u{202e}\n"
        );
    }
}
