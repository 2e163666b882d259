use std::{collections::VecDeque, sync::Mutex};

use wingman_mux::{Config, Role};

use super::*;
use crate::{telemetry::Metrics, tokens::Grant};

/// A session whose host takes one exchange at a time, and for which two requests may wait.
fn session() -> (Arc<Session>, Link) {
    session_of(1, 256)
}

/// One whose host takes `streams` exchanges at a time, of `exchanges` that it said it would.
fn session_of(streams: usize, exchanges: usize) -> (Arc<Session>, Link) {
    let limits = RegistryLimits { retention: Duration::from_secs(600), waiting: 2 };
    let registry = Registry::new(limits, Arc::new(Metrics::new()));
    let mut config = Config::new(Role::Opener);
    config.max_streams = streams;
    let link = Link::new(config);
    let grant = Grant { id: "ci".into(), names: [].into(), max_sessions: 1 };
    let proof = ResumeProof::of("a-resume-key-of-some-length").expect("is long enough");
    let claim = Claim { name: None, proof, grant: &grant, pages: None, exchanges };
    let session = registry.claim(&claim, &link).expect("is free").session;
    (session, link)
}

async fn open(session: &Session, patience: u64) -> Result<Opened, Unavailable> {
    open_from(session, 1, patience).await
}

async fn open_from(session: &Session, source: u8, patience: u64) -> Result<Opened, Unavailable> {
    let head = Bytes::from_static(b"head");
    session.open(head, true, [192, 0, 2, source].into(), Duration::from_secs(patience)).await
}

/// Lets everything that can go on do so.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn requests_have_their_turns_in_order() {
    let (session, _link) = session();
    let first = open(&session, 5).await.expect("there is room");
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = VecDeque::new();
    for number in [1, 2] {
        let (session, order) = (session.clone(), order.clone());
        waiting.push_back(tokio::spawn(async move {
            let opened = open(&session, 5).await.expect("has a turn");
            order.lock().expect("no panic").push(number);
            opened
        }));
        settle().await;
    }
    assert!(order.lock().expect("no panic").is_empty());
    let before = tokio::time::Instant::now();
    drop(first);
    // Somebody who comes now is behind those who wait, of whom two is the most there may be.
    assert_eq!(open(&session, 5).await.err(), Some(Unavailable::Busy));
    for number in [1, 2] {
        let opened = waiting.pop_front().expect("two wait").await.expect("no panic");
        assert_eq!(order.lock().expect("no panic").last(), Some(&number));
        settle().await;
        assert_eq!(order.lock().expect("no panic").len(), number, "one at a time");
        drop(opened);
    }
    assert_eq!(before.elapsed(), Duration::ZERO, "nobody polled");
    open(&session, 0).await.expect("nobody waits any more");
}

#[tokio::test(start_paused = true)]
async fn one_address_cannot_have_all_of_a_session() {
    let (session, _link) = session_of(8, 8);
    let mut held = Vec::new();
    for _ in 0..7 {
        held.push(open(&session, 0).await.expect("is its share"));
    }
    assert_eq!(open(&session, 1).await.err(), Some(Unavailable::Busy));
    let waiting = tokio::spawn({
        let session = session.clone();
        async move { open(&session, 5).await.expect("has a turn") }
    });
    settle().await;
    let before = tokio::time::Instant::now();
    let other = open_from(&session, 2, 5).await.expect("there is room for others");
    assert!(!waiting.is_finished());
    held.pop();
    held.push(waiting.await.expect("no panic"));
    drop((held, other));
    assert_eq!(before.elapsed(), Duration::ZERO, "nobody polled");
    open(&session, 0).await.expect("nobody holds anything any more");
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_is_told_why() {
    let (session, link) = session();
    let _first = open(&session, 5).await.expect("there is room");
    let began = tokio::time::Instant::now();
    let (one, two) = tokio::join!(open(&session, 3), open(&session, 5));
    assert_eq!((one.err(), two.err()), (Some(Unavailable::Busy), Some(Unavailable::Busy)));
    assert_eq!(began.elapsed(), Duration::from_secs(5), "each for its own patience");
    session.detach(&link);
    assert_eq!(open(&session, 1).await.err(), Some(Unavailable::Away));
    let (one, two, ()) = tokio::join!(open(&session, 5), open(&session, 5), async {
        settle().await;
        session.end();
    });
    assert_eq!((one.err(), two.err()), (Some(Unavailable::Ended), Some(Unavailable::Ended)));
}

#[tokio::test]
async fn a_link_without_ids_is_replaced() {
    let link = Link::new(Config::new(Role::Opener));
    for error in [OpenError::Draining, OpenError::TooMany, OpenError::TooLarge] {
        Wait::after(&error.into(), &link);
        assert!(link.is_open(), "{error}");
    }
    assert_eq!(Wait::after(&OpenError::Exhausted.into(), &link), Wait::ForLink);
    assert!(!link.is_open(), "its host must come anew");
}
