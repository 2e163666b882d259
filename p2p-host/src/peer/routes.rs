//! Whose a datagram is that arrives at the port all peers share.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use super::{
    endpoint::Endpoint,
    stun::{Stun, TransactionId},
};

/// Tells the peers' datagrams apart.
///
/// A check names the ufrag of the peer it is for. A response has the transaction id of a request that the peer
/// sent. Anything else (DTLS) is known by its source address, and an address belongs to a peer only after it has
/// answered one of the peer's checks: that proves the ICE password. A name alone can be copied by anybody who has
/// seen a check, and would take over the address of another page.
#[derive(Debug, Default)]
pub(super) struct Routes {
    by_ufrag: HashMap<String, Weak<Endpoint>>,
    by_address: HashMap<SocketAddr, Route>,
    requests: HashMap<TransactionId, Request>,
    /// Of `requests`, by age.
    ages: VecDeque<(Instant, TransactionId)>,
}

#[derive(Debug)]
struct Route {
    endpoint: Weak<Endpoint>,
    /// Of the last check.
    round_trip: Duration,
}

#[derive(Debug)]
struct Request {
    endpoint: Weak<Endpoint>,
    to: SocketAddr,
    at: Instant,
    purpose: Purpose,
}

/// Whose a datagram is.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) endpoint: Arc<Endpoint>,
    /// It answers a check: the round trip to its sender.
    pub(super) round_trip: Option<Duration>,
}

/// Whom a request is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// A page, which proves itself by the answer.
    Check,
    /// A STUN server.
    Server,
}

impl Routes {
    /// Checks for `ufrag` are `endpoint`'s from now on.
    pub(super) fn add(&mut self, ufrag: &str, endpoint: &Arc<Endpoint>) {
        self.by_ufrag.insert(ufrag.to_owned(), Arc::downgrade(endpoint));
    }

    /// Forgets all that belongs to endpoints that are gone, and to `endpoint`.
    pub(super) fn remove(&mut self, endpoint: &Endpoint) {
        let stays = |known: &Weak<Endpoint>| {
            known.strong_count() > 0 && !std::ptr::eq(known.as_ptr(), endpoint)
        };
        self.by_ufrag.retain(|_, known| stays(known));
        self.by_address.retain(|_, route| stays(&route.endpoint));
        self.requests.retain(|_, request| stays(&request.endpoint));
    }

    /// Notes that `endpoint` sends this datagram, if it is a request.
    pub(super) fn note_sent(
        &mut self,
        now: Instant,
        endpoint: &Weak<Endpoint>,
        to: SocketAddr,
        stun: &Stun<'_>,
    ) {
        let Stun::Request { transaction, ufrag } = *stun else { return };
        while let Some((at, oldest)) = self.ages.front()
            && (self.ages.len() >= MAX_REQUESTS || now.saturating_duration_since(*at) > REQUEST_AGE)
        {
            self.requests.remove(oldest);
            self.ages.pop_front();
        }
        let purpose = if ufrag.is_some() { Purpose::Check } else { Purpose::Server };
        let request = Request { endpoint: endpoint.clone(), to, at: now, purpose };
        // A retransmission keeps its id; the round trip counts from the last one, so it is never too long.
        if self.requests.insert(transaction, request).is_none() {
            self.ages.push_back((now, transaction));
        }
    }

    /// Whose this datagram is. The caller lets go of the endpoint only when it no longer borrows the routes.
    pub(super) fn find(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Option<Found> {
        let plain = |endpoint| Found { endpoint, round_trip: None };
        match Stun::parse(datagram) {
            None => self.by_address.get(&from)?.endpoint.upgrade().map(plain),
            Some(Stun::Request { ufrag, .. }) => self.by_ufrag.get(ufrag?)?.upgrade().map(plain),
            Some(Stun::Response { transaction, success }) => {
                let request = self.requests.get(&transaction)?;
                let endpoint = request.endpoint.upgrade()?;
                // RFC 8445 §7.2.5.2.1: an answer from elsewhere proves nothing. The agent drops it too.
                if !success || request.purpose != Purpose::Check || request.to != from {
                    return Some(plain(endpoint));
                }
                let round_trip = now.saturating_duration_since(request.at);
                let known = Route { endpoint: Arc::downgrade(&endpoint), round_trip };
                if self.by_address.len() < MAX_ADDRESSES || self.by_address.contains_key(&from) {
                    self.by_address.insert(from, known);
                }
                Some(Found { endpoint, round_trip: Some(round_trip) })
            }
        }
    }

    /// The round trip to an address that has answered a check.
    pub(super) fn round_trip(&self, address: SocketAddr) -> Option<Duration> {
        self.by_address.get(&address).map(|route| route.round_trip)
    }

    /// How many things are known, for tests.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_ufrag.len() + self.by_address.len() + self.requests.len()
    }
}

/// Requests whose answers are awaited; the oldest give way.
const MAX_REQUESTS: usize = 8_192;
/// An answer that comes later is of no use.
const REQUEST_AGE: Duration = Duration::from_secs(10);
/// A peer has a handful.
const MAX_ADDRESSES: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::stun::tests::message;

    const PAGE: &str = "192.0.2.1:1000";
    const OTHER: &str = "192.0.2.2:2000";

    struct Fixture {
        routes: Routes,
        now: Instant,
    }

    impl Fixture {
        fn new() -> Self {
            Self { routes: Routes::default(), now: Instant::now() }
        }

        fn endpoint(&mut self, ufrag: &str) -> Arc<Endpoint> {
            let endpoint = Endpoint::for_tests();
            self.routes.add(ufrag, &endpoint);
            endpoint
        }

        fn sends(&mut self, endpoint: &Arc<Endpoint>, to: &str, datagram: &[u8]) {
            let stun = Stun::parse(datagram).unwrap();
            let to = to.parse().unwrap();
            self.routes.note_sent(self.now, &Arc::downgrade(endpoint), to, &stun);
        }

        fn find(&mut self, from: &str, datagram: &[u8]) -> Option<Arc<Endpoint>> {
            self.routes.find(self.now, from.parse().unwrap(), datagram).map(|found| found.endpoint)
        }
    }

    fn check(id: u8, name: &[u8]) -> Vec<u8> {
        message(1, [id; 12], &[(6, name)])
    }

    fn is(found: Option<Arc<Endpoint>>, endpoint: &Arc<Endpoint>) -> bool {
        found.is_some_and(|found| Arc::ptr_eq(&found, endpoint))
    }

    #[test]
    fn checks_go_by_name_answers_by_transaction_the_rest_by_address() {
        let mut fixture = Fixture::new();
        let (a, b) = (fixture.endpoint("aaaa"), fixture.endpoint("bbbb"));
        assert!(is(fixture.find(PAGE, &check(1, b"aaaa:page")), &a));
        assert!(is(fixture.find(PAGE, &check(2, b"bbbb:page")), &b));
        assert!(fixture.find(PAGE, &check(3, b"cccc:page")).is_none());
        let dtls = [22, 254, 253];
        assert!(
            fixture.find(PAGE, &dtls).is_none(),
            "nobody has proven that this address is a page's"
        );
        fixture.sends(&a, PAGE, &check(4, b"page:aaaa"));
        fixture.now += Duration::from_millis(30);
        assert!(is(fixture.find(PAGE, &message(0x0101, [4; 12], &[])), &a));
        assert!(is(fixture.find(PAGE, &dtls), &a));
        assert!(fixture.find(OTHER, &dtls).is_none());
        assert_eq!(
            fixture.routes.round_trip(PAGE.parse().unwrap()),
            Some(Duration::from_millis(30))
        );
    }

    #[test]
    fn a_copied_name_takes_no_address() {
        let mut fixture = Fixture::new();
        let (a, b) = (fixture.endpoint("aaaa"), fixture.endpoint("bbbb"));
        fixture.sends(&a, PAGE, &check(1, b"page:aaaa"));
        fixture.find(PAGE, &message(0x0101, [1; 12], &[]));
        // Somebody at the page's address (spoofed) names another peer.
        assert!(is(fixture.find(PAGE, &check(2, b"bbbb:page")), &b));
        assert!(is(fixture.find(PAGE, &[22, 254, 253]), &a), "the address is still a's");
        // A refusal, and an answer from elsewhere, prove nothing.
        fixture.sends(&b, PAGE, &check(3, b"page:bbbb"));
        assert!(is(fixture.find(PAGE, &message(0x0111, [3; 12], &[])), &b));
        assert!(is(fixture.find(PAGE, &[22, 254, 253]), &a));
        assert!(is(fixture.find(OTHER, &message(0x0101, [3; 12], &[])), &b));
        assert!(fixture.find(OTHER, &[22, 254, 253]).is_none());
        // A STUN server is nobody's.
        fixture.sends(&a, OTHER, &message(1, [5; 12], &[]));
        assert!(is(fixture.find(OTHER, &message(0x0101, [5; 12], &[])), &a));
        assert!(fixture.find(OTHER, &[22, 254, 253]).is_none());
    }

    #[test]
    fn an_endpoint_that_is_gone_leaves_nothing_and_requests_are_bounded() {
        let mut fixture = Fixture::new();
        let a = fixture.endpoint("aaaa");
        let b = fixture.endpoint("bbbb");
        fixture.sends(&a, PAGE, &check(1, b"page:aaaa"));
        fixture.find(PAGE, &message(0x0101, [1; 12], &[]));
        fixture.routes.remove(&a);
        assert_eq!(fixture.routes.len(), 1, "b's name is left");
        drop(b);
        fixture.routes.remove(&a);
        assert_eq!(fixture.routes.len(), 0);
        for id in 0..u32::try_from(MAX_REQUESTS).unwrap() * 2 {
            let mut transaction = [0; 12];
            transaction[..4].copy_from_slice(&id.to_be_bytes());
            fixture.sends(&a, PAGE, &message(1, transaction, &[(6, b"page:aaaa")]));
        }
        assert!(fixture.routes.requests.len() <= MAX_REQUESTS);
        fixture.now += REQUEST_AGE * 2;
        fixture.sends(&a, PAGE, &check(1, b"page:aaaa"));
        assert_eq!(fixture.routes.requests.len(), 1);
    }
}
