//! The one-line status at the foot of a terminal.

use std::time::{Duration, Instant};

use super::event::Event;
use super::text::{self, Ink};
use super::totals::Totals;

/// What the status line tells; follows the events.
#[derive(Debug)]
pub(super) struct Situation {
    link: Link,
    /// The origin, while it does not answer.
    origin_down: Option<String>,
    /// The number of visitors as reported; without a report, those seen in the request log count.
    visitors: Option<u32>,
}

#[derive(Debug)]
enum Link {
    Connecting { attempt: u32 },
    Online,
    Waiting { until: Instant },
    Closing,
}

impl Situation {
    pub(super) fn new() -> Self {
        Self { link: Link::Connecting { attempt: 1 }, origin_down: None, visitors: None }
    }

    pub(super) fn follow(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Connecting { attempt, .. } => {
                self.link = Link::Connecting { attempt: *attempt };
            }
            Event::Ready { .. } => self.link = Link::Online,
            Event::LinkLost { retry_in_ms, .. } => {
                // Capped, so that no reported number can overflow the clock.
                let wait = Duration::from_millis(*retry_in_ms).min(Duration::from_secs(3_600));
                self.link = Link::Waiting { until: now + wait };
            }
            Event::OriginDown { origin } => self.origin_down = Some(origin.clone()),
            Event::OriginUp { .. } => self.origin_down = None,
            Event::Visitors { active, .. } => self.visitors = Some(*active),
            Event::Closing { .. } => self.link = Link::Closing,
            Event::Upgraded(_)
            | Event::Exchange(_)
            | Event::VisitorPath { .. }
            | Event::Notice { .. }
            | Event::Warning { .. }
            | Event::Dropped { .. } => {}
        }
    }

    pub(super) fn line(&self, totals: &Totals, now: Instant, colour: bool) -> String {
        let mut parts = vec![match self.link {
            Link::Connecting { attempt: 0 | 1 } => Ink::Yellow.paint("○ connecting", colour),
            Link::Connecting { attempt } => {
                Ink::Yellow.paint(&format!("○ reconnecting, attempt {attempt}"), colour)
            }
            Link::Online => Ink::Green.paint("● online", colour),
            Link::Waiting { until } => {
                let left = until.saturating_duration_since(now).as_millis().div_ceil(1_000);
                Ink::Yellow.paint(&format!("○ reconnecting in {left} s"), colour)
            }
            Link::Closing => Ink::Dim.paint("○ closing", colour),
        }];
        if let Some(origin) = &self.origin_down {
            let message = format!("✗ nothing answers at {}", text::line(origin));
            parts.push(Ink::Red.paint(&message, colour));
        }
        parts.push(match self.visitors {
            Some(active) => text::count(active.into(), "visitor", "visitors"),
            None if totals.visitors_overflow => format!("{}+ visitors", totals.visitors),
            None => text::count(totals.visitors, "visitor", "visitors"),
        });
        parts.push(text::count(totals.exchanges, "exchange", "exchanges"));
        if totals.open_upgrades > 0 {
            parts.push(text::count(totals.open_upgrades, "WebSocket", "WebSockets"));
        }
        parts.push(text::size(totals.bytes_in.saturating_add(totals.bytes_out)));
        parts.join(" · ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::tests::ready;

    fn lost() -> Event {
        Event::LinkLost { reason: "silent".into(), retry_in_ms: 2_000 }
    }

    #[test]
    fn the_line_follows_the_link() {
        let now = Instant::now();
        let mut situation = Situation::new();
        let totals = Totals::default();
        let start = |situation: &Situation, at| {
            let line = situation.line(&totals, at, false);
            line.split(" · ").next().unwrap_or_default().to_owned()
        };
        assert_eq!(start(&situation, now), "○ connecting");
        situation.follow(&ready(), now);
        assert_eq!(start(&situation, now), "● online");
        situation.follow(&lost(), now);
        assert_eq!(start(&situation, now), "○ reconnecting in 2 s");
        assert_eq!(start(&situation, now + Duration::from_millis(1_100)), "○ reconnecting in 1 s");
        assert_eq!(start(&situation, now + Duration::from_secs(9)), "○ reconnecting in 0 s");
        situation.follow(&Event::Connecting { edge: "e".into(), attempt: 3 }, now);
        assert_eq!(start(&situation, now), "○ reconnecting, attempt 3");
        situation.follow(&Event::Closing { reason: "x".into() }, now);
        assert_eq!(start(&situation, now), "○ closing");
        let forever = Event::LinkLost { reason: "x".into(), retry_in_ms: u64::MAX };
        situation.follow(&forever, now);
        assert_eq!(start(&situation, now), "○ reconnecting in 3600 s");
    }

    #[test]
    fn the_line_shows_origin_and_numbers() {
        let now = Instant::now();
        let mut situation = Situation::new();
        situation.follow(&ready(), now);
        let mut totals = Totals {
            exchanges: 128,
            open_upgrades: 1,
            bytes_in: 200_000,
            bytes_out: 4_000_000,
            visitors: 4_096,
            visitors_overflow: true,
        };
        assert_eq!(
            situation.line(&totals, now, false),
            "● online · 4096+ visitors · 128 exchanges · 1 WebSocket · 4.2 MB"
        );
        totals.open_upgrades = 0;
        situation.follow(&Event::Visitors { active: 1, total: 3 }, now);
        situation.follow(&Event::OriginDown { origin: "http://x".into() }, now);
        assert_eq!(
            situation.line(&totals, now, false),
            "● online · ✗ nothing answers at http://x · 1 visitor · 128 exchanges · 4.2 MB"
        );
        situation.follow(&Event::OriginUp { origin: "http://x".into() }, now);
        assert!(!situation.line(&totals, now, false).contains('✗'));
        assert!(situation.line(&totals, now, true).contains("\x1b[32m● online\x1b[0m"));
    }
}
