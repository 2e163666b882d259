//! Events for the tests of this module's files.

use std::time::Duration;

use super::{Event, ExchangeRecord, Outcome, Path, Upgraded};

pub(super) fn record() -> ExchangeRecord {
    ExchangeRecord {
        method: "GET".into(),
        target: "/".into(),
        status: Some(200),
        duration: Duration::from_micros(12_500),
        head_after: Some(Duration::from_millis(3)),
        bytes_in: 0,
        bytes_out: 4_200,
        path: Path::Relay,
        visitor: "v1".into(),
        outcome: Outcome::Finished,
        upgraded: false,
    }
}

pub(super) fn ready() -> Event {
    Event::Ready {
        url: "https://a.example".into(),
        session: "a".into(),
        edge: "https://example".into(),
        target: "http://localhost:3000".into(),
        resumed: false,
        version: 1,
    }
}

/// One of each kind, `Ready` first.
pub(super) fn all_events() -> Vec<Event> {
    let origin = || "http://localhost:3000".to_owned();
    vec![
        ready(),
        Event::Connecting { edge: "https://example".into(), attempt: 2 },
        Event::LinkLost { reason: "silent".into(), retry_in_ms: 200 },
        Event::OriginDown { origin: origin() },
        Event::OriginUp { origin: origin() },
        Event::Upgraded(Upgraded {
            target: "/hmr".into(),
            path: Path::Relay,
            visitor: "v1".into(),
        }),
        Event::Exchange(record()),
        Event::VisitorPath {
            visitor: "v1".into(),
            path: Path::Direct,
            round_trip: Some(Duration::from_millis(12)),
        },
        Event::Visitors { active: 2, total: 9 },
        Event::Notice { message: "hello".into() },
        Event::Warning { message: "careful".into() },
        Event::Dropped { lines: 5 },
        Event::Closing { reason: "Ctrl-C".into() },
    ]
}
