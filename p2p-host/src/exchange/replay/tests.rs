use bytes::Bytes;
use http::{Method, StatusCode};

use super::*;
use crate::exchange::Via;

const VISITOR: VisitorId = VisitorId::from_bits(1);
const PEER: Via = Via::Peer { visitor: VISITOR };

fn facts(via: Via, id: u128) -> Facts {
    Facts::for_test(via, VISITOR, RequestId::from_bits(id))
}

fn table() -> Arc<Replays> {
    Arc::default()
}

fn run(begin: Begin) -> Running {
    match begin {
        Begin::Run(running) => running,
        other => panic!("{other:?}"),
    }
}

fn is_superseded(running: &mut Running) -> bool {
    running.superseded.try_recv() == Err(oneshot::error::TryRecvError::Closed)
}

#[tokio::test(start_paused = true)]
async fn ids_are_remembered_for_a_minute() {
    let table = table();
    let mut running = run(table.begin(&facts(PEER, 1), true));
    assert!(running.execute(mpsc::channel(1).0));
    drop(running);
    tokio::time::advance(Duration::from_secs(59)).await;
    assert!(matches!(table.begin(&facts(PEER, 1), true), Begin::Late));
    tokio::time::advance(Duration::from_secs(1)).await;
    run(table.begin(&facts(PEER, 1), true));
}

#[tokio::test(start_paused = true)]
async fn what_runs_is_not_forgotten() {
    let table = table();
    let mut running = run(table.begin(&facts(PEER, 1), false));
    let (sender, _copies) = mpsc::channel(1);
    assert!(running.execute(sender));
    for _ in 0..5 {
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(matches!(table.begin(&facts(Via::Link, 1), false), Begin::Join(_)));
    }
    let mut recording = Recording::new(table.kept.claim(Some(VISITOR)));
    recording.set_head(StatusCode::OK, http::HeaderMap::new());
    recording.push(&bytes::Bytes::from_static(b"kept"));
    running.keep(recording, false);
    assert!(matches!(table.begin(&facts(Via::Link, 1), false), Begin::Answer(_)));
    assert_eq!(table.kept.used(), 4);
    tokio::time::advance(Duration::from_secs(120)).await;
    run(table.begin(&facts(PEER, 2), true));
    assert_eq!(table.kept.used(), 0, "what is forgotten gives its bytes back");
    run(table.begin(&facts(Via::Link, 1), false));
}

#[tokio::test(start_paused = true)]
async fn what_has_run_for_long_is_remembered_from_its_end() {
    for keep in [true, false] {
        let table = table();
        let mut running = run(table.begin(&facts(PEER, 1), false));
        assert!(running.execute(mpsc::channel(1).0));
        tokio::time::advance(Duration::from_secs(600)).await;
        if keep {
            let mut recording = Recording::new(table.kept.claim(Some(VISITOR)));
            recording.set_head(StatusCode::OK, http::HeaderMap::new());
            running.keep(recording, false);
        } else {
            drop(running);
        }
        tokio::time::advance(Duration::from_secs(59)).await;
        match table.begin(&facts(Via::Link, 1), false) {
            Begin::Answer(_) => assert!(keep),
            Begin::Lost => assert!(!keep),
            other => panic!("{other:?}"),
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        run(table.begin(&facts(Via::Link, 1), false));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_looks_for_an_id_and_loses_it() {
    let table = table();
    for id in 0..MAX_IDS as u128 {
        let mut running = run(table.begin(&facts(PEER, id), false));
        assert!(running.execute(mpsc::channel(1).0));
    }
    assert!(matches!(table.begin(&facts(Via::Link, 0), false), Begin::Lost), "the oldest one");
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_for_who_has_left_is_let_go() {
    let table = table();
    let other = Facts::for_test(Via::Link, VisitorId::from_bits(2), RequestId::from_bits(9));
    run(table.begin(&other, true));
    let mut running = run(table.begin(&facts(PEER, 1), true));
    assert!(running.execute(mpsc::channel(1).0));
    let mut recording = Recording::new(table.kept_safe.claim(Some(VISITOR)));
    recording.set_head(StatusCode::OK, http::HeaderMap::new());
    recording.push(&bytes::Bytes::from_static(b"kept"));
    running.keep(recording, true);
    tokio::time::advance(KEPT_BRIEFLY).await;
    table.begin(&other, true);
    assert_eq!(table.kept_safe.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn responses_to_safe_requests_are_kept_for_a_moment() {
    let table = table();
    let mut running = run(table.begin(&facts(PEER, 1), true));
    let (sender, _copies) = mpsc::channel(1);
    assert!(running.execute(sender));
    let mut recording = Recording::new(table.kept_safe.claim(Some(VISITOR)));
    recording.set_head(StatusCode::OK, http::HeaderMap::new());
    recording.push(&bytes::Bytes::from_static(b"kept"));
    running.keep(recording, true);
    tokio::time::advance(Duration::from_secs(9)).await;
    assert!(matches!(table.begin(&facts(Via::Link, 1), true), Begin::Answer(_)));
    tokio::time::advance(Duration::from_secs(1)).await;
    run(table.begin(&facts(Via::Link, 1), true));
    assert_eq!(table.kept_safe.used(), 0);
}

#[test]
fn each_state_has_its_answer() {
    // Nothing executed yet: the copy runs.
    let table = table();
    let mut first = run(table.begin(&facts(PEER, 1), false));
    assert!(!is_superseded(&mut first));
    let copy = run(table.begin(&facts(Via::Link, 1), false));
    assert!(is_superseded(&mut first));
    let (sender, _copies) = mpsc::channel(1);
    assert!(!first.execute(sender), "the copy was first");
    drop(first);
    // The copy runs, or is over: another one cannot.
    assert!(matches!(table.begin(&facts(Via::Link, 1), false), Begin::Lost));
    assert!(matches!(table.begin(&facts(PEER, 1), false), Begin::Late));
    drop(copy);
    assert!(matches!(table.begin(&facts(Via::Link, 1), false), Begin::Lost));

    // Safe and over without a response that could be kept: the copy runs.
    let mut first = run(table.begin(&facts(PEER, 2), true));
    let (sender, _copies) = mpsc::channel(1);
    assert!(first.execute(sender));
    assert!(matches!(table.begin(&facts(Via::Link, 2), true), Begin::Join(_)));
    drop(first);
    run(table.begin(&facts(Via::Link, 2), true));

    // Sent to the relay, or stopped before it was executed: as if it had never come.
    drop(run(table.begin(&facts(PEER, 3), false)));
    drop(run(table.begin(&facts(PEER, 3), false)));
    run(table.begin(&facts(Via::Link, 3), false));

    // Without an id nothing is remembered.
    let mut nobody = facts(Via::Link, 4);
    nobody.id = None;
    let mut one = run(table.begin(&nobody, false));
    run(table.begin(&nobody, false));
    assert!(!is_superseded(&mut one));
}

#[test]
fn an_id_is_the_same_whoever_brings_it() {
    for visitor in [Some(VisitorId::from_bits(2)), None] {
        let by_other = |id| {
            let mut facts = facts(Via::Link, id);
            facts.visitor = visitor;
            facts
        };
        // The copy is the other's.
        let table = table();
        let mut first = run(table.begin(&facts(PEER, 1), false));
        let copy = run(table.begin(&by_other(1), false));
        assert!(is_superseded(&mut first), "the copy runs instead");
        drop((first, copy));
        assert!(matches!(table.begin(&facts(Via::Link, 1), false), Begin::Lost));
        let mut first = run(table.begin(&facts(PEER, 2), false));
        let (sender, _copies) = mpsc::channel(1);
        assert!(first.execute(sender));
        assert!(matches!(table.begin(&by_other(2), false), Begin::Join(_)));
        first.keep(Recording::new(table.kept.claim(None)), false);
        assert!(matches!(table.begin(&by_other(2), false), Begin::Answer(_)));
        // The other was first.
        drop(run(table.begin(&by_other(3), false)));
        assert!(matches!(table.begin(&facts(PEER, 3), false), Begin::Late));
    }
}

#[test]
fn a_copy_that_runs_stays_known_when_the_original_gives_up() {
    let table = table();
    let mut first = run(table.begin(&facts(PEER, 1), false));
    let _copy = run(table.begin(&facts(Via::Link, 1), false));
    // It was sent to the relay before it saw that.
    assert!(is_superseded(&mut first));
    drop(first);
    assert!(matches!(table.begin(&facts(Via::Link, 1), false), Begin::Lost));
    assert!(matches!(table.begin(&facts(PEER, 1), false), Begin::Late));
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_leaves_no_trace() {
    let table = table();
    // As of requests that are sent to the relay, by somebody in a hurry; one is at work all the time.
    let at_work = run(table.begin(&facts(PEER, 0), false));
    for id in 1..20 * MAX_IDS as u128 {
        drop(run(table.begin(&facts(PEER, id), false)));
    }
    {
        let table = table.table.lock();
        let brought = table.visitors.get(&Some(VISITOR)).expect("the visitor");
        assert_eq!((table.ids.len(), brought.count), (1, 1));
        assert!(brought.order.len() <= 2 * MAX_IDS + 1, "{}", brought.order.len());
    }
    drop(at_work);
    // An id that comes again is as young as it is.
    drop(run(table.begin(&facts(PEER, 1), false)));
    tokio::time::advance(Duration::from_secs(30)).await;
    drop(run(table.begin(&facts(Via::Link, 1), false)));
    tokio::time::advance(Duration::from_secs(59)).await;
    assert!(matches!(table.begin(&facts(Via::Link, 1), false), Begin::Lost));
    tokio::time::advance(Duration::from_secs(1)).await;
    run(table.begin(&facts(Via::Link, 1), false));
}

#[test]
fn it_is_bounded() {
    let table = table();
    let mut running = Vec::new();
    for id in 0..MAX_IDS as u128 {
        let mut one = run(table.begin(&facts(PEER, id), true));
        assert!(one.execute(mpsc::channel(1).0));
        running.push(one);
    }
    assert!(matches!(table.begin(&facts(PEER, u128::MAX), true), Begin::Refused));
    // By relay it runs, unremembered.
    run(table.begin(&facts(Via::Link, u128::MAX), false));
    run(table.begin(&facts(Via::Link, u128::MAX), false));
    // What is over makes room.
    running.clear();
    run(table.begin(&facts(PEER, u128::MAX), true));
    let table = table.table.lock();
    let brought = table.visitors.get(&Some(VISITOR)).expect("the visitor");
    assert!(brought.count <= MAX_IDS && brought.order.len() <= MAX_IDS, "{brought:?}");
    assert_eq!(table.ids.len(), brought.count);
}

#[tokio::test(start_paused = true)]
async fn made_up_visitors_do_not_displace_direct_requests() {
    let table = table();
    let of = |via, visitor: u128, id| {
        Facts::for_test(via, VisitorId::from_bits(visitor), RequestId::from_bits(id))
    };
    let mut running = run(table.begin(&facts(PEER, 1), false));
    assert!(running.execute(mpsc::channel(1).0));
    drop(running);
    for visitor in 0..3 * MAX_VISITORS as u128 {
        tokio::time::advance(Duration::from_millis(1)).await;
        drop(run(table.begin(&of(Via::Link, 1_000 + visitor, 1_000 + visitor), false)));
    }
    assert_eq!(table.table.lock().visitors.len(), MAX_VISITORS);
    assert_eq!(table.table.lock().ids.len(), MAX_VISITORS);
    // What came directly is known, and so is the newest of the others.
    assert!(matches!(table.begin(&facts(Via::Link, 1), false), Begin::Lost));
    let newest = 1_000 + 3 * MAX_VISITORS as u128 - 1;
    assert!(matches!(table.begin(&of(PEER, newest, newest), false), Begin::Late));
    // Newcomers come in, directly as well, until there are too many of them.
    let mut all = Vec::new();
    for visitor in 1..MAX_VISITORS as u128 {
        all.push(run(table.begin(&of(PEER, 100_000 + visitor, 100_000 + visitor), false)));
    }
    assert!(matches!(table.begin(&of(PEER, 7, 7), false), Begin::Refused));
    let _unremembered = run(table.begin(&of(Via::Link, 7, 7), false));
    assert_eq!(table.table.lock().visitors.len(), MAX_VISITORS);
    all.pop();
    run(table.begin(&of(PEER, 7, 7), false));
}

#[test]
fn recordings_are_bounded_together() {
    let table = table();
    let piece = bytes::Bytes::from(vec![0; 256 * 1024]);
    let record = |visitor| {
        let mut recording = Recording::new(table.kept.claim(Some(VisitorId::from_bits(visitor))));
        recording.push(&piece);
        recording.is_whole().then_some(recording)
    };
    let mut kept = Vec::new();
    for visitor in 0..4 {
        let share = std::iter::from_fn(|| record(visitor)).collect::<Vec<_>>();
        assert_eq!(share.len(), SHARE / piece.len(), "visitor {visitor}");
        kept.push(share);
    }
    assert!(record(4).is_none(), "that is all");
    kept[1].pop();
    assert!(record(0).is_none(), "it has its share");
    let mut recording = record(4).expect("there is room again");
    recording.push(&bytes::Bytes::from_static(b"x"));
    assert!(!recording.is_whole(), "one byte too many");
    drop((kept, recording));
    assert_eq!(table.kept.used(), 0);
}

#[test]
fn what_a_copy_is_redirected_to_is_a_request_of_its_own() {
    let table = table();
    let mut first = run(table.begin(&facts(PEER, 1), false));
    let (copies, _received) = mpsc::channel(1);
    assert!(first.execute(copies));
    assert!(matches!(table.begin(&facts(Via::Link, 1), false), Begin::Join(_)));
    drop(first);
    for (method, target) in [(Method::GET, "/"), (Method::GET, "/next"), (Method::POST, "/next")] {
        let mut next = facts(Via::Link, 1);
        let is_copy = (&next.method, &next.target[..]) == (&method, target.as_bytes());
        next.method = method;
        next.target = Bytes::from(target);
        let begin = table.begin(&next, false);
        assert_eq!(matches!(begin, Begin::Lost), is_copy, "{begin:?}");
        assert_eq!(matches!(begin, Begin::Run(_)), !is_copy, "{begin:?}");
    }
}
