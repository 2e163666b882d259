//! The host's machine changes its network, or has one that is half broken.

use std::time::{Duration, Instant};

use wingman_tests::{Edge, HostOptions, Origin, Share};

use super::{OK, ask, cable::Cable, namespace::Namespace};

/// By when a host knows the addresses it started with.
const LOOKED_AROUND: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_another_network_it_is_back_at_once() {
    let namespace = Namespace::new();
    let (origin, mut handed) = Origin::handing_over_at(&namespace.outside()).await;
    let edge = Edge::start().await;
    let cable = Cable::at(&namespace.outside(), edge.port()).await;
    // The heartbeat and the pauses alone would take a minute.
    let options = HostOptions::default()
        .edge_port(cable.port())
        .set("heartbeat.period", "60s")
        .set("heartbeat.deadline", "120s")
        .set("reconnect.initial", "60s")
        .set("reconnect.cap", "60s")
        .within_namespace(namespace.name());
    let host = options.start(&edge, &origin.target()).await;
    let mut share = Share { edge, host, origin };
    let _visitor = ask(&share, "/lost").await;
    let _origin = handed.next().await;
    tokio::time::sleep(LOOKED_AROUND).await;
    for address in [3, 4] {
        let before = share.host.events(0).len();
        namespace.disconnect();
        // A PING finds that nobody answers.
        let gone = Instant::now();
        share.host.event("link-lost", before, Duration::from_secs(6)).await;
        assert!(gone.elapsed() > Duration::from_secs(2), "the edge has time to answer");
        // It tries, fails at once, and waits for long.
        share.host.event("connecting", before, Duration::from_secs(3)).await;
        let waiting = share.host.events(0).len();
        let lost = share.host.event("link-lost", waiting - 1, Duration::from_secs(3)).await;
        assert!(lost["retry_in_ms"].as_u64().expect("a number") > 20_000, "{lost}");
        namespace.connect(address);
        let ready = share.host.event("ready", before, Duration::from_millis(1500)).await;
        assert_eq!(ready["url"], share.host.url());
        let mut visitor = ask(&share, "/").await;
        handed.next().await.0.send(OK).await;
        assert_eq!(visitor.response(false).await.expect("whole").text(), "ok");
    }
    // What ran on a link that is given up says so all the same.
    let events = share.host.events(0);
    assert!(events.iter().any(|event| event["target"] == "/lost"), "{events:?}");
}

/// One more network, as a VPN brings: the link goes on, and so does what runs on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_more_network_disturbs_nothing() {
    let namespace = Namespace::new();
    let (origin, mut handed) = Origin::handing_over_at(&namespace.outside()).await;
    let edge = Edge::start().await;
    let cable = Cable::at(&namespace.outside(), edge.port()).await;
    let options = HostOptions::default().edge_port(cable.port()).within_namespace(namespace.name());
    let host = options.start(&edge, &origin.target()).await;
    let share = Share { edge, host, origin };
    let mut visitor = ask(&share, "/").await;
    let (mut origin, _) = handed.next().await;
    let before = share.host.events(0).len();
    tokio::time::sleep(LOOKED_AROUND).await;
    namespace.connect(9);
    tokio::time::sleep(Duration::from_secs(4)).await;
    origin.send(OK).await;
    assert_eq!(visitor.response(false).await.expect("whole").text(), "ok");
    let events = share.host.events(before);
    assert!(events.iter().all(|event| event["event"] != "link-lost"), "{events:?}");
}

/// IPv6 is there, but nothing comes back: the other family is tried beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_family_that_is_broken_costs_a_moment() {
    let namespace = Namespace::new();
    namespace.break_ipv6();
    let (origin, mut handed) = Origin::handing_over_at(&namespace.outside()).await;
    let edge = Edge::start().await;
    let cable = Cable::at(&namespace.outside(), edge.port()).await;
    let options = HostOptions::default().edge_port(cable.port()).within_namespace(namespace.name());
    let began = Instant::now();
    let host = options.start(&edge, &origin.target()).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let share = Share { edge, host, origin };
    let mut visitor = ask(&share, "/").await;
    handed.next().await.0.send(OK).await;
    assert_eq!(visitor.response(false).await.expect("whole").text(), "ok");
}
