//! What happens, as data: the person's view and `--json` are two ways to show the same events.

use std::time::Duration;

use serde::{Serialize, Serializer};
use wingman_wire::code::Blame;

/// Something worth telling.
///
/// With `--json` each one is a line `{"event":"kebab-case-name",…,"at":"RFC 3339 time"}`; members
/// are in snake case, durations are milliseconds (`…_ms`).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A link is being made.
    Connecting {
        /// The edge's URL.
        edge: String,
        /// Counts from 1 for each loss of the link.
        attempt: u32,
    },
    /// The session answers at its URL.
    Ready {
        /// Where visitors go.
        url: String,
        /// The session's name.
        session: String,
        /// The edge's URL.
        edge: String,
        /// The origin that is shared.
        target: String,
        /// Whether this is the session from before the link was lost.
        resumed: bool,
        /// The protocol version agreed on.
        version: u16,
    },
    /// The link is gone; another attempt follows.
    LinkLost {
        /// What ended it.
        reason: String,
        /// Until the next attempt.
        retry_in_ms: u64,
    },
    /// The origin stopped answering.
    OriginDown {
        /// The origin.
        origin: String,
    },
    /// The origin answers again.
    OriginUp {
        /// The origin.
        origin: String,
    },
    /// An exchange was upgraded (a WebSocket opened). Its [`Event::Exchange`] follows at its end.
    Upgraded(Upgraded),
    /// An exchange ended.
    Exchange(ExchangeRecord),
    /// A visitor's pages went over to another path.
    VisitorPath {
        /// As in [`ExchangeRecord::visitor`].
        visitor: String,
        /// The way their exchanges go from now on.
        path: Path,
        /// To the visitor and back, where it is direct and was measured.
        #[serde(rename = "round_trip_ms", serialize_with = "some_milliseconds")]
        round_trip: Option<Duration>,
    },
    /// How many visitors there are.
    Visitors {
        /// Connected, or seen within the last five minutes.
        active: u32,
        /// Since the session began.
        total: u64,
    },
    /// Good to know.
    Notice {
        /// One sentence.
        message: String,
    },
    /// Something is wrong, but the session goes on.
    Warning {
        /// One sentence.
        message: String,
    },
    /// Lines were left out because they came faster than they could be written.
    Dropped {
        /// How many. The totals include them.
        lines: u64,
    },
    /// The session ends.
    Closing {
        /// Why.
        reason: String,
    },
}

/// One request and its response, as the log shows them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExchangeRecord {
    /// The request's method.
    pub method: String,
    /// The request target. The reporter removes the query unless it was told to keep it.
    pub target: String,
    /// `None` if there was no response head.
    pub status: Option<u16>,
    /// From the request head to the end of the response.
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub duration: Duration,
    /// From the request head to the response head.
    #[serde(rename = "head_after_ms", serialize_with = "some_milliseconds")]
    pub head_after: Option<Duration>,
    /// Request content; for an upgraded exchange also what the visitor sent afterwards.
    pub bytes_in: u64,
    /// Response content; for an upgraded exchange also what the origin sent afterwards.
    pub bytes_out: u64,
    /// Which way it went.
    pub path: Path,
    /// A short label that tells visitors apart and says nothing else about them.
    pub visitor: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether it became a WebSocket or another upgraded connection.
    pub upgraded: bool,
}

/// An upgraded exchange that has just opened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Upgraded {
    /// The request target, treated as in [`ExchangeRecord::target`].
    pub target: String,
    /// Which way it goes.
    pub path: Path,
    /// As in [`ExchangeRecord::visitor`].
    pub visitor: String,
}

/// The way an exchange went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Path {
    /// visitor → edge → link → host.
    Relay,
    /// visitor → data channel → host.
    Direct,
}

/// The end of an exchange.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Both directions ended as they should.
    Finished,
    /// It was aborted.
    Reset {
        /// By whom.
        #[serde(serialize_with = "blame")]
        by: Blame,
        /// Why, in a few words.
        reason: String,
    },
}

impl Event {
    /// Drops what must not be kept: the query unless `keep_query`, and the excess of a long target,
    /// so that a queue of events has a bound in bytes as well.
    pub(super) fn scrub(&mut self, keep_query: bool) {
        let (target, visitor) = match self {
            Self::Exchange(record) => {
                cut(&mut record.method, MAX_LABEL);
                if let Outcome::Reset { reason, .. } = &mut record.outcome {
                    cut(reason, MAX_TARGET);
                }
                (&mut record.target, &mut record.visitor)
            }
            Self::Upgraded(upgraded) => (&mut upgraded.target, &mut upgraded.visitor),
            _ => return,
        };
        if !keep_query && let Some(end) = target.find(['?', '#']) {
            target.truncate(end);
        }
        cut(target, MAX_TARGET);
        cut(visitor, MAX_LABEL);
    }

    /// Whether it may be dropped when the output cannot keep up: its numbers are in the totals.
    pub(super) fn is_droppable(&self) -> bool {
        matches!(self, Self::Exchange(_) | Self::Upgraded(_))
    }
}

/// Cuts at a character boundary and gives the memory back.
fn cut(text: &mut String, max: usize) {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max));
        text.push('…');
        text.shrink_to_fit();
    }
}

fn milliseconds<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(duration.as_micros() as f64 / 1e3)
}

fn some_milliseconds<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => milliseconds(duration, to),
        None => to.serialize_none(),
    }
}

fn blame<S: Serializer>(blame: &Blame, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(blame.as_str())
}

/// Longest target that is kept, in bytes.
const MAX_TARGET: usize = 2_048;
/// Longest method or visitor label that is kept, in bytes.
const MAX_LABEL: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::tests::record;

    fn scrubbed(target: &str, keep_query: bool) -> String {
        let mut event = Event::Exchange(ExchangeRecord { target: target.into(), ..record() });
        event.scrub(keep_query);
        match event {
            Event::Exchange(record) => record.target,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_query_goes_unless_asked_for() {
        assert_eq!(scrubbed("/a?token=1", false), "/a");
        assert_eq!(scrubbed("/a#x?y", false), "/a");
        assert_eq!(scrubbed("?q", false), "");
        assert_eq!(scrubbed("/a?token=1", true), "/a?token=1");
        let mut opened = Event::Upgraded(Upgraded {
            target: "/ws?token=1".into(),
            path: Path::Relay,
            visitor: "v1".into(),
        });
        opened.scrub(false);
        assert!(!format!("{opened:?}").contains("token"), "{opened:?}");
    }

    #[test]
    fn an_event_has_a_bound_in_bytes() {
        // 'é' has two bytes, and the bound falls inside one of them.
        let target = format!("/{}", "é".repeat(40_000));
        let kept = scrubbed(&target, true);
        assert!(kept.len() <= MAX_TARGET + '…'.len_utf8(), "{}", kept.len());
        assert!(kept.ends_with("é…"));
        let mut event = Event::Exchange(ExchangeRecord {
            method: "M".repeat(9_000),
            visitor: "v".repeat(9_000),
            outcome: Outcome::Reset { by: Blame::Edge, reason: "r".repeat(9_000) },
            ..record()
        });
        event.scrub(false);
        assert!(format!("{event:?}").len() < 2 * MAX_TARGET, "{event:?}");
    }
}
