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
    by_ufrag: HashMap<String, Name>,
    by_address: HashMap<SocketAddr, Route>,
    requests: HashMap<TransactionId, Request>,
    /// Of `requests`, by endpoint and age: a peer that sends many displaces its own.
    ages: HashMap<Key, VecDeque<(Instant, TransactionId)>>,
}

#[derive(Debug)]
struct Name {
    endpoint: Weak<Endpoint>,
    /// Where checks for it came from. The peer answers each with checks of its own, and who has its password may
    /// forge the sender.
    askers: Vec<SocketAddr>,
}

#[derive(Debug)]
struct Route {
    endpoint: Weak<Endpoint>,
    /// Of the last check, and when that was answered.
    round_trip: Duration,
    at: Instant,
}

/// Where an endpoint is in memory.
type Key = usize;

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
    /// Checks for `ufrag` are `endpoint`'s from now on, and no others.
    pub(super) fn add(&mut self, ufrag: &str, endpoint: &Arc<Endpoint>) {
        let this = Arc::downgrade(endpoint);
        if self.by_ufrag.get(ufrag).is_some_and(|name| name.endpoint.ptr_eq(&this)) {
            return;
        }
        self.by_ufrag.retain(|_, name| !name.endpoint.ptr_eq(&this));
        self.by_ufrag.insert(ufrag.to_owned(), Name { endpoint: this, askers: Vec::new() });
    }

    /// Forgets all that belongs to endpoints that are gone, and to `endpoint`.
    pub(super) fn remove(&mut self, endpoint: &Endpoint) {
        let stays = |known: &Weak<Endpoint>| {
            known.strong_count() > 0 && !std::ptr::eq(known.as_ptr(), endpoint)
        };
        self.by_ufrag.retain(|_, name| stays(&name.endpoint));
        self.by_address.retain(|_, route| stays(&route.endpoint));
        self.requests.retain(|_, request| stays(&request.endpoint));
        self.ages.remove(&std::ptr::from_ref(endpoint).addr());
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
        let ages = self.ages.entry(endpoint.as_ptr().addr()).or_default();
        while let Some((at, oldest)) = ages.front()
            && (ages.len() >= MAX_REQUESTS || now.saturating_duration_since(*at) > REQUEST_AGE)
        {
            self.requests.remove(oldest);
            ages.pop_front();
        }
        let purpose = if ufrag.is_some() { Purpose::Check } else { Purpose::Server };
        let request = Request { endpoint: endpoint.clone(), to, at: now, purpose };
        // A retransmission keeps its id; the round trip counts from the last one, so it is never too long.
        if self.requests.insert(transaction, request).is_none() {
            ages.push_back((now, transaction));
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
            Some(Stun::Request { ufrag, .. }) => {
                let name = self.by_ufrag.get_mut(ufrag?)?;
                if !name.askers.contains(&from) {
                    if name.askers.len() >= MAX_ASKERS {
                        return None;
                    }
                    name.askers.push(from);
                }
                name.endpoint.upgrade().map(plain)
            }
            Some(Stun::Response { transaction, success }) => {
                let request = self.requests.get(&transaction)?;
                let endpoint = request.endpoint.upgrade()?;
                // RFC 8445 §7.2.5.2.1: an answer from elsewhere proves nothing. The agent drops it too.
                if !success || request.purpose != Purpose::Check || request.to != from {
                    return Some(plain(endpoint));
                }
                let round_trip = now.saturating_duration_since(request.at);
                let known = Route { endpoint: Arc::downgrade(&endpoint), round_trip, at: now };
                if !self.by_address.contains_key(&from) {
                    self.make_room(&known.endpoint);
                }
                self.by_address.insert(from, known);
                Some(Found { endpoint, round_trip: Some(round_trip) })
            }
        }
    }

    /// For one more address of an endpoint. The one that has been silent for longest gives way: the one in use never is.
    fn make_room(&mut self, endpoint: &Weak<Endpoint>) {
        let known = || self.by_address.iter().filter(|(_, route)| route.endpoint.ptr_eq(endpoint));
        if known().count() >= MAX_ADDRESSES
            && let Some((oldest, _)) = known().min_by_key(|(_, route)| route.at)
        {
            let oldest = *oldest;
            self.by_address.remove(&oldest);
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

/// Requests of one endpoint whose answers are awaited; the oldest give way. A peer that checks a dozen pairs has those
/// of a second and a half.
const MAX_REQUESTS: usize = 1_024;
/// An answer that comes later is of no use.
const REQUEST_AGE: Duration = Duration::from_secs(10);
/// Addresses of one endpoint. A page has a handful.
const MAX_ADDRESSES: usize = 16;
/// Of one generation of ICE. A router may show each pair of addresses as another one.
const MAX_ASKERS: usize = 64;

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
        fixture.routes.remove(&a);
        assert!(fixture.routes.ages.is_empty());
    }

    #[test]
    fn one_peer_displaces_nothing_of_another() {
        let mut fixture = Fixture::new();
        let (good, bad) = (fixture.endpoint("aaaa"), fixture.endpoint("bbbb"));
        let dtls = [22, 254, 253];
        fixture.sends(&good, PAGE, &check(255, b"page:aaaa"));
        let transaction = |id: u32| {
            let mut transaction = [1; 12];
            transaction[..4].copy_from_slice(&id.to_be_bytes());
            transaction
        };
        let address = |id: u32| format!("198.51.100.1:{}", id % 60_000 + 1);
        for id in 0..20_000 {
            fixture.sends(&bad, &address(id), &message(1, transaction(id), &[(6, b"page:bbbb")]));
            fixture.find(&address(id), &message(0x0101, transaction(id), &[]));
            fixture.now += Duration::from_micros(50);
        }
        assert_eq!(fixture.routes.by_address.len(), MAX_ADDRESSES);
        assert!(is(fixture.find(PAGE, &message(0x0101, [255; 12], &[])), &good));
        assert!(is(fixture.find(PAGE, &dtls), &good));
        // Its newest are known.
        assert!(is(fixture.find(&address(19_999), &dtls), &bad));
        assert!(fixture.find(&address(0), &dtls).is_none());
    }

    #[test]
    fn an_address_in_use_stays() {
        let mut fixture = Fixture::new();
        let page = fixture.endpoint("aaaa");
        for id in 0..100 {
            for (id, to) in
                [(id, PAGE.to_owned()), (id + 100, format!("192.0.2.7:{}", 1_000 + u16::from(id)))]
            {
                fixture.sends(&page, &to, &check(id, b"page:aaaa"));
                fixture.find(&to, &message(0x0101, [id; 12], &[]));
                fixture.now += Duration::from_millis(1);
            }
        }
        assert!(is(fixture.find(PAGE, &[22, 254, 253]), &page));
    }

    #[test]
    fn checks_come_from_few_places_until_ice_begins_anew() {
        let mut fixture = Fixture::new();
        let page = fixture.endpoint("aaaa");
        for generation in ["aaaa", "bbbb"] {
            fixture.routes.add(generation, &page);
            let name = format!("{generation}:page");
            for round in 0..2 {
                for port in 1..200 {
                    fixture.routes.add(generation, &page);
                    let from = format!("192.0.2.9:{port}");
                    let found = fixture.find(&from, &check(1, name.as_bytes()));
                    assert_eq!(found.is_some(), port <= MAX_ASKERS, "{port} {round}");
                }
            }
        }
        assert!(fixture.find(PAGE, &check(1, b"aaaa:page")).is_none(), "the old name is nobody's");
    }
}
