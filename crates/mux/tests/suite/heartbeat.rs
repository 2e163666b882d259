//! Signs of life, in virtual time.

use std::time::Duration;

use bytes::Bytes;
use wingman_mux::{CarrierError, Config, Event, HeartbeatConfig, Mux, Role};
use wingman_wire::frame::{Frame, MAX_MESSAGE};

use crate::pair::{Pair, Side, base};

const PERIOD: Duration = Duration::from_secs(5);
const DEADLINE: Duration = Duration::from_secs(10);
const NANO: Duration = Duration::from_nanos(1);

/// Lets `side` look at the clock, `at` after the beginning.
fn look(pair: &mut Pair, side: Side, at: Duration) -> Result<(), CarrierError> {
    pair.now = at;
    let now = pair.instant();
    pair.mux(side).handle_timeout(now)
}

fn pings(frames: Option<Vec<Frame>>) -> Vec<u64> {
    let ping = |frame: &Frame| if let Frame::Ping(token) = frame { Some(*token) } else { None };
    frames.unwrap_or_default().iter().filter_map(ping).collect()
}

#[test]
fn a_ping_goes_out_each_period_and_is_answered() {
    let mut pair = Pair::new();
    assert_eq!(pair.opener().poll_timeout(), pair.instant() + PERIOD);
    look(&mut pair, Side::Opener, PERIOD - NANO).unwrap();
    assert!(!pair.opener().has_output(), "not before");
    look(&mut pair, Side::Opener, PERIOD).unwrap();
    assert!(pair.opener().has_output());
    let tokens = pings(pair.transmit(Side::Opener, MAX_MESSAGE));
    assert_eq!(tokens.len(), 1);
    assert!(!pair.opener().has_output(), "one");
    assert!(pair.deliver(Side::Acceptor).unwrap());
    let answer = pair.transmit(Side::Acceptor, MAX_MESSAGE);
    assert_eq!(answer, Some(vec![Frame::Pong(tokens[0])]));
    pair.settle().unwrap();
    look(&mut pair, Side::Opener, 2 * PERIOD - NANO).unwrap();
    assert!(!pair.opener().has_output());
    look(&mut pair, Side::Opener, 2 * PERIOD).unwrap();
    let next = pings(pair.transmit(Side::Opener, MAX_MESSAGE));
    assert_eq!(next.len(), 1);
    assert_ne!(next, tokens, "each has its own token");
}

#[test]
fn who_never_asks_is_not_woken_for_it() {
    let mut config = Config::new(Role::Acceptor);
    config.heartbeat = HeartbeatConfig { period: Duration::MAX, deadline: Duration::MAX };
    let start = base();
    let mut mux = Mux::new(config, start);
    let week = start + Duration::from_secs(7 * 86_400);
    assert!(mux.poll_timeout() > week);
    mux.handle_timeout(week).unwrap();
    assert!(mux.poll_timeout() > week);
    assert!(!mux.has_output());
}

#[test]
fn a_sign_of_life_can_be_asked_for_at_any_time() {
    let mut pair = Pair::new();
    pair.opener().ping();
    assert!(pair.opener().has_output());
    assert_eq!(pings(pair.transmit(Side::Opener, MAX_MESSAGE)).len(), 1);
    pair.delay[0] = Duration::from_millis(7);
    pair.deliver(Side::Acceptor).unwrap();
    pair.transmit(Side::Acceptor, MAX_MESSAGE).unwrap();
    pair.advance(Duration::from_millis(7)).unwrap();
    assert_eq!(pair.events(Side::Opener), [Event::RoundTrip(Duration::from_millis(7))]);
    // The regular ones go on.
    look(&mut pair, Side::Opener, PERIOD).unwrap();
    assert_eq!(pings(pair.transmit(Side::Opener, MAX_MESSAGE)).len(), 1);
}

#[test]
fn silence_is_fatal_exactly_at_the_deadline() {
    let mut pair = Pair::new();
    look(&mut pair, Side::Opener, PERIOD).unwrap();
    pair.transmit(Side::Opener, MAX_MESSAGE).unwrap();
    assert_eq!(pair.opener().poll_timeout(), pair.instant() + PERIOD, "ping and deadline meet");
    look(&mut pair, Side::Opener, DEADLINE - NANO).unwrap();
    let silent = look(&mut pair, Side::Opener, DEADLINE);
    assert_eq!(silent, Err(CarrierError::Silent(DEADLINE)));
    let later = look(&mut pair, Side::Opener, DEADLINE + PERIOD);
    assert_eq!(later, Err(CarrierError::Silent(DEADLINE + PERIOD)), "it says how long");
}

#[test]
fn the_deadline_wakes_also_between_pings() {
    let mut config = Config::new(Role::Opener);
    config.heartbeat = HeartbeatConfig { period: PERIOD, deadline: Duration::from_secs(7) };
    let mut pair = Pair::with(config, Config::new(Role::Acceptor));
    let start = pair.instant();
    look(&mut pair, Side::Opener, PERIOD).unwrap();
    assert_eq!(pair.opener().poll_timeout(), start + Duration::from_secs(7));
    let silent = look(&mut pair, Side::Opener, Duration::from_secs(7));
    assert!(matches!(silent, Err(CarrierError::Silent(_))));
}

#[test]
fn any_message_is_a_sign_of_life() {
    let mut pair = Pair::new();
    for second in 1..60 {
        pair.now = Duration::from_secs(second);
        if second % 9 == 0 {
            pair.acceptor().send_control(Bytes::from_static(b"{}"));
            pair.transmit(Side::Acceptor, MAX_MESSAGE).unwrap();
            pair.deliver(Side::Opener).unwrap();
        }
        look(&mut pair, Side::Opener, Duration::from_secs(second)).unwrap();
    }
    assert!(look(&mut pair, Side::Opener, Duration::from_secs(64)).is_err(), "and none is silence");
}

#[test]
fn two_idle_ends_keep_each_other_alive_for_a_day() {
    let mut pair = Pair::new();
    pair.delay = [Duration::from_millis(80), Duration::from_millis(170)];
    for _ in 0..24 {
        pair.advance(Duration::from_secs(3600)).expect("nobody is silent");
        for side in Side::BOTH {
            let events = pair.events(side);
            assert!((700..=720).contains(&events.len()), "{} round trips", events.len());
            let round_trip = Event::RoundTrip(Duration::from_millis(250));
            assert!(events.iter().all(|event| *event == round_trip), "{events:?}");
        }
    }
}

#[test]
fn a_process_that_was_stopped_does_not_blame_its_peer() {
    let mut pair = Pair::new();
    // The peer spoke while we slept; its message waits in the socket.
    pair.now = Duration::from_secs(3600);
    pair.acceptor().send_control(Bytes::from_static(b"{}"));
    pair.transmit(Side::Acceptor, MAX_MESSAGE).unwrap();
    assert!(pair.deliver(Side::Opener).unwrap(), "messages first");
    look(&mut pair, Side::Opener, Duration::from_secs(3600)).expect("it was not silent");
    // In the other order the clock alone would speak.
    let mut pair = Pair::new();
    assert!(look(&mut pair, Side::Opener, Duration::from_secs(3600)).is_err());
}

#[test]
fn only_the_newest_of_many_pings_is_answered() {
    let mut pair = Pair::new();
    let now = pair.instant();
    let mut out = bytes::BytesMut::new();
    for token in 0..1_000 {
        Frame::Ping(token).put(&mut out);
    }
    pair.acceptor().handle_message(now, out.freeze()).unwrap();
    let answer = pair.transmit(Side::Acceptor, MAX_MESSAGE);
    assert_eq!(answer, Some(vec![Frame::Pong(999)]));
    assert!(!pair.acceptor().has_output());
}

#[test]
fn only_the_answer_to_our_own_ping_measures() {
    let mut pair = Pair::new();
    let pong = |pair: &mut Pair, token: u64| {
        let mut out = bytes::BytesMut::new();
        Frame::Pong(token).put(&mut out);
        let now = pair.instant();
        pair.opener().handle_message(now, out.freeze()).unwrap();
        pair.events(Side::Opener)
    };
    assert_eq!(pong(&mut pair, 0), [], "nothing was asked");
    assert_eq!(pong(&mut pair, 1), []);
    look(&mut pair, Side::Opener, PERIOD).unwrap();
    // Time in our own queue is not on the carrier.
    pair.now += Duration::from_millis(100);
    let token = pings(pair.transmit(Side::Opener, MAX_MESSAGE))[0];
    pair.now += Duration::from_millis(30);
    assert_eq!(pong(&mut pair, token + 1), []);
    let measured = pong(&mut pair, token);
    assert_eq!(measured, [Event::RoundTrip(Duration::from_millis(30))]);
    assert_eq!(pong(&mut pair, token), [], "counted once");
}

#[test]
fn heartbeats_go_before_content() {
    let mut pair = Pair::new();
    let id = pair.open(false);
    pair.opener().send_data(id, &mut Bytes::from(vec![0; 64 * 1024])).unwrap();
    let now = pair.instant();
    let mut out = bytes::BytesMut::new();
    Frame::Ping(7).put(&mut out);
    pair.opener().handle_message(now, out.freeze()).unwrap();
    look(&mut pair, Side::Opener, PERIOD).unwrap();
    let frames = pair.transmit(Side::Opener, MAX_MESSAGE).unwrap();
    assert_eq!(frames[0], Frame::Pong(7));
    assert!(matches!(frames[1], Frame::Ping(_)));
}
