//! How peers end, and that nothing of them is left.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::{runtime::Handle, time::Instant};
use wingman_wire::{
    direct::{HostToPage, PageToHost},
    id::VisitorId,
    signal::{Reason, State},
};

use crate::{connect::hello, network::Network, stage::Stage};

#[tokio::test]
async fn bye_frees_at_once_what_runs() {
    let stage = Stage::new().await;
    let page = stage.connected().await;
    let _slow = page.open(1, "GET", "/slow", true);
    let _bulk = page.open(2, "GET", "/bytes/100000000", true);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    page.say(&PageToHost::Bye);
    stage.has_peers(0).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    // The page's connection cannot be taken up again: it is told so, and makes a new one.
    page.offer(true).await;
    let state = page.state().await;
    assert_eq!((state.state, state.reason), (State::Closed, Some(Reason::ChannelClosed)));
}

#[tokio::test]
async fn a_page_that_says_nothing_any_more_is_freed() {
    let stage = Stage::new().await;
    let page = stage.connected().await;
    // Its connection goes on, as of a page that is frozen: ICE and SCTP are the browser's.
    let connection = page.connection.clone();
    drop(page);
    stage.has_peers(0).await;
    drop(connection);
}

#[tokio::test]
async fn peers_outlive_signaling_socket_and_link() {
    let mut stage = Stage::new().await;
    let page = stage.connected().await;
    stage.peers.closed(page.id);
    assert_eq!(page.get(1, "/hello").await, hello());
    stage.lose_link();
    assert_eq!(page.get(2, "/hello").await, hello());
    stage.link().await;
    stage.peers.opened(page.id, VisitorId::from_bits(1));
    page.answer().await;
    page.offer(true).await;
    page.answer().await;
    assert_eq!(page.get(3, "/hello").await, hello());
    assert_eq!(stage.peers.len(), 1);
}

#[tokio::test]
async fn shutdown_says_bye_and_takes_no_more() {
    let stage = Stage::new().await;
    let pages = [stage.connected().await, stage.connected().await];
    let began = Instant::now();
    stage.peers.shutdown(Reason::Shutdown).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(stage.peers.len(), 0);
    for page in &pages {
        assert_eq!(page.hear().await, Some(HostToPage::Bye { reason: Reason::Shutdown }));
    }
    let late = stage.page().await;
    late.offer(false).await;
    let state = late.state().await;
    assert_eq!((state.state, state.reason), (State::Failed, Some(Reason::Shutdown)));
}

#[tokio::test]
async fn limits_hold_for_all_and_for_each_visitor() {
    let stage = Stage::with(|settings| {
        settings.max_peers = 3;
        settings.max_peers_of_visitor = 2;
    })
    .await;
    let [one, two] = [VisitorId::from_bits(1), VisitorId::from_bits(2)];
    let first = stage.page_of(one).await;
    first.connect().await;
    let second = stage.page_of(one).await;
    second.connect().await;
    let third = stage.page_of(one).await;
    third.offer(false).await;
    let state = third.state().await;
    assert_eq!((state.state, state.reason), (State::Failed, Some(Reason::PeerLimit)));

    let other = stage.page_of(two).await;
    other.connect().await;
    let fourth = stage.page_of(two).await;
    fourth.offer(false).await;
    assert_eq!(fourth.state().await.reason, Some(Reason::PeerLimit), "three in all");

    // A page of the first visitor was closed without a word: its successor takes its place.
    stage.peers.closed(first.id);
    let successor = stage.page_of(one).await;
    successor.connect().await;
    assert_eq!(first.hear().await, Some(HostToPage::Bye { reason: Reason::PeerLimit }));
    for page in [&second, &other, &successor] {
        assert_eq!(page.get(1, "/hello").await, hello());
    }
    stage.has_peers(3).await;
}

#[tokio::test]
async fn fifty_pages_that_come_and_go_leave_nothing() {
    let stage = Stage::new().await;
    let visit = async |say_bye: bool| {
        let page = stage.connected().await;
        assert_eq!(page.get(1, "/hello").await, hello());
        if say_bye {
            page.say(&PageToHost::Bye);
        } else {
            // As a browser's pc.close() does: the channels are closed.
            for channel in &page.channels {
                let _ = channel.close().await;
            }
        }
        stage.has_peers(0).await;
        page.connection.close().await.expect("closes");
    };
    visit(true).await;
    let (tasks, descriptors) = (alive_tasks(), descriptors());
    for round in 0..50 {
        visit(round % 2 == 0).await;
    }
    // The origin's connections are kept for a while.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(alive_tasks() <= tasks + 3, "{} tasks, {tasks} before", alive_tasks());
    assert!(self::descriptors() <= descriptors + 3, "{} of {descriptors}", self::descriptors());
}

fn alive_tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("Linux").count()
}

#[tokio::test]
async fn a_page_comes_back_by_ice_restart_after_its_network_was_away() {
    let stage = Stage::new().await;
    let network = Network::default();
    let page = stage.page_on(network.clone(), VisitorId::from_bits(1)).await;
    page.connect().await;
    assert_eq!(page.get(1, "/hello").await, hello());
    network.hole.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(5)).await;
    network.hole.store(false, Ordering::Relaxed);
    page.offer(true).await;
    assert_eq!(page.get(1, "/hello").await, hello());
    assert_eq!(stage.peers.len(), 1);
}

#[tokio::test]
async fn a_page_whose_network_is_gone_is_freed_and_told_by_signaling() {
    let stage = Stage::new().await;
    let network = Network::default();
    let page = stage.page_on(network.clone(), VisitorId::from_bits(1)).await;
    page.connect().await;
    let _slow = page.open(1, "GET", "/slow", true);
    network.hole.store(true, Ordering::Relaxed);
    let state = page.state().await;
    assert_eq!((state.state, state.reason), (State::Closed, Some(Reason::Silent)));
    stage.has_peers(0).await;
}
