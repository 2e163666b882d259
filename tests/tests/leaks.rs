//! Nothing stays behind: whatever visitors do to their connections, edge and host are afterwards what
//! they were before, by their own counters, their descriptors and their memory.

use std::{process::Stdio, time::Duration};

use tokio::{process::Command, task::JoinSet};
use wingman_tests::{
    EdgeOptions, HostOptions, Metrics, OriginConnection, Share, Wire, content, process, soon,
    until, ws,
};

/// What a session runs at once.
const MANY: usize = 256;
/// And of that for one address.
const SHARE: usize = 224;

/// By when everything of a visitor that has gone is gone. The host keeps idle connections to the origin
/// for 4 s.
const SETTLED: Duration = Duration::from_secs(8);

/// By when allocators have given back what was freed: jemalloc keeps it for 10 s.
const ALLOCATOR: Duration = Duration::from_secs(20);

/// Bytes by which memory may stay above: 32 KiB for each of [`MANY`].
const SLACK: u64 = 8 << 20;

/// What edge and host hold.
#[derive(Clone, Debug)]
struct Holdings {
    metrics: Metrics,
    descriptors: [usize; 2],
    threads: [u64; 2],
    memory: [u64; 2],
}

impl Holdings {
    async fn of(share: &Share) -> Self {
        let pids = [share.edge.pid(), share.host.pid()];
        Self {
            metrics: share.edge.metrics().await,
            descriptors: pids.map(process::descriptors),
            threads: pids.map(process::threads),
            memory: pids.map(process::memory),
        }
    }

    /// Waits until they are back at these; memory may stay a little above, for allocators keep
    /// some.
    async fn are_back(&self, share: &Share) {
        for level in [
            "exchanges_in_flight",
            "streams",
            "upgrades",
            "visitor_connections",
            "links",
            "sessions",
        ] {
            until(&format!("{level} are back"), SETTLED, async || {
                share.edge.metrics().await.get(level) == self.metrics.get(level)
            })
            .await;
        }
        until("no connection to the origin is open", SETTLED, async || share.origin.open() == 0)
            .await;
        let mut now = Self::of(share).await;
        until(&format!("{:?} descriptors are back", self.descriptors), SETTLED, async || {
            now = Self::of(share).await;
            (0..2).all(|end| now.descriptors[end] <= self.descriptors[end])
        })
        .await;
        // Runtimes start threads for blocking work when there is some, and end them later.
        assert!((0..2).all(|end| now.threads[end] <= self.threads[end] + 2), "{now:?}");
        until("memory is back", ALLOCATOR, async || {
            // An allocator gives pages back only while it is used.
            still_works(share).await;
            now = Self::of(share).await;
            (0..2).all(|end| now.memory[end] <= self.memory[end] + SLACK)
        })
        .await;
        println!("memory before and after: {:?} {:?}", self.memory, now.memory);
    }
}

/// Endless content at `/endless`, silence at `/silent`, a WebSocket where one is asked for, else `ok`.
async fn any(mut origin: OriginConnection) {
    while let Some(head) = origin.request().await {
        if head.get("upgrade").is_some() {
            origin.send(ws::switching(&head, "")).await;
            return origin.closed().await;
        }
        match head.target() {
            "/silent" => return origin.closed().await,
            "/endless" => {
                let mut sent = 0;
                let _ = origin.try_send("HTTP/1.1 200 OK\r\n\r\n").await;
                loop {
                    let piece = content::piece(sent, 16 * 1024);
                    if origin.try_send(&piece).await.is_err() {
                        return;
                    }
                    sent += piece.len() as u64;
                }
            }
            _ => {
                let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                if origin.try_send(ok).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Makes the programs touch what they keep for good: buffers, pools, lazily started threads.
async fn warm_up(share: &Share) {
    let mut visitors = JoinSet::new();
    for number in 0..MANY {
        let mut visitor = share.visit().await;
        let target = if number % 2 == 0 { "/endless" } else { "/" };
        visitor.send(share.request(&format!("GET {target}"), "")).await;
        visitors.spawn(async move {
            soon(visitor.read_exact(100)).await.expect("flows");
        });
    }
    while let Some(ended) = visitors.join_next().await {
        ended.expect("no panic");
    }
    until("the warm-up is over", SETTLED, async || {
        share.origin.open() == 0 && share.edge.metrics().await.get("visitor_connections") == 0.0
    })
    .await;
}

async fn still_works(share: &Share) {
    assert_eq!(share.get("/").await.text(), "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_256_downloads_that_were_aborted() {
    let share = Share::of(any).await;
    warm_up(&share).await;
    let before = Holdings::of(&share).await;
    for round in 0..2 {
        let mut visitors = JoinSet::new();
        for number in 0..MANY {
            let mut visitor = share.edge.visit_from(1 + (number % 2) as u8).await;
            visitor.send(share.request("GET /endless", "")).await;
            visitors.spawn(async move {
                soon(visitor.read_exact(50_000)).await.expect("flows");
                visitor
            });
        }
        let visitors = visitors.join_all().await;
        let now = share.edge.metrics().await;
        assert_eq!(now.get("exchanges_in_flight"), MANY as f64);
        for visitor in visitors {
            // Resets in one round, orderly ends with unread content in the other.
            if round == 0 {
                visitor.abort();
            }
        }
        still_works(&share).await;
        before.are_back(&share).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_wrk_was_killed() {
    let share = Share::of(any).await;
    warm_up(&share).await;
    let before = Holdings::of(&share).await;
    for target in ["/", "/endless"] {
        let counted = share.edge.metrics().await.sum("exchanges_total");
        let mut wrk = Command::new("wrk")
            .args(["-c256", "-t2", "-d60s", "-H", &format!("Host: {}", share.authority())])
            .arg(format!("http://127.0.0.1:{}{target}", share.edge.port()))
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("wrk is installed (apt-get install wrk)");
        until("wrk is at full speed", Duration::from_secs(30), async || {
            let now = share.edge.metrics().await;
            // The link is one of the connections.
            now.get("visitor_connections") >= MANY as f64
                && (target != "/" || now.sum("exchanges_total") > counted + 1000.0)
                && (target == "/" || now.get("exchanges_in_flight") >= MANY as f64)
        })
        .await;
        wrk.kill().await.expect("is our child");
        still_works(&share).await;
        before.are_back(&share).await;
    }
}

/// More requests than one address may have of a session: some wait, are refused clearly, and the session works for
/// others all the while, and for the same one when some have gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_300_requests_that_hang() {
    const HANGING: usize = 300;
    let edge = EdgeOptions::default().set("timeouts.resume_wait", "1s");
    let share = Share::with(edge, HostOptions::default(), any).await;
    warm_up(&share).await;
    let before = Holdings::of(&share).await;
    let mut visitors = JoinSet::new();
    for _ in 0..HANGING {
        let mut visitor: Wire<_> = share.visit().await;
        let fields = "Accept: application/json\r\n";
        visitor.send(share.request("GET /silent", fields)).await;
        visitors.spawn(async move {
            let answer =
                tokio::time::timeout(Duration::from_secs(3), visitor.response(false)).await;
            (visitor, answer.ok())
        });
    }
    let mut hanging = Vec::new();
    let mut refused = 0;
    for (visitor, answer) in visitors.join_all().await {
        match answer {
            None => hanging.push(visitor),
            Some(page) => {
                let page = page.expect("whole");
                assert_eq!(page.status(), 503, "{}", page.text());
                assert!(page.text().contains("too-many-exchanges"), "{}", page.text());
                assert!(page.head.get("retry-after").is_some());
                refused += 1;
            }
        }
    }
    assert_eq!((hanging.len(), refused), (SHARE, HANGING - SHARE));
    assert_eq!(share.origin.open(), SHARE, "the origin has what the address may run, and no more");
    let mut other = share.edge.visit_from(2).await;
    other.send(share.request("GET /", "")).await;
    assert_eq!(other.response(false).await.expect("whole").text(), "ok");
    // One more waits for room, and gets it as soon as one goes.
    let mut next = share.visit().await;
    next.send(share.request("GET /", "")).await;
    drop(hanging.pop());
    assert_eq!(next.response(false).await.expect("whole").text(), "ok");
    drop((hanging, next, other));
    still_works(&share).await;
    before.are_back(&share).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_uploads_that_broke_off() {
    let share = Share::of(|mut origin: OriginConnection| async move {
        while let Some(head) = origin.request().await {
            if origin.content(&head, false).await.is_err()
                || origin.try_send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.is_err()
            {
                return;
            }
        }
    })
    .await;
    let part = content::whole(20_000);
    let broken_off = async || {
        let begun = share.origin.requests();
        let mut visitors = Vec::new();
        for _ in 0..MANY / 2 {
            let mut visitor = share.visit().await;
            visitor.send(share.request("POST /", "Content-Length: 1000000\r\n")).await;
            visitor.send(&part).await;
            visitors.push(visitor);
        }
        until("they are under way", Duration::from_secs(10), async || {
            share.origin.requests() >= begun + MANY / 2
        })
        .await;
        visitors.into_iter().for_each(Wire::abort);
        still_works(&share).await;
    };
    broken_off().await;
    until("the first round is over", SETTLED, async || {
        share.origin.open() == 0 && share.edge.metrics().await.get("visitor_connections") == 0.0
    })
    .await;
    let before = Holdings::of(&share).await;
    broken_off().await;
    before.are_back(&share).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_websockets_that_vanished() {
    const SOCKETS: usize = 200;
    let share = Share::of(any).await;
    let vanished = async || {
        let mut sockets = Vec::new();
        for _ in 0..SOCKETS {
            let opened = ws::connect(&share.edge, &share.host, "/", &[]).await;
            sockets.push(opened.expect("a WebSocket").0);
        }
        assert_eq!(share.edge.metrics().await.get("upgrades"), SOCKETS as f64);
        drop(sockets);
        still_works(&share).await;
    };
    vanished().await;
    until("the first round is over", SETTLED, async || {
        share.origin.open() == 0 && share.edge.metrics().await.get("visitor_connections") == 0.0
    })
    .await;
    let before = Holdings::of(&share).await;
    vanished().await;
    before.are_back(&share).await;
}
