//! Content that takes its time: server-sent events, text lines, NDJSON and slow answers.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream;
use hyper::{HeaderMap, StatusCode};
use tokio::time::{MissedTickBehavior, interval};

use crate::query::Query;
use crate::reply::{self, Reply};

/// `/sse?interval_ms=&count=`: a tick at once and then at every interval; `count=0` never ends.
///
/// A browser that comes back with `Last-Event-ID` goes on counting from there.
pub(crate) fn sse(query: &Query, fields: &HeaderMap) -> Reply {
    let last = fields.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let first = last.map_or(1, |last: u64| last.saturating_add(1));
    let chunks = ticks(Pace::of(query, Duration::from_secs(1), 0), move |n| {
        let n = first.saturating_add(n);
        format!("id: {n}\ndata: {{\"n\":{n},\"at_ms\":{:.3}}}\n\n", now_ms())
    });
    reply::no_store(reply::streamed("text/event-stream", chunks))
}

/// `/stream?interval_ms=&count=`: text lines, by default one per 100 ms for 10 s.
pub(crate) fn lines(query: &Query) -> Reply {
    let chunks = ticks(Pace::of(query, Duration::from_millis(100), 100), |n| {
        format!("line {} at {:.3}\n", n + 1, now_ms())
    });
    reply::no_store(reply::streamed("text/plain; charset=utf-8", chunks))
}

/// `/ndjson?interval_ms=&count=`: JSON values, one a line, by default 20 in 2 s.
pub(crate) fn ndjson(query: &Query) -> Reply {
    let chunks = ticks(Pace::of(query, Duration::from_millis(100), 20), |n| {
        format!("{{\"n\":{},\"at_ms\":{:.3}}}\n", n + 1, now_ms())
    });
    reply::no_store(reply::streamed("application/x-ndjson", chunks))
}

/// `/slow?ms=`: an answer that comes late, by default after 1 s.
pub(crate) async fn slow(query: &Query) -> Reply {
    let delay = query.millis("ms", Duration::from_secs(1), MAX_INTERVAL);
    tokio::time::sleep(delay).await;
    reply::no_store(reply::text(StatusCode::OK, &format!("waited {} ms", delay.as_millis())))
}

/// Milliseconds since 1970, as `Date.now()` counts them.
pub(crate) fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1e3)
}

/// `bytes` in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// How often, and how many times; `count` 0 is for ever.
#[derive(Clone, Copy, Debug)]
struct Pace {
    every: Duration,
    count: u64,
}

impl Pace {
    fn of(query: &Query, every: Duration, count: u64) -> Self {
        // An interval of zero is not allowed by the timer, and would be a busy loop.
        let every = query.millis("interval_ms", every, MAX_INTERVAL).max(Duration::from_millis(1));
        Self { every, count: query.number("count", count, u64::MAX) }
    }
}

fn ticks<F>(pace: Pace, mut chunk: F) -> impl Stream<Item = Bytes> + Send + 'static
where
    F: FnMut(u64) -> String + Send + 'static,
{
    let mut timer = interval(pace.every);
    // A reader that stalls gets the next tick on time, not all missed ones at once.
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sent = 0;
    stream::poll_fn(move |context| {
        if pace.count != 0 && sent == pace.count {
            return std::task::Poll::Ready(None);
        }
        timer.poll_tick(context).map(|_| {
            let made = chunk(sent);
            sent += 1;
            Some(Bytes::from(made))
        })
    })
}

const MAX_INTERVAL: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ticks_come_at_once_and_then_on_time() {
        let pace = Pace { every: Duration::from_millis(100), count: 3 };
        let started = Instant::now();
        let seen: Vec<_> = ticks(pace, |n| n.to_string())
            .map(|chunk| (chunk, started.elapsed().as_millis()))
            .collect()
            .await;
        assert_eq!(seen, [("0".into(), 0), ("1".into(), 100), ("2".into(), 200)]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_interval_of_zero_does_not_panic() {
        let pace = Pace::of(&Query::parse(Some("interval_ms=0&count=2")), Duration::ZERO, 0);
        assert_eq!(ticks(pace, |n| n.to_string()).count().await, 2);
    }

    #[test]
    fn hex_is_lower_case_and_padded() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
    }
}
