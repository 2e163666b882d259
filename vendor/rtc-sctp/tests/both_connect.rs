//! Both ends connect, as in WebRTC: the association is there as soon as one of them is answered (RFC 9260 §5.2.1).

mod end;

use std::time::{Duration, Instant};

use bytes::Bytes;
use end::End;

/// One way.
const DELAY: Duration = Duration::from_millis(25);

struct Meeting {
    start: Instant,
    /// One way each.
    steps: u32,
    page: End,
    host: End,
}

impl Meeting {
    /// The page connects, and its INIT arrives at a host that has just connected, or is about to.
    fn begin(host_is_first: bool) -> (Self, Vec<Bytes>) {
        let start = Instant::now();
        let [page, host] = ["192.0.2.1:1", "192.0.2.2:2"].map(|name| End::new(name, false));
        let mut meeting = Self { start, steps: 1, page, host };
        meeting.page.connect(start);
        let init = meeting.page.transmit(start);
        let now = meeting.now();
        if host_is_first {
            meeting.host.connect(now);
        }
        for datagram in &init {
            meeting.host.handle(now, datagram.clone());
        }
        if !host_is_first {
            meeting.host.connect(now);
        }
        (meeting, init)
    }

    fn now(&self) -> Instant {
        self.start + DELAY * self.steps
    }

    /// What each has to say arrives at the other.
    fn step(&mut self) {
        let now = self.now();
        let (to_host, to_page) = (self.page.transmit(now), self.host.transmit(now));
        self.steps += 1;
        let now = self.now();
        to_host.into_iter().for_each(|datagram| self.host.handle(now, datagram));
        to_page.into_iter().for_each(|datagram| self.page.handle(now, datagram));
    }
}

#[test]
fn the_first_init_is_answered() {
    for host_is_first in [true, false] {
        let (mut meeting, _) = Meeting::begin(host_is_first);
        meeting.step();
        assert!(!meeting.host.connected && !meeting.page.connected);
        // The page's COOKIE ECHO has arrived.
        meeting.step();
        assert!(meeting.host.connected, "host first: {host_is_first}");
        meeting.step();
        assert!(meeting.page.connected, "host first: {host_is_first}");
        let (_, association) = meeting.host.association.as_mut().unwrap();
        let ppi = rtc_sctp::PayloadProtocolIdentifier::Binary;
        association.open_stream(1, ppi).unwrap();
        let now = meeting.start + DELAY * meeting.steps;
        let message = Bytes::from_static(b"hello");
        association.stream(1).unwrap().write_chunk_with_ppi(now, &message, ppi).unwrap();
        meeting.step();
        assert_eq!(meeting.page.received, 5);
    }
}

#[test]
fn an_init_that_comes_again_changes_nothing() {
    let (mut meeting, init) = Meeting::begin(true);
    for _ in 0..3 {
        meeting.step();
    }
    let now = meeting.now();
    meeting.host.transmit(now);
    init.into_iter().for_each(|datagram| meeting.host.handle(now, datagram));
    let (_, association) = meeting.host.association.as_ref().unwrap();
    assert!(!association.is_closed() && !association.is_handshaking());
    assert!(meeting.host.transmit(now).is_empty());
}

#[test]
fn an_init_does_not_bring_an_ended_association_back() {
    let (mut meeting, init) = Meeting::begin(true);
    let now = meeting.now();
    meeting.host.association.as_mut().unwrap().1.abort().unwrap();
    meeting.host.transmit(now);
    init.into_iter().for_each(|datagram| meeting.host.handle(now, datagram));
    assert!(meeting.host.association.as_ref().unwrap().1.is_closed());
    assert!(meeting.host.transmit(now).is_empty());
}
