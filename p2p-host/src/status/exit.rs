//! How the process ends: the one table behind exit codes, `--help` and the README.

use std::process::ExitCode;

/// Every exit code of `wingman`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Ended by Ctrl-C or SIGTERM.
    Clean = 0,
    /// Something that has no code of its own.
    Other = 1,
    /// The command line or the configuration is wrong. clap uses the same number.
    Usage = 2,
    /// The origin cannot be reached.
    NoOrigin = 3,
    /// The edge cannot be reached, or is not an edge.
    EdgeUnreachable = 4,
    /// The edge refused: token, name or limit.
    Refused = 5,
    /// Edge and host speak different protocol versions.
    VersionMismatch = 6,
    /// The link was lost and `--exit-on-disconnect` was given.
    LinkLost = 7,
    /// Another `wingman` of this machine's user shares the session now; to start again would take it back.
    Replaced = 8,
}

impl Exit {
    /// All of them, by number.
    pub const ALL: [Self; 9] = [
        Self::Clean,
        Self::Other,
        Self::Usage,
        Self::NoOrigin,
        Self::EdgeUnreachable,
        Self::Refused,
        Self::VersionMismatch,
        Self::LinkLost,
        Self::Replaced,
    ];

    /// The number the process ends with.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// One line for `--help`.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Clean => "ended by Ctrl-C or SIGTERM",
            Self::Other => "any other failure",
            Self::Usage => "wrong command line or configuration",
            Self::NoOrigin => "the app cannot be reached",
            Self::EdgeUnreachable => "the edge cannot be reached, or is not a wingman edge",
            Self::Refused => "the edge refused: token, name or a limit",
            Self::VersionMismatch => "edge and host speak different protocol versions",
            Self::LinkLost => "the link was lost and --exit-on-disconnect was given",
            Self::Replaced => "another wingman took the session over",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_documented_ones() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
