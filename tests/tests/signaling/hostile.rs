//! Pages and hosts that break the rules hurt themselves and nobody else.

use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::Message;
use wingman_tests::{Edge, fake_host::FakeHost, until};
use wingman_wire::{
    control::{EdgeToHost, HostToEdge},
    signal::From,
};

use super::page::{Visit, answer, candidate, from_host, offer, peer, visitor};

const SESSION: &str = "demo";

fn visit(edge: &Edge, who: u128) -> Visit<'_> {
    Visit { edge, session: SESSION, visitor: visitor(who), peer: peer(who) }
}

/// The host and the edge still pass messages.
async fn still_good(edge: &Edge, host: &mut FakeHost) {
    let visit = visit(edge, 1_000);
    let mut page = visit.open().await;
    let message = page.say(offer("still good")).await;
    loop {
        let told = host.told().await;
        if told == (EdgeToHost::Signaling { peer: visit.peer, message: message.clone() }) {
            break;
        }
    }
    let message = from_host(SESSION, answer("still good"));
    host.control(&HostToEdge::Signaling { peer: visit.peer, message: message.clone() }).await;
    assert_eq!(page.hears().await, Ok(message));
    assert_eq!(edge.metrics().await.get("links"), 1.0);
}

#[tokio::test]
async fn what_is_no_signaling_message_closes_the_socket() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let page = visit(&edge, 1).open().await;
    let good = page.signal(candidate(1));
    let text = |signal| Message::text(serde_json::to_string(&signal).expect("is JSON"));
    let mut as_host = good.clone();
    as_host.from = From::Host;
    let mut elsewhere = good.clone();
    elsewhere.session_id = "other".to_owned();
    let large = page.signal(offer(&"x".repeat(13 * 1024)));
    drop(page);
    for (number, (what, message, code)) in (2..).zip([
        ("binary", Message::Binary(vec![1, 2, 3].into()), 4002),
        ("no JSON", Message::text("hello"), 4002),
        ("nothing", Message::text(""), 4002),
        ("no object", Message::text("[1]"), 4002),
        ("deep", Message::text("[".repeat(10_000)), 4002),
        ("another form", Message::text("{\"type\":\"offer\"}"), 4002),
        ("unknown type", Message::text(format!("{:?}", "x")), 4002),
        ("in the host's name", text(as_host), 4002),
        ("of another session", text(elsewhere), 4002),
        ("large", text(large), 1009),
        ("very large", Message::text("x".repeat(8 << 20)), 1009),
        ("very large and binary", Message::Binary(vec![0; 8 << 20].into()), 1009),
    ]) {
        let mut page = visit(&edge, number).open().await;
        // The edge may hang up while a large one is sent.
        let _ = page.raw(message).await;
        let closed = page.closed().await;
        assert!(closed == code || (code == 1009 && closed == 0), "{what}: {closed}");
    }
    let metrics = edge.metrics().await;
    let closed = |why| metrics.get(&format!("signaling_sockets_closed_total{{reason=\"{why}\"}}"));
    assert_eq!(["protocol", "oversized"].map(closed), [9.0, 3.0]);
    assert_eq!(metrics.get("signaling_messages_total{from=\"page\"}"), 0.0);
    still_good(&edge, &mut host).await;
}

#[tokio::test]
async fn a_page_that_floods_waits() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let flooding = visit(&edge, 1);
    let mut page = flooding.open().await;
    let flood = tokio::spawn(async move {
        let mut number = 0;
        let json = serde_json::to_string(&page.signal(candidate(1))).expect("is JSON");
        // Until the socket takes no more.
        while tokio::time::timeout(
            Duration::from_secs(1),
            futures_util::SinkExt::send(&mut page.socket, Message::text(json.clone())),
        )
        .await
        .is_ok_and(|sent| sent.is_ok())
            && number < 200_000
        {
            number += 1;
        }
        (page, number)
    });
    let began = Instant::now();
    let mut heard = 0_u32;
    while began.elapsed() < Duration::from_secs(4) {
        let told = tokio::time::timeout(Duration::from_millis(500), host.told()).await;
        heard += u32::from(matches!(told, Ok(EdgeToHost::Signaling { .. })));
    }
    // Its burst, and three in a second; the machine may be slow and time go on.
    let most = 60 + 3 * (began.elapsed().as_secs() as u32 + 1);
    assert!((60..=most).contains(&heard), "{heard}");
    let (_page, sent) = flood.await.expect("floods");
    assert!(sent > heard, "{sent}");
    still_good(&edge, &mut host).await;
}

/// All pages together stay within what a host can have unread, also when it reads nothing for a while.
#[tokio::test]
async fn many_pages_that_flood_do_not_cost_the_host_its_link() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let mut floods = tokio::task::JoinSet::new();
    for who in 0..40 {
        let mut page = visit(&edge, who).open().await;
        floods.spawn(async move {
            for number in 0..60 {
                page.say(candidate(number)).await;
            }
            page
        });
    }
    let began = Instant::now();
    let mut pages = Vec::new();
    while let Some(page) = floods.join_next().await {
        pages.push(page.expect("floods"));
    }
    let mut heard = 0_u32;
    while began.elapsed() < Duration::from_secs(4) {
        let told = tokio::time::timeout(Duration::from_millis(200), host.told()).await;
        heard += u32::from(told.is_ok());
    }
    let most = 512 + 200 * (began.elapsed().as_secs() as u32 + 1);
    assert!((512..=most).contains(&heard), "{heard} of 2440");
    assert!(edge.metrics().await.get("signaling_messages_delayed_total") > 0.0);
    still_good(&edge, &mut host).await;
}

#[tokio::test]
async fn a_page_that_does_not_read_loses_its_socket() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let visit = visit(&edge, 1);
    let _page = visit.open().await;
    host.told().await;
    let before = wingman_tests::process::memory(edge.pid());
    let message = from_host(SESSION, answer(&"x".repeat(11 * 1024)));
    let closed = "signaling_sockets_closed_total{reason=\"unread\"}";
    // Kernels hold some of it, up to dozens of megabytes where they are allowed to.
    for round in 1..=500 {
        for _ in 0..20 {
            let message = message.clone();
            host.control(&HostToEdge::Signaling { peer: visit.peer, message }).await;
        }
        // A host that says more than the edge reads would lose its link.
        let said = f64::from(round * 20);
        until("the edge has read it", Duration::from_secs(5), async || {
            edge.metrics().await.get("signaling_messages_total{from=\"host\"}") == said
        })
        .await;
        if edge.metrics().await.get(closed) == 1.0 {
            break;
        }
        assert!(round < 500, "it is still open");
    }
    let grown = wingman_tests::process::memory(edge.pid()).saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes");
    still_good(&edge, &mut host).await;
}

/// The host is frozen: pages wait, nothing grows, and it loses nothing but time.
#[tokio::test]
async fn a_host_that_does_not_read_for_a_while_keeps_its_link() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let mut pages = Vec::new();
    for who in 0..20 {
        let mut page = visit(&edge, who).open().await;
        for number in 0..50 {
            page.say(candidate(number)).await;
        }
        pages.push(page);
    }
    // Below the heartbeat's deadline.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut heard = 0;
    while heard < 20 * 51 {
        host.told().await;
        heard += 1;
    }
    still_good(&edge, &mut host).await;
    until("all was counted", Duration::from_secs(5), async || {
        edge.metrics().await.get("signaling_messages_total{from=\"page\"}") == 1_001.0
    })
    .await;
}
