//! Lets datagrams go at a steady pace.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::time::{Sleep, sleep};
use webrtc::runtime::Transmit;

use super::path::MAX_BUDGET;

/// A token bucket and the datagrams that wait for it.
///
/// SCTP sends a whole window at once, and a burst of half a megabyte overflows the socket buffer of the page. What
/// waits here counts as in flight, so the sender's budget bounds the data. What a page makes this end answer has no such
/// bound: too much is lost, as in any queue of a network.
#[derive(Debug)]
pub(super) struct Pacer {
    /// Bytes per second; `None`: everything goes at once.
    rate: Option<u64>,
    /// Bytes that may go now; below zero after a datagram that was larger than what was left.
    tokens: i64,
    filled: Instant,
    waiting: VecDeque<Waiting>,
    /// Bytes of them.
    held: usize,
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct Waiting {
    destination: SocketAddr,
    source: Option<IpAddr>,
    segment: Option<usize>,
    contents: Box<[u8]>,
}

impl Pacer {
    pub(super) fn new(now: Instant) -> Self {
        Self { rate: None, tokens: 0, filled: now, waiting: VecDeque::new(), held: 0, timer: None }
    }

    /// Changes the pace.
    pub(super) fn set_rate(&mut self, now: Instant, rate: Option<u64>) {
        self.fill(now);
        self.rate = rate;
    }

    /// Whether so many bytes may go now; then they count as gone. Never while others wait.
    pub(super) fn take(&mut self, now: Instant, bytes: usize) -> bool {
        if !self.waiting.is_empty() {
            return false;
        }
        self.fill(now);
        self.spend(bytes)
    }

    /// Puts datagrams behind those that wait, unless there are too many.
    pub(super) fn queue(&mut self, transmit: &Transmit<'_>) {
        if self.held >= MAX_HELD {
            return;
        }
        self.held += transmit.contents.len();
        self.waiting.push_back(Waiting {
            destination: transmit.destination,
            source: transmit.src_ip,
            segment: transmit.segment_size,
            contents: transmit.contents.into(),
        });
    }

    /// Sends what may go by `send`; pending, and woken later, if some is left. What cannot be sent is lost.
    pub(super) fn poll_flush(
        &mut self,
        context: &mut Context<'_>,
        mut send: impl FnMut(&mut Context<'_>, &Transmit<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<()> {
        while !self.waiting.is_empty() {
            self.fill(Instant::now());
            if self.rate.is_some() && self.tokens <= 0 {
                let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(TICK)));
                ready!(timer.as_mut().poll(context));
                self.timer = None;
                continue;
            }
            let Some(first) = self.waiting.front() else { break };
            let bytes = first.contents.len();
            let transmit = Transmit {
                destination: first.destination,
                ecn: None,
                contents: &first.contents,
                segment_size: first.segment,
                src_ip: first.source,
            };
            let sent = ready!(send(context, &transmit));
            self.spend(bytes);
            self.held -= bytes;
            self.waiting.pop_front();
            if let Err(error) = sent {
                tracing::debug!(%error, "UDP send failed");
            }
        }
        self.timer = None;
        Poll::Ready(())
    }

    fn fill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.filled);
        self.filled = now;
        let Some(rate) = self.rate else { return };
        let fresh = u128::from(rate) * elapsed.as_nanos() / 1_000_000_000;
        let fresh = i64::try_from(fresh).unwrap_or(i64::MAX);
        // A timer may be late by a tick.
        let bucket = i64::try_from(rate / 500).unwrap_or(i64::MAX).clamp(MIN_BUCKET, MAX_BUCKET);
        self.tokens = self.tokens.saturating_add(fresh).min(bucket);
    }

    fn spend(&mut self, bytes: usize) -> bool {
        if self.rate.is_none() {
            return true;
        }
        if self.tokens <= 0 {
            return false;
        }
        self.tokens = self.tokens.saturating_sub_unsigned(bytes as u64);
        true
    }
}

/// Above all that a sender's budget allows.
const MAX_HELD: usize = 2 * MAX_BUDGET;
/// The shortest sleep of the runtime.
const TICK: Duration = Duration::from_millis(1);
/// 16 datagrams.
const MIN_BUCKET: i64 = 16 * 1_200;
/// More at once may overflow the socket buffer of a browser.
const MAX_BUCKET: i64 = 40 * 1_200;

#[cfg(test)]
mod tests {
    use super::*;

    fn transmit(contents: &[u8]) -> Transmit<'_> {
        Transmit {
            destination: "192.0.2.1:1".parse().unwrap(),
            ecn: None,
            contents,
            segment_size: None,
            src_ip: None,
        }
    }

    #[tokio::test]
    async fn without_a_rate_nothing_waits() {
        let mut pacer = Pacer::new(Instant::now());
        for _ in 0..1_000 {
            assert!(pacer.take(Instant::now(), 1_200));
        }
    }

    #[tokio::test]
    async fn a_burst_leaves_at_the_rate_in_its_order() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start);
        let rate = 2_000_000;
        pacer.set_rate(start, Some(rate));
        let mut sent = Vec::new();
        let total = 200_u32;
        for index in 0..total {
            let mut contents = [0; 1_200];
            contents[..4].copy_from_slice(&index.to_be_bytes());
            if pacer.take(Instant::now(), contents.len()) {
                sent.push(index);
            } else {
                pacer.queue(&transmit(&contents));
            }
        }
        assert!(sent.len() < 32, "the bucket is small: {}", sent.len());
        std::future::poll_fn(|context| {
            pacer.poll_flush(context, |_, transmit| {
                let index: [u8; 4] = transmit.contents[..4].try_into().unwrap();
                sent.push(u32::from_be_bytes(index));
                Poll::Ready(Ok(transmit.contents.len()))
            })
        })
        .await;
        assert_eq!(sent, (0..total).collect::<Vec<_>>());
        let least = f64::from(total - 40) * 1_200.0 / rate as f64;
        let took = start.elapsed().as_secs_f64();
        assert!(took >= least, "{took} s, at least {least} s");
    }

    #[tokio::test]
    async fn a_full_socket_keeps_the_datagram() {
        let mut pacer = Pacer::new(Instant::now());
        pacer.queue(&transmit(b"x"));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(pacer.poll_flush(&mut context, |_, _| Poll::Pending).is_pending());
        let mut sent = 0;
        let flushed = pacer.poll_flush(&mut context, |_, _| {
            sent += 1;
            Poll::Ready(Ok(1))
        });
        assert!(flushed.is_ready());
        assert_eq!(sent, 1);
        assert!(pacer.take(Instant::now(), 1), "nothing waits any more");
    }

    #[tokio::test]
    async fn what_cannot_be_sent_holds_nothing_up() {
        let mut pacer = Pacer::new(Instant::now());
        for contents in [b"a", b"b", b"c"] {
            pacer.queue(&transmit(contents));
        }
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut sent = 0;
        let flushed = pacer.poll_flush(&mut context, |_, _| {
            sent += 1;
            Poll::Ready(if sent == 1 { Err(io::ErrorKind::Other.into()) } else { Ok(1) })
        });
        assert!(flushed.is_ready());
        assert_eq!(sent, 3);
    }

    #[tokio::test]
    async fn what_waits_is_bounded_and_goes_on_when_there_is_room() {
        let mut pacer = Pacer::new(Instant::now());
        let contents = vec![0; 1_000];
        let held =
            |pacer: &Pacer| pacer.waiting.iter().map(|one| one.contents.len()).sum::<usize>();
        for _ in 0..2 {
            for _ in 0..2 * MAX_HELD / contents.len() {
                pacer.queue(&transmit(&contents));
            }
            assert!((MAX_HELD..MAX_HELD + contents.len()).contains(&held(&pacer)));
            let mut context = Context::from_waker(std::task::Waker::noop());
            assert!(pacer.poll_flush(&mut context, |_, _| Poll::Ready(Ok(1))).is_ready());
            assert_eq!(held(&pacer), 0);
        }
    }
}
