//! Which form of an answer a visitor can read.

/// The forms an answer of the edge comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A page for people.
    Html,
    /// An object for scripts.
    Json,
    /// Lines for terminals, and for all who do not say.
    Text,
}

impl Format {
    /// All of them, in the order of preference where a visitor has none.
    pub const ALL: [Self; 3] = [Self::Html, Self::Json, Self::Text];

    /// The form an `Accept` prefers (RFC 9110 §12.5.1).
    ///
    /// Only what is named counts: `*/*` is what curl and `fetch` send, and they want no page.
    pub fn of(accept: Option<&[u8]>) -> Self {
        let mut best = (Self::Text, 0);
        for range in accept.unwrap_or_default().split(|byte| *byte == b',').take(MAX_RANGES) {
            let mut parts = range.split(|byte| *byte == b';');
            let Some(format) = Self::of_type(parts.next().unwrap_or_default().trim_ascii()) else {
                continue;
            };
            let quality = parts.find_map(quality).unwrap_or(1000);
            let preferred = (format as usize) < best.0 as usize;
            if quality > best.1 || (quality == best.1 && quality > 0 && preferred) {
                best = (format, quality);
            }
        }
        best.0
    }

    /// For `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
        }
    }

    fn of_type(media_type: &[u8]) -> Option<Self> {
        let is = |known: &str| media_type.eq_ignore_ascii_case(known.as_bytes());
        if is("text/html") || is("application/xhtml+xml") {
            Some(Self::Html)
        } else if is("application/json") || is("application/problem+json") {
            Some(Self::Json)
        } else if is("text/plain") {
            Some(Self::Text)
        } else {
            None
        }
    }
}

/// `q=0.8` in thousandths; anything that is no weight counts as none at all.
fn quality(parameter: &[u8]) -> Option<u16> {
    let [b'q' | b'Q', b'=', weight @ ..] = parameter.trim_ascii() else {
        return None;
    };
    let weight: f32 = std::str::from_utf8(weight).ok()?.parse().ok()?;
    (0.0..=1.0).contains(&weight).then_some((weight * 1000.0) as u16)
}

/// Browsers send eight; this bounds the work for the others.
const MAX_RANGES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences() {
        for (accept, format) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format::Html),
            ("TEXT/HTML", Format::Html),
            ("application/json, text/plain, */*", Format::Json),
            ("application/json;q=0.5, text/plain;q=0.9", Format::Text),
            ("text/html;q=0.1, application/json", Format::Json),
            ("application/json, text/html", Format::Html),
            ("text/html;level=1;q=0.3, application/json;Q=0.2", Format::Html),
            ("text/html;q=0", Format::Text),
            ("text/html;q=0, application/json;q=0", Format::Text),
            ("*/*", Format::Text),
            ("image/avif,image/webp,*/*;q=0.8", Format::Text),
            ("text/event-stream", Format::Text),
            ("", Format::Text),
            (";;,,;q=,", Format::Text),
            ("text/html;q=nan", Format::Html),
            ("text/html;q=-5", Format::Html),
            ("text/html;q=1e30, application/json", Format::Html),
        ] {
            assert_eq!(Format::of(Some(accept.as_bytes())), format, "{accept}");
        }
        assert_eq!(Format::of(None), Format::Text);
        assert_eq!(Format::of(Some(b"text/html;q=\xff\xff")), Format::Html);
        let endless = format!("{}text/html", "a/b,".repeat(10_000));
        assert_eq!(Format::of(Some(endless.as_bytes())), Format::Text);
    }
}
