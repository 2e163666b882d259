//! Where a page says that it can be reached.

use std::net::SocketAddr;

/// The addresses of one page, for one generation of ICE.
///
/// Each of them gets checks, fifty a second for four seconds, and has not been asked whether it wants them. Whoever
/// opens the page can name any address of the internet, so there are few, and none twice.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// This end's: it changes when ICE begins anew and forgets the addresses that it had.
    ufrag: String,
    addresses: Vec<SocketAddr>,
}

impl Candidates {
    /// ICE goes on, or begins anew, with this ufrag.
    pub(super) fn generation(&mut self, ufrag: &str) {
        if self.ufrag != ufrag {
            *self = Self { ufrag: ufrag.to_owned(), addresses: Vec::new() };
        }
    }

    /// Whether a candidate (RFC 8839 §5.1) is to be used. Those that cannot be are left out as well: names, by which
    /// browsers hide their addresses, and TCP.
    pub(super) fn admit(&mut self, candidate: &str) -> bool {
        let Some(address) = address(candidate) else { return false };
        let admitted = self.addresses.len() < MAX_ADDRESSES && !self.addresses.contains(&address);
        if admitted {
            self.addresses.push(address);
        }
        admitted
    }
}

/// Takes the candidates out of a description. It reads lines as the `rtc` crate does, or some could be hidden from it.
pub(super) fn take_out(sdp: &str) -> (String, Vec<String>) {
    let mut rest = String::with_capacity(sdp.len());
    let mut candidates = Vec::new();
    for line in sdp.split_inclusive('\n') {
        let attribute = line.trim_start_matches('\r').strip_prefix("a=").map(str::trim);
        match attribute.filter(|attribute| attribute.starts_with("candidate:")) {
            Some(candidate) => candidates.push(candidate.to_owned()),
            None => rest.push_str(line),
        }
    }
    (rest, candidates)
}

fn address(candidate: &str) -> Option<SocketAddr> {
    let mut words = candidate.split_whitespace().skip(1);
    // Others are of RTCP; rtc-ice reckons with what is not a component at all.
    if words.next()? != "1" {
        return None;
    }
    let (transport, _priority) = (words.next()?, words.next()?);
    let (ip, port) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    transport.eq_ignore_ascii_case("udp").then_some(SocketAddr::new(ip, port))
}

/// A browser has one or two for each of its networks.
const MAX_ADDRESSES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(port: u16) -> String {
        format!("candidate:1 1 udp 2130706431 192.0.2.1 {port} typ host")
    }

    #[test]
    fn there_are_few_until_ice_begins_anew() {
        let mut candidates = Candidates::default();
        for ufrag in ["one", "two"] {
            candidates.generation(ufrag);
            for port in 1..100 {
                candidates.generation(ufrag);
                assert_eq!(candidates.admit(&candidate(port)), port <= 16, "{port}");
            }
        }
    }

    #[test]
    fn an_address_counts_once_and_what_is_of_no_use_not_at_all() {
        let mut candidates = Candidates::default();
        assert!(candidates.admit(&candidate(1)));
        for no in [
            &candidate(1),
            "candidate:2 1 UDP 1 192.0.2.1 1 typ srflx raddr 0.0.0.0 rport 0",
            "candidate:1 1 udp 1 4c1fd9cc-2b2f-4b8f-9b7b-0f3b8f4b9c11.local 1 typ host",
            "candidate:1 1 udp 1 example.com 1 typ host",
            "candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active",
            "candidate:1 1 udp 1 192.0.2.1 65536 typ host",
            "candidate:1 1 udp 1 192.0.2.1",
            "candidate:1 2 udp 1 192.0.2.1 2 typ host",
            "candidate:1 257 udp 0 192.0.2.1 2 typ host",
            "candidate:nonsense",
            "",
        ] {
            assert!(!candidates.admit(no), "{no}");
        }
        assert_eq!(candidates.addresses.len(), 1);
        assert!(candidates.admit("candidate:1 1 UDP 1 2001:db8::1 1 typ host generation 0"));
    }

    #[test]
    fn no_candidate_stays_in_a_description() {
        let (rest, candidates) = take_out(
            "v=0\r\na=x\r\na=candidate:1 1 udp\r\nm=y\r\na= candidate:2\n\ra=candidate:3\n\
             a=candidate:4 \r\na=end-of-candidates\r\na=candidate:5",
        );
        assert_eq!(rest, "v=0\r\na=x\r\nm=y\r\na=end-of-candidates\r\n");
        let all = ["1 1 udp", "2", "3", "4", "5"].map(|rest| format!("candidate:{rest}"));
        assert_eq!(candidates, all);
        assert_eq!(take_out("").0, "");
    }
}
