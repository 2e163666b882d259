//! Credit: what a sender may send, and how windows grow.

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
