//! gzip for a response on its way through a data channel. It is a coding of the transfer (RFC 9110 §10.1.4): the worker takes
//! it off, and the app, the recording and copies by relay have what the origin sent.
//!
//! Dev servers compress little, and the upload of a home is the narrowest part of the direct path. It is faster on every
//! path, loopback included, for data channels cost more for each byte than gzip does.

use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, StatusCode, header};

use super::budget::Claim;

/// Codes one content.
pub(super) struct Coder {
    encoder: GzEncoder<Vec<u8>>,
    /// Its memory.
    _claim: Claim,
}

impl Coder {
    /// `None`: as it is, for coding would cost more than it saves, or `claim` cannot grow by [`MEMORY`].
    pub(super) fn new(status: StatusCode, fields: &HeaderMap, mut claim: Claim) -> Option<Self> {
        let is_worth_it = status.is_success()
            && !fields.contains_key(header::CONTENT_ENCODING)
            && length(fields).is_some_and(|length| length >= LEAST)
            && is_compressible(fields);
        (is_worth_it && claim.grow(MEMORY)).then(|| Self {
            encoder: GzEncoder::new(Vec::new(), Compression::new(LEVEL)),
            _claim: claim,
        })
    }

    /// What `data` becomes, all of it: nothing waits for what comes next.
    pub(super) fn code(&mut self, data: &[u8]) -> Bytes {
        let written = self.encoder.write_all(data).and_then(|()| self.encoder.flush());
        self.take(written)
    }

    /// What comes after everything.
    pub(super) fn finish(&mut self) -> Bytes {
        let finished = self.encoder.try_finish();
        self.take(finished)
    }

    fn take(&mut self, outcome: std::io::Result<()>) -> Bytes {
        if let Err(error) = outcome {
            // A vector takes everything. Were it not so, the worker would see that the gzip is broken.
            tracing::error!(%error, "gzip");
        }
        std::mem::take(self.encoder.get_mut()).into()
    }
}

fn length(fields: &HeaderMap) -> Option<u64> {
    fields.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// By its media type (RFC 9110 §8.3.1).
fn is_compressible(fields: &HeaderMap) -> bool {
    let Some(value) = fields.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let media = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media.starts_with("text/")
        || media.ends_with("+json")
        || media.ends_with("+xml")
        || COMPRESSIBLE.contains(&media.as_str())
}

const COMPRESSIBLE: [&str; 8] = [
    "application/javascript",
    "application/json",
    "application/wasm",
    "application/x-javascript",
    "application/x-ndjson",
    "application/xml",
    "font/ttf",
    "image/bmp",
];
/// Bytes of content. Below it the round trip is what a response takes, and a decoder costs the browser half a millisecond.
const LEAST: u64 = 32 * 1024;
/// 140 MB of scripts a second, to a fifth; 1 makes 340, to 29 %, which is dearer on any path but loopback.
const LEVEL: u32 = 3;
/// What an encoder holds, bytes.
pub(super) const MEMORY: usize = 300 * 1024;

#[cfg(test)]
mod tests {
    use std::{io::Read, sync::Arc};

    use flate2::read::GzDecoder;

    use super::*;
    use crate::exchange::budget::Budget;

    const TYPE: (&str, &str) = ("content-type", "text/javascript");

    fn fields(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |&(name, value): &(&'static str, &'static str)| {
            (name.parse().unwrap(), value.parse().unwrap())
        };
        fields.iter().map(line).collect()
    }

    fn coder(
        status: u16,
        lines: &[(&'static str, &'static str)],
        budget: &Arc<Budget>,
    ) -> Option<Coder> {
        Coder::new(StatusCode::from_u16(status).unwrap(), &fields(lines), budget.claim(None))
    }

    #[test]
    fn only_what_is_worth_it_is_coded() {
        let budget = Budget::new(usize::MAX, usize::MAX);
        let (long, short) = (("content-length", "32768"), ("content-length", "32767"));
        for media in [
            "text/css",
            "Text/HTML; charset=utf-8",
            "application/json",
            "application/ld+json",
            "image/svg+xml",
            "application/wasm",
        ] {
            assert!(coder(200, &[("content-type", media), long], &budget).is_some(), "{media}");
        }
        for (status, lines) in [
            (200, vec![TYPE, short]),
            (200, vec![TYPE]),
            (200, vec![TYPE, ("content-length", "-1")]),
            (200, vec![long]),
            (200, vec![("content-type", "image/png"), long]),
            (200, vec![("content-type", "application/jsonx"), long]),
            (200, vec![TYPE, long, ("content-encoding", "br")]),
            (304, vec![TYPE, long]),
        ] {
            assert!(coder(status, &lines, &budget).is_none(), "{status} {lines:?}");
        }
        assert_eq!(budget.used(), 0, "what is not made holds nothing");
    }

    #[test]
    fn each_piece_can_be_read_when_it_is_there() {
        let budget = Budget::new(MEMORY, MEMORY);
        let lines = [TYPE, ("content-length", "100000")];
        let mut first = coder(200, &lines, &budget).expect("room");
        assert!(coder(200, &lines, &budget).is_none(), "no more than there is memory for");
        let (mut coded, mut plain) = (Vec::new(), Vec::new());
        for piece in 0..4_u8 {
            let data = vec![piece; 25_000];
            coded.extend_from_slice(&first.code(&data));
            plain.extend_from_slice(&data);
            let mut read = vec![0; plain.len()];
            GzDecoder::new(&*coded).read_exact(&mut read).expect("all of it so far");
            assert_eq!(read, plain);
        }
        coded.extend_from_slice(&first.finish());
        assert!(coded.len() < 2_000, "{}", coded.len());
        let mut read = Vec::new();
        GzDecoder::new(&*coded).read_to_end(&mut read).expect("a whole gzip");
        assert_eq!(read, plain);
        drop(first);
        assert_eq!(budget.used(), 0);
    }
}
