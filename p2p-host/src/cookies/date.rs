//! Dates in `Expires`, by the algorithm that browsers use (RFC 6265 §5.1.1).
//!
//! Written by hand: the `cookie` crate knows four formats, and a date that it does not know would be a cookie
//! without an end, where browsers have one that is long over.

use std::time::{Duration, SystemTime};

use chrono::NaiveDate;

/// The time; `None` if browsers find none.
pub(super) fn parse(text: &[u8]) -> Option<SystemTime> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(|byte| is_delimiter(*byte)).filter(|token| !token.is_empty()) {
        if time.is_none()
            && let found @ Some(_) = clock(token)
        {
            time = found;
        } else if day.is_none()
            && let found @ Some(_) = number(token, 1, 2)
        {
            day = found;
        } else if month.is_none()
            && let found @ Some(_) = month_of(token)
        {
            month = found;
        } else if year.is_none()
            && let found @ Some(_) = number(token, 2, 4)
        {
            year = found;
        }
    }
    let (hour, minute, second) = time?;
    let year = match year? {
        year @ 70..=99 => year + 1900,
        year @ 0..=69 => year + 2000,
        year => year,
    };
    if year < 1601 {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month?, day?)?;
    let seconds = date.and_hms_opt(hour, minute, second)?.and_utc().timestamp();
    match u64::try_from(seconds) {
        Ok(seconds) => SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)),
        Err(_) => Some(SystemTime::UNIX_EPOCH),
    }
}

const fn is_delimiter(byte: u8) -> bool {
    matches!(byte, 0x09 | 0x20..=0x2f | 0x3b..=0x40 | 0x5b..=0x60 | 0x7b..=0x7e)
}

/// Digits at the start, `least` to `most` of them and no more.
fn number(token: &[u8], least: usize, most: usize) -> Option<u32> {
    let digits = token.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(least..=most).contains(&digits) {
        return None;
    }
    std::str::from_utf8(token.get(..digits)?).ok()?.parse().ok()
}

fn clock(token: &[u8]) -> Option<(u32, u32, u32)> {
    let mut parts = token.splitn(3, |byte| *byte == b':');
    let whole =
        |part: &[u8]| if part.iter().all(u8::is_ascii_digit) { number(part, 1, 2) } else { None };
    let (hour, minute) = (whole(parts.next()?)?, whole(parts.next()?)?);
    Some((hour, minute, number(parts.next()?, 1, 2)?))
}

fn month_of(token: &[u8]) -> Option<u32> {
    let start = token.get(..3)?;
    let place = MONTHS.iter().position(|month| start.eq_ignore_ascii_case(month))?;
    u32::try_from(place + 1).ok()
}

const MONTHS: [&[u8]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_browsers_do() {
        for (text, seconds) in [
            ("Wed, 21 Oct 2015 07:28:00 GMT", 1_445_412_480),
            ("Wed, 21-Oct-2015 07:28:00 GMT", 1_445_412_480),
            ("Wednesday, 21-Oct-15 07:28:00 GMT", 1_445_412_480),
            ("Wed Oct 21 07:28:00 2015", 1_445_412_480),
            ("21 oct 2015 7:28:0", 1_445_412_480),
            ("2015 October 21th 07:28:00 +0200", 1_445_412_480),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Thu, 01 Jan 1601 00:00:00 GMT", 0),
            ("1 Jan 70 0:0:0", 0),
            ("1 Jan 69 0:0:0", 3_124_224_000),
        ] {
            let expected = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(parse(text.as_bytes()), Some(expected), "{text}");
        }
        for none in [
            "",
            "tomorrow",
            "0",
            "Wed, 21 Oct 2015",
            "Wed, 32 Oct 2015 07:28:00 GMT",
            "Wed, 30 Feb 2015 07:28:00 GMT",
            "Wed, 21 Oct 2015 24:00:00 GMT",
            "Wed, 21 Oct 2015 07:28:60 GMT",
            "Wed, 21 Oct 1600 07:28:00 GMT",
            "Wed, 21 Oct 20155 07:28:00 GMT",
            "Wed, 21 Foo 2015 07:28:00 GMT",
            "21 Oct 2015 07:28",
        ] {
            assert_eq!(parse(none.as_bytes()), None, "{none}");
        }
    }
}
