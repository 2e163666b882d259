//! Credit: what a sender may send, and how windows grow.

use std::time::Duration;

use bytes::Bytes;
use wingman_mux::{Config, Event, INITIAL_CREDIT, Incoming, Role};
use wingman_wire::{
    code::ResetCode,
    frame::{MAX_MESSAGE, StreamId},
};

use crate::pair::{Pair, Side, content_length};

const INITIAL: usize = INITIAL_CREDIT as usize;

/// An opener that reads, with these limits, and an acceptor that sends.
fn pair(max_window: u32, growth_budget: usize) -> Pair {
    let mut opener = Config::new(Role::Opener);
    opener.max_window = max_window;
    opener.growth_budget = growth_budget;
    Pair::with(opener, Config::new(Role::Acceptor))
}

fn response(pair: &mut Pair) -> StreamId {
    let id = pair.open(true);
    pair.acceptor().send_head(id, Bytes::from_static(b"r"), false, false).unwrap();
    pair.settle().unwrap();
    pair.read_all(Side::Opener, id);
    id
}

/// Sends as much as the sender is allowed to without anybody reading.
fn pour(pair: &mut Pair, id: StreamId) -> usize {
    let mut poured = 0;
    loop {
        let taken = pair.acceptor().send_data(id, &mut Bytes::from(vec![1; 64 * 1024])).unwrap();
        pair.settle().unwrap();
        poured += taken;
        if taken == 0 {
            return poured;
        }
    }
}

/// Sends, and reads everything at once, so much.
fn stream(pair: &mut Pair, id: StreamId, length: usize) {
    let mut read = 0;
    while read < length {
        pair.acceptor().send_data(id, &mut Bytes::from(vec![1; 64 * 1024])).unwrap();
        pair.settle().unwrap();
        let items = pair.read_all(Side::Opener, id);
        assert!(!items.is_empty(), "it flows: {read} of {length}");
        read += content_length(&items);
        pair.settle().unwrap();
    }
}

#[test]
fn a_reader_that_stalls_makes_the_sender_stop_at_the_initial_credit() {
    let mut pair = pair(4 << 20, 32 << 20);
    let id = response(&mut pair);
    assert_eq!(pour(&mut pair, id), INITIAL);
    assert!(!pair.acceptor().has_output());
    // It waits for a reader, for ever if it must.
    let mut content = Bytes::from_static(b"x");
    assert_eq!(pair.acceptor().send_data(id, &mut content), Ok(0));
    assert_eq!(content.len(), 1);
}

#[test]
fn credit_comes_back_when_half_a_window_is_read_and_wakes_the_sender() {
    // No growth: what comes back is what was read.
    let mut pair = pair(INITIAL_CREDIT, 0);
    let id = response(&mut pair);
    pour(&mut pair, id);
    pair.events(Side::Acceptor);
    let mut read = 0;
    while read < INITIAL / 2 {
        assert_eq!(pair.transmit(Side::Opener, MAX_MESSAGE), None, "{read}: not for crumbs");
        let Some(Incoming::Data(data)) = pair.opener().read(id) else { panic!() };
        read += data.len();
    }
    pair.settle().unwrap();
    assert_eq!(pair.events(Side::Acceptor), [Event::Writable(id)]);
    assert_eq!(pour(&mut pair, id), read);
    let seen = pair.observer.seen(Side::Opener, id);
    assert_eq!(seen.granted as usize, read);
}

#[test]
fn the_window_of_a_reader_that_keeps_up_grows_to_the_limit() {
    for (max_window, expected) in
        [(4 << 20, 4 << 20), (INITIAL_CREDIT, INITIAL), (700_000, 700_000), (1000, INITIAL)]
    {
        let mut pair = pair(max_window, 32 << 20);
        let id = response(&mut pair);
        stream(&mut pair, id, 20 << 20);
        // Everything was read: what the sender may still send plus what waits to be given back.
        let window = pour(&mut pair, id);
        assert!(window <= expected && window > expected / 2, "{window} of {expected}");
    }
}

/// Streams on a carrier with a round trip that the heartbeat has measured.
struct Path {
    pair: Pair,
    bulk: StreamId,
    small: StreamId,
    read: usize,
}

impl Path {
    fn new(round_trip: Duration, max_window: u32, growth_budget: usize) -> Self {
        let mut pair = pair(max_window, growth_budget);
        pair.delay = [round_trip / 2; 2];
        pair.advance(Duration::from_secs(6)).unwrap();
        assert!(pair.events(Side::Opener).contains(&Event::RoundTrip(round_trip)));
        let mut open = || {
            let id = pair.opener().open(Bytes::from_static(b"request"), true).unwrap();
            pair.advance(round_trip).unwrap();
            pair.acceptor().send_head(id, Bytes::from_static(b"r"), false, false).unwrap();
            pair.advance(round_trip).unwrap();
            pair.read_all(Side::Opener, id);
            id
        };
        let (bulk, small) = (open(), open());
        Self { pair, bulk, small, read: 0 }
    }

    /// Keeps the sender of bulk busy and reads everything each time `pause` has passed, so often. In
    /// company the other stream moves a byte each time.
    fn flow(&mut self, pause: Duration, times: usize, company: bool) {
        let Self { pair, bulk, small, read } = self;
        for _ in 0..times {
            let end = pair.now + pause;
            if company {
                pair.acceptor().send_data(*small, &mut Bytes::from_static(b"1")).unwrap();
            }
            while pair.now < end {
                let piece = || Bytes::from(vec![1; 64 * 1024]);
                while pair.acceptor().send_data(*bulk, &mut piece()).unwrap() > 0 {
                    pair.settle().unwrap();
                }
                pair.advance(Duration::from_millis(1).min(end - pair.now)).unwrap();
            }
            pair.read_all(Side::Opener, *small);
            *read += content_length(&pair.read_all(Side::Opener, *bulk));
            pair.settle().unwrap();
        }
    }

    /// What the sender of bulk was allowed to have under way at the end, all having been read.
    fn window(&self) -> usize {
        let granted = self.pair.observer.seen(Side::Opener, self.bulk).granted as usize;
        INITIAL + granted - self.read
    }
}

const fn milliseconds(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The window after the sender was kept busy for a while.
fn window_after(
    round_trip: u64,
    pause: u64,
    max_window: u32,
    budget: usize,
    company: bool,
) -> usize {
    let mut path = Path::new(milliseconds(round_trip), max_window, budget);
    path.flow(milliseconds(pause), 60, company);
    path.window()
}

#[test]
fn windows_follow_the_round_trip() {
    const MAX: u32 = 4 << 20;
    const AMPLE: usize = 32 << 20;
    // On a long path the window is what holds a quick reader back.
    assert_eq!(window_after(100, 10, MAX, AMPLE, true), MAX as usize);
    // On a short one it is the reader: nothing is won by a longer queue.
    assert_eq!(window_after(2, 100, MAX, AMPLE, true), INITIAL);
    // The window covers two round trips, neither one nor three.
    assert_eq!(window_after(100, 150, MAX, AMPLE, true), MAX as usize);
    assert_eq!(window_after(100, 250, MAX, AMPLE, true), INITIAL);
    // Limits hold on any path.
    assert_eq!(window_after(100, 10, 1 << 20, AMPLE, true), 1 << 20);
    assert_eq!(window_after(100, 10, MAX, INITIAL, true), 2 * INITIAL);
    assert_eq!(window_after(100, 10, INITIAL_CREDIT, AMPLE, false), INITIAL);
}

#[test]
fn a_stream_that_is_alone_gets_a_wider_window_until_another_one_moves() {
    let mut path = Path::new(milliseconds(2), 4 << 20, 32 << 20);
    path.flow(milliseconds(100), 60, false);
    assert_eq!(path.window(), 1 << 20);
    // The excess is not had back at once, but soon.
    path.flow(milliseconds(100), 1, true);
    assert!(path.window() > INITIAL, "{}", path.window());
    path.flow(milliseconds(100), 60, true);
    assert_eq!(path.window(), INITIAL);
    // Nor is it given at once, and what was had back can be given again.
    path.flow(milliseconds(100), 3, false);
    assert_eq!(path.window(), INITIAL);
    path.flow(milliseconds(100), 60, false);
    assert_eq!(path.window(), 1 << 20);
    for _ in 0..20 {
        path.flow(milliseconds(100), 20, true);
        path.flow(milliseconds(100), 20, false);
    }
    assert_eq!(path.window(), 1 << 20, "the budget is neither lost");
    path.flow(milliseconds(100), 60, true);
    let (budget, long) = (32 << 20, milliseconds(100));
    path.pair.delay = [long / 2; 2];
    path.flow(milliseconds(10), 100, true);
    assert!(path.window() <= 4 << 20 && path.window() - INITIAL <= budget, "nor made");
}

#[test]
fn a_reader_that_lags_gets_no_wider_window() {
    let mut pair = pair(4 << 20, 32 << 20);
    let id = response(&mut pair);
    let mut given = pour(&mut pair, id);
    for _ in 0..20 {
        // It always leaves something unread when credit goes out.
        let mut read = 0;
        while read < INITIAL / 2 {
            let Some(Incoming::Data(data)) = pair.opener().read(id) else { panic!() };
            read += data.len();
        }
        pair.settle().unwrap();
        given += pour(&mut pair, id);
    }
    let granted = pair.observer.seen(Side::Opener, id).granted as usize;
    assert_eq!(given, INITIAL + granted);
    assert_eq!(granted, 20 * INITIAL / 2, "what was read, and no more");
}

#[test]
fn windows_grow_within_the_budget_and_give_it_back() {
    let mut pair = pair(4 << 20, INITIAL);
    let first = response(&mut pair);
    let second = response(&mut pair);
    stream(&mut pair, first, 2 << 20);
    assert!(pour(&mut pair, first) > INITIAL, "the first takes the budget");
    stream(&mut pair, second, 2 << 20);
    assert!(pour(&mut pair, second) <= INITIAL, "nothing is left for the second");
    pair.opener().release(first, ResetCode::Cancelled);
    pair.acceptor().release(first, ResetCode::Cancelled);
    pair.settle().unwrap();
    while !pair.read_all(Side::Opener, second).is_empty() {
        pair.settle().unwrap();
    }
    stream(&mut pair, second, 2 << 20);
    assert!(pour(&mut pair, second) > INITIAL, "the end of the first gave it back");
}

#[test]
fn streams_have_credit_of_their_own() {
    let mut pair = pair(INITIAL_CREDIT, 0);
    let stalled = response(&mut pair);
    let lively = response(&mut pair);
    assert_eq!(pour(&mut pair, stalled), INITIAL);
    stream(&mut pair, lively, 4 << 20);
}

#[test]
fn no_credit_is_wasted_on_a_stream_that_has_ended() {
    let mut pair = pair(4 << 20, 32 << 20);
    let id = response(&mut pair);
    pour(&mut pair, id);
    pair.acceptor().finish(id, Bytes::new()).unwrap();
    pair.settle().unwrap();
    let items = pair.read_all(Side::Opener, id);
    assert_eq!(content_length(&items), INITIAL);
    pair.settle().unwrap();
    assert_eq!(pair.observer.seen(Side::Opener, id).granted, 0);
}

#[test]
fn credit_counts_content_not_heads_or_trailers() {
    let mut pair = Pair::new();
    let id = pair.opener().open(Bytes::from(vec![b'h'; 60_000]), false).unwrap();
    let mut all = Bytes::from(vec![1; INITIAL]);
    while !all.is_empty() {
        assert!(pair.opener().send_data(id, &mut all).unwrap() > 0);
        pair.settle().unwrap();
    }
    pair.opener().finish(id, Bytes::from(vec![b't'; 16_000])).unwrap();
    pair.settle().unwrap();
    let items = pair.read_all(Side::Acceptor, id);
    assert_eq!(content_length(&items), INITIAL);
    assert_eq!(items.last(), Some(&Incoming::Finish { trailers: vec![b't'; 16_000].into() }));
}
