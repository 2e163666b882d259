//! A lot of content: whole, both ways at once, and with little memory however slow the reader is.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use wingman_tests::{
    Head, OriginConnection, Share, Wire,
    content::{self, Tally},
    process::Growth,
    soon, within,
};

/// What edge and host may grow by while content of any size flows.
const GROWTH: u64 = 20 << 20;
const LONG: Duration = Duration::from_secs(120);

mod alone {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn upload_of_50_mb() {
        upload(|length| format!("Content-Length: {length}\r\n"), false).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn chunked_upload_of_50_mb() {
        upload(|_| "Transfer-Encoding: chunked\r\n".into(), true).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn download_of_1_gb() {
        const LENGTH: u64 = 1 << 30;
        let share = Share::of(|mut origin| async move {
            let Some(_) = origin.request().await else { return };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
            origin.send(&head).await;
            let tally = pour(&mut origin, LENGTH).await;
            assert_eq!(tally.length(), LENGTH);
        })
        .await;
        let memory = Memory::of(&share);
        let mut visitor = share.visit().await;
        visitor.send(share.request("GET /", "")).await;
        let head = soon(visitor.head()).await.expect("whole").expect("a head");
        visitor.begin(&head, false);
        let got = within(LONG, async {
            let mut got = Tally::default();
            while let Some(piece) = visitor.piece().await.expect("whole") {
                got.take(&piece);
            }
            got
        })
        .await;
        assert_eq!(got.length(), LENGTH);
        assert_eq!(got.hash(), hash_of(LENGTH));
        memory.check();
    }

    /// The origin answers with each byte as soon as it has it, to a visitor that sends and reads at the
    /// same time: neither direction may wait for the end of the other.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn echo_of_40_mb_in_both_directions_at_once() {
        const LENGTH: u64 = 40 << 20;
        let share = Share::of(|mut origin| async move {
            let Some(head) = origin.request().await else { return };
            origin.begin(&head, false);
            let length = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
            origin.send(&length).await;
            while let Some(piece) = origin.piece().await.expect("whole") {
                origin.send(&piece).await;
            }
        })
        .await;
        let memory = Memory::of(&share);
        let (stream, _) = share.visit().await.into_parts();
        let (reading, mut writing) = stream.into_split();
        let head = share.request("POST /echo", &format!("Content-Length: {LENGTH}\r\n"));
        let sending = tokio::spawn(async move {
            writing.write_all(head.as_bytes()).await.expect("flows");
            let mut sent = 0;
            while sent < LENGTH {
                let piece = content::piece(sent, remaining(LENGTH, sent));
                writing.write_all(&piece).await.expect("flows");
                sent += piece.len() as u64;
            }
            writing
        });
        let mut visitor = Wire::new(tokio::io::join(reading, tokio::io::sink()));
        let head = soon(visitor.head()).await.expect("whole").expect("a head");
        visitor.begin(&head, false);
        let mut got = Tally::default();
        within(LONG, async {
            while let Some(piece) = visitor.piece().await.expect("whole") {
                got.take(&piece);
            }
        })
        .await;
        assert_eq!(got.length(), LENGTH);
        assert_eq!(got.hash(), hash_of(LENGTH));
        drop(soon(sending).await.expect("no panic"));
        memory.check();
    }

    /// A visitor that reads 200 KB a second slows the origin down; nothing piles up in between, and
    /// others do not notice.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_slow_reader_slows_the_origin_down() {
        const RATE: usize = 200_000;
        let written = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let counted = written.clone();
        let share = Share::of(move |mut origin| {
            let counted = counted.clone();
            async move {
                let Some(head) = origin.request().await else { return };
                if head.target() == "/small" {
                    origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                    return;
                }
                origin.send("HTTP/1.1 200 OK\r\n\r\n").await;
                loop {
                    let sent = counted.load(std::sync::atomic::Ordering::SeqCst);
                    let piece = content::piece(sent, 16 * 1024);
                    if origin.try_send(&piece).await.is_err() {
                        return;
                    }
                    counted.fetch_add(piece.len() as u64, std::sync::atomic::Ordering::SeqCst);
                }
            }
        })
        .await;
        let memory = Memory::of(&share);
        let mut visitor = share.visit().await;
        visitor.send(share.request("GET /", "")).await;
        let head = soon(visitor.head()).await.expect("whole").expect("a head");
        visitor.begin(&head, false);
        let mut got = Tally::default();
        let began = Instant::now();
        while got.length() < 4 * RATE as u64 {
            // What a slow network does: it takes a bit, then nothing for a while.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let due = (began.elapsed().as_secs_f64() * RATE as f64) as u64;
            while got.length() < due {
                got.take(&soon(visitor.piece()).await.expect("whole").expect("more"));
            }
            let asked = Instant::now();
            assert_eq!(share.get("/small").await.text(), "ok");
            assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
        }
        let ahead = written.load(std::sync::atomic::Ordering::SeqCst) - got.length();
        // The kernel's socket buffers on three connections are most of it.
        assert!(ahead < 24 << 20, "{ahead} bytes are under way to a slow reader");
        memory.check();
        let length = got.length();
        assert_eq!(got.hash(), hash_of(length), "what came is what was sent");
    }

    /// The same the other way: an origin that reads slowly slows the visitor down.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_origin_that_does_not_read_stops_the_visitor() {
        let (share, mut handed) = Share::handing_over().await;
        let memory = Memory::of(&share);
        let (stream, _) = share.visit().await.into_parts();
        let (_reading, mut writing) = stream.into_split();
        let head = share.request("POST /", "Content-Length: 1000000000\r\n");
        writing.write_all(head.as_bytes()).await.expect("flows");
        let (mut origin, head) = handed.next().await;
        let mut sent = 0_u64;
        // Half a second without room is a standstill.
        loop {
            let piece = content::piece(sent, 64 * 1024);
            let writing = writing.write_all(&piece);
            match tokio::time::timeout(Duration::from_millis(500), writing).await {
                Ok(written) => written.expect("flows"),
                Err(_) => break,
            }
            sent += piece.len() as u64;
            assert!(sent < 24 << 20, "the edge takes what the origin does not");
        }
        memory.check();
        // And it goes on where it stopped.
        origin.begin(&head, false);
        let mut got = Tally::default();
        while got.length() < sent / 2 {
            got.take(&soon(origin.piece()).await.expect("whole").expect("more"));
        }
        let length = got.length();
        assert_eq!(got.hash(), hash_of(length));
    }
}

async fn upload(fields: impl Fn(u64) -> String, chunked: bool) {
    const LENGTH: u64 = 50_000_000;
    let share = Share::of(|mut origin| async move {
        let Some(head) = origin.request().await else { return };
        let got = swallow(&mut origin, &head).await;
        assert_eq!(got.length(), LENGTH);
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n{}", got.hash());
        origin.send(&answer).await;
    })
    .await;
    let memory = Memory::of(&share);
    let mut visitor = share.visit().await;
    visitor.send(share.request("PUT /file", &fields(LENGTH))).await;
    within(LONG, async {
        let mut sent = 0;
        while sent < LENGTH {
            let piece = content::piece(sent, remaining(LENGTH, sent));
            sent += piece.len() as u64;
            if chunked {
                visitor.send(format!("{:x}\r\n", piece.len())).await;
                visitor.send(&piece).await;
                visitor.send("\r\n").await;
            } else {
                visitor.send(&piece).await;
            }
        }
        if chunked {
            visitor.send("0\r\n\r\n").await;
        }
    })
    .await;
    let response = visitor.response(false).await.expect("whole");
    assert_eq!(response.text(), hash_of(LENGTH));
    memory.check();
}

/// Sends so much content as fast as it is taken.
async fn pour(origin: &mut OriginConnection, length: u64) -> Tally {
    let mut tally = Tally::default();
    while tally.length() < length {
        let piece = content::piece(tally.length(), remaining(length, tally.length()));
        origin.send(&piece).await;
        tally.take(&piece);
    }
    tally
}

async fn swallow(origin: &mut OriginConnection, head: &Head) -> Tally {
    origin.begin(head, false);
    let mut tally = Tally::default();
    while let Some(piece) = origin.piece().await.expect("whole") {
        tally.take(&piece);
    }
    tally
}

fn remaining(length: u64, done: u64) -> usize {
    usize::try_from(length - done).unwrap_or(usize::MAX).min(64 * 1024)
}

fn hash_of(length: u64) -> String {
    let mut tally = Tally::default();
    while tally.length() < length {
        tally.take(&content::piece(tally.length(), remaining(length, tally.length())));
    }
    tally.hash()
}

/// The memory of edge and host.
struct Memory {
    edge: Growth,
    host: Growth,
}

impl Memory {
    fn of(share: &Share) -> Self {
        Self { edge: Growth::of(share.edge.pid()), host: Growth::of(share.host.pid()) }
    }

    fn check(&self) {
        let (edge, host) = (self.edge.peak(), self.host.peak());
        println!("grew by {} KiB (edge) and {} KiB (host)", edge >> 10, host >> 10);
        assert!(edge < GROWTH, "the edge grew by {} KiB", edge >> 10);
        assert!(host < GROWTH, "the host grew by {} KiB", host >> 10);
    }
}
