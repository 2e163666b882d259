//! How many sockets there may be, and how long they live.

use std::time::Duration;

use futures_util::StreamExt;
use wingman_tests::{Edge, EdgeOptions, Signal, fake_host::FakeHost, until};

use super::page::{Page, Visit, peer, visitor};

const SESSION: &str = "demo";

fn visit(edge: &Edge, who: u128, which: u128) -> Visit<'_> {
    Visit { edge, session: SESSION, visitor: visitor(who), peer: peer(which) }
}

async fn refused(visit: Visit<'_>) -> bool {
    match visit.try_open(visit.handshake()).await {
        Ok(_) => false,
        Err(refusal) => {
            assert_eq!(refusal, (429, "too-many-requests".to_owned()));
            true
        }
    }
}

#[tokio::test]
async fn sockets_are_counted_by_session_and_visitor() {
    let edge = EdgeOptions::default()
        .set("limits.signaling_per_session", "3")
        .set("limits.signaling_per_visitor", "2")
        .start()
        .await;
    let _host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let _first = visit(&edge, 1, 1).open().await;
    let second = visit(&edge, 1, 2).open().await;
    assert!(refused(visit(&edge, 1, 3)).await, "the visitor has two");
    let _again = visit(&edge, 1, 1).open().await;
    let _third = visit(&edge, 2, 4).open().await;
    assert!(refused(visit(&edge, 3, 5)).await, "the session has three");
    // Another session has its own.
    let _host = FakeHost::start_with_pages(edge.port(), "other").await;
    let _elsewhere = Visit { session: "other", ..visit(&edge, 1, 3) }.open().await;
    drop(second);
    until("its place is free", Duration::from_secs(5), async || {
        visit(&edge, 3, 5).try_open(visit(&edge, 3, 5).handshake()).await.is_ok()
    })
    .await;
    let metrics = edge.metrics().await;
    let count = |why| metrics.get(&format!("signaling_sockets_refused_total{{reason=\"{why}\"}}"));
    assert_eq!(count("visitor-limit"), 1.0);
    assert!(count("session-limit") >= 1.0);
}

#[tokio::test]
async fn sockets_are_counted_by_address() {
    let edge = EdgeOptions::default().set("limits.signaling_per_address", "2").start().await;
    let _host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let first = visit(&edge, 1, 1).open().await;
    let _second = visit(&edge, 2, 2).open().await;
    assert!(refused(visit(&edge, 3, 3)).await);
    drop(first);
    until("its place is free", Duration::from_secs(5), async || {
        visit(&edge, 3, 3).try_open(visit(&edge, 3, 3).handshake()).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn hundreds_of_pages_come_and_go_and_leave_nothing() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let reads = tokio::spawn(async move {
        let mut frames = 0_u32;
        while host.next().await.is_ok() {
            frames += 1;
        }
        frames
    });
    let warm = visit(&edge, 1, 1).open().await;
    drop(warm);
    let before = wingman_tests::process::descriptors(edge.pid());
    for round in 0..50_u128 {
        let mut pages = Vec::new();
        for number in 0..10 {
            let visit = visit(&edge, number, round * 10 + number);
            // Those before give their places back as fast as the host may be told.
            until("there is a place", Duration::from_secs(20), async || {
                let opened = visit.try_open(visit.handshake()).await;
                pages.extend(opened);
                pages.len() as u128 == number + 1
            })
            .await;
        }
    }
    until("no socket is left", Duration::from_secs(60), async || {
        edge.metrics().await.get("signaling_sockets") == 0.0
    })
    .await;
    until("no descriptor is left", Duration::from_secs(10), async || {
        wingman_tests::process::descriptors(edge.pid()) <= before + 2
    })
    .await;
    assert_eq!(edge.metrics().await.get("links"), 1.0, "the host was not flooded");
    drop(edge);
    assert!(reads.await.expect("reads") > 0);
}

/// Reads without an end, so that pings are answered.
async fn read_on(mut page: Page) {
    while let Some(Ok(_)) = page.socket.next().await {}
}

#[tokio::test]
async fn who_answers_pings_stays_and_who_does_not_goes() {
    let edge = EdgeOptions::default().set("timeouts.signaling_heartbeat", "200ms").start().await;
    let _host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let alive = tokio::spawn(read_on(visit(&edge, 1, 1).open().await));
    let _silent = visit(&edge, 2, 2).open().await;
    let closed = "signaling_sockets_closed_total{reason=\"silent\"}";
    until("the silent one is closed", Duration::from_secs(10), async || {
        edge.metrics().await.get(closed) == 1.0
    })
    .await;
    let _another = visit(&edge, 3, 3).open().await;
    until("the next silent one is closed", Duration::from_secs(10), async || {
        edge.metrics().await.get(closed) == 2.0
    })
    .await;
    assert!(!alive.is_finished());
    assert_eq!(edge.metrics().await.get("signaling_sockets"), 1.0);
}

#[tokio::test]
async fn a_socket_does_not_live_for_ever() {
    let edge = EdgeOptions::default().set("timeouts.signaling_lifetime", "300ms").start().await;
    let _host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    assert_eq!(visit(&edge, 1, 1).open().await.closed().await, 4004);
}

#[tokio::test]
async fn an_edge_that_goes_says_so() {
    let edge = Edge::start().await;
    let _host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let mut page = visit(&edge, 1, 1).open().await;
    edge.signal(Signal::Terminate);
    assert_eq!(page.closed().await, 4004);
}
