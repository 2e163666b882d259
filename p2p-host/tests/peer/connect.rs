//! A page connects, and its requests are answered.

use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use wingman_host::peer::Certificate;
use wingman_wire::{
    VERSION,
    direct::{HostToPage, PageToHost},
    id::VisitorId,
    signal::Reason,
};

use crate::{page::Answer, stage::Stage};

pub(crate) fn hello() -> Result<Answer, wingman_wire::code::ResetCode> {
    Ok(Answer { status: 200, content: Bytes::from("hello") })
}

#[tokio::test]
async fn a_page_says_hello_and_its_requests_are_answered_on_every_lane() {
    let stage = Stage::new().await;
    let page = stage.page().await;
    assert_eq!(page.connect().await, 128);
    for lane in 0..4 {
        assert_eq!(page.get(lane, "/hello").await, hello(), "lane {lane}");
    }
    assert_eq!(page.get(1, "/nothing").await.map(|answer| answer.status), Ok(404));
}

#[tokio::test]
async fn the_hello_tells_visitors_apart() {
    let stage = Stage::new().await;
    let mut tags = Vec::new();
    for visitor in [1, 1, 2] {
        let page = stage.page_of(VisitorId::from_bits(visitor)).await;
        match page.greeted().await {
            Some(HostToPage::Hello { visitor: Some(tag), .. }) => tags.push(tag),
            other => panic!("no hello with a visitor but {other:?}"),
        }
    }
    assert_eq!(tags[0], tags[1]);
    assert_ne!(tags[0], tags[2]);
}

#[tokio::test]
async fn another_version_is_told_to_use_the_relay() {
    let stage = Stage::new().await;
    let page = stage.page().await;
    page.open_channels().await;
    page.say(&PageToHost::Hello { version: VERSION + 1 });
    assert_eq!(page.hear().await, Some(HostToPage::Bye { reason: Reason::Protocol }));
    assert_eq!(page.state().await.reason, Some(Reason::Protocol));
    stage.has_peers(0).await;
}

#[tokio::test]
async fn nothing_is_run_before_the_hello() {
    let stage = Stage::new().await;
    let page = stage.page().await;
    page.open_channels().await;
    let early = page.open(1, "GET", "/hello", true);
    let nothing = tokio::time::timeout(Duration::from_millis(200), early.read()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    page.say(&PageToHost::Hello { version: VERSION });
    assert_eq!(crate::page::receive(&early).await, hello());
}

#[tokio::test]
async fn the_fingerprint_is_that_of_the_kept_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let mut fingerprints = Vec::new();
    for _ in 0..2 {
        let certificate = Certificate::load(directory.path()).unwrap();
        let stage = Stage::with(|settings| settings.certificate = certificate).await;
        let page = stage.connected().await;
        let answer = page.answer().await;
        let line = answer.lines().find(|line| line.starts_with("a=fingerprint:"));
        fingerprints.push(line.expect("a fingerprint").to_owned());
    }
    assert_eq!(fingerprints[0], fingerprints[1]);
}

#[tokio::test]
async fn an_ice_restart_keeps_the_connection() {
    let stage = Stage::new().await;
    let page = stage.connected().await;
    let first = page.answer().await;
    let (before, addresses) = (ufrag(&first), addresses(&first));
    assert!(!addresses.is_empty());
    for _ in 0..3 {
        page.offer(true).await;
        let answer = page.answer().await;
        assert_ne!(before, ufrag(&answer));
        assert_eq!(addresses, self::addresses(&answer), "the same socket");
        for lane in 1..4 {
            assert_eq!(page.get(lane, "/hello").await, hello());
        }
    }
    assert_eq!(stage.peers.len(), 1);
}

fn ufrag(sdp: &str) -> String {
    let line = sdp.lines().find(|line| line.starts_with("a=ice-ufrag:"));
    line.expect("a ufrag").to_owned()
}

/// The address and port of each candidate.
fn addresses(sdp: &str) -> Vec<String> {
    let candidates = sdp.lines().filter(|line| line.starts_with("a=candidate:"));
    let words = candidates.map(|line| line.split(' ').skip(4).take(2).collect::<Vec<_>>());
    words.map(|words| words.join(" ")).collect()
}

#[tokio::test]
async fn fifty_pages_at_once_share_one_port() {
    let stage = std::sync::Arc::new(Stage::new().await);
    let mut pages = JoinSet::new();
    for _ in 0..50 {
        let stage = stage.clone();
        pages.spawn(async move {
            let page = stage.connected().await;
            for lane in 1..4 {
                assert_eq!(page.get(lane, "/hello").await, hello());
            }
            page
        });
    }
    let pages = pages.join_all().await;
    assert_eq!(stage.peers.len(), 50);
    let mut ports: Vec<u16> = pages.iter().flat_map(|page| page.ports()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert!((1..=2).contains(&ports.len()), "one per address family: {ports:?}");
}
