//! Events as lines for a person.

use std::time::SystemTime;

use wingman_wire::code::Blame;

use super::event::{Event, ExchangeRecord, Outcome, Path, Upgraded};
use super::qr;
use super::text::{self, Ink};
use super::totals::Totals;

/// How lines are made; pure, so that tests see what a person sees.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines {
    pub(super) colour: bool,
    /// Columns of the terminal; `None` writes lines in full.
    pub(super) width: Option<usize>,
    /// Whether the URL is also shown as a QR code (terminals only).
    pub(super) qr: bool,
    /// Seconds east of UTC.
    pub(super) utc_offset: i32,
}

impl Lines {
    /// The lines for an event; none for what only the status line shows.
    pub(super) fn of(&self, at: SystemTime, event: &Event, totals: &Totals) -> Vec<String> {
        let time = self.ink(Ink::Dim, &text::clock(at, self.utc_offset));
        let stamped = |ink: Ink, message: &str| {
            vec![format!("{time}  {}", self.ink(ink, &text::line(message)))]
        };
        match event {
            Event::Exchange(record) => vec![self.exchange(&time, record)],
            Event::Upgraded(upgraded) => vec![self.opened(&time, upgraded)],
            Event::Ready { url, resumed: true, .. } => {
                stamped(Ink::Green, &format!("● online again at {url}"))
            }
            Event::Ready { url, target, .. } => self.ready(url, target),
            // A terminal shows it in the status line.
            Event::Connecting { .. } if self.width.is_some() => Vec::new(),
            Event::Connecting { edge, .. } => stamped(Ink::Dim, &format!("○ connecting to {edge}")),
            Event::LinkLost { reason, retry_in_ms } => {
                let wait = text::duration(std::time::Duration::from_millis(*retry_in_ms));
                stamped(Ink::Yellow, &format!("○ link lost: {reason}; next attempt in {wait}"))
            }
            Event::OriginDown { origin } => stamped(
                Ink::Red,
                &format!("✗ nothing answers at {origin}; visitors see an error page until it does"),
            ),
            Event::OriginUp { origin } => stamped(Ink::Green, &format!("● {origin} answers again")),
            Event::VisitorPath { visitor, path: Path::Direct, round_trip } => {
                let away = round_trip.map(|time| format!(", {} away", text::duration(time)));
                let away = away.unwrap_or_default();
                stamped(Ink::Green, &format!("● visitor {visitor} is connected directly{away}"))
            }
            Event::VisitorPath { visitor, path: Path::Relay, .. } => {
                stamped(Ink::Dim, &format!("○ visitor {visitor} goes by the relay again"))
            }
            Event::Visitors { .. } => Vec::new(),
            Event::Notice { message } => stamped(Ink::Cyan, &format!("· {message}")),
            Event::Warning { message } => stamped(Ink::Yellow, &format!("! {message}")),
            Event::Dropped { lines } => stamped(
                Ink::Dim,
                &format!("· {} left out: too fast to show", text::count(*lines, "line", "lines")),
            ),
            Event::Closing { reason } => stamped(
                Ink::Dim,
                &format!(
                    "○ closed: {reason} ({}, {} in, {} out)",
                    text::count(totals.exchanges, "exchange", "exchanges"),
                    text::size(totals.bytes_in),
                    text::size(totals.bytes_out)
                ),
            ),
        }
    }

    fn ready(&self, url: &str, target: &str) -> Vec<String> {
        let url = text::line(url);
        let mut lines = vec![
            String::new(),
            format!("  {}", self.ink(Ink::Bold, &url)),
            format!("  → {}", text::line(target)),
            String::new(),
        ];
        let code = self
            .width
            .filter(|_| self.qr)
            .and_then(|width| qr::lines(&url, width.saturating_sub(2), self.colour));
        if let Some(code) = code {
            lines.extend(code.into_iter().map(|row| format!("  {row}")));
            lines.push(String::new());
        }
        lines
    }

    fn exchange(&self, time: &str, record: &ExchangeRecord) -> String {
        let (ink, state) = match (record.status, record.upgraded) {
            (_, true) => (Ink::Dim, "closed".to_owned()),
            (Some(status), false) => (status_ink(status), status.to_string()),
            (None, false) => (Ink::Red, "-".to_owned()),
        };
        let method = if record.upgraded { UPGRADED } else { &record.method };
        let size = if record.upgraded {
            record.bytes_in.saturating_add(record.bytes_out)
        } else {
            record.bytes_out
        };
        let mut tail = String::new();
        if record.path == Path::Direct {
            tail.push_str("  direct");
        }
        let mut tail_ink = Ink::Dim;
        if let Outcome::Reset { by, reason } = &record.outcome {
            let reason = text::shorten(&text::line(reason), MAX_REASON);
            tail.push_str(&format!("  reset by {}: {reason}", by.as_str()));
            if *by != Blame::Visitor {
                tail_ink = Ink::Red;
            }
        }
        self.columns(
            time,
            method,
            &record.target,
            (ink, &state),
            [&text::duration(record.duration), &text::size(size)],
            (tail_ink, &tail),
        )
    }

    fn opened(&self, time: &str, upgraded: &Upgraded) -> String {
        let tail = if upgraded.path == Path::Direct { "  direct" } else { "" };
        let state = (Ink::Green, "open");
        self.columns(time, UPGRADED, &upgraded.target, state, ["", ""], (Ink::Dim, tail))
    }

    /// `time  method target status duration size tail`: the target takes the room that is left.
    fn columns(
        &self,
        time: &str,
        method: &str,
        target: &str,
        (state_ink, state): (Ink, &str),
        [duration, size]: [&str; 2],
        (tail_ink, tail): (Ink, &str),
    ) -> String {
        let mut method = text::ascii(method);
        let mut target = text::ascii(target);
        let room = match self.width {
            Some(width) => {
                let room = width.saturating_sub(FIXED + tail.chars().count()).max(MIN_TARGET);
                method = text::shorten(&method, METHOD);
                target = text::shorten(&target, room);
                room
            }
            None => PLAIN_TARGET,
        };
        let state = self.ink(state_ink, &format!("{state:>6}"));
        let numbers = self.ink(Ink::Dim, &format!("{duration:>8}  {size:>9}"));
        let tail = if tail.is_empty() { String::new() } else { self.ink(tail_ink, tail) };
        let line = format!("{time}  {method:<METHOD$} {target:<room$} {state}  {numbers}{tail}");
        if self.colour { line } else { line.trim_end().to_owned() }
    }

    fn ink(&self, ink: Ink, text: &str) -> String {
        ink.paint(text, self.colour)
    }
}

fn status_ink(status: u16) -> Ink {
    match status {
        0..300 => Ink::Green,
        300..400 => Ink::Cyan,
        400..500 => Ink::Yellow,
        _ => Ink::Red,
    }
}

/// In the method's place for WebSockets and other upgraded connections.
const UPGRADED: &str = "WS";
/// Columns of the method; `OPTIONS` is the longest of the common ones.
const METHOD: usize = 7;
/// Columns of everything but target and tail: time 8+2, method 7+1, 1+state 6, 2+8, 2+9.
const FIXED: usize = 46;
/// The target keeps at least this on a narrow terminal; the line then wraps.
const MIN_TARGET: usize = 10;
/// Where columns align when there is no terminal; longer targets stay whole.
const PLAIN_TARGET: usize = 32;
/// Columns of the reason of a reset.
const MAX_REASON: usize = 40;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::status::tests::{all_events, ready, record};

    const PLAIN: Lines = Lines { colour: false, width: None, qr: true, utc_offset: 0 };
    const NARROW: Lines = Lines { colour: false, width: Some(80), qr: true, utc_offset: 0 };
    const COLOUR: Lines = Lines { colour: true, width: Some(80), qr: true, utc_offset: 0 };

    fn show(lines: Lines, event: &Event) -> String {
        lines.of(SystemTime::UNIX_EPOCH, event, &Totals::default()).join("\n")
    }

    fn exchange(record: ExchangeRecord) -> Event {
        Event::Exchange(record)
    }

    #[test]
    fn the_request_log_has_this_format() {
        let cases = [
            (
                record(),
                "00:00:00  GET     /                                   200     12 ms     4.2 kB",
            ),
            (
                ExchangeRecord {
                    method: "POST".into(),
                    target: "/api/upload".into(),
                    status: None,
                    bytes_out: 0,
                    path: Path::Direct,
                    outcome: Outcome::Reset { by: Blame::Origin, reason: "refused".into() },
                    ..record()
                },
                "00:00:00  POST    /api/upload                           -     12 ms        0 B  \
                 direct  reset by origin: refused",
            ),
            (
                ExchangeRecord {
                    target: "/hmr".into(),
                    status: Some(101),
                    duration: Duration::from_secs(125),
                    bytes_in: 800,
                    bytes_out: 700,
                    upgraded: true,
                    ..record()
                },
                "00:00:00  WS      /hmr                             closed    2m 05s     1.5 kB",
            ),
        ];
        for (record, line) in cases {
            assert_eq!(show(PLAIN, &exchange(record)), line);
        }
        let opened = Event::Upgraded(Upgraded {
            target: "/hmr".into(),
            path: Path::Relay,
            visitor: "v1".into(),
        });
        assert_eq!(
            show(PLAIN, &opened),
            "00:00:00  WS      /hmr                               open"
        );
    }

    #[test]
    fn lines_fit_the_terminal_and_only_there_are_cut() {
        let long = format!("/{}", "x".repeat(300));
        for outcome in
            [Outcome::Finished, Outcome::Reset { by: Blame::Visitor, reason: "left".into() }]
        {
            let event = exchange(ExchangeRecord {
                method: "PROPPATCH".into(),
                target: long.clone(),
                outcome,
                ..record()
            });
            let line = show(NARROW, &event);
            assert_eq!(line.chars().count(), 80, "{line}");
            assert!(line.contains("PROPPA… /xxx") && line.contains("x… "), "{line}");
            assert!(show(PLAIN, &event).contains(&long), "a file gets it whole");
        }
    }

    #[test]
    fn what_visitors_send_cannot_steer_the_terminal() {
        let event = exchange(ExchangeRecord {
            method: "G\x1b[31mET".into(),
            target: "/\x1b]0;x\x07\r\n\u{9b}2J".into(),
            outcome: Outcome::Reset { by: Blame::Visitor, reason: "\x1b[2J\n".into() },
            ..record()
        });
        let hostile = [
            event,
            Event::Warning { message: "edge says \x1b[2J\r\n".into() },
            Event::LinkLost { reason: "\x1b[2J\n\u{202e}".into(), retry_in_ms: 1 },
            Event::Ready {
                url: "https://\x1b[2J\n".into(),
                session: String::new(),
                edge: String::new(),
                target: "\x1b[2J\n".into(),
                resumed: false,
                version: 1,
            },
        ];
        for event in hostile {
            for line in PLAIN.of(SystemTime::UNIX_EPOCH, &event, &Totals::default()) {
                assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line:?}");
            }
        }
    }

    #[test]
    fn no_colour_means_no_escape_at_all() {
        for event in all_events() {
            for lines in [PLAIN, NARROW] {
                assert!(!show(lines, &event).contains('\x1b'), "{event:?}");
            }
        }
    }

    #[test]
    fn the_status_is_coloured_by_class() {
        for (status, code) in [(101, 32), (204, 32), (304, 36), (404, 33), (500, 31), (999, 31)] {
            let line = show(COLOUR, &exchange(ExchangeRecord { status: Some(status), ..record() }));
            assert!(line.contains(&format!("\x1b[{code}m   {status}\x1b[0m")), "{line:?}");
        }
    }

    #[test]
    fn ready_shows_url_origin_and_a_code_only_on_a_terminal_with_room() {
        assert_eq!(show(PLAIN, &ready()), "\n  https://a.example\n  → http://localhost:3000\n");
        assert!(show(NARROW, &ready()).contains('█'));
        assert!(!show(Lines { width: Some(20), ..NARROW }, &ready()).contains('█'));
        assert!(!show(Lines { qr: false, ..NARROW }, &ready()).contains('█'));
    }

    #[test]
    fn the_other_lines_read_as_sentences() {
        let shown: Vec<String> = all_events()
            .iter()
            .filter(|event| !event.is_droppable() && !matches!(event, Event::Ready { .. }))
            .map(|event| show(PLAIN, event))
            .collect();
        let expected = [
            "00:00:00  ○ connecting to https://example",
            "00:00:00  ○ link lost: silent; next attempt in 200 ms",
            "00:00:00  ✗ nothing answers at http://localhost:3000; \
             visitors see an error page until it does",
            "00:00:00  ● http://localhost:3000 answers again",
            "00:00:00  ● visitor v1 is connected directly, 12 ms away",
            "",
            "00:00:00  · hello",
            "00:00:00  ! careful",
            "00:00:00  · 5 lines left out: too fast to show",
            "00:00:00  ○ closed: Ctrl-C (0 exchanges, 0 B in, 0 B out)",
        ];
        assert_eq!(shown, expected);
        let back = Event::VisitorPath { visitor: "v1".into(), path: Path::Relay, round_trip: None };
        assert_eq!(show(PLAIN, &back), "00:00:00  ○ visitor v1 goes by the relay again");
        assert_eq!(show(NARROW, &all_events()[1]), "", "the status line says `connecting`");
    }
}
