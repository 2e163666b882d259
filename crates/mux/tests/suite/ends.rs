//! How streams end: releases in every state, resets, early responses, drain.

use bytes::Bytes;
use wingman_mux::{Event, INITIAL_CREDIT, Incoming, OpenError, SendError};
use wingman_wire::{
    code::ResetCode,
    frame::{Frame, MAX_MESSAGE, StreamId},
};

use crate::pair::{Pair, Side, content_length, finish, head};

/// What an end has sent when it lets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Nothing,
    Head,
    Content,
    End,
    Reset,
}

const SENT: [Sent; 5] = [Sent::Nothing, Sent::Head, Sent::Content, Sent::End, Sent::Reset];

fn send(pair: &mut Pair, side: Side, id: StreamId, sent: Sent) {
    let mux = pair.mux(side);
    if side == Side::Acceptor && sent != Sent::Nothing {
        mux.send_head(id, Bytes::from_static(b"response"), false, false).unwrap();
    }
    if matches!(sent, Sent::Content | Sent::End | Sent::Reset) {
        assert_eq!(mux.send_data(id, &mut Bytes::from(vec![7; 20_000])), Ok(20_000));
    }
    if sent == Sent::End {
        mux.finish(id, Bytes::new()).unwrap();
    }
    if sent == Sent::Reset {
        mux.reset(id, ResetCode::Internal);
    }
}

#[test]
fn a_release_in_every_state_leaves_nothing_behind() {
    for first in Side::BOTH {
        for (mine, theirs) in SENT.iter().flat_map(|one| SENT.iter().map(move |two| (*one, *two))) {
            for mask in 0..8 {
                release_in(first, mine, theirs, [mask & 1 > 0, mask & 2 > 0, mask & 4 > 0]);
            }
        }
    }
}

/// `first` has sent `mine`, the other end `theirs`; `[0]`: both are transmitted; `[1]`: and read;
/// `[2]`: the other end lets go before it hears of it.
fn release_in(first: Side, mine: Sent, theirs: Sent, [transmitted, read, crossing]: [bool; 3]) {
    let what = format!("{first:?} {mine:?} {theirs:?} {transmitted} {read} {crossing}");
    let mut pair = Pair::new();
    let id = pair.open(false);
    send(&mut pair, first, id, mine);
    send(&mut pair, first.other(), id, theirs);
    if transmitted {
        pair.settle().expect(&what);
    }
    if read {
        pair.read_all(first, id);
        pair.read_all(first.other(), id);
    }
    pair.mux(first).release(id, ResetCode::Cancelled);
    pair.mux(first).check_invariants();
    if crossing {
        pair.mux(first.other()).release(id, ResetCode::Cancelled);
    } else {
        pair.settle().expect(&what);
        assert_eq!(pair.mux(first).streams(), 0, "{what}: nothing holds it");
        let items = pair.read_all(first.other(), id);
        let whole = mine == Sent::End
            && (first == Side::Acceptor || theirs == Sent::End && transmitted)
            && theirs != Sent::Reset;
        let reset = pair.mux(first.other()).reset_code(id);
        if whole && !read {
            assert_eq!(items.last(), Some(&finish()), "{what}: complete all the same");
            assert_eq!(content_length(&items), 20_000, "{what}");
            assert!(matches!(reset, None | Some(ResetCode::Enough)), "{what}: {reset:?}");
        } else if !whole && mine != Sent::Reset && theirs != Sent::Reset && mine != Sent::End {
            let last = Some(&Incoming::Reset(ResetCode::Cancelled));
            assert_eq!(items.last(), last, "{what}: cancelled");
            assert_eq!(reset, Some(ResetCode::Cancelled), "{what}");
        }
        pair.mux(first.other()).release(id, ResetCode::Cancelled);
    }
    pair.assert_quiet();
}

#[test]
fn a_stream_let_go_before_it_was_transmitted_was_never_there() {
    for release in [false, true] {
        let mut pair = Pair::new();
        let gone = pair.opener().open(Bytes::from_static(b"gone"), false).unwrap();
        pair.opener().send_data(gone, &mut Bytes::from_static(b"content")).unwrap();
        if release {
            pair.opener().release(gone, ResetCode::Cancelled);
            assert_eq!(pair.opener().streams(), 0);
        } else {
            pair.opener().reset(gone, ResetCode::Cancelled);
            assert_eq!(pair.opener().reset_code(gone), Some(ResetCode::Cancelled));
        }
        let stays = pair.opener().open(Bytes::from_static(b"stays"), true).unwrap();
        pair.settle().expect("the peer has nothing to complain about");
        assert_eq!(pair.events(Side::Acceptor), [Event::Accepted(stays)]);
        pair.opener().release(gone, ResetCode::Cancelled);
        pair.opener().release(stays, ResetCode::Cancelled);
        pair.acceptor().release(stays, ResetCode::Cancelled);
        pair.assert_quiet();
    }
}

#[test]
fn a_reset_inside_a_request_head_reaches_nobody() {
    let mut pair = Pair::new();
    let id = pair.opener().open(Bytes::from(vec![b'h'; 60_000]), false).unwrap();
    let frames = pair.transmit(Side::Opener, 17_000).unwrap();
    assert_eq!(frames.len(), 1, "a part of the head");
    pair.opener().release(id, ResetCode::Cancelled);
    pair.assert_quiet();
    assert_eq!(pair.events(Side::Acceptor), []);
}

#[test]
fn many_cancelled_requests_of_a_carrier_that_stalls_are_nobodys_flood() {
    let mut pair = Pair::new();
    for _ in 0..10_000 {
        let id = pair.opener().open(Bytes::from_static(b"h"), true).unwrap();
        pair.opener().release(id, ResetCode::Cancelled);
        pair.opener().check_invariants();
    }
    assert!(pair.opener().output_hint() < 64 * 1024, "cancelled ones leave nothing behind");
    pair.acceptor().send_control(Bytes::from_static(b"{}"));
    pair.settle().expect("the acceptor did nothing wrong");
    pair.assert_quiet();
}

/// The response is whole before the request is: each interleaving of what both ends do, each with and
/// without messages passing in between.
#[test]
fn an_early_response_is_read_whole_in_all_orders() {
    for order in 0_u32..64 {
        if order.count_ones() != 3 {
            continue;
        }
        for passing in 0_u32..64 {
            early_response(order, passing);
        }
    }
}

fn early_response(order: u32, passing: u32) {
    let what = format!("order {order:06b}, passing {passing:06b}");
    let mut pair = Pair::new();
    let id = pair.open(false);
    pair.read_all(Side::Acceptor, id);
    let mut read = Vec::new();
    let (mut opener_step, mut acceptor_step) = (0, 0);
    for step in 0..6 {
        if order & (1 << step) > 0 {
            let mux = pair.acceptor();
            match acceptor_step {
                0 => mux.send_head(id, Bytes::from_static(b"early"), false, false).unwrap(),
                1 => {
                    assert_eq!(mux.send_data(id, &mut Bytes::from_static(b"content")), Ok(7));
                    mux.finish(id, Bytes::new()).unwrap();
                }
                _ => mux.release(id, ResetCode::Cancelled),
            }
            acceptor_step += 1;
        } else {
            match opener_step {
                0 => {
                    // More than the credit: without the early end it would wait for ever.
                    let sent = pair.opener().send_data(id, &mut Bytes::from(vec![1; 300_000]));
                    let enough = Err(SendError::Reset(ResetCode::Enough));
                    assert!(sent == enough || sent == Ok(64 * 1024), "{what}: {sent:?}");
                }
                1 => {
                    let done = pair.opener().finish(id, Bytes::new());
                    let enough = Err(SendError::Reset(ResetCode::Enough));
                    assert!(done == enough || done == Ok(()), "{what}: {done:?}");
                }
                _ => read.extend(pair.read_all(Side::Opener, id)),
            }
            opener_step += 1;
        }
        if passing & (1 << step) > 0 {
            pair.settle().expect(&what);
        }
    }
    pair.settle().expect(&what);
    read.extend(pair.read_all(Side::Opener, id));
    assert_eq!(
        read,
        [head("early"), Incoming::Data(Bytes::from_static(b"content")), finish()],
        "{what}"
    );
    assert_eq!(pair.acceptor().streams(), 0, "{what}");
    pair.opener().release(id, ResetCode::Cancelled);
    pair.assert_quiet();
}

#[test]
fn enough_comes_after_the_response_and_stops_the_request() {
    let mut pair = Pair::new();
    let id = pair.open(false);
    let mut content = Bytes::from(vec![1; 400_000]);
    loop {
        pair.opener().send_data(id, &mut content).unwrap();
        pair.settle().unwrap();
        if !pair.events(Side::Opener).contains(&Event::Writable(id)) {
            break;
        }
    }
    assert_eq!(content.len(), 400_000 - INITIAL_CREDIT as usize, "the credit is used up");
    pair.acceptor().send_head(id, Bytes::from_static(b"r"), false, true).unwrap();
    pair.acceptor().release(id, ResetCode::Cancelled);
    let frames = pair.transmit(Side::Acceptor, MAX_MESSAGE).unwrap();
    let enough = Frame::Reset { stream: id, code: ResetCode::Enough };
    assert_eq!(frames.last(), Some(&enough));
    assert_eq!(frames.len(), 2);
    pair.settle().unwrap();
    assert!(pair.events(Side::Opener).contains(&Event::Reset(id)), "whoever waits looks again");
    let stopped = pair.opener().send_data(id, &mut content);
    assert_eq!(stopped, Err(SendError::Reset(ResetCode::Enough)));
    assert_eq!(pair.read_all(Side::Opener, id), [head("r"), finish()]);
    pair.opener().release(id, ResetCode::Cancelled);
    pair.assert_quiet();
}

#[test]
fn a_response_that_is_whole_survives_a_reset_of_the_request() {
    let mut pair = Pair::new();
    let id = pair.open(false);
    pair.acceptor().send_head(id, Bytes::from_static(b"r"), false, false).unwrap();
    pair.acceptor().send_data(id, &mut Bytes::from_static(b"body")).unwrap();
    pair.acceptor().finish(id, Bytes::new()).unwrap();
    pair.settle().unwrap();
    pair.acceptor().reset(id, ResetCode::OriginReset);
    pair.settle().unwrap();
    let items = pair.read_all(Side::Opener, id);
    assert_eq!(items, [head("r"), Incoming::Data(Bytes::from_static(b"body")), finish()]);
    assert_eq!(pair.opener().reset_code(id), Some(ResetCode::OriginReset));
}

#[test]
fn a_reset_overtakes_what_waits_here_and_both_users_hear_of_it() {
    let mut pair = Pair::new();
    let id = pair.open(false);
    pair.acceptor().send_head(id, Bytes::from_static(b"r"), false, false).unwrap();
    pair.acceptor().send_data(id, &mut Bytes::from(vec![1; 60_000])).unwrap();
    pair.settle().unwrap();
    pair.acceptor().send_data(id, &mut Bytes::from(vec![2; 60_000])).unwrap();
    pair.events(Side::Opener);
    pair.acceptor().reset(id, ResetCode::OriginReset);
    assert!(pair.acceptor().output_hint() < 1_000, "queued content is dropped");
    let frames = pair.transmit(Side::Acceptor, MAX_MESSAGE).unwrap();
    assert_eq!(frames, [Frame::Reset { stream: id, code: ResetCode::OriginReset }]);
    pair.settle().unwrap();
    assert_eq!(pair.events(Side::Opener), [Event::Reset(id)]);
    let items = pair.read_all(Side::Opener, id);
    assert_eq!(content_length(&items), 60_000, "what had arrived can be read");
    assert_eq!(items.last(), Some(&Incoming::Reset(ResetCode::OriginReset)));
    for side in Side::BOTH {
        let refused = pair.mux(side).send_data(id, &mut Bytes::from_static(b"x"));
        assert_eq!(refused, Err(SendError::Reset(ResetCode::OriginReset)));
        // A second reset changes nothing and says nothing.
        pair.mux(side).reset(id, ResetCode::Internal);
        assert!(!pair.mux(side).has_output());
        assert_eq!(pair.mux(side).reset_code(id), Some(ResetCode::OriginReset));
        pair.mux(side).release(id, ResetCode::Internal);
    }
    pair.assert_quiet();
}

#[test]
fn an_abort_comes_behind_what_was_queued() {
    for side in Side::BOTH {
        for times in 1..3 {
            let mut pair = Pair::new();
            let id = pair.open(false);
            if side == Side::Acceptor {
                pair.acceptor().send_head(id, Bytes::from_static(b"r"), false, false).unwrap();
            }
            let taken = pair.mux(side).send_data(id, &mut Bytes::from(vec![1; 60_000]));
            assert_eq!(taken, Ok(60_000));
            (0..times).for_each(|_| pair.mux(side).abort(id, ResetCode::OriginReset));
            let late = pair.mux(side).send_data(id, &mut Bytes::from_static(b"x"));
            assert!(late.is_err(), "nothing is sent after it");
            assert_eq!(pair.mux(side).read(id), None, "and nothing read");
            pair.settle().unwrap();
            let items = pair.read_all(side.other(), id);
            assert_eq!(content_length(&items), 60_000, "{side:?}: the last words arrive");
            assert_eq!(items.last(), Some(&Incoming::Reset(ResetCode::OriginReset)));
            for side in Side::BOTH {
                pair.mux(side).abort(id, ResetCode::Internal);
                assert!(!pair.mux(side).has_output(), "said once");
                assert_eq!(pair.mux(side).reset_code(id), Some(ResetCode::OriginReset));
                pair.mux(side).release(id, ResetCode::Cancelled);
            }
            pair.assert_quiet();
        }
    }
}

#[test]
fn an_abort_after_both_ends_is_none() {
    let mut pair = Pair::new();
    let id = pair.open(true);
    pair.acceptor().send_head(id, Bytes::from_static(b"r"), false, true).unwrap();
    pair.settle().unwrap();
    pair.opener().abort(id, ResetCode::Cancelled);
    assert!(!pair.opener().has_output());
    assert_eq!(pair.read_all(Side::Opener, id), [head("r"), finish()], "it can still be read");
    pair.opener().release(id, ResetCode::Cancelled);
    pair.acceptor().release(id, ResetCode::Cancelled);
    pair.assert_quiet();
}

#[test]
fn resets_that_cross_end_both_sides() {
    let mut pair = Pair::new();
    let id = pair.open(false);
    pair.opener().reset(id, ResetCode::Cancelled);
    pair.acceptor().reset(id, ResetCode::Internal);
    pair.settle().unwrap();
    assert_eq!(pair.opener().reset_code(id), Some(ResetCode::Cancelled), "the first one counts");
    assert_eq!(pair.acceptor().reset_code(id), Some(ResetCode::Internal));
    pair.opener().release(id, ResetCode::Cancelled);
    pair.acceptor().release(id, ResetCode::Cancelled);
    pair.assert_quiet();
}

#[test]
fn after_the_end_a_stream_is_unknown() {
    let mut pair = Pair::new();
    let id = pair.open(true);
    pair.opener().release(id, ResetCode::Cancelled);
    let mux = pair.opener();
    assert_eq!(mux.read(id), None);
    assert_eq!(mux.reset_code(id), Some(ResetCode::Internal));
    assert_eq!(mux.finish(id, Bytes::new()), Err(SendError::Unknown));
    assert_eq!(mux.send_data(id, &mut Bytes::from_static(b"x")), Err(SendError::Unknown));
    mux.reset(id, ResetCode::Cancelled);
    mux.release(id, ResetCode::Cancelled);
    mux.check_invariants();
}

#[test]
fn the_order_of_calls_is_kept_by_errors() {
    let mut pair = Pair::new();
    let id = pair.open(true);
    let late = pair.opener().send_data(id, &mut Bytes::from_static(b"x"));
    assert_eq!(late, Err(SendError::State), "it said that there is no content");
    assert_eq!(pair.opener().finish(id, Bytes::new()), Err(SendError::State));
    let mux = pair.acceptor();
    let early = mux.send_data(id, &mut Bytes::from_static(b"x"));
    assert_eq!(early, Err(SendError::State), "the head comes first");
    assert_eq!(mux.finish(id, Bytes::new()), Err(SendError::State));
    mux.send_head(id, Bytes::from_static(b"i"), true, false).unwrap();
    mux.send_head(id, Bytes::from_static(b"r"), false, false).unwrap();
    let second = mux.send_head(id, Bytes::from_static(b"r"), false, false);
    assert_eq!(second, Err(SendError::State));
    let large = Bytes::from(vec![0; wingman_wire::frame::MAX_TRAILERS + 1]);
    assert_eq!(mux.finish(id, large.clone()), Err(SendError::TooLarge));
    mux.finish(id, large.slice(1..)).unwrap();
    assert_eq!(mux.finish(id, Bytes::new()), Err(SendError::State));
    pair.settle().unwrap();
    let items = pair.read_all(Side::Opener, id);
    let interim = Incoming::Head { head: Bytes::from_static(b"i"), interim: true };
    assert_eq!(items[..2], [interim, head("r")]);
    assert_eq!(items[2], Incoming::Finish { trailers: large.slice(1..) });
}

#[test]
fn a_draining_acceptor_refuses_new_streams_and_ends_running_ones() {
    let mut pair = Pair::new();
    let running = pair.open(false);
    pair.acceptor().drain();
    // Not yet known to the opener: this one crosses the DRAIN.
    let crossing = pair.opener().open(Bytes::from_static(b"h"), true).unwrap();
    pair.settle().unwrap();
    assert_eq!(pair.events(Side::Acceptor), [], "it is not accepted");
    let events = pair.events(Side::Opener);
    assert!(events.contains(&Event::Drained) && events.contains(&Event::Reset(crossing)));
    assert_eq!(
        pair.read_all(Side::Opener, crossing),
        [Incoming::Reset(ResetCode::Refused)],
        "safe to send again elsewhere"
    );
    assert!(pair.opener().peer_drains());
    let open = pair.opener().open(Bytes::from_static(b"h"), true);
    assert_eq!(open, Err(OpenError::Draining));
    // Running ones go on.
    pair.opener().finish(running, Bytes::new()).unwrap();
    pair.acceptor().send_head(running, Bytes::from_static(b"r"), false, true).unwrap();
    pair.settle().unwrap();
    assert_eq!(pair.read_all(Side::Opener, running), [head("r"), finish()]);
    pair.acceptor().drain();
    assert!(!pair.acceptor().has_output(), "said once");
    pair.opener().release(running, ResetCode::Cancelled);
    pair.opener().release(crossing, ResetCode::Cancelled);
    pair.acceptor().release(running, ResetCode::Cancelled);
    pair.assert_quiet();
}

#[test]
fn a_draining_opener_opens_no_more() {
    let mut pair = Pair::new();
    pair.opener().drain();
    let open = pair.opener().open(Bytes::from_static(b"h"), true);
    assert_eq!(open, Err(OpenError::Draining));
    pair.settle().unwrap();
    assert_eq!(pair.events(Side::Acceptor), [Event::Drained]);
}
