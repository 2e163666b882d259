//! The host dies, freezes, is replaced, or says goodbye.

use std::time::{Duration, Instant};

use wingman_tests::{HostOptions, Share, Signal, soon, until, within};

use super::{NOTICED, OK, ask, code, hasty_edge, hasty_host};

const AT_ONCE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn killed_its_requests_are_answered_or_cut_at_once() {
    let (mut share, mut handed) =
        Share::handing_over_with(hasty_edge(), HostOptions::default()).await;
    let mut waiting = ask(&share, "/waiting").await;
    let (_origin, _) = handed.next().await;
    let mut reading = ask(&share, "/reading").await;
    let (mut origin, _) = handed.next().await;
    origin.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
    let head = soon(reading.head()).await.expect("whole").expect("a head");
    reading.begin(&head, false);
    soon(reading.piece()).await.expect("is there").expect("is there");

    share.host.program().kill().await;
    let page = within(AT_ONCE, waiting.response(false)).await.expect("whole");
    assert_eq!((page.status(), &*code(&page)), (502, "link-lost"));
    assert!(within(AT_ONCE, reading.piece()).await.is_err(), "half a response looks whole");
}

#[tokio::test]
async fn away_its_visitors_wait_and_are_told() {
    let (mut share, _handed) = Share::handing_over_with(hasty_edge(), HostOptions::default()).await;
    share.host.program().kill().await;
    // A request before that would have been sent, and be lost.
    until("the edge knows", AT_ONCE, async || share.edge.metrics().await.get("links") == 0.0).await;
    let asked = Instant::now();
    let page = ask(&share, "/").await.response(false).await.expect("whole");
    let waited = asked.elapsed();
    assert_eq!((page.status(), &*code(&page)), (503, "host-away"));
    assert!(page.head.get("retry-after").is_some(), "{:?}", page.head);
    let patience = Duration::from_millis(900)..Duration::from_secs(3);
    assert!(patience.contains(&waited), "waited {waited:?}");
    // People get a page that tries again by itself.
    let mut visitor = share.visit().await;
    visitor.send(share.request("GET /", "Accept: text/html\r\n")).await;
    let page = visitor.response(false).await.expect("whole");
    assert_eq!(page.status(), 503);
    assert!(page.text().contains("http-equiv=\"refresh\""), "{}", page.text());
}

#[tokio::test]
async fn killed_and_restarted_it_has_its_url_and_serves_who_waited() {
    let (mut share, mut handed) = Share::handing_over().await;
    let url = share.host.url().to_owned();
    share.host.program().kill().await;
    let mut waiting = ask(&share, "/waiting").await;
    share.host.spawn_again();
    let ready = share.host.ready().await;
    assert_eq!((share.host.url(), &ready["resumed"]), (&*url, &true.into()));
    let (mut origin, head) = handed.next().await;
    assert_eq!(head.target(), "/waiting");
    origin.send(OK).await;
    assert_eq!(waiting.response(false).await.expect("whole").text(), "ok");
    let metrics = share.edge.metrics().await;
    assert_eq!((metrics.get("sessions"), metrics.get("links")), (1.0, 1.0));
    // A link whose end nobody has seen yet may have been replaced instead.
    assert_eq!(
        metrics.get("links_opened_total{start=\"resumed\"}")
            + metrics.get("links_opened_total{start=\"replaced\"}"),
        1.0
    );
}

#[tokio::test]
async fn frozen_it_is_found_out_and_thawed_it_is_back() {
    let (mut share, mut handed) = Share::handing_over_with(hasty_edge(), hasty_host()).await;
    let url = share.host.url().to_owned();
    let mut waiting = ask(&share, "/waiting").await;
    let (_origin, _) = handed.next().await;
    share.host.signal(Signal::Stop);
    let page = within(NOTICED, waiting.response(false)).await.expect("whole");
    assert_eq!((page.status(), &*code(&page)), (502, "link-lost"));
    let page = ask(&share, "/").await.response(false).await.expect("whole");
    assert_eq!((page.status(), &*code(&page)), (503, "host-away"));

    let before = share.host.events(0).len();
    share.host.signal(Signal::Continue);
    let ready = share.host.event("ready", before, Duration::from_secs(3)).await;
    assert_eq!((&ready["url"], &ready["resumed"]), (&url.into(), &true.into()));
    let mut visitor = ask(&share, "/").await;
    let (mut origin, _) = handed.next().await;
    origin.send(OK).await;
    assert_eq!(visitor.response(false).await.expect("whole").text(), "ok");
}

#[tokio::test]
async fn frozen_for_a_moment_it_loses_nothing() {
    let (mut share, mut handed) = Share::handing_over_with(
        hasty_edge().set("timeouts.heartbeat_deadline", "5s"),
        hasty_host().set("heartbeat.deadline", "5s"),
    )
    .await;
    let mut visitor = ask(&share, "/").await;
    let (mut origin, _) = handed.next().await;
    share.host.signal(Signal::Stop);
    origin.send(OK).await;
    // Several heartbeats long; there is nothing to poll in a frozen process.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = share.host.events(0).len();
    share.host.signal(Signal::Continue);
    assert_eq!(visitor.response(false).await.expect("whole").text(), "ok");
    let lost = share.host.events(before).into_iter().find(|event| event["event"] == "link-lost");
    assert!(lost.is_none(), "{lost:?}");
    assert!(share.host.program().is_running());
}

#[tokio::test]
async fn the_newest_holder_of_the_key_wins_at_once() {
    let (mut share, mut handed) = Share::handing_over().await;
    let mut old = ask(&share, "/old").await;
    let (_origin, _) = handed.next().await;
    let began = Instant::now();
    let target = share.origin.target();
    let newer = HostOptions::default().same_state_as(&share.host).start(&share.edge, &target).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(newer.url(), share.host.url());
    // What ran on the old link is answered, and the old host leaves for good and says why.
    let page = within(AT_ONCE, old.response(false)).await.expect("whole");
    assert_eq!((page.status(), &*code(&page)), (502, "link-lost"));
    let ended = share.host.program().ended(Duration::from_secs(5)).await;
    assert_eq!(ended.code(), Some(8), "{ended}");
    let error = share.host.event("error", 0, AT_ONCE).await;
    assert_eq!(error["code"], "replaced");
    let mut visitor = ask(&share, "/new").await;
    let (mut origin, head) = handed.next().await;
    assert_eq!(head.target(), "/new");
    origin.send(OK).await;
    assert_eq!(visitor.response(false).await.expect("whole").text(), "ok");
    let metrics = share.edge.metrics().await;
    assert_eq!((metrics.get("sessions"), metrics.get("links")), (1.0, 1.0));
    assert_eq!(metrics.get("links_closed_total{reason=\"replaced\"}"), 1.0);
}

/// The old link is frozen, not closed: the edge does not know yet that it is dead.
#[tokio::test]
async fn the_newest_holder_wins_over_a_frozen_one() {
    let (share, mut handed) = Share::handing_over().await;
    share.host.signal(Signal::Stop);
    let target = share.origin.target();
    let options = HostOptions::default().same_state_as(&share.host);
    let newer = within(Duration::from_secs(2), options.start(&share.edge, &target)).await;
    assert_eq!(newer.url(), share.host.url());
    let mut visitor = ask(&share, "/").await;
    let (mut origin, _) = handed.next().await;
    origin.send(OK).await;
    assert_eq!(visitor.response(false).await.expect("whole").text(), "ok");
    share.host.signal(Signal::Continue);
    let mut share = share;
    let ended = share.host.program().ended(Duration::from_secs(5)).await;
    assert_eq!(ended.code(), Some(8), "{ended}");
}

#[tokio::test]
async fn interrupted_it_finishes_what_runs_and_frees_its_name() {
    let named = HostOptions::default().name("shop");
    let (mut share, mut handed) = Share::handing_over_with(hasty_edge(), named).await;
    let mut running = ask(&share, "/running").await;
    let (mut origin, _) = handed.next().await;
    origin.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
    let head = soon(running.head()).await.expect("whole").expect("a head");
    share.host.signal(Signal::Interrupt);
    // From the moment it drains, what comes later does not reach the origin any more.
    let mut late = Vec::new();
    until("the host takes no more", Duration::from_secs(2), async || {
        let visitor = ask(&share, "/late").await;
        match tokio::time::timeout(Duration::from_millis(100), handed.next()).await {
            Ok((mut origin, _)) => {
                origin.send(OK).await;
                false
            }
            Err(_) => {
                late.push(visitor);
                true
            }
        }
    })
    .await;
    late.push(ask(&share, "/later").await);
    assert!(share.host.program().is_running(), "it leaves while an exchange runs");
    origin.send("world").await;
    let (content, _) = soon(running.content(&head, false)).await.expect("whole");
    assert_eq!(content, b"helloworld");
    let ended = share.host.program().ended(Duration::from_secs(2)).await;
    assert_eq!(ended.code(), Some(0), "{ended}");
    // Who came too late waited for it, and is told, as is who comes now.
    late.push(ask(&share, "/").await);
    for (number, mut visitor) in late.into_iter().enumerate() {
        let page = visitor.response(false).await.expect("whole");
        // Also the first, which may cross the host's DRAIN on its way: it was not run.
        assert_eq!((page.status(), &*code(&page)), (410, "session-ended"), "late one {number}");
    }
    // Somebody else may have the name now.
    let target = share.origin.target();
    let other = HostOptions::default().name("shop").start(&share.edge, &target).await;
    assert_eq!(other.authority(), share.authority());
}

#[tokio::test]
async fn interrupted_it_does_not_wait_for_ever() {
    let (mut share, mut handed) = Share::handing_over().await;
    let mut endless = ask(&share, "/events").await;
    let (mut origin, _) = handed.next().await;
    origin.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n").await;
    let head = soon(endless.head()).await.expect("whole").expect("a head");
    share.host.signal(Signal::Terminate);
    let ended = share.host.program().ended(Duration::from_secs(5)).await;
    assert_eq!(ended.code(), Some(0), "{ended}");
    let rest = soon(endless.content(&head, false)).await;
    assert!(rest.is_err(), "an event stream that was cut looks whole: {rest:?}");
    assert_eq!(share.edge.metrics().await.get("sessions"), 0.0);
}

#[tokio::test]
async fn a_second_signal_ends_it_now() {
    let (mut share, mut handed) = Share::handing_over().await;
    let mut endless = ask(&share, "/events").await;
    let (mut origin, _) = handed.next().await;
    origin.send("HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n").await;
    let head = soon(endless.head()).await.expect("whole").expect("a head");
    share.host.signal(Signal::Interrupt);
    // Two signals of the same kind at once are one.
    tokio::time::sleep(Duration::from_millis(300)).await;
    share.host.signal(Signal::Interrupt);
    let ended = share.host.program().ended(AT_ONCE).await;
    assert_eq!(ended.code(), Some(0), "{ended}");
    let rest = soon(endless.content(&head, false)).await;
    assert!(rest.is_err(), "an event stream that was cut looks whole: {rest:?}");
}
