//! Loads of our own, and what any load yields.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    client::Client,
    origin::File,
    peer::Peer,
    point::{Load, Point},
    wrk::Wrk,
};

/// What a load has seen of one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Answered requests.
    pub requests: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// Bytes that came for them.
    pub bytes: u64,
    /// Half of the answers were complete within this.
    pub p50: Duration,
    /// 99 in 100 were.
    pub p99: Duration,
    /// Requests that failed, or had another status.
    pub errors: u64,
}

impl Sample {
    /// Answers in a second.
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// MB (10⁶) in a second.
    pub fn megabytes(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

/// Loads `peer` as `point` says for about `seconds`.
///
/// # Errors
/// Nothing was answered, or a client of ours met an error.
pub async fn run(point: Point, peer: &Peer, wrk: &Wrk, seconds: u64) -> Result<Sample> {
    let (address, host) = (peer.address(), peer.host().to_owned());
    let span = Duration::from_secs(seconds);
    match point.load() {
        Load::Wrk { file, connections, close } => {
            wrk.run(peer, file, connections, close, seconds).await
        }
        Load::Downloads => {
            tokio::task::spawn_blocking(move || downloads(address, &host, span)).await?
        }
        Load::Requests { beside_bulk } => {
            tokio::task::spawn_blocking(move || {
                if beside_bulk {
                    beside(address, &host, span)
                } else {
                    requests(address, &host, span)
                }
            })
            .await?
        }
    }
}

/// Whole downloads, each over its own connection, until `span` is over.
fn downloads(address: SocketAddr, host: &str, span: Duration) -> Result<Sample> {
    let mut times = Vec::new();
    let mut bytes = 0;
    let began = Instant::now();
    while began.elapsed() < span {
        let start = Instant::now();
        let got = Client::connect(address, host)?.get(File::Bulk.target())?;
        if got.status != 200 || got.content != File::Bulk.length() {
            bail!("a download ended with status {} and {} bytes", got.status, got.content);
        }
        times.push(start.elapsed());
        bytes += got.content;
    }
    Ok(sample(times, began.elapsed(), bytes))
}

/// One small request after the other over one connection.
fn requests(address: SocketAddr, host: &str, span: Duration) -> Result<Sample> {
    let mut client = Client::connect(address, host)?;
    let mut times = Vec::new();
    let mut bytes = 0;
    let began = Instant::now();
    while began.elapsed() < span {
        let start = Instant::now();
        let got = client.get(File::Small.target())?;
        if got.status != 200 || got.content != File::Small.length() {
            bail!("a request ended with status {} and {} bytes", got.status, got.content);
        }
        times.push(start.elapsed());
        bytes += got.content;
    }
    Ok(sample(times, began.elapsed(), bytes))
}

/// As [`requests`], with a thread that downloads all the while. Its bytes do not count.
fn beside(address: SocketAddr, host: &str, span: Duration) -> Result<Sample> {
    let stop = Arc::new(AtomicBool::new(false));
    let bulk = {
        let (stop, host) = (stop.clone(), host.to_owned());
        thread::Builder::new().name("bulk".into()).spawn(move || -> std::io::Result<u64> {
            let mut bytes = 0;
            while !stop.load(Ordering::Relaxed) {
                let mut client = Client::connect(address, &host)?;
                bytes += client.get_unless(File::Bulk.target(), &stop)?.content;
            }
            Ok(bytes)
        })?
    };
    let sample = requests(address, host, span);
    stop.store(true, Ordering::Relaxed);
    let bytes = match bulk.join() {
        Ok(bytes) => bytes.context("the download beside it failed")?,
        Err(_) => bail!("the download beside it panicked"),
    };
    if bytes == 0 {
        bail!("the download beside it got nothing");
    }
    sample
}

fn sample(mut times: Vec<Duration>, elapsed: Duration, bytes: u64) -> Sample {
    times.sort_unstable();
    let at = |percent: usize| {
        let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times.get(index).copied().unwrap_or_default()
    };
    Sample { requests: times.len() as u64, elapsed, bytes, p50: at(50), p99: at(99), errors: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_sorted_times() {
        let times = (1..=100).rev().map(Duration::from_millis).collect();
        let sample = sample(times, Duration::from_secs(2), 4_000_000);
        assert_eq!(sample.p50, Duration::from_millis(51));
        assert_eq!(sample.p99, Duration::from_millis(100));
        assert!((sample.rate() - 50.0).abs() < 1e-9);
        assert!((sample.megabytes() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_measured_is_no_panic() {
        assert_eq!(sample(Vec::new(), Duration::ZERO, 0), Sample::default());
    }
}
