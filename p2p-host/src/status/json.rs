//! `--json`: one object per line on stdout.

use std::io::{self, Write};
use std::time::SystemTime;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use super::event::Event;
use super::queue::Entry;

/// Writes events; until the session is ready it holds them back.
///
/// The contract with scripts: if the start succeeds, the first line is `ready`. What was worth
/// saying earlier comes after it; if the start fails, before the `error` object.
pub(super) struct JsonLines<W> {
    out: W,
    /// `None` once the first line is out.
    held: Option<Vec<Entry>>,
}

impl<W: Write> JsonLines<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, held: Some(Vec::new()) }
    }

    pub(super) fn write(&mut self, entry: Entry) -> io::Result<()> {
        let Some(held) = &mut self.held else {
            return write_line(&mut self.out, &entry);
        };
        match entry.event {
            Event::Ready { .. } => {
                write_line(&mut self.out, &entry)?;
                self.release()
            }
            Event::Connecting { .. } => Ok(()),
            _ if held.len() >= MAX_HELD => Ok(()),
            _ => {
                held.push(entry);
                Ok(())
            }
        }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Writes what is held back, and holds nothing from now on.
    pub(super) fn release(&mut self) -> io::Result<()> {
        for entry in self.held.take().unwrap_or_default() {
            write_line(&mut self.out, &entry)?;
        }
        Ok(())
    }
}

/// `value` as one line of pure ASCII.
///
/// What visitors sent stays exact for the program that parses it, yet `wingman --json` on a
/// terminal shows no escape sequences: serde_json escapes C0 controls, this also the rest.
pub(super) fn to_line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = Vec::with_capacity(256);
    value.serialize(&mut Serializer::with_formatter(&mut line, Ascii(CompactFormatter)))?;
    line.push(b'\n');
    Ok(line)
}

fn write_line(out: &mut impl Write, entry: &Entry) -> io::Result<()> {
    out.write_all(&to_line(&Line { event: &entry.event, at: rfc3339(entry.at) })?)
}

fn rfc3339(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    event: &'a Event,
    at: String,
}

struct Ascii(CompactFormatter);

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut units = [0; 2];
        for c in fragment.chars() {
            if (' '..='~').contains(&c) {
                out.write_all(&[c as u8])?;
            } else {
                for unit in c.encode_utf16(&mut units) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

/// Events held back before `ready`; a start-up has a handful.
const MAX_HELD: usize = 64;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use wingman_wire::code::Blame;

    use super::*;
    use crate::status::event::{ExchangeRecord, Outcome};
    use crate::status::tests::{all_events, ready, record};

    fn entry(event: Event) -> Entry {
        Entry { at: SystemTime::UNIX_EPOCH, event }
    }

    fn written(events: impl IntoIterator<Item = Event>) -> Vec<Value> {
        let mut out = JsonLines::new(Vec::new());
        for event in events {
            out.write(entry(event)).expect("a Vec takes all");
        }
        parse(&out.out)
    }

    fn parse(bytes: &[u8]) -> Vec<Value> {
        let text = std::str::from_utf8(bytes).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    #[test]
    fn every_event_has_its_documented_shape() {
        let at = "1970-01-01T00:00:00.000Z";
        let shapes = written(all_events());
        let expected = [
            json!({"event": "ready", "url": "https://a.example", "session": "a",
                "edge": "https://example", "target": "http://localhost:3000", "resumed": false,
                "version": 1, "at": at}),
            json!({"event": "connecting", "edge": "https://example", "attempt": 2, "at": at}),
            json!({"event": "link-lost", "reason": "silent", "retry_in_ms": 200, "at": at}),
            json!({"event": "origin-down", "origin": "http://localhost:3000", "at": at}),
            json!({"event": "origin-up", "origin": "http://localhost:3000", "at": at}),
            json!({"event": "upgraded", "target": "/hmr", "path": "relay", "visitor": "v1",
                "at": at}),
            json!({"event": "exchange", "method": "GET", "target": "/", "status": 200,
                "duration_ms": 12.5, "head_after_ms": 3.0, "bytes_in": 0, "bytes_out": 4200,
                "path": "relay", "visitor": "v1", "outcome": "finished", "upgraded": false,
                "at": at}),
            json!({"event": "visitor-path", "visitor": "v1", "path": "direct",
                "round_trip_ms": 12.0, "at": at}),
            json!({"event": "visitors", "active": 2, "total": 9, "at": at}),
            json!({"event": "notice", "message": "hello", "at": at}),
            json!({"event": "warning", "message": "careful", "at": at}),
            json!({"event": "dropped", "lines": 5, "at": at}),
            json!({"event": "closing", "reason": "Ctrl-C", "at": at}),
        ];
        assert_eq!(shapes, expected);
    }

    #[test]
    fn a_reset_exchange_says_by_whom() {
        let reset = ExchangeRecord {
            status: None,
            head_after: None,
            outcome: Outcome::Reset { by: Blame::Origin, reason: "refused".into() },
            ..record()
        };
        let line = &written([ready(), Event::Exchange(reset)])[1];
        assert_eq!(line["outcome"], json!({"reset": {"by": "origin", "reason": "refused"}}));
        assert_eq!((&line["status"], &line["head_after_ms"]), (&Value::Null, &Value::Null));
    }

    #[test]
    fn the_first_line_is_ready_with_the_url_in_front() {
        let warning = Event::Warning { message: "world-readable".into() };
        let connecting = Event::Connecting { edge: "e".into(), attempt: 1 };
        let mut out = JsonLines::new(Vec::new());
        for event in [connecting.clone(), warning, ready(), connecting] {
            out.write(entry(event)).expect("a Vec takes all");
        }
        assert!(out.out.starts_with(br#"{"event":"ready","url":"https://a.example","#));
        let names: Vec<_> = parse(&out.out).iter().map(|line| line["event"].clone()).collect();
        assert_eq!(names, ["ready", "warning", "connecting"]);
    }

    #[test]
    fn a_failed_start_still_tells_what_was_held() {
        let mut out = JsonLines::new(Vec::new());
        for _ in 0..MAX_HELD + 5 {
            out.write(entry(Event::Notice { message: "x".into() })).expect("a Vec takes all");
        }
        assert!(out.out.is_empty());
        out.release().expect("a Vec takes all");
        assert_eq!(parse(&out.out).len(), MAX_HELD);
    }

    #[test]
    fn lines_are_ascii_and_lossless() {
        let target = "/\x1b[2J\u{9b}\u{7f}\u{202e}é😀\"\\\n";
        let event = Event::Exchange(ExchangeRecord { target: target.into(), ..record() });
        let line = to_line(&event).expect("serializes");
        assert!(line[..line.len() - 1].iter().all(|b| (b' '..=b'~').contains(b)), "{line:?}");
        assert_eq!(parse(&line)[0]["target"], target);
    }
}
