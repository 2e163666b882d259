//! Upload and download of any size, none of it kept.

use std::ops::Range;
use std::sync::OnceLock;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::{Stream, stream};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderValue, IF_RANGE,
    RANGE,
};
use hyper::{HeaderMap, Request, StatusCode};
use sha2::{Digest as _, Sha256};

use crate::events::hex;
use crate::query::Query;
use crate::reply::{self, Reply};

/// `POST /upload`: counts and hashes what comes, and says what it was.
pub(crate) async fn upload(request: Request<Incoming>) -> Reply {
    let mut content = request.into_body();
    let mut hash = Sha256::new();
    let mut bytes: u64 = 0;
    loop {
        match reply::next_data(&mut content).await {
            Ok(Some(data)) => {
                bytes += data.len() as u64;
                hash.update(&data);
            }
            Ok(None) => break,
            Err(refusal) => return refusal,
        }
    }
    let sha256 = hex(&hash.finalize());
    reply::json(StatusCode::OK, &serde_json::json!({ "bytes": bytes, "sha256": sha256 }))
}

/// `GET /download?bytes=N`: the first N bytes of a fixed sequence, whole or the one range asked for.
///
/// With `chunked=1` the length is not told in advance and ranges are not offered; with `text=1` it is text that compresses
/// to a quarter, as scripts do.
pub(crate) fn download(query: &Query, fields: &HeaderMap) -> Reply {
    let total = query.number("bytes", DEFAULT_BYTES, MAX_BYTES);
    let attachment = HeaderValue::from_static("attachment; filename=\"wingman-sample.bin\"");
    let (media_type, block) =
        if query.flag("text") { (TEXT_TYPE, text()) } else { (MEDIA_TYPE, block()) };
    if query.flag("chunked") {
        let reply = reply::streamed(media_type, sequence(block, 0..total));
        return reply::with(reply, CONTENT_DISPOSITION, attachment);
    }

    let etag = format!("\"sequence-{total}\"");
    let asked = fields.get(RANGE).and_then(|range| range.to_str().ok());
    let applies = fields.get(IF_RANGE).is_none_or(|known| known.as_bytes() == etag.as_bytes());
    let (status, part) = match asked.filter(|_| applies).map_or(Asked::Whole, |r| parse(r, total)) {
        Asked::Whole => (StatusCode::OK, 0..total),
        Asked::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Asked::Outside => {
            let refusal = reply::text(StatusCode::RANGE_NOT_SATISFIABLE, "outside the content");
            return field(refusal, CONTENT_RANGE, &format!("bytes */{total}"));
        }
    };

    let mut reply = reply::streamed(media_type, sequence(block, part.clone()));
    *reply.status_mut() = status;
    if status == StatusCode::PARTIAL_CONTENT {
        let shown = format!("bytes {}-{}/{total}", part.start, part.end - 1);
        reply = field(reply, CONTENT_RANGE, &shown);
    }
    reply = field(reply, CONTENT_LENGTH, &(part.end - part.start).to_string());
    reply = field(reply, ETAG, &etag);
    reply = reply::with(reply, CONTENT_DISPOSITION, attachment);
    reply::with(reply, ACCEPT_RANGES, HeaderValue::from_static("bytes"))
}

/// `GET /download/sha256?bytes=N`: the hash of what `/download?bytes=N` sends.
pub(crate) async fn download_hash(query: &Query) -> Reply {
    let bytes = query.number("bytes", DEFAULT_BYTES, MAX_HASHED_BYTES);
    let mut hash = Sha256::new();
    let mut at = 0;
    while at < bytes {
        let chunk = chunk(block(), at, bytes);
        hash.update(&chunk);
        at += chunk.len() as u64;
        // Hashing is long work for a thread that others wait for.
        tokio::task::yield_now().await;
    }
    let sha256 = hex(&hash.finalize());
    reply::json(StatusCode::OK, &serde_json::json!({ "bytes": bytes, "sha256": sha256 }))
}

/// What a Range field asks for (RFC 9110 §14.2).
#[derive(Debug, PartialEq)]
enum Asked {
    /// Not a byte range, or several: the field is ignored.
    Whole,
    /// One non-empty range inside the content.
    Part(Range<u64>),
    /// A range that begins behind the end.
    Outside,
}

fn parse(range: &str, total: u64) -> Asked {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|one| one.split_once('-'))
    else {
        return Asked::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        return match last.parse::<u64>() {
            Ok(0) => Asked::Outside,
            Ok(_) if total == 0 => Asked::Outside,
            Ok(suffix) => Asked::Part(total.saturating_sub(suffix)..total),
            Err(_) => Asked::Whole,
        };
    }
    let Ok(first) = first.parse::<u64>() else {
        return Asked::Whole;
    };
    let end = match last {
        "" => total,
        last => match last.parse::<u64>() {
            Ok(last) if last >= first => last.saturating_add(1).min(total),
            _ => return Asked::Whole,
        },
    };
    if first < total { Asked::Part(first..end) } else { Asked::Outside }
}

/// The bytes of `part` in chunks that share one allocation for the life of the program.
fn sequence(block: &'static Bytes, part: Range<u64>) -> impl Stream<Item = Bytes> + Send + 'static {
    let mut at = part.start;
    stream::iter(std::iter::from_fn(move || {
        (at < part.end).then(|| {
            let chunk = chunk(block, at, part.end);
            at += chunk.len() as u64;
            chunk
        })
    }))
}

/// The chunk that begins at `at` and ends before `end`, at most [`CHUNK`] long, never empty.
fn chunk(block: &Bytes, at: u64, end: u64) -> Bytes {
    let start = (at % PERIOD) as usize;
    let len = (block.len() - start).min(CHUNK).min(usize::try_from(end - at).unwrap_or(CHUNK));
    block.slice(start..start + len)
}

/// One period of the sequence: xorshift32 words from [`SEED`], little-endian.
fn block() -> &'static Bytes {
    static BLOCK: OnceLock<Bytes> = OnceLock::new();
    BLOCK.get_or_init(|| {
        let mut bytes = BytesMut::with_capacity(PERIOD as usize + 4);
        let mut word = SEED;
        while bytes.len() < PERIOD as usize {
            word ^= word << 13;
            word ^= word >> 17;
            word ^= word << 5;
            bytes.put_u32_le(word);
        }
        bytes.truncate(PERIOD as usize);
        bytes.freeze()
    })
}

/// The same as letters, two bits of each byte.
fn text() -> &'static Bytes {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let letter = |byte: &u8| b"acgt"[usize::from(byte & 3)];
    TEXT.get_or_init(|| block().iter().map(letter).collect())
}

fn field(reply: Reply, name: hyper::header::HeaderName, value: &str) -> Reply {
    match HeaderValue::from_str(value) {
        Ok(value) => reply::with(reply, name, value),
        Err(_) => reply,
    }
}

const MEDIA_TYPE: &str = "application/octet-stream";
const TEXT_TYPE: &str = "text/plain";
const DEFAULT_BYTES: u64 = 1 << 20;
const MAX_BYTES: u64 = 1 << 40;
const MAX_HASHED_BYTES: u64 = 256 << 20;
const CHUNK: usize = 64 * 1024;
/// A prime, so that a chunk lost, doubled or out of place changes the hash of what arrives.
const PERIOD: u64 = 1_048_573;
const SEED: u32 = 0x9e37_79b9;

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    async fn read(part: Range<u64>) -> Vec<u8> {
        sequence(block(), part).collect::<Vec<_>>().await.concat()
    }

    #[tokio::test]
    async fn a_part_is_the_same_bytes_as_in_the_whole() {
        let whole = read(0..2 * PERIOD + 10).await;
        assert_eq!(whole.len() as u64, 2 * PERIOD + 10);
        assert_eq!(whole[..4], [0x19, 0x46, 0x0c, 0x51], "the sequence is part of the contract");
        assert_eq!(whole[..10], whole[PERIOD as usize..][..10]);
        for part in [0..1, 65_535..65_537, PERIOD - 1..PERIOD + 1, PERIOD..2 * PERIOD] {
            let expected = &whole[part.start as usize..part.end as usize];
            assert_eq!(read(part.clone()).await, expected, "{part:?}");
        }
        assert_eq!(read(7..7).await, b"");
    }

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        for (range, expected) in [
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=10-", Asked::Part(10..100)),
            ("bytes=90-1000", Asked::Part(90..100)),
            ("bytes=-5", Asked::Part(95..100)),
            ("bytes=-500", Asked::Part(0..100)),
            ("bytes=100-", Asked::Outside),
            ("bytes=-0", Asked::Outside),
            ("bytes=5-4", Asked::Whole),
            ("bytes=0-1,5-6", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("lines=0-1", Asked::Whole),
            ("bytes", Asked::Whole),
        ] {
            assert_eq!(parse(range, 100), expected, "{range}");
        }
        assert_eq!(parse("bytes=0-", 0), Asked::Outside);
        assert_eq!(parse("bytes=-1", 0), Asked::Outside);
    }

    #[test]
    fn a_stale_validator_gets_the_whole() {
        let query = Query::parse(Some("bytes=100"));
        let mut fields = HeaderMap::new();
        fields.insert(RANGE, HeaderValue::from_static("bytes=0-9"));
        fields.insert(IF_RANGE, HeaderValue::from_static("\"sequence-100\""));
        assert_eq!(download(&query, &fields).status(), StatusCode::PARTIAL_CONTENT);
        fields.insert(IF_RANGE, HeaderValue::from_static("\"sequence-99\""));
        let whole = download(&query, &fields);
        assert_eq!(whole.status(), StatusCode::OK);
        assert_eq!(whole.headers()[CONTENT_LENGTH], "100");
    }
}
