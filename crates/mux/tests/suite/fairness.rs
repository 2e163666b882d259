//! Turns: who sends when several want to.

use std::collections::BTreeMap;

use bytes::Bytes;
use wingman_mux::{Config, Role};
use wingman_wire::{
    code::ResetCode,
    frame::{Frame, HEADER_LEN, MAX_MESSAGE, MAX_PAYLOAD, StreamId},
};

use crate::pair::{Pair, Side};

/// Bytes after which a direction is bulk; the schedule's own number, which is not public.
const BULK_AFTER: usize = 64 * 1024;

/// A pair whose acceptor may queue as much as it likes, so that only turns decide.
fn roomy() -> Pair {
    let mut acceptor = Config::new(Role::Acceptor);
    acceptor.stream_send_bound = 256 * 1024;
    acceptor.send_bound = usize::MAX;
    Pair::with(Config::new(Role::Opener), acceptor)
}

/// Streams whose responses have begun; `bulk` of them are so long already that they count as bulk.
fn responses(pair: &mut Pair, bulk: usize, short: usize) -> (Vec<StreamId>, Vec<StreamId>) {
    let ids: Vec<_> = (0..bulk + short).map(|_| pair.open(true)).collect();
    for id in &ids {
        pair.acceptor().send_head(*id, Bytes::from_static(b"r"), false, false).unwrap();
    }
    for id in &ids[..bulk] {
        fill(pair, *id, BULK_AFTER);
    }
    pair.settle().unwrap();
    (ids[..bulk].to_vec(), ids[bulk..].to_vec())
}

fn fill(pair: &mut Pair, id: StreamId, length: usize) {
    let mut content = Bytes::from(vec![1; length]);
    assert_eq!(pair.acceptor().send_data(id, &mut content), Ok(length));
}

/// DATA frames of the acceptor until it has nothing more, message by message.
fn content(pair: &mut Pair, limit: usize) -> Vec<(StreamId, usize)> {
    let mut sent = Vec::new();
    while let Some(frames) = pair.transmit(Side::Acceptor, limit) {
        sent.extend(frames.into_iter().filter_map(|frame| match frame {
            Frame::Data { stream, content } => Some((stream, content.len())),
            _ => None,
        }));
    }
    sent
}

/// Turns, not frames: what follows within a turn belongs to it.
fn turns(sent: &[(StreamId, usize)]) -> Vec<StreamId> {
    let mut turns: Vec<_> = sent.iter().map(|(id, _)| *id).collect();
    turns.dedup();
    turns
}

#[test]
fn each_ready_stream_once_before_any_twice() {
    for bulk in [false, true] {
        for count in 2..12 {
            for limit in [MAX_PAYLOAD + HEADER_LEN, 40_000, 50_001, MAX_MESSAGE] {
                let mut pair = roomy();
                let (long, short) = if bulk {
                    responses(&mut pair, count, 0)
                } else {
                    responses(&mut pair, 0, count)
                };
                let ids = if bulk { long } else { short };
                // Short ones stay short: less than what makes them bulk.
                let length = if bulk { 150_000 } else { 60_000 };
                ids.iter().for_each(|id| fill(&mut pair, *id, length));
                let sent = content(&mut pair, limit);
                let all = turns(&sent);
                let rounds = length / MAX_PAYLOAD;
                for round in all.chunks(count).take(rounds) {
                    let mut round = round.to_vec();
                    round.sort_unstable();
                    round.dedup();
                    assert_eq!(round.len(), count, "bulk {bulk}, {count} of {limit}: {all:?}");
                }
                let total: usize = sent.iter().map(|(_, length)| length).sum();
                assert_eq!(total, count * length);
            }
        }
    }
}

#[test]
fn bulk_streams_share_evenly_whatever_the_size_of_a_message() {
    for count in 2..9 {
        for limit in [MAX_PAYLOAD + HEADER_LEN, 30_000, 50_000, MAX_MESSAGE] {
            let mut pair = roomy();
            let (ids, _) = responses(&mut pair, count, 0);
            ids.iter().for_each(|id| fill(&mut pair, *id, 160_000));
            let mut share: BTreeMap<StreamId, usize> = ids.iter().map(|id| (*id, 0)).collect();
            let half = count * 80_000;
            let mut sent = 0;
            while sent < half {
                for frame in pair.transmit(Side::Acceptor, limit).unwrap() {
                    let Frame::Data { stream, content } = frame else { continue };
                    *share.get_mut(&stream).unwrap() += content.len();
                    sent += content.len();
                }
            }
            let (least, most) = (share.values().min().unwrap(), share.values().max().unwrap());
            assert!(most - least <= 2 * MAX_PAYLOAD, "{count} of {limit}: {share:?}");
        }
    }
}

#[test]
fn bulk_has_one_turn_of_four_beside_short_ones() {
    for limit in [MAX_PAYLOAD + HEADER_LEN, 40_000, MAX_MESSAGE] {
        let mut pair = roomy();
        let (bulk, short) = responses(&mut pair, 2, 40);
        bulk.iter().for_each(|id| fill(&mut pair, *id, 150_000));
        short.iter().for_each(|id| fill(&mut pair, *id, MAX_PAYLOAD));
        let sent = content(&mut pair, limit);
        let all = turns(&sent);
        let is_bulk: Vec<_> = all.iter().map(|id| bulk.contains(id)).collect();
        // While both wait: never more than three short turns in a row, and never two of bulk.
        let last_short = is_bulk.iter().rposition(|bulk| !bulk).unwrap();
        let mut row = 0;
        for (turn, bulk) in is_bulk[..last_short].iter().enumerate() {
            assert!(!(*bulk && row == 0 && turn > 0), "bulk pushes itself forward: {all:?}");
            row = if *bulk { 0 } else { row + 1 };
            assert!(row <= 4, "bulk starves at turn {turn} of {limit}: {all:?}");
        }
        let bulk_turns = is_bulk[..last_short].iter().filter(|bulk| **bulk).count();
        assert!(bulk_turns >= 8, "{bulk_turns} turns of bulk beside 40 short ones");
    }
}

#[test]
fn a_small_exchange_beside_much_bulk_is_sent_within_a_message() {
    for count in [1, 10, 60] {
        let mut pair = roomy();
        let (bulk, _) = responses(&mut pair, count, 0);
        bulk.iter().for_each(|id| fill(&mut pair, *id, 190_000));
        // The bulk is in full flow.
        for _ in 0..3 {
            pair.transmit(Side::Acceptor, MAX_MESSAGE).unwrap();
        }
        let id = pair.opener().open(Bytes::from_static(b"h"), true).unwrap();
        while pair.transmit(Side::Opener, MAX_MESSAGE).is_some() {}
        while pair.deliver(Side::Acceptor).unwrap() {}
        pair.acceptor().send_head(id, Bytes::from_static(b"small"), false, false).unwrap();
        fill(&mut pair, id, 2_000);
        pair.acceptor().finish(id, Bytes::new()).unwrap();
        let mut before = 0;
        let frames = pair.transmit(Side::Acceptor, MAX_MESSAGE).unwrap();
        let end = frames.iter().position(|frame| {
            if let Frame::Data { stream, content } = frame
                && *stream != id
            {
                before += content.len();
            }
            matches!(frame, Frame::Finish { stream, .. } if *stream == id)
        });
        assert!(end.is_some(), "{count}: not in the next message");
        assert!(before <= MAX_PAYLOAD, "{count}: {before} bytes of bulk went before it");
    }
}

#[test]
fn a_small_request_beside_uploads_is_sent_at_once() {
    let mut pair = Pair::new();
    let uploads: Vec<_> = (0..20).map(|_| pair.open(false)).collect();
    for _ in 0..2 {
        for id in &uploads {
            pair.opener().send_data(*id, &mut Bytes::from(vec![0; 64 * 1024])).unwrap();
        }
        while pair.transmit(Side::Opener, MAX_MESSAGE).is_some() {}
    }
    for id in &uploads {
        pair.opener().send_data(*id, &mut Bytes::from(vec![0; 64 * 1024])).unwrap();
    }
    let small = pair.opener().open(Bytes::from_static(b"small"), true).unwrap();
    let frames = pair.transmit(Side::Opener, MAX_MESSAGE).unwrap();
    assert!(matches!(&frames[0], Frame::Open { stream, .. } if *stream == small));
}

#[test]
fn a_stream_that_ends_gives_its_turns_to_the_others() {
    let mut pair = roomy();
    let (bulk, _) = responses(&mut pair, 3, 0);
    bulk.iter().for_each(|id| fill(&mut pair, *id, 150_000));
    pair.transmit(Side::Acceptor, MAX_MESSAGE).unwrap();
    pair.acceptor().reset(bulk[1], ResetCode::OriginReset);
    pair.acceptor().release(bulk[1], ResetCode::OriginReset);
    let sent = content(&mut pair, MAX_MESSAGE);
    assert!(sent.iter().all(|(id, _)| *id != bulk[1]));
    let all = turns(&sent);
    assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "the other two alternate: {all:?}");
}

#[test]
fn heads_of_new_streams_are_sent_in_the_order_of_their_ids() {
    let mut pair = Pair::new();
    let lengths = [60_000, 10, 16_384, 30_000, 1, 65_536];
    let ids: Vec<_> = (0..60)
        .map(|index| {
            let head = Bytes::from(vec![0; lengths[index % lengths.len()]]);
            pair.opener().open(head, true).unwrap()
        })
        .collect();
    // The observer fails when ids fall.
    pair.settle().unwrap();
    assert_eq!(pair.events(Side::Acceptor).len(), ids.len());
}
