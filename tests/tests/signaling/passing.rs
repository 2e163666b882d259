//! Messages go both ways, whatever becomes of sockets and links.

use std::time::Duration;

use wingman_tests::{
    Edge,
    fake_host::{FakeHost, connect, handshake, open_with_pages},
    until,
};
use wingman_wire::{
    control::{EdgeToHost, HostToEdge},
    signal::{Reason, Report, State},
};

use super::page::{Visit, answer, candidate, from_host, offer, peer, state, visitor};

const SESSION: &str = "demo";

fn visit(edge: &Edge) -> Visit<'_> {
    Visit { edge, session: SESSION, visitor: visitor(1), peer: peer(1) }
}

/// The host hears that this page has a socket.
async fn opened(host: &mut FakeHost, visit: &Visit<'_>) {
    let expected = EdgeToHost::PeerOpened { peer: visit.peer, visitor: visit.visitor };
    assert_eq!(host.told().await, expected);
}

#[tokio::test]
async fn both_sides_trickle() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let visit = visit(&edge);
    let mut page = visit.open().await;
    opened(&mut host, &visit).await;
    for body in [offer("v=0 ünï \u{1F600}"), candidate(1), candidate(2)] {
        let message = page.say(body).await;
        assert_eq!(host.told().await, EdgeToHost::Signaling { peer: visit.peer, message });
    }
    for body in [answer("v=0"), candidate(3), state(State::Connecting, None, None)] {
        let message = from_host(SESSION, body);
        host.control(&HostToEdge::Signaling { peer: visit.peer, message: message.clone() }).await;
        assert_eq!(page.hears().await, Ok(message));
    }
    drop(page);
    assert_eq!(host.told().await, EdgeToHost::PeerClosed { peer: visit.peer });
    until("the socket is counted", Duration::from_secs(5), async || {
        let metrics = edge.metrics().await;
        metrics.get("signaling_sockets") == 0.0
            && metrics.get("signaling_messages_total{from=\"page\"}") == 3.0
            && metrics.get("signaling_messages_total{from=\"host\"}") == 3.0
            && metrics.get("signaling_sockets_closed_total{reason=\"gone\"}") == 1.0
    })
    .await;
}

#[tokio::test]
async fn pages_do_not_hear_each_other() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let (one, other) = (visit(&edge), Visit { peer: peer(2), ..visit(&edge) });
    let mut first = one.open().await;
    opened(&mut host, &one).await;
    let mut second = other.open().await;
    opened(&mut host, &other).await;
    for (target, sdp) in [(other.peer, "second"), (one.peer, "first")] {
        let message = from_host(SESSION, answer(sdp));
        host.control(&HostToEdge::Signaling { peer: target, message }).await;
    }
    assert_eq!(first.hears().await, Ok(from_host(SESSION, answer("first"))));
    assert_eq!(second.hears().await, Ok(from_host(SESSION, answer("second"))));
}

#[tokio::test]
async fn a_page_that_comes_again_replaces_its_socket() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let visit = visit(&edge);
    let mut older = visit.open().await;
    opened(&mut host, &visit).await;
    let mut newer = visit.open().await;
    assert_eq!(older.closed().await, 4001);
    opened(&mut host, &visit).await;
    // Not closed: the next thing the host hears is the newer socket.
    let message = newer.say(offer("again")).await;
    assert_eq!(host.told().await, EdgeToHost::Signaling { peer: visit.peer, message });
    let message = from_host(SESSION, answer("again"));
    host.control(&HostToEdge::Signaling { peer: visit.peer, message: message.clone() }).await;
    assert_eq!(newer.hears().await, Ok(message));
    drop(older);
    until("one is left", Duration::from_secs(5), async || {
        edge.metrics().await.get("signaling_sockets") == 1.0
    })
    .await;
}

#[tokio::test]
async fn a_host_that_comes_back_is_told_of_all_pages() {
    let edge = Edge::start().await;
    let host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let mut pages = Vec::new();
    for number in 0..12 {
        let visit = Visit { peer: peer(number), ..visit(&edge) };
        pages.push((visit, visit.open().await));
    }
    drop(host);
    until("the link is gone", Duration::from_secs(5), async || {
        edge.metrics().await.get("links") == 0.0
    })
    .await;
    // A page that says something meanwhile is told, and one that says nothing is not.
    let (visit, page) = &mut pages[0];
    page.say(offer("now")).await;
    let away = from_host(SESSION, state(State::Failed, Some(Reason::HostAway), None));
    assert_eq!(page.hears().await, Ok(away.clone()));
    page.say(candidate(1)).await;
    page.say(candidate(2)).await;
    page.say(offer("later")).await;
    assert_eq!(page.hears().await, Ok(away), "only the offer is answered again");
    let peer = visit.peer;
    let mut host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let mut told = Vec::new();
    for _ in 0..12 {
        let EdgeToHost::PeerOpened { peer, visitor: whose } = host.told().await else {
            panic!("not a page")
        };
        assert_eq!(whose, visitor(1));
        told.push(peer);
    }
    told.sort();
    let mut expected: Vec<_> = pages.iter().map(|(visit, _)| visit.peer).collect();
    expected.sort();
    assert_eq!(told, expected);
    let message = pages[0].1.say(offer("again")).await;
    assert_eq!(host.told().await, EdgeToHost::Signaling { peer, message });
    let message = from_host(SESSION, answer("hello"));
    let (visit, silent) = &mut pages[1];
    host.control(&HostToEdge::Signaling { peer: visit.peer, message: message.clone() }).await;
    assert_eq!(silent.hears().await, Ok(message), "nothing came before");
}

/// The old link has no say once the new one is there.
#[tokio::test]
async fn a_link_that_was_replaced_cannot_signal() {
    let edge = Edge::start().await;
    let mut older = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let visit = visit(&edge);
    let mut page = visit.open().await;
    opened(&mut older, &visit).await;
    let mut newer = FakeHost::start_with_pages(edge.port(), SESSION).await;
    opened(&mut newer, &visit).await;
    assert_eq!(older.closed().await, 4001);
    let message = from_host(SESSION, answer("new"));
    newer.control(&HostToEdge::Signaling { peer: visit.peer, message: message.clone() }).await;
    assert_eq!(page.hears().await, Ok(message));
}

#[tokio::test]
async fn the_end_of_a_session_is_told_to_its_pages() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let visit = visit(&edge);
    let mut page = visit.open().await;
    opened(&mut host, &visit).await;
    host.control(&HostToEdge::End).await;
    let ended = from_host(SESSION, state(State::Failed, Some(Reason::SessionEnded), None));
    assert_eq!(page.hears().await, Ok(ended));
    assert_eq!(page.closed().await, 4000);
    let refused = visit.try_open(visit.handshake()).await.err();
    assert_eq!(refused, Some((410, "session-ended".to_owned())));
    // Until somebody shares under this name again.
    let mut host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let _page = visit.open().await;
    opened(&mut host, &visit).await;
}

#[tokio::test]
async fn reports_end_at_the_edge() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let visit = visit(&edge);
    let mut page = visit.open().await;
    opened(&mut host, &visit).await;
    page.say(offer("v=0")).await;
    host.told().await;
    let report = Report {
        time_to_direct_ms: Some(210.0),
        direct_exchanges: 5,
        direct_bytes_received: 1_000,
        ..Report::default()
    };
    page.say(state(State::Connected, None, Some(report.clone()))).await;
    // With a reason it is for the host as well, but without the report.
    page.say(state(State::Failed, Some(Reason::Ice), Some(report))).await;
    let message = page.signal(state(State::Failed, Some(Reason::Ice), None));
    assert_eq!(host.told().await, EdgeToHost::Signaling { peer: visit.peer, message });
    let metrics = edge.metrics().await;
    for (name, value) in [
        ("direct_attempts_total", 1.0),
        ("direct_successes_total", 1.0),
        ("time_to_direct_seconds_count", 2.0),
        ("direct_exchanges_total", 10.0),
        ("direct_content_bytes_total{direction=\"response\"}", 2_000.0),
    ] {
        assert_eq!(metrics.get(name), value, "{name}");
    }
}

#[tokio::test]
async fn what_a_host_says_to_nobody_is_dropped() {
    let edge = Edge::start().await;
    let mut host = FakeHost::start_with_pages(edge.port(), SESSION).await;
    let visit = visit(&edge);
    let mut page = visit.open().await;
    opened(&mut host, &visit).await;
    let unknown = from_host(SESSION, answer("x"));
    host.control(&HostToEdge::Signaling { peer: peer(99), message: unknown }).await;
    let other_session = from_host("other", answer("x"));
    host.control(&HostToEdge::Signaling { peer: visit.peer, message: other_session }).await;
    let as_page = page.signal(answer("x"));
    host.control(&HostToEdge::Signaling { peer: visit.peer, message: as_page }).await;
    let large = from_host(SESSION, answer(&"x".repeat(13 * 1024)));
    host.control(&HostToEdge::Signaling { peer: visit.peer, message: large }).await;
    let message = from_host(SESSION, answer("good"));
    host.control(&HostToEdge::Signaling { peer: visit.peer, message: message.clone() }).await;
    assert_eq!(page.hears().await, Ok(message), "nothing of that came before");
    let metrics = edge.metrics().await;
    let dropped =
        |reason| metrics.get(&format!("signaling_messages_dropped_total{{reason=\"{reason}\"}}"));
    assert_eq!(["unknown-peer", "malformed", "oversized"].map(dropped), [1.0, 2.0, 1.0]);
}

#[tokio::test]
async fn hosts_learn_of_the_edges_stun_servers() {
    let edge = wingman_tests::EdgeOptions::default()
        .set("stun_servers", "stun:stun.example:3478,127.0.0.1:3479")
        .start()
        .await;
    let mut host = connect(edge.port(), handshake(edge.port())).await.expect("a link");
    let EdgeToHost::Opened { stun_servers, .. } = host.claim(open_with_pages(SESSION)).await else {
        panic!("refused")
    };
    // The edge's own comes first.
    assert!(
        stun_servers.ends_with(&["stun:stun.example:3478".into(), "stun:127.0.0.1:3479".into()])
    );
}
