//! A transfer between two associations over a link that loses packets, in virtual time: what is lost must be recovered by
//! what the receiver reports, not by timers.

mod end;

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;
use end::{End, MESSAGE};
use rtc_sctp::PayloadProtocolIdentifier;

/// One way.
const DELAY: Duration = Duration::from_millis(5);
/// Of a chunk that fills a datagram.
const PAYLOAD: usize = 1_160;
/// What may wait inside the sender.
const AHEAD: usize = 1024 * 1024;

fn timeout(end: &End) -> Option<Instant> {
    end.association.as_ref()?.1.poll_timeout()
}

type Wires = [VecDeque<(Instant, Bytes)>; 2];

fn send(
    ends: &mut [End; 2],
    wires: &mut Wires,
    index: usize,
    now: Instant,
    leaves: &mut impl FnMut(usize, Instant, &Bytes) -> Option<Instant>,
) {
    let datagrams = ends[index].transmit(now).into_iter();
    let arriving =
        datagrams.filter_map(|datagram| Some((leaves(index, now, &datagram)? + DELAY, datagram)));
    wires[index].extend(arriving);
}

/// What is between the sender and the other end: so fast, with room for so much that waits.
struct Line {
    bytes_per_milli: usize,
    queue: usize,
}

struct Transfer {
    took: Duration,
    /// Large datagrams of the sender that were sent though they had arrived or were under way.
    needless: usize,
    /// Those that did not arrive.
    lost: usize,
}

/// A large datagram of the sender.
struct Sent {
    /// Counted from 0.
    index: usize,
    /// Which of the chunks its first one is, and how often that was sent before.
    chunk: usize,
    before: u32,
}

/// Moves `bytes` where `is_lost` says what does not arrive.
fn transfer(bytes: usize, is_lost: impl FnMut(&Sent) -> bool) -> Transfer {
    transfer_through(&Line { bytes_per_milli: usize::MAX, queue: usize::MAX }, bytes, is_lost)
}

fn transfer_through(line: &Line, bytes: usize, mut is_lost: impl FnMut(&Sent) -> bool) -> Transfer {
    let start = Instant::now();
    let mut now = start;
    let mut ends = [End::new("192.0.2.1:1", false), End::new("192.0.2.2:2", true)];
    ends[0].connect(now);
    let mut wires = Wires::default();
    let (mut written, mut large, mut lost) = (0, 0, 0);
    let (mut first_tsn, mut times) = (None, HashMap::new());
    let mut line_is_free = start;
    // When a datagram leaves the line, if it does.
    let mut leaves = |index: usize, now: Instant, datagram: &Bytes| {
        if index == 1 || datagram.len() <= 1_000 {
            return Some(now);
        }
        // Behind the common header, and the type, flags and length of the first chunk (RFC 9260 §3).
        let tsn = u32::from_be_bytes(datagram[16..20].try_into().unwrap());
        let chunk = tsn.wrapping_sub(*first_tsn.get_or_insert(tsn)) as usize;
        let before = times.entry(chunk).or_insert(0);
        let waiting = line_is_free.saturating_duration_since(now);
        let queued = (waiting.as_millis() as usize).saturating_mul(line.bytes_per_milli);
        let is_full = queued > line.queue;
        let is_lost = is_full || is_lost(&Sent { index: large, chunk, before: *before });
        *before += 1;
        large += 1;
        lost += usize::from(is_lost);
        if is_lost {
            return None;
        }
        let micros = datagram.len() * 1_000 / line.bytes_per_milli;
        line_is_free = line_is_free.max(now) + Duration::from_micros(micros as u64);
        Some(line_is_free)
    };
    let message = Bytes::from(vec![7; MESSAGE]);
    while ends[1].received < bytes {
        let sender = &mut ends[0];
        if sender.connected {
            let (_, association) = sender.association.as_mut().unwrap();
            let ppi = PayloadProtocolIdentifier::Binary;
            if written == 0 {
                association.open_stream(1, ppi).unwrap();
            }
            while written < bytes && written - sender.released < AHEAD {
                let mut stream = association.stream(1).unwrap();
                stream.write_chunk_with_ppi(now, &message, ppi).unwrap();
                written += MESSAGE;
            }
        }
        for index in 0..2 {
            send(&mut ends, &mut wires, index, now, &mut leaves);
        }
        let arrivals = wires.iter().filter_map(|wire| wire.front().map(|(at, _)| *at));
        let next = arrivals.chain(ends.iter().filter_map(timeout)).min();
        now = next.expect("something is to happen").max(now);
        assert!(now - start < Duration::from_secs(600), "{} of {bytes} bytes", ends[1].received);
        for index in 0..2 {
            while wires[index].front().is_some_and(|(at, _)| *at <= now) {
                let (_, datagram) = wires[index].pop_front().unwrap();
                ends[1 - index].handle(now, datagram);
                // One by one, or a burst would have one acknowledgement.
                send(&mut ends, &mut wires, 1 - index, now, &mut leaves);
            }
        }
        for end in &mut ends {
            if timeout(end).is_some_and(|at| at <= now) {
                end.association.as_mut().unwrap().1.handle_timeout(now);
                end.poll();
            }
        }
    }
    // The last of a message is mostly smaller.
    let needed = bytes / MESSAGE * (MESSAGE / PAYLOAD);
    Transfer { took: now - start, needless: large - lost - needed, lost }
}

#[test]
fn nothing_is_lost() {
    let Transfer { took, needless, .. } = transfer(4 * AHEAD, |_| false);
    assert!(took < Duration::from_millis(300), "{took:?}");
    assert_eq!(needless, 0, "sent again for nothing");
}

#[test]
fn packets_are_lost_at_random() {
    let mut state = 1_u32;
    let Transfer { took, needless, .. } = transfer(4 * AHEAD, |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16 < 65_536 / 50
    });
    assert!(took < Duration::from_millis(5_500), "{took:?}");
    assert_eq!(needless, 0, "sent again for nothing");
}

#[test]
fn one_of_a_hundred_is_no_congestion() {
    let mut state = 1_u32;
    let Transfer { took, needless, .. } = transfer(16 * AHEAD, |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16 < 65_536 / 100
    });
    println!("{took:?}");
    assert!(took < Duration::from_millis(900), "{took:?}");
    assert_eq!(needless, 0, "sent again for nothing");
}

#[test]
fn a_line_that_is_full_is_congestion_and_stays_full() {
    // In flight without a queue are 100,000 bytes.
    for queue in [100_000, 300_000] {
        let line = Line { bytes_per_milli: 10_000, queue };
        let Transfer { took, lost, .. } = transfer_through(&line, 40 * AHEAD, |_| false);
        assert!(took < Duration::from_millis(4_400), "{took:?}");
        assert!(lost < 40 * AHEAD / PAYLOAD / 100, "{lost}");
    }
}

#[test]
fn a_burst_is_lost_and_recovered_within_a_few_round_trips() {
    let Transfer { took, needless, .. } = transfer(4 * AHEAD, |sent| (500..550).contains(&sent.index));
    assert!(took < Duration::from_millis(400), "{took:?}");
    assert_eq!(needless, 0, "sent again for nothing");
}

#[test]
fn retransmissions_are_lost_too() {
    let Transfer { took, needless, .. } = transfer(4 * AHEAD, |sent| {
        (500..550).contains(&sent.chunk) && sent.before < 1 + sent.chunk as u32 % 3
    });
    assert!(took < Duration::from_millis(600), "{took:?}");
    assert_eq!(needless, 0, "sent again for nothing");
}

#[test]
fn after_a_silence_losses_are_recovered_as_before() {
    // All of a window is lost, so only the timer helps; what is lost afterwards must not need it again.
    let Transfer { took, needless, .. } = transfer(4 * AHEAD, |sent| {
        (400..1_400).contains(&sent.index) || sent.index > 1_500 && sent.index % 100 == 0
    });
    assert!(took < Duration::from_millis(6_500), "{took:?}");
    assert_eq!(needless, 0, "sent again for nothing");
}
