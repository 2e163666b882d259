use std::task::{Context, Poll, Waker};

use wingman_link::{ControlLimit, Driver, Transmit};
use wingman_mux::{Config, Role};
use wingman_wire::{
    frame::{Frame, MAX_MESSAGE},
    signal::{Body, Description},
};

use super::*;

const LIMITS: PeerLimits = PeerLimits { per_session: 4, per_visitor: 2 };

/// A link without a socket, and what was said on it.
struct Host {
    link: Link,
    driver: Driver,
}

impl Host {
    fn new() -> Self {
        let link = Link::new(Config::new(Role::Opener));
        let driver = Driver::new(link.clone());
        Self { link, driver }
    }

    fn told(&self) -> Vec<EdgeToHost> {
        let mut told = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(Transmit::Message(message)) =
            self.driver.poll_transmit(&mut context, MAX_MESSAGE)
        {
            let mut message = message.freeze();
            while let Some(frame) = Frame::take(&mut message).unwrap() {
                if let Frame::Control(json) = frame {
                    told.push(control::decode(&json).unwrap());
                }
            }
        }
        told
    }
}

fn peers() -> Arc<Peers> {
    Arc::new(Peers::new("demo".parse().unwrap(), Arc::new(Metrics::new())))
}

fn peer(number: u128) -> PeerId {
    PeerId::from_bits(number)
}

fn visitor(number: u128) -> VisitorId {
    VisitorId::from_bits(number)
}

fn opened(number: u128, whose: u128) -> EdgeToHost {
    EdgeToHost::PeerOpened { peer: peer(number), visitor: visitor(whose) }
}

fn signal(from: From, text: &str) -> Signal {
    let body = Body::Offer(Description { sdp: text.to_owned() });
    Signal { session_id: "demo".to_owned(), from, body }
}

fn passed(number: u128, text: &str) -> EdgeToHost {
    EdgeToHost::Signaling { peer: peer(number), message: signal(From::Client, text) }
}

#[tokio::test]
async fn a_host_hears_of_a_page_before_it_hears_the_page() {
    let (peers, host) = (peers(), Host::new());
    let (early, _mail) = peers.join(peer(1), visitor(1), LIMITS).unwrap();
    early.announce().await;
    assert_eq!(early.pass(signal(From::Client, "x")).await, Err(PassError::Away));
    peers.attach(&host.link);
    assert_eq!(host.told(), [opened(1, 1)]);
    early.announce().await;
    early.pass(signal(From::Client, "a")).await.unwrap();
    assert_eq!(host.told(), [passed(1, "a")], "once is enough");
    let (late, _mail) = peers.join(peer(2), visitor(1), LIMITS).unwrap();
    late.pass(signal(From::Client, "b")).await.unwrap();
    assert_eq!(host.told(), [opened(2, 1), passed(2, "b")]);
    late.leave().await;
    assert_eq!(host.told(), [EdgeToHost::PeerClosed { peer: peer(2) }]);
    // Dropped, not left: nobody is told, but the seat is free.
    drop(early);
    assert_eq!(host.told(), []);
    assert!(peers.inner.lock().seats.is_empty());
}

#[tokio::test]
async fn a_link_that_was_replaced_comes_too_late() {
    let (peers, older, newer) = (peers(), Host::new(), Host::new());
    older.link.close(wingman_wire::code::CloseCode::Replaced, "");
    peers.attach(&newer.link);
    peers.attach(&older.link);
    let (seat, _mailbox) = peers.join(peer(1), visitor(1), LIMITS).unwrap();
    seat.pass(signal(From::Client, "a")).await.unwrap();
    assert_eq!(newer.told(), [opened(1, 1), passed(1, "a")]);
}

#[tokio::test]
async fn a_new_link_is_told_of_all_and_an_old_one_has_no_say() {
    let (peers, older, newer) = (peers(), Host::new(), Host::new());
    peers.attach(&older.link);
    let (seat, mut mailbox) = peers.join(peer(1), visitor(1), LIMITS).unwrap();
    seat.announce().await;
    older.told();
    peers.attach(&newer.link);
    assert_eq!(newer.told(), [opened(1, 1)]);
    // The end of the older link comes late.
    peers.detach(&older.link);
    seat.pass(signal(From::Client, "a")).await.unwrap();
    assert_eq!((newer.told(), older.told()), (vec![passed(1, "a")], vec![]));
    peers.deliver(&older.link, peer(1), &signal(From::Host, "old"));
    assert!(mailbox.mail.try_recv().is_err());
    peers.deliver(&newer.link, peer(1), &signal(From::Host, "new"));
    assert!(mailbox.mail.try_recv().unwrap().contains("new"));
    peers.detach(&newer.link);
    assert_eq!(seat.pass(signal(From::Client, "b")).await, Err(PassError::Away));
    let third = Host::new();
    peers.attach(&third.link);
    assert_eq!(third.told(), [opened(1, 1)]);
}

#[tokio::test]
async fn a_page_that_comes_again_takes_its_seat_along() {
    let (peers, host) = (peers(), Host::new());
    peers.attach(&host.link);
    let (older, mut older_mail) = peers.join(peer(1), visitor(1), LIMITS).unwrap();
    older.announce().await;
    assert_eq!(peers.join(peer(1), visitor(2), LIMITS).err(), Some(JoinError::Foreign));
    let (newer, mut newer_mail) = peers.join(peer(1), visitor(1), LIMITS).unwrap();
    assert_eq!(older_mail.end.try_recv(), Ok(SignalingEnd::Replaced));
    newer.announce().await;
    assert_eq!(host.told(), [opened(1, 1), opened(1, 1)]);
    assert_eq!(older.pass(signal(From::Client, "x")).await, Err(PassError::Replaced));
    older.leave().await;
    assert_eq!(host.told(), [], "the page is still there");
    peers.deliver(&host.link, peer(1), &signal(From::Host, "a"));
    assert!(newer_mail.mail.try_recv().is_ok());
    assert!(older_mail.mail.try_recv().is_err());
}

#[test]
fn seats_are_limited() {
    let peers = peers();
    let join = |number, whose| peers.join(peer(number), visitor(whose), LIMITS);
    let first = join(1, 1).unwrap();
    let _second = join(2, 1).unwrap();
    assert_eq!(join(3, 1).err(), Some(JoinError::VisitorFull));
    let _again = join(2, 1).unwrap();
    let _others = [join(3, 2).unwrap(), join(4, 3).unwrap()];
    assert_eq!(join(5, 4).err(), Some(JoinError::SessionFull));
    drop(first);
    assert!(join(5, 4).is_ok());
}

#[test]
fn the_end_of_a_session_ends_all_sockets_and_there_are_no_more() {
    let (peers, host) = (peers(), Host::new());
    let (_seat, mut mailbox) = peers.join(peer(1), visitor(1), LIMITS).unwrap();
    peers.end();
    assert_eq!(mailbox.end.try_recv(), Ok(SignalingEnd::SessionEnded));
    assert_eq!(peers.join(peer(2), visitor(1), LIMITS).err(), Some(JoinError::Ended));
    peers.attach(&host.link);
    assert_eq!(host.told(), []);
}

#[test]
fn a_page_that_does_not_read_is_given_up() {
    let (peers, host) = (peers(), Host::new());
    peers.attach(&host.link);
    let (_seat, mut mailbox) = peers.join(peer(1), visitor(1), LIMITS).unwrap();
    for _ in 0..MAILBOX {
        peers.deliver(&host.link, peer(1), &signal(From::Host, "x"));
    }
    assert!(mailbox.end.try_recv().is_err());
    peers.deliver(&host.link, peer(1), &signal(From::Host, "x"));
    assert_eq!(mailbox.end.try_recv(), Ok(SignalingEnd::Unread));
    let dropped = |why| peers.metrics.direct.messages_dropped.get(why).value();
    assert_eq!(dropped(SignalingDrop::Unread), 1);
}

#[test]
fn hosts_speak_for_themselves_and_their_session() {
    let (peers, host) = (peers(), Host::new());
    peers.attach(&host.link);
    let (_seat, mut mailbox) = peers.join(peer(1), visitor(1), LIMITS).unwrap();
    let elsewhere = Signal { session_id: "other".to_owned(), ..signal(From::Host, "x") };
    for (message, why) in [
        (signal(From::Client, "x"), SignalingDrop::Malformed),
        (elsewhere, SignalingDrop::Malformed),
        (signal(From::Host, &"x".repeat(MAX_SIGNAL)), SignalingDrop::Oversized),
    ] {
        let before = peers.metrics.direct.messages_dropped.get(why).value();
        peers.deliver(&host.link, peer(1), &message);
        assert_eq!(peers.metrics.direct.messages_dropped.get(why).value(), before + 1);
    }
    peers.deliver(&host.link, peer(9), &signal(From::Host, "x"));
    let unknown = peers.metrics.direct.messages_dropped.get(SignalingDrop::UnknownPeer);
    assert_eq!(unknown.value(), 1);
    assert!(mailbox.mail.try_recv().is_err());
}

/// After the burst the rate; waiting in line loses nothing and keeps the order of each page.
#[tokio::test]
async fn all_pages_share_one_budget() {
    let (peers, host) = (peers(), Host::new());
    peers.attach(&host.link);
    let limits = PeerLimits { per_session: 256, per_visitor: 256 };
    let mut tasks = tokio::task::JoinSet::new();
    let began = Instant::now();
    for number in 0..8 {
        let (seat, mailbox) = peers.join(peer(number), visitor(number), limits).unwrap();
        tasks.spawn(async move {
            for count in 0..100_u32 {
                seat.pass(signal(From::Client, &count.to_string())).await.unwrap();
            }
            (seat, mailbox)
        });
    }
    tasks.join_all().await;
    let took = began.elapsed().as_secs_f64();
    let beyond = f64::from(8 * 101 - MESSAGE_BURST) / f64::from(MESSAGES_PER_SECOND);
    assert!(took > beyond * 0.95, "{took} s, at least {beyond}");
    let mut next = [0_u32; 8];
    for told in host.told() {
        let EdgeToHost::Signaling { peer: whose, message } = told else { continue };
        let Body::Offer(Description { sdp }) = message.body else { panic!("{message:?}") };
        let index = (0..8).find(|number| peer(*number as u128) == whose).unwrap();
        assert_eq!(sdp, next[index].to_string());
        next[index] += 1;
    }
    assert_eq!(next, [100; 8]);
}

#[tokio::test]
async fn bytes_count_as_well() {
    let (peers, host) = (peers(), Host::new());
    peers.attach(&host.link);
    let (seat, _mail) = peers.join(peer(1), visitor(1), LIMITS).unwrap();
    let large = "x".repeat(MAX_SIGNAL - 200);
    let began = Instant::now();
    let fits = BYTE_BURST as usize / MAX_SIGNAL;
    for _ in 0..fits + 12 {
        seat.pass(signal(From::Client, &large)).await.unwrap();
    }
    // The dozen above the burst are more than a second's worth.
    assert!(began.elapsed() > Duration::from_millis(700), "{:?}", began.elapsed());
    assert_eq!(host.told().len(), fits + 13);
}

/// The worst that a session's pages can send while a host is frozen, until its heartbeat ends the link,
/// is less than what the link takes for a flood.
#[test]
fn the_budget_fits_what_a_link_may_have_unread() {
    const STALL: u32 = 10;
    const UNREAD: ControlLimit = ControlLimit::LINK;
    const {
        assert!(MESSAGE_BURST + STALL * MESSAGES_PER_SECOND < UNREAD.messages as u32);
        assert!(BYTE_BURST + STALL * BYTES_PER_SECOND < UNREAD.bytes as u32);
        assert!(MESSAGE_BURST >= 256);
    }
    // A new link is told of all seats at once.
    let told = control::encode(&opened(u128::MAX, u128::MAX)).unwrap();
    assert!(told.len() * 256 < BYTE_BURST as usize);
}
