//! Idle HTTP/1.1 connections.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::connection::Lane;

/// How many idle connections are kept, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most connections kept; more are closed as they become idle.
    pub max_idle: usize,
    /// How long one is kept. Below the 5 s after which Node and uvicorn close theirs, so that as
    /// a rule this end closes first.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_idle: 256, idle_timeout: Duration::from_secs(4) }
    }
}

/// Connections between two requests, newest last.
///
/// hyper-util's pool is not used because it does not tell how long a connection was idle or how
/// often it served, and both decide what may be sent on it: see [`Idle::is_trusted`].
#[derive(Debug)]
pub(super) struct Pool<B> {
    limits: Limits,
    state: Mutex<State<B>>,
}

#[derive(Debug)]
struct State<B> {
    idle: Vec<Idle<B>>,
    /// Whether the task that closes old connections runs.
    reaping: bool,
}

/// A connection that has served.
#[derive(Debug)]
pub(super) struct Idle<B> {
    pub(super) lane: Lane<B>,
    /// Responses seen on it.
    pub(super) served: u32,
    /// When its last response head came. The content may have taken longer: an idle time
    /// measured from here is never too short, so what is concluded from it is on the safe side.
    since: Instant,
}

impl<B> Idle<B> {
    /// Whether the origin is so unlikely to be closing this connection just now that a request
    /// may be risked on it which cannot be sent twice.
    ///
    /// An origin closes idle connections for two reasons. It has a time limit (gunicorn's 2 s is
    /// the shortest in use): hence the upper bound. Or it closes after a response without saying
    /// so in it: then the end comes with that response, and a moment later hyper has seen it;
    /// or the connection has outlived an earlier response already.
    fn is_trusted(&self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.since);
        age <= TRUSTED_UNTIL && (age >= SETTLED_AFTER || self.served >= 2)
    }
}

/// What the next request can stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// It can be sent again: any live connection.
    Any,
    /// It cannot: only a trusted connection.
    Trusted,
}

impl<B: Send + 'static> Pool<B> {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, state: Mutex::new(State { idle: Vec::new(), reaping: false }) })
    }

    /// The newest connection that is ready and fits, and whether it is trusted.
    pub(super) fn take(&self, need: Need) -> Option<(Idle<B>, bool)> {
        let now = Instant::now();
        let mut state = self.state.lock();
        let idle = &mut state.idle;
        // The newest may still carry the end of its last response.
        for index in (0..idle.len()).rev() {
            let candidate = &idle[index];
            if candidate.lane.sender.is_closed() {
                idle.remove(index);
                continue;
            }
            if now.saturating_duration_since(candidate.since) > self.limits.idle_timeout {
                // All before it are older.
                return None;
            }
            let trusted = candidate.is_trusted(now);
            if candidate.lane.sender.is_ready() && (trusted || need == Need::Any) {
                return Some((idle.remove(index), trusted));
            }
        }
        None
    }

    /// Keeps a connection whose response head has just come. Its content may still be under way:
    /// [`take`](Self::take) passes over it until it is through.
    pub(super) fn put(self: &Arc<Self>, lane: Lane<B>, served: u32) {
        let entry = Idle { lane, served, since: Instant::now() };
        let mut state = self.state.lock();
        if state.idle.len() >= self.limits.max_idle {
            if state.idle.is_empty() {
                return;
            }
            state.idle.remove(0);
        }
        state.idle.push(entry);
        if !state.reaping {
            state.reaping = true;
            // Ends when the pool is empty or gone.
            tokio::spawn(reap(Arc::downgrade(self), self.limits.idle_timeout));
        }
    }

    /// Closes the connections that are too old; whether any are left.
    fn sweep(&self) -> bool {
        let mut state = self.state.lock();
        let now = Instant::now();
        let limit = self.limits.idle_timeout;
        // A connection whose response is still coming loses only its place here: hyper finishes
        // the response and closes after it.
        state.idle.retain(|entry| {
            now.saturating_duration_since(entry.since) <= limit && !entry.lane.sender.is_closed()
        });
        state.reaping = !state.idle.is_empty();
        state.reaping
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.state.lock().idle.len()
    }
}

async fn reap<B: Send + 'static>(pool: Weak<Pool<B>>, idle_timeout: Duration) {
    let period = (idle_timeout / 8).max(Duration::from_millis(10));
    loop {
        tokio::time::sleep(period).await;
        match pool.upgrade() {
            Some(pool) if pool.sweep() => {}
            Some(_) | None => return,
        }
    }
}

const TRUSTED_UNTIL: Duration = Duration::from_secs(1);
const SETTLED_AFTER: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::super::upload::Upload;
    use super::*;
    use bytes::Bytes;
    use http::Request;
    use http_body_util::{BodyExt, Empty};
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    type Content = Empty<Bytes>;

    /// A connection that has served one request, and the origin's end of it.
    async fn served() -> (Lane<Content>, DuplexStream) {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(ours)).await.expect("handshake");
        let task = tokio::spawn(connection).abort_handle();
        let request = Request::builder().body(Upload::None).expect("request");
        let answer = async {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                assert_ne!(theirs.read_buf(&mut request).await.expect("request"), 0);
            }
            theirs.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.expect("write");
        };
        let (response, ()) = tokio::join!(sender.send_request(request), answer);
        response.expect("response").collect().await.expect("content");
        sender.ready().await.expect("ready");
        (Lane { sender, task }, theirs)
    }

    fn pool() -> Arc<Pool<Content>> {
        Pool::new(Limits { max_idle: 2, idle_timeout: Duration::from_secs(4) })
    }

    #[tokio::test(start_paused = true)]
    async fn trust_grows_and_ends_with_age() {
        let pool = pool();
        let (lane, _origin) = served().await;
        pool.put(lane, 1);
        assert!(pool.take(Need::Trusted).is_none(), "just answered for the first time");
        tokio::time::advance(SETTLED_AFTER).await;
        let (idle, trusted) = pool.take(Need::Trusted).expect("settled");
        assert!(trusted);
        pool.put(idle.lane, 2);
        let (idle, _) = pool.take(Need::Trusted).expect("has outlived a response");
        pool.put(idle.lane, 3);
        tokio::time::advance(TRUSTED_UNTIL + Duration::from_millis(1)).await;
        assert!(pool.take(Need::Trusted).is_none(), "idle for too long");
        let (_, trusted) = pool.take(Need::Any).expect("still good for a GET");
        assert!(!trusted);
    }

    #[tokio::test(start_paused = true)]
    async fn old_connections_are_closed() {
        let pool = pool();
        let (lane, mut origin) = served().await;
        pool.put(lane, 1);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(pool.len(), 0);
        assert_eq!(origin.read(&mut [0; 1]).await.expect("end"), 0, "the origin sees the close");
        assert!(!pool.state.lock().reaping);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_closed_by_the_origin_are_not_given() {
        let pool = pool();
        let (lane, origin) = served().await;
        pool.put(lane, 5);
        drop(origin);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(pool.take(Need::Any).is_none());
        assert_eq!(pool.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_makes_room() {
        let pool = pool();
        let mut origins = Vec::new();
        for count in 1..=3 {
            let (lane, origin) = served().await;
            pool.put(lane, count);
            origins.push(origin);
        }
        assert_eq!(pool.len(), 2);
        assert_eq!(pool.take(Need::Any).map(|(idle, _)| idle.served), Some(3));
        assert_eq!(pool.take(Need::Any).map(|(idle, _)| idle.served), Some(2));
    }
}
