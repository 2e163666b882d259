//! Text for a terminal: made harmless, cut to width, with units a person reads.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `text` as printable ASCII without white space; the rest is escaped.
///
/// For what visitors sent (method, request target): no escape sequence, line break or direction
/// override reaches the terminal, and one byte is one column.
#[must_use]
pub(super) fn ascii(text: &str) -> String {
    escape(text, |c| c.is_ascii_graphic())
}

/// `text` on one line, without anything that steers a terminal; letters of all scripts stay.
///
/// For messages and causes, which may quote the edge or the operating system.
#[must_use]
pub(super) fn line(text: &str) -> String {
    escape(text, |c| !c.is_control() && !is_invisible(c))
}

/// `text` in at most `width` columns; what is cut off shows as an ellipsis.
#[must_use]
pub(super) fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    if width > 0 {
        short.push('…');
    }
    short
}

/// A duration in two significant units at most: `1.2 ms`, `340 ms`, `3.4 s`, `2m 05s`, `3h 07m`.
#[must_use]
pub(super) fn duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    let seconds = duration.as_secs();
    // The bounds are where rounding would carry into the next unit.
    if micros < 9_950 {
        format!("{:.1} ms", duration.as_secs_f64() * 1e3)
    } else if micros < 999_500 {
        format!("{:.0} ms", duration.as_secs_f64() * 1e3)
    } else if micros < 59_950_000 {
        format!("{:.1} s", duration.as_secs_f64())
    } else if seconds < 3_600 {
        format!("{}m {:02}s", seconds.max(60) / 60, seconds.max(60) % 60)
    } else {
        format!("{}h {:02}m", seconds / 3_600, seconds % 3_600 / 60)
    }
}

/// A byte count in decimal units, as browsers' network views show it: `512 B`, `4.2 kB`, `1.1 GB`.
#[must_use]
pub(super) fn size(bytes: u64) -> String {
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1e3;
    for unit in ["kB", "MB", "GB"] {
        if value < 999.95 {
            return format!("{value:.1} {unit}");
        }
        value /= 1e3;
    }
    format!("{value:.1} TB")
}

/// The time of day, `HH:MM:SS`, `utc_offset` seconds east of UTC.
#[must_use]
pub(super) fn clock(at: SystemTime, utc_offset: i32) -> String {
    let since_epoch = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let local = i64::try_from(since_epoch).unwrap_or_default() + i64::from(utc_offset);
    let of_day = local.rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", of_day / 3_600, of_day % 3_600 / 60, of_day % 60)
}

/// `one` or `many` after its number: `1 visitor`, `2 visitors`.
#[must_use]
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A colour, or none when the terminal should get none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// Success.
    Green,
    /// Redirects and links.
    Cyan,
    /// The visitor's errors, and waiting.
    Yellow,
    /// The origin's errors, and failures.
    Red,
    /// Side matters.
    Dim,
    /// What the eye should find first.
    Bold,
}

impl Ink {
    /// `text` in this colour if `colour`, else `text` as it is.
    #[must_use]
    pub(super) fn paint(self, text: &str, colour: bool) -> String {
        if !colour {
            return text.to_owned();
        }
        let code = match self {
            Self::Green => "32",
            Self::Cyan => "36",
            Self::Yellow => "33",
            Self::Red => "31",
            Self::Dim => "2",
            Self::Bold => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if keep(c) {
            clean.push(c);
        } else if c.is_ascii() {
            let _ = write!(clean, "\\x{:02x}", u32::from(c));
        } else {
            let _ = write!(clean, "\\u{{{:x}}}", u32::from(c));
        }
    }
    clean
}

/// Zero-width, direction-changing and tag characters: they make one text look like another.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_passes() {
        let hostile = "/a\x1b[2J\x1b]0;owned\x07\r\nb\u{9b}31m\u{202e}txt\u{7f} \u{200b}é";
        let clean = ascii(hostile);
        assert!(clean.chars().all(|c| c.is_ascii_graphic()), "{clean}");
        assert_eq!(
            clean,
            "/a\\x1b[2J\\x1b]0;owned\\x07\\x0d\\x0ab\\u{9b}31m\\u{202e}txt\\x7f\\x20\\u{200b}\\u{e9}"
        );
        let message = line("größer \x1b[31m\u{9b}\n\u{202e}");
        assert_eq!(message, "größer \\x1b[31m\\u{9b}\\x0a\\u{202e}");
    }

    #[test]
    fn shortening_keeps_the_width() {
        assert_eq!(shorten("/abcdef", 7), "/abcdef");
        assert_eq!(shorten("/abcdefg", 7), "/abcde…");
        assert_eq!(shorten("/abc", 1), "…");
        assert_eq!(shorten("/abc", 0), "");
    }

    #[test]
    fn durations_read_well_at_every_bound() {
        let cases = [
            (0, "0.0 ms"),
            (1_240, "1.2 ms"),
            (9_949, "9.9 ms"),
            (9_951, "10 ms"),
            (340_000, "340 ms"),
            (999_499, "999 ms"),
            (999_501, "1.0 s"),
            (3_440_000, "3.4 s"),
            (59_960_000, "1m 00s"),
            (125_000_000, "2m 05s"),
            (3_600_000_000, "1h 00m"),
            (11_220_000_000, "3h 07m"),
        ];
        for (micros, text) in cases {
            assert_eq!(duration(Duration::from_micros(micros)), text, "{micros} µs");
        }
    }

    #[test]
    fn sizes_read_well_at_every_bound() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_951, "1.0 MB"),
            (1_100_000_000, "1.1 GB"),
            (5_000_000_000_000, "5.0 TB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn the_clock_follows_the_offset_over_midnight() {
        let at = UNIX_EPOCH + Duration::from_secs(86_400 * 3 + 3_661);
        assert_eq!(clock(at, 0), "01:01:01");
        assert_eq!(clock(at, -7_200), "23:01:01");
        assert_eq!(clock(at, 5 * 3_600 + 1_800), "06:31:01");
        assert_eq!(clock(UNIX_EPOCH, -1), "23:59:59");
    }
}
