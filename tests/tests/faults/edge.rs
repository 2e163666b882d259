//! The edge dies, freezes, or is restarted.

use std::time::{Duration, Instant};

use wingman_tests::{HostOptions, Share, Signal, soon, until, within};

use super::{NOTICED, OK, ask, code, hasty_edge, hasty_host};

/// From listening again to the host's session being open.
const BACK: Duration = Duration::from_secs(2);

/// The URL works, with the host there is.
async fn works(share: &Share, handed: &mut wingman_tests::Handed) {
    let mut visitor = ask(share, "/works").await;
    loop {
        let (mut origin, head) = handed.next().await;
        // A request of before may still be in the queue.
        if head.target() == "/works" {
            origin.send(OK).await;
            break;
        }
    }
    assert_eq!(visitor.response(false).await.expect("whole").text(), "ok");
}

#[tokio::test]
async fn killed_and_restarted_it_has_its_hosts_back() {
    let (mut share, mut handed) = Share::handing_over().await;
    let url = share.host.url().to_owned();
    let _visitor = ask(&share, "/lost").await;
    let (mut origin, _) = handed.next().await;
    let before = share.host.events(0).len();
    share.edge.program().kill().await;
    // Its visitors are gone, so the origin's work is cancelled; the host stays and tries.
    within(Duration::from_secs(1), origin.closed()).await;
    share.host.event("link-lost", before, Duration::from_secs(2)).await;
    // What it was doing is in the log all the same, with the origin's work cancelled by nobody but the link.
    let lost = share.host.event("exchange", before, Duration::from_secs(2)).await;
    assert_eq!((&lost["target"], &lost["status"]), (&"/lost".into(), &serde_json::Value::Null));
    // Long enough for its pauses to have grown.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(share.host.program().is_running());
    share.edge.start_again().await;
    let listening = Instant::now();
    let ready = share.host.event("ready", before, BACK).await;
    assert!(listening.elapsed() < BACK);
    // The edge has forgotten everything; the name comes from the host's key.
    assert_eq!(ready["url"], url);
    works(&share, &mut handed).await;
}

#[tokio::test]
async fn a_name_of_ones_own_is_had_back_too() {
    let named = HostOptions::default().name("shop");
    let (mut share, mut handed) = Share::handing_over_with(hasty_edge(), named).await;
    let before = share.host.events(0).len();
    share.edge.program().kill().await;
    share.edge.start_again().await;
    let ready = share.host.event("ready", before, BACK).await;
    assert_eq!(ready["session"], "shop");
    works(&share, &mut handed).await;
}

#[tokio::test]
async fn ten_hosts_are_back_within_two_seconds() {
    let (mut share, mut handed) = Share::handing_over().await;
    let mut hosts = Vec::new();
    for _ in 0..9 {
        let target = share.origin.target();
        hosts.push(HostOptions::default().start(&share.edge, &target).await);
    }
    share.edge.program().kill().await;
    share.edge.start_again().await;
    until("all sessions are open", BACK, async || share.edge.metrics().await.get("links") == 10.0)
        .await;
    for host in hosts {
        let mut visitor = share.visit().await;
        visitor.send(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", host.authority())).await;
        handed.next().await.0.send(OK).await;
        assert_eq!(visitor.response(false).await.expect("whole").text(), "ok");
    }
}

#[tokio::test]
async fn a_host_for_a_supervisor_leaves_instead() {
    let leaving = HostOptions::default().argument("--exit-on-disconnect");
    let (mut share, _handed) = Share::handing_over_with(hasty_edge(), leaving).await;
    share.edge.program().kill().await;
    let ended = share.host.program().ended(Duration::from_secs(2)).await;
    assert_eq!(ended.code(), Some(7), "{ended}");
}

#[tokio::test]
async fn frozen_it_is_found_out_and_thawed_it_is_used_again() {
    let (mut share, mut handed) = Share::handing_over_with(hasty_edge(), hasty_host()).await;
    let url = share.host.url().to_owned();
    let before = share.host.events(0).len();
    share.edge.signal(Signal::Stop);
    share.host.event("link-lost", before, NOTICED).await;
    assert!(share.host.program().is_running());
    share.edge.signal(Signal::Continue);
    // An attempt on the frozen edge may have to time out first.
    let ready = share.host.event("ready", before, Duration::from_secs(12)).await;
    assert_eq!(ready["url"], url);
    works(&share, &mut handed).await;
}

#[tokio::test]
async fn terminated_it_finishes_what_runs_and_hosts_come_again() {
    let edge = hasty_edge().set("timeouts.drain", "3s");
    let (mut share, mut handed) = Share::handing_over_with(edge, HostOptions::default()).await;
    let mut running = ask(&share, "/running").await;
    let (mut origin, _) = handed.next().await;
    origin.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
    let head = soon(running.head()).await.expect("whole").expect("a head");
    let before = share.host.events(0).len();
    share.edge.signal(Signal::Terminate);
    until("it says that it is not ready", Duration::from_secs(2), async || {
        share.edge.program().log().contains("shutting down")
    })
    .await;
    origin.send("world").await;
    let (content, _) = soon(running.content(&head, false)).await.expect("whole");
    assert_eq!(content, b"helloworld");
    drop(origin);
    share.edge.program().ended(Duration::from_secs(6)).await;
    share.edge.start_again().await;
    let ready = share.host.event("ready", before, BACK).await;
    assert_eq!(ready["url"], share.host.url());
    works(&share, &mut handed).await;
}

#[tokio::test]
async fn terminated_it_does_not_wait_for_ever() {
    let edge = hasty_edge().set("timeouts.drain", "1s");
    let (mut share, mut handed) = Share::handing_over_with(edge, HostOptions::default()).await;
    let mut waiting = ask(&share, "/waiting").await;
    let (mut origin, _) = handed.next().await;
    share.edge.signal(Signal::Terminate);
    let page = soon(waiting.response(false)).await;
    // Told or cut, but not left hanging; and the origin's work is cancelled.
    if let Ok(page) = page {
        assert!(page.status() >= 500, "{} {}", page.status(), code(&page));
    }
    within(Duration::from_secs(3), origin.closed()).await;
    let ended = share.edge.program().ended(Duration::from_secs(5)).await;
    assert!(ended.success(), "{ended}");
}

/// A drain of ten seconds is the most that is waited, not what every restart costs.
#[tokio::test]
async fn terminated_it_leaves_as_soon_as_nothing_runs() {
    let edge = hasty_edge().set("timeouts.drain", "10s");
    let (mut share, mut handed) = Share::handing_over_with(edge, HostOptions::default()).await;
    let mut running = ask(&share, "/running").await;
    let (mut origin, _) = handed.next().await;
    share.edge.signal(Signal::Terminate);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(share.edge.program().is_running(), "it leaves while an exchange runs");
    origin.send(OK).await;
    assert_eq!(soon(running.response(false)).await.expect("whole").text(), "ok");
    let ended = share.edge.program().ended(Duration::from_millis(1500)).await;
    assert!(ended.success(), "{ended}");
}

#[tokio::test]
async fn a_reload_without_certificates_changes_nothing() {
    let (mut share, mut handed) = Share::handing_over().await;
    for _ in 0..2 {
        share.edge.signal(Signal::Hangup);
        works(&share, &mut handed).await;
    }
    assert!(share.edge.program().is_running());
    // Nor does it keep later signals from working.
    share.edge.signal(Signal::Terminate);
    assert!(share.edge.program().ended(Duration::from_secs(3)).await.success());
}

/// Visitors of an edge that has just been restarted wait for its hosts instead of being told that it knows
/// no such session; later, strangers are told at once.
#[tokio::test]
async fn just_started_it_waits_for_sessions_it_has_forgotten() {
    let (mut share, mut handed) = Share::handing_over().await;
    share.host.program().kill().await;
    share.edge.program().kill().await;
    share.edge.start_again().await;
    let mut early = ask(&share, "/early").await;
    let began = Instant::now();
    let mut stranger = share.visit().await;
    let fields = "Host: stranger.localhost\r\nAccept: application/json\r\n\r\n";
    stranger.send(format!("GET / HTTP/1.1\r\n{fields}")).await;
    share.host.spawn_again();
    let (mut origin, head) = handed.next().await;
    assert_eq!(head.target(), "/early");
    origin.send(OK).await;
    assert_eq!(soon(early.response(false)).await.expect("whole").text(), "ok");
    let page = soon(stranger.response(false)).await.expect("whole");
    assert_eq!((page.status(), &*code(&page)), (404, "unknown-session"));
    let waited = began.elapsed();
    assert!(Duration::from_secs(2) < waited && waited < Duration::from_secs(4), "{waited:?}");
    stranger.send(format!("GET / HTTP/1.1\r\n{fields}")).await;
    let page = within(Duration::from_millis(500), stranger.response(false)).await.expect("whole");
    assert_eq!((page.status(), &*code(&page)), (404, "unknown-session"));
}
