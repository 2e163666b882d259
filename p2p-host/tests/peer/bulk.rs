//! Much content, both ways.

use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout};
use wingman_mux::Incoming;
use wingman_wire::id::VisitorId;

use crate::{
    connect::hello,
    network::Network,
    origin::{hex, pattern, pattern_hash},
    page::Page,
    stage::Stage,
};

const LENGTH: usize = 50 * 1024 * 1024;

/// Reads and hashes without keeping.
async fn download(page: &Page, lane: usize, length: usize) -> String {
    let exchange = page.open(lane, "GET", &format!("/bytes/{length}"), true);
    let mut hash = Sha256::new();
    loop {
        match timeout(Duration::from_secs(60), exchange.read()).await.expect("in time") {
            Some(Incoming::Head { .. }) => {}
            Some(Incoming::Data(data)) => hash.update(data),
            Some(Incoming::Finish { .. }) => return hex(&hash.finalize()),
            other => panic!("{other:?}"),
        }
    }
}

/// Bytes of memory that this process uses.
fn memory() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = statm.split(' ').nth(1).expect("a field").parse().expect("a number");
    pages * 4096
}

#[tokio::test]
async fn content_comes_whole_both_ways_and_is_not_held() {
    let stage = Stage::new().await;
    let page = stage.connected().await;
    // Everything that is allocated once.
    download(&page, 1, 1024 * 1024).await;
    let before = memory();
    let began = Instant::now();
    assert_eq!(download(&page, 1, LENGTH).await, pattern_hash(LENGTH));
    println!("down: {:.1} MB/s", rate(began));
    let began = Instant::now();
    let answer = page.post(2, "/hash", pattern(LENGTH)).await.expect("an answer");
    println!("up: {:.1} MB/s", rate(began));
    assert_eq!(answer.content, Bytes::from(pattern_hash(LENGTH)));
    let grown = memory().saturating_sub(before);
    assert!(grown < 40 * 1024 * 1024, "{grown} bytes for both ends");
}

fn rate(began: Instant) -> f64 {
    LENGTH as f64 / 1e6 / began.elapsed().as_secs_f64()
}

#[tokio::test]
async fn lanes_share_and_a_small_request_does_not_wait_behind_bulk() {
    let stage = Stage::new().await;
    let page = stage.connected().await;
    const EACH: usize = 8 * 1024 * 1024;
    let expected = pattern_hash(EACH);
    let bulk = async {
        let (one, two, three) = tokio::join!(
            download(&page, 1, EACH),
            download(&page, 2, EACH),
            download(&page, 3, EACH)
        );
        assert_eq!([&one, &two, &three], [&expected; 3]);
    };
    let small = async {
        let mut worst = Duration::ZERO;
        let mut count = 0;
        loop {
            let began = Instant::now();
            assert_eq!(page.get(count % 4, "/hello").await, hello());
            worst = worst.max(began.elapsed());
            count += 1;
            if count == 20 {
                return worst;
            }
        }
    };
    let began = Instant::now();
    let ((), worst) = tokio::join!(bulk, small);
    println!("the slowest of 20 small requests took {worst:?} of {:?}", began.elapsed());
    assert!(worst < began.elapsed() / 4, "{worst:?} of {:?}", began.elapsed());
}

/// MB/s down and up.
async fn measure(network: Network, length: usize) -> [f64; 2] {
    let stage = Stage::new().await;
    let page = stage.page_on(network, VisitorId::from_bits(1)).await;
    page.connect().await;
    let began = Instant::now();
    assert_eq!(download(&page, 1, length).await, pattern_hash(length));
    let down = length as f64 / 1e6 / began.elapsed().as_secs_f64();
    let began = Instant::now();
    let answer = page.post(2, "/hash", pattern(length)).await.expect("an answer");
    assert_eq!(answer.content, Bytes::from(pattern_hash(length)));
    [down, length as f64 / 1e6 / began.elapsed().as_secs_f64()]
}

#[tokio::test]
async fn a_long_path_is_filled() {
    const LENGTH: usize = 8 * 1024 * 1024;
    let long = Network { delay: Duration::from_millis(25), ..Network::default() };
    let narrow = Network { rate: Some(10_000_000), queue: 500_000, ..long.clone() };
    for (name, network, least) in [("50 ms", long, 1.5), ("50 ms, 80 Mbit/s", narrow, 1.5)] {
        let [down, up] = measure(network, LENGTH).await;
        println!("{name}: {down:.1} MB/s down, {up:.1} MB/s up");
        // Four packets per round trip, the defect that the socket cures, are 0.1 MB/s; a busy machine takes its part.
        assert!(down > least && up > least / 5.0, "{name}: {down} down, {up} up");
    }
}
