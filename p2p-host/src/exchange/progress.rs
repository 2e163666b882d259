//! How an exchange goes and ends, for the log.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use wingman_link::LinkSendError;
use wingman_wire::code::{Blame, ResetCode};

use super::ExchangeError;
use crate::status::{ExchangeRecord, Outcome, Path};

/// Why an exchange ended badly.
#[derive(Debug)]
pub(super) enum Failed {
    /// The other end of the carrier gave up, or the carrier is gone.
    ByPeer(Option<ResetCode>),
    /// We reset it.
    Ours { code: ResetCode, blame: Blame, reason: String },
    /// It was not run, and comes again by relay; or it came there before.
    Elsewhere(ResetCode),
}

impl Failed {
    /// The visitor's request is not one.
    pub(super) fn bad(reason: impl Into<String>) -> Self {
        Self::Ours { code: ResetCode::BadRequest, blame: Blame::Visitor, reason: reason.into() }
    }

    pub(super) fn origin(error: ExchangeError) -> Self {
        let code = match &error {
            ExchangeError::OriginRefused(_) => ResetCode::OriginRefused,
            ExchangeError::OriginUnreachable(_) | ExchangeError::OriginTimeout { .. } => {
                ResetCode::OriginTimeout
            }
            ExchangeError::OriginTls(_) => ResetCode::OriginTls,
            ExchangeError::OriginReset(_) | ExchangeError::OriginCut(_) => ResetCode::OriginReset,
            ExchangeError::OriginInvalid(_) => ResetCode::OriginInvalid,
            ExchangeError::RequestContent(_) => ResetCode::RequestAborted,
            ExchangeError::RequestInvalid(_) => ResetCode::BadRequest,
        };
        Self::Ours { code, blame: code.blame(), reason: error.to_string() }
    }

    pub(super) fn send(error: LinkSendError) -> Self {
        match error {
            LinkSendError::Closed => Self::ByPeer(None),
            LinkSendError::Stream(wingman_mux::SendError::Reset(code)) => Self::ByPeer(Some(code)),
            LinkSendError::Stream(error) => Self::Ours {
                code: ResetCode::OriginInvalid,
                blame: Blame::Origin,
                reason: error.to_string(),
            },
        }
    }

    /// For the log; `None` for what is none of its business.
    pub(super) fn outcome(self, path: Path) -> Option<Outcome> {
        match self {
            Self::Elsewhere(_) => None,
            Self::Ours { blame, reason, .. } => Some(Outcome::Reset { by: blame, reason }),
            // Also a response head: whose it is does not show, but who says so does.
            Self::ByPeer(Some(ResetCode::TooLarge)) => Some(Outcome::Reset {
                by: Blame::Edge,
                reason: "larger than the edge allows".to_owned(),
            }),
            Self::ByPeer(Some(code)) => {
                Some(Outcome::Reset { by: Blame::Visitor, reason: describe(code).to_owned() })
            }
            Self::ByPeer(None) => Some(match path {
                Path::Relay => Outcome::Reset { by: Blame::Edge, reason: "link lost".to_owned() },
                Path::Direct => {
                    Outcome::Reset { by: Blame::Visitor, reason: "direct path lost".to_owned() }
                }
            }),
        }
    }
}

const fn describe(code: ResetCode) -> &'static str {
    match code {
        ResetCode::RequestAborted => "visitor stopped sending",
        ResetCode::PathLost => "direct path lost",
        _ => "visitor went away",
    }
}

/// What the log will say.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) path: Path,
    pub(super) method: String,
    pub(super) target: String,
    pub(super) visitor: String,
    began: Instant,
    head_after: Option<Duration>,
    status: Option<u16>,
    pub(super) bytes_in: Arc<AtomicU64>,
    pub(super) bytes_out: u64,
    pub(super) upgraded: bool,
}

impl Progress {
    pub(super) fn new(path: Path) -> Self {
        Self {
            path,
            method: String::new(),
            target: String::new(),
            visitor: String::new(),
            began: Instant::now(),
            head_after: None,
            status: None,
            bytes_in: Arc::default(),
            bytes_out: 0,
            upgraded: false,
        }
    }

    /// The response head is there.
    pub(super) fn answered(&mut self, status: u16) {
        self.head_after = Some(self.began.elapsed());
        self.status = Some(status);
    }

    pub(super) fn record(self, outcome: Outcome) -> ExchangeRecord {
        ExchangeRecord {
            method: self.method,
            target: self.target,
            status: self.status,
            duration: self.began.elapsed(),
            head_after: self.head_after,
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out,
            path: self.path,
            visitor: self.visitor,
            outcome,
            upgraded: self.upgraded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_broke_off_is_told() {
        let by = |code, path| match Failed::ByPeer(code).outcome(path) {
            Some(Outcome::Reset { by, reason }) => (by, reason),
            other => panic!("{other:?}"),
        };
        let edge = |reason: &str| (Blame::Edge, reason.to_owned());
        let visitor = |reason: &str| (Blame::Visitor, reason.to_owned());
        let limit = by(Some(ResetCode::TooLarge), Path::Relay);
        assert_eq!(limit, edge("larger than the edge allows"));
        assert_eq!(by(None, Path::Relay), edge("link lost"));
        assert_eq!(by(None, Path::Direct), visitor("direct path lost"));
        let left = by(Some(ResetCode::Cancelled), Path::Relay);
        assert_eq!(left, visitor("visitor went away"));
        let stopped = by(Some(ResetCode::RequestAborted), Path::Relay);
        assert_eq!(stopped, visitor("visitor stopped sending"));
        let lost = by(Some(ResetCode::PathLost), Path::Direct);
        assert_eq!(lost, visitor("direct path lost"));
    }
}
