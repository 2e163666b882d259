//! Limits of streams and heads.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use wingman_mux::{Config, Event, Incoming, Mux, OpenError, Role, SendError, Violation};
use wingman_wire::{
    code::ResetCode,
    frame::{Flags, Frame, MAX_MESSAGE, StreamId},
};

use crate::pair::{Pair, Side, base, finish, head};

#[test]
fn three_hundred_streams_beyond_the_limit_are_refused_and_the_others_live() {
    let mut opener = Config::new(Role::Opener);
    opener.max_streams = 600;
    let mut acceptor = Config::new(Role::Acceptor);
    acceptor.max_streams = 300;
    let mut pair = Pair::with(opener, acceptor);
    let ids: Vec<_> =
        (0..600).map(|_| pair.opener().open(Bytes::from_static(b"h"), true).unwrap()).collect();
    assert_eq!(pair.opener().open(Bytes::from_static(b"h"), true), Err(OpenError::TooMany));
    pair.settle().unwrap();
    let accepted: Vec<_> = ids[..300].iter().map(|id| Event::Accepted(*id)).collect();
    assert_eq!(pair.events(Side::Acceptor), accepted, "the first ones, in order");
    assert_eq!(pair.acceptor().streams(), 300);
    for id in &ids[300..] {
        let refused = [Incoming::Reset(ResetCode::Refused)];
        assert_eq!(pair.read_all(Side::Opener, *id), refused);
        assert_eq!(pair.opener().reset_code(*id), Some(ResetCode::Refused));
        pair.opener().release(*id, ResetCode::Cancelled);
    }
    for id in &ids[..300] {
        pair.acceptor().send_head(*id, Bytes::from_static(b"r"), false, true).unwrap();
        pair.acceptor().release(*id, ResetCode::Cancelled);
    }
    pair.settle().unwrap();
    for id in &ids[..300] {
        assert_eq!(pair.read_all(Side::Opener, *id), [head("r"), finish()]);
        pair.opener().release(*id, ResetCode::Cancelled);
    }
    pair.assert_quiet();
    // Room again.
    pair.open(true);
}

#[test]
fn who_opens_streams_faster_than_anybody_asks_floods() {
    let mut config = Config::new(Role::Acceptor);
    config.max_opened_per_second = 1_000;
    let start = base();
    let mut mux = Mux::new(config, start);
    let mut next = 1;
    // Opens and cancels so many, and gives how many of them were taken before the first violation.
    let mut open = |after: Duration, count: usize| {
        (0..count).position(|_| {
            let stream = StreamId(next);
            next += 2;
            let mut message = BytesMut::new();
            let head = Bytes::from_static(b"h");
            Frame::Open { stream, flags: Flags(Flags::END), head }.put(&mut message);
            Frame::Reset { stream, code: ResetCode::Cancelled }.put(&mut message);
            let handled = mux.handle_message(start + after, message.freeze());
            while mux.poll_event().is_some() {}
            while mux.poll_transmit(start + after, &mut BytesMut::new(), MAX_MESSAGE) {}
            mux.release(stream, ResetCode::Cancelled);
            handled.inspect_err(|error| assert_eq!(*error, Violation::Flood.into())).is_err()
        })
    };
    assert_eq!(open(Duration::ZERO, 1_000), None, "a second's at once");
    assert_eq!(open(Duration::from_micros(2_900), 2), None);
    assert_eq!(open(Duration::from_micros(3_100), 1), None, "a part of one is not lost");
    assert_eq!(open(Duration::from_micros(3_900), 2), Some(0));
    assert_eq!(open(Duration::from_secs(60), 2_000), Some(1_000), "no more than a second's");
}

#[test]
fn a_refused_head_in_several_frames_is_refused_once() {
    let mut acceptor = Config::new(Role::Acceptor);
    acceptor.max_streams = 0;
    let mut pair = Pair::with(Config::new(Role::Opener), acceptor);
    let id = pair.opener().open(Bytes::from(vec![b'h'; 60_000]), true).unwrap();
    while pair.transmit(Side::Opener, MAX_MESSAGE).is_some() {}
    while pair.deliver(Side::Acceptor).unwrap() {}
    let frames = pair.transmit(Side::Acceptor, MAX_MESSAGE).unwrap();
    assert_eq!(frames, [Frame::Reset { stream: id, code: ResetCode::Refused }]);
    pair.settle().unwrap();
    pair.opener().release(id, ResetCode::Cancelled);
    pair.assert_quiet();
}

#[test]
fn the_limit_can_be_changed_while_streams_run() {
    let mut pair = Pair::new();
    let first = pair.open(true);
    pair.opener().set_max_streams(1);
    assert_eq!(pair.opener().open(Bytes::from_static(b"h"), true), Err(OpenError::TooMany));
    pair.opener().set_max_streams(2);
    pair.open(true);
    assert_eq!(pair.opener().streams(), 2);
    pair.opener().set_max_streams(1);
    pair.opener().release(first, ResetCode::Cancelled);
    assert_eq!(pair.opener().streams(), 1);
    assert_eq!(pair.opener().open(Bytes::from_static(b"h"), true), Err(OpenError::TooMany));
}

#[test]
fn heads_up_to_the_limit_pass_in_frames_of_a_payload_each() {
    let (mut opener, mut acceptor) = (Config::new(Role::Opener), Config::new(Role::Acceptor));
    opener.max_head = 64 * 1024;
    acceptor.max_head = 64 * 1024;
    let mut pair = Pair::with(opener, acceptor);
    let largest = Bytes::from((0..=255_u8).cycle().take(64 * 1024).collect::<Vec<_>>());
    let id = pair.opener().open(largest.clone(), true).unwrap();
    let mut frames = Vec::new();
    while let Some(more) = pair.transmit(Side::Opener, MAX_MESSAGE) {
        frames.extend(more);
    }
    assert_eq!(frames.len(), 4);
    pair.settle().unwrap();
    let items = pair.read_all(Side::Acceptor, id);
    let whole = Incoming::Head { head: largest.clone(), interim: false };
    assert_eq!(items, [whole.clone(), finish()]);
    pair.acceptor().send_head(id, largest.clone(), false, false).unwrap();
    pair.settle().unwrap();
    assert_eq!(pair.read_all(Side::Opener, id), [whole]);
    let above = Bytes::from(vec![0; 64 * 1024 + 1]);
    assert_eq!(pair.opener().open(above.clone(), true), Err(OpenError::TooLarge));
    let id = pair.open(true);
    let error = pair.acceptor().send_head(id, above, false, false);
    assert_eq!(error, Err(SendError::TooLarge));
    assert_eq!(pair.opener().streams(), 2, "nothing was opened by the failure");
}

#[test]
fn control_messages_pass_in_order_and_before_content() {
    let mut pair = Pair::new();
    let id = pair.open(false);
    pair.opener().send_data(id, &mut Bytes::from(vec![0; 60_000])).unwrap();
    let messages: Vec<_> = (0..20_u8).map(|number| Bytes::from(vec![number; 10_000])).collect();
    for message in &messages {
        pair.opener().send_control(message.clone());
    }
    let frames = pair.transmit(Side::Opener, MAX_MESSAGE).unwrap();
    assert!(matches!(frames[0], Frame::Control(_)));
    pair.settle().unwrap();
    let mut received = pair.events(Side::Acceptor);
    received.retain(|event| matches!(event, Event::Control(_)));
    assert_eq!(received, messages.into_iter().map(Event::Control).collect::<Vec<_>>());
}
