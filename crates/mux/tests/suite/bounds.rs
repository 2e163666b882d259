//! What users can queue, and when they are told to go on.

use bytes::Bytes;
use wingman_mux::{Config, Event, Role};
use wingman_wire::frame::{Frame, HEADER_LEN, MAX_MESSAGE, MAX_PAYLOAD, StreamId};

use crate::pair::{Pair, Side};

fn opened(count: usize, send_bound: usize) -> (Pair, Vec<StreamId>) {
    let mut config = Config::new(Role::Opener);
    config.send_bound = send_bound;
    let mut pair = Pair::with(config, Config::new(Role::Acceptor));
    let ids = (0..count).map(|_| pair.open(false)).collect();
    (pair, ids)
}

fn offer(pair: &mut Pair, id: StreamId, length: usize) -> usize {
    pair.opener().send_data(id, &mut Bytes::from(vec![1; length])).unwrap()
}

#[test]
fn one_stream_queues_up_to_its_bound() {
    let (mut pair, ids) = opened(1, 4 << 20);
    assert_eq!(offer(&mut pair, ids[0], 1_000_000), 64 * 1024);
    assert_eq!(offer(&mut pair, ids[0], 1), 0);
    assert!(pair.opener().output_hint() >= 64 * 1024);
    pair.opener().check_invariants();
}

#[test]
fn all_streams_together_queue_up_to_the_carriers_bound_and_then_a_frame_each() {
    let (mut pair, ids) = opened(100, 1 << 20);
    let queued: Vec<_> = ids.iter().map(|id| offer(&mut pair, *id, 1_000_000)).collect();
    assert_eq!(queued[..16], [64 * 1024; 16]);
    assert_eq!(queued[16..], [MAX_PAYLOAD; 84], "nobody is shut out");
    let again: usize = ids.iter().map(|id| offer(&mut pair, *id, 1_000_000)).sum();
    assert_eq!(again, 0);
    let total: usize = queued.iter().sum();
    assert!(total <= (1 << 20) + 100 * MAX_PAYLOAD);
    pair.settle().unwrap();
    assert_eq!(pair.opener().output_hint() / 1024, 0, "it was all counted off");
    assert_eq!(offer(&mut pair, ids[99], 1_000_000), 64 * 1024);
}

#[test]
fn who_was_told_to_wait_is_woken_once_when_half_is_sent() {
    let (mut pair, ids) = opened(1, 4 << 20);
    let id = ids[0];
    offer(&mut pair, id, 1_000_000);
    let one_frame = MAX_PAYLOAD + HEADER_LEN;
    pair.transmit(Side::Opener, one_frame).unwrap();
    assert_eq!(pair.events(Side::Opener), [], "a quarter is not enough");
    pair.transmit(Side::Opener, one_frame).unwrap();
    assert_eq!(pair.events(Side::Opener), [Event::Writable(id)]);
    pair.transmit(Side::Opener, one_frame).unwrap();
    assert_eq!(pair.events(Side::Opener), [], "once");
    // Who got everything in does not wait.
    assert_eq!(offer(&mut pair, id, 1_000), 1_000);
    while pair.transmit(Side::Opener, MAX_MESSAGE).is_some() {}
    assert_eq!(pair.events(Side::Opener), []);
}

#[test]
fn beyond_the_carriers_bound_a_waiting_stream_still_flows() {
    let (mut pair, ids) = opened(2, 0);
    let mut sent = [0; 2];
    let mut waits = [false; 2];
    for _ in 0..200 {
        for (index, id) in ids.iter().enumerate() {
            if !waits[index] && sent[index] < 200_000 {
                let taken = offer(&mut pair, *id, 200_000);
                sent[index] += taken;
                waits[index] = true;
            }
        }
        pair.transmit(Side::Opener, MAX_MESSAGE);
        for event in pair.events(Side::Opener) {
            let Event::Writable(id) = event else { panic!("{event:?}") };
            waits[ids.iter().position(|known| *known == id).unwrap()] = false;
        }
    }
    assert!(sent.iter().all(|sent| *sent >= 200_000), "{sent:?}");
}

#[test]
fn a_message_is_never_longer_than_asked_and_crumbs_are_not_cut_off() {
    for limit in (MAX_PAYLOAD + HEADER_LEN..=MAX_MESSAGE).step_by(331) {
        let (mut pair, ids) = opened(3, 4 << 20);
        for id in &ids {
            offer(&mut pair, *id, 64 * 1024 - 1);
            pair.opener().finish(*id, Bytes::from(vec![b't'; 100])).unwrap();
        }
        while let Some(frames) = pair.transmit(Side::Opener, limit) {
            let length: usize = frames
                .iter()
                .map(|frame| {
                    let mut out = bytes::BytesMut::new();
                    frame.put(&mut out);
                    out.len()
                })
                .sum();
            assert!(length <= limit, "{length} of {limit}");
            if let Some(Frame::Data { stream, content }) = frames.last()
                && content.len() < 1024
            {
                let sent = pair.observer.seen(Side::Opener, *stream).content;
                assert_eq!(sent, 64 * 1024 - 1, "cut for {} bytes", content.len());
            }
            let room_for_more = limit - length >= MAX_PAYLOAD + HEADER_LEN;
            assert!(!room_for_more || !pair.opener().has_output(), "messages are filled");
        }
        pair.settle().unwrap();
    }
}
