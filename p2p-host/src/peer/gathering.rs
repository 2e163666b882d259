//! What the host tells a page of its own addresses.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use rtc::peer_connection::transport::RTCIceCandidateInit;
use tokio::{sync::Notify, time::timeout};
use wingman_wire::signal::Candidate;

use super::endpoint::Endpoint;

/// This end's candidates (RFC 8839 §5.1) on their way to the page: with the shared port, and with a priority for each.
///
/// A browser checks the pairs that it knows in the order of their priorities, one in 48 ms, and begins as soon as it
/// knows one. So this machine's own addresses go in the answer, the best one first; those that a STUN server tells of
/// come later. The crate finds each once, so answers that begin ICE anew have all that are known.
#[derive(Debug)]
pub(super) struct Gathering {
    endpoint: Arc<Endpoint>,
    /// This machine's, the best one first.
    addresses: Vec<IpAddr>,
    state: Mutex<State>,
    found: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// An answer waits for the candidates of this machine's own addresses.
    answering: bool,
    known: Vec<String>,
}

impl Gathering {
    pub(super) fn new(endpoint: Arc<Endpoint>, addresses: &[SocketAddr]) -> Self {
        Self {
            endpoint,
            addresses: addresses.iter().map(SocketAddr::ip).collect(),
            state: Mutex::default(),
            found: Notify::new(),
        }
    }

    /// One was found. Gives it if it is to be told by itself; one without text says that there are no more.
    pub(super) fn found(&self, init: RTCIceCandidateInit) -> Option<Candidate> {
        let true_port = |address| self.endpoint.true_port(address);
        let candidate = prepare(&init.candidate, &self.addresses, true_port)?;
        let mut state = self.state.lock();
        if !candidate.is_empty() && !state.known.contains(&candidate) {
            state.known.push(candidate.clone());
        }
        if state.answering && is_own(&candidate) {
            self.found.notify_one();
            return None;
        }
        Some(Candidate {
            candidate,
            // One media section; an empty mid names none.
            sdp_mid: init.sdp_mid.filter(|mid| !mid.is_empty()),
            sdp_m_line_index: init.sdp_mline_index,
        })
    }

    /// From now on this machine's own addresses are kept for [`complete`](Self::complete).
    pub(super) fn begin(&self) {
        self.state.lock().answering = true;
    }

    /// Puts all that is known into an answer whose local description is set, this machine's own addresses at least.
    pub(super) async fn complete(&self, mut answer: String) -> String {
        let own = || self.state.lock().known.iter().filter(|known| is_own(known)).count();
        let all = async {
            while own() < self.addresses.len() {
                self.found.notified().await;
            }
        };
        // An address that went away has none.
        let _ = timeout(PATIENCE, all).await;
        let mut known = {
            let mut state = self.state.lock();
            state.answering = false;
            state.known.clone()
        };
        known.sort_by_key(|candidate| std::cmp::Reverse(priority(candidate)));
        // The only media section is the last one.
        for candidate in known {
            answer.push_str("a=");
            answer.push_str(&candidate);
            answer.push_str("\r\n");
        }
        answer
    }
}

/// `candidate` as the page is to know it. None: it says nothing that another does not.
fn prepare(
    candidate: &str,
    addresses: &[IpAddr],
    true_port: impl Fn(SocketAddr) -> Option<u16>,
) -> Option<String> {
    let mut words: Vec<String> = candidate.split(' ').map(str::to_owned).collect();
    let mut replace = |ip: usize, number: usize| {
        let (Some(address), Some(old)) = (words.get(ip), words.get(number)) else { return };
        let (Ok(address), Ok(old)) = (address.parse(), old.parse()) else { return };
        if let Some(new) = true_port(SocketAddr::new(address, old))
            && let Some(word) = words.get_mut(number)
        {
            *word = new.to_string();
        }
    };
    replace(IP, PORT);
    let related = candidate.split(' ').position(|word| word == "raddr");
    if let Some(related) = related {
        replace(related + 1, related + 3);
    }
    let place = |word: usize| {
        let ip: IpAddr = words.get(word)?.parse().ok()?;
        addresses.iter().position(|address| *address == ip)
    };
    // No translation on the way to the STUN server (RFC 8445 §5.1.3).
    if !is_own(candidate) && place(IP).is_some() {
        return None;
    }
    // Of two addresses of one kind the crate prefers neither (RFC 8445 §5.1.2.1).
    if let Some(place) = place(related.map_or(IP, |related| related + 1))
        && let Some(word) = words.get_mut(PRIORITY)
        && let Ok(priority) = word.parse::<u32>()
    {
        let place = u32::try_from(place).unwrap_or(0xFF).min(0xFF);
        *word = priority.saturating_sub(place << 8).to_string();
    }
    Some(words.join(" "))
}

/// Whether it is an address of this machine.
fn is_own(candidate: &str) -> bool {
    candidate.contains(" typ host")
}

fn priority(candidate: &str) -> u32 {
    candidate.split(' ').nth(PRIORITY).and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Where in a candidate its words are.
const PRIORITY: usize = 3;
const IP: usize = 4;
const PORT: usize = 5;
/// They are there in a moment, or are not.
const PATIENCE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(candidate: &str) -> Option<String> {
        let addresses = ["2001:db8::1", "192.0.2.1", "127.0.0.1"].map(|ip| ip.parse().unwrap());
        prepare(candidate, &addresses, |address| {
            let ours = ["192.0.2.1:5000", "[2001:db8::1]:5001"];
            ours.contains(&address.to_string().as_str()).then_some(443)
        })
    }

    fn init(candidate: &str) -> RTCIceCandidateInit {
        RTCIceCandidateInit { candidate: candidate.to_owned(), ..RTCIceCandidateInit::default() }
    }

    #[test]
    fn candidates_tell_the_shared_port_and_which_address_is_better() {
        for (candidate, expected) in [
            (
                "candidate:1 1 udp 2130706431 2001:db8::1 5001 typ host",
                "candidate:1 1 udp 2130706431 2001:db8::1 443 typ host",
            ),
            (
                "candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host",
                "candidate:1 1 udp 2130706175 192.0.2.1 443 typ host",
            ),
            (
                "candidate:1 1 udp 1694498815 198.51.100.7 5000 typ srflx raddr 192.0.2.1 rport 5000",
                "candidate:1 1 udp 1694498559 198.51.100.7 5000 typ srflx raddr 192.0.2.1 rport 443",
            ),
            ("candidate:1 1 udp", "candidate:1 1 udp"),
            ("", ""),
        ] {
            assert_eq!(prepared(candidate).as_deref(), Some(expected));
        }
    }

    #[test]
    fn an_address_that_nobody_translates_is_told_once() {
        let mapped =
            "candidate:1 1 udp 1694498815 192.0.2.1 443 typ srflx raddr 192.0.2.1 rport 5000";
        assert_eq!(prepared(mapped), None);
    }

    #[tokio::test(start_paused = true)]
    async fn own_addresses_go_in_the_answer_at_once_and_all_in_the_next_one() {
        let addresses = ["192.0.2.1:0", "127.0.0.1:0"].map(|address| address.parse().unwrap());
        let gathering = Gathering::new(Endpoint::for_tests(), &addresses);
        gathering.begin();
        let own = ["127.0.0.1", "192.0.2.1"]
            .map(|ip| init(&format!("candidate:1 1 udp 2130706431 {ip} 5000 typ host")));
        let mapped = "candidate:1 1 udp 1 198.51.100.7 7 typ srflx raddr 192.0.2.1 rport 5000";
        let tell = async {
            for own in own.clone() {
                tokio::task::yield_now().await;
                assert!(gathering.found(own).is_none());
            }
            assert!(gathering.found(init(mapped)).is_some());
        };
        let begun = tokio::time::Instant::now();
        let (answer, ()) = tokio::join!(gathering.complete("m=application\r\n".to_owned()), tell);
        assert_eq!(
            answer,
            "m=application\r\n\
             a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host\r\n\
             a=candidate:1 1 udp 2130706175 127.0.0.1 5000 typ host\r\n\
             a=candidate:1 1 udp 1 198.51.100.7 7 typ srflx raddr 192.0.2.1 rport 5000\r\n"
        );
        assert!(begun.elapsed() < PATIENCE, "nothing was waited for");
        gathering.begin();
        let again = gathering.complete("m=application\r\n".to_owned()).await;
        assert_eq!(again, answer, "ICE begins anew");
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_went_away_is_not_waited_for() {
        let addresses = ["192.0.2.1:0", "127.0.0.1:0"].map(|address| address.parse().unwrap());
        let gathering = Gathering::new(Endpoint::for_tests(), &addresses);
        gathering.begin();
        assert!(gathering.found(init("candidate:1 1 udp 1 192.0.2.1 5000 typ host")).is_none());
        let answer = gathering.complete("m=application\r\n".to_owned()).await;
        assert_eq!(answer.matches("a=candidate").count(), 1);
    }
}
