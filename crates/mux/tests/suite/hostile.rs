//! One end against a peer that breaks the rules: exact bytes, named errors.

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use wingman_mux::{CarrierError, Config, Event, INITIAL_CREDIT, Incoming, Mux, Role, Violation};
use wingman_wire::{
    code::ResetCode,
    frame::{Frame, FrameError, FrameType, MAX_MESSAGE, MAX_PAYLOAD, StreamId},
};

use crate::pair::{base, finish, head};

/// `"00000001 03 00 0001 61"`; `xN` after a word repeats it N times.
fn hex(text: &str) -> Bytes {
    let mut bytes = BytesMut::new();
    let mut last: Vec<u8> = Vec::new();
    for word in text.split_whitespace() {
        if let Some(times) = word.strip_prefix('x') {
            let times: usize = times.parse().unwrap();
            (1..times).for_each(|_| bytes.extend_from_slice(&last));
            continue;
        }
        last = (0..word.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&word[at..at + 2], 16).unwrap())
            .collect();
        bytes.extend_from_slice(&last);
    }
    bytes.freeze()
}

/// An opener that has opened streams 1 and 3, or an acceptor that has opened nothing; heads of at most 4
/// bytes, 2 streams.
fn victim(role: Role) -> Mux {
    let mut config = Config::new(role);
    config.max_head = 4;
    config.max_streams = 2;
    let now = base();
    let mut mux = Mux::new(config, now);
    if role == Role::Opener {
        for expected in [1, 3] {
            assert_eq!(mux.open(Bytes::from_static(b"head"), false), Ok(StreamId(expected)));
        }
        while mux.poll_transmit(now, &mut BytesMut::new(), MAX_MESSAGE) {}
    }
    mux
}

#[derive(Deserialize)]
struct Vectors {
    violations: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    role: String,
    messages: String,
    error: String,
}

/// `vectors/hostile.json`, which TypeScript reads too.
fn cases() -> Vec<Case> {
    let vectors: Vectors =
        serde_json::from_str(include_str!("../../vectors/hostile.json")).unwrap();
    vectors.violations
}

/// `BeyondCredit` as `beyond-credit`.
fn kebab(violation: Violation) -> String {
    let name = format!("{violation:?}");
    let dashed = name.chars().flat_map(|char| {
        let dash = char.is_ascii_uppercase().then_some('-');
        dash.into_iter().chain([char.to_ascii_lowercase()])
    });
    dashed.skip(1).collect()
}

#[test]
fn each_violation_is_named() {
    for Case { name, role, messages, error } in cases() {
        let role = if role == "opener" { Role::Opener } else { Role::Acceptor };
        let mut mux = victim(role);
        let now = base();
        let (before, last) = messages.rsplit_once('|').unwrap_or(("", &messages));
        for message in before.split('|') {
            let result = mux.handle_message(now, hex(message));
            assert_eq!(result, Ok(()), "{error} {name}: {message}");
            mux.check_invariants();
        }
        match mux.handle_message(now, hex(last)) {
            Err(CarrierError::Violation(violation)) => {
                assert_eq!(kebab(violation), error, "{name}")
            }
            other => panic!("{error} {name}: {other:?}"),
        }
        mux.check_invariants();
    }
}

#[test]
fn no_violation_is_without_a_test() {
    // A new variant does not compile here; give it a case above or a test below.
    let own_test = |violation| match violation {
        Violation::InterimFlood | Violation::BeyondCredit | Violation::Flood => true,
        Violation::SecondHead
        | Violation::HeadTooLarge
        | Violation::EndedInterim
        | Violation::DataBeforeHead
        | Violation::AfterFinish
        | Violation::WrongTotal
        | Violation::WrongSide
        | Violation::NeverOpened
        | Violation::IdNotRising
        | Violation::CreditOverflow => false,
    };
    let mut named: Vec<_> = cases().into_iter().map(|case| case.error).collect();
    named.dedup();
    assert_eq!(named.len(), 10, "{named:?}");
    for violation in [Violation::InterimFlood, Violation::BeyondCredit, Violation::Flood] {
        assert!(own_test(violation) && !named.contains(&kebab(violation)));
    }
}

#[test]
fn interim_heads_beyond_eight_unread_are_a_flood() {
    let mut mux = victim(Role::Opener);
    let id = StreamId(1);
    let interim = || hex("00000001 02 04 0001 61");
    for _ in 0..8 {
        assert_eq!(mux.handle_message(base(), interim()), Ok(()));
    }
    for _ in 0..50 {
        // Read ones do not count.
        assert!(matches!(mux.read(id), Some(Incoming::Head { interim: true, .. })));
        assert_eq!(mux.handle_message(base(), interim()), Ok(()));
    }
    let flood = mux.handle_message(base(), interim());
    assert_eq!(flood, Err(Violation::InterimFlood.into()));
}

#[test]
fn an_interim_head_is_one_frame() {
    let mut mux = victim(Role::Opener);
    let more = mux.handle_message(base(), hex("00000001 02 06 0001 61"));
    assert_eq!(more, Err(Violation::HeadTooLarge.into()));
}

#[test]
fn content_beyond_the_credit_is_refused_to_the_byte() {
    let mut mux = victim(Role::Opener);
    mux.handle_message(base(), hex("00000001 02 00 0001 61")).unwrap();
    let full = hex("00000001 03 00 4000 61 x16384");
    for _ in 0..INITIAL_CREDIT as usize / MAX_PAYLOAD {
        assert_eq!(mux.handle_message(base(), full.clone()), Ok(()));
        mux.check_invariants();
    }
    let beyond = mux.handle_message(base(), hex("00000001 03 00 0001 61"));
    assert_eq!(beyond, Err(Violation::BeyondCredit.into()));
    // The other stream has a credit of its own.
    let mut mux = victim(Role::Opener);
    mux.handle_message(base(), hex("00000001 02 00 0001 61 00000003 02 00 0001 61")).unwrap();
    for _ in 0..INITIAL_CREDIT as usize / MAX_PAYLOAD {
        mux.handle_message(base(), full.clone()).unwrap();
    }
    assert_eq!(mux.handle_message(base(), hex("00000003 03 00 0001 61")), Ok(()));
}

#[test]
fn credit_that_was_not_transmitted_yet_does_not_count() {
    let mut mux = victim(Role::Opener);
    mux.handle_message(base(), hex("00000001 02 00 0001 61")).unwrap();
    let full = hex("00000001 03 00 4000 61 x16384");
    for _ in 0..INITIAL_CREDIT as usize / MAX_PAYLOAD {
        mux.handle_message(base(), full.clone()).unwrap();
    }
    while mux.read(StreamId(1)).is_some() {}
    assert_eq!(mux.handle_message(base(), full), Err(Violation::BeyondCredit.into()));
}

#[test]
fn a_peer_that_makes_us_answer_faster_than_it_reads_is_a_flood() {
    let opens = |range: std::ops::Range<u32>| {
        let mut out = BytesMut::new();
        for index in range {
            let stream = StreamId(2 * index + 1);
            Frame::Open { stream, flags: Default::default(), head: Bytes::from("h") }.put(&mut out);
        }
        out.freeze()
    };
    // Two streams are accepted, 4096 refusals may wait.
    let mut mux = victim(Role::Acceptor);
    assert_eq!(mux.handle_message(base(), opens(0..4098)), Ok(()));
    assert_eq!(mux.handle_message(base(), opens(4098..4099)), Err(Violation::Flood.into()));
    // One that reads its refusals may go on.
    let mut mux = victim(Role::Acceptor);
    for round in 0..10 {
        assert_eq!(mux.handle_message(base(), opens(round * 4000..(round + 1) * 4000)), Ok(()));
        while mux.poll_transmit(base(), &mut BytesMut::new(), MAX_MESSAGE) {}
    }
    assert_eq!(mux.streams(), 2);
}

#[test]
fn bytes_that_are_not_frames_end_the_carrier() {
    for (message, error) in [
        ("00", FrameError::Truncated),
        ("00000001 0b 00 0000", FrameError::UnknownType(11)),
        ("00000001 03 00 0000", FrameError::Malformed(FrameType::Data)),
        ("00000001 06 00 0004 00000000", FrameError::Malformed(FrameType::Credit)),
        ("00000001 03 00 4001", FrameError::TooLarge(16_385)),
        (
            "00000001 07 00 0008 0000000000000001",
            FrameError::WrongStream { kind: FrameType::Ping, stream: StreamId(1) },
        ),
    ] {
        // What came before in the same message counts.
        let mut mux = victim(Role::Opener);
        let message = hex(&format!("00000001 02 00 0001 61 {message}"));
        assert_eq!(mux.handle_message(base(), message), Err(CarrierError::Frame(error)));
        assert_eq!(mux.read(StreamId(1)), Some(head("a")));
        mux.check_invariants();
    }
}

#[test]
fn frames_that_crossed_our_reset_are_no_violation() {
    let late = [
        "00000001 02 02 0001 61",
        "00000001 02 04 0001 61",
        "00000001 02 00 0001 61",
        "00000001 03 00 0002 6161",
        "00000001 04 00 0001 02",
        "00000001 06 00 0004 00000001",
        "00000001 05 00 0002 0001",
    ];
    for released in [false, true] {
        for skip in 0..late.len() {
            let mut mux = victim(Role::Opener);
            if released {
                mux.release(StreamId(1), ResetCode::Cancelled);
            } else {
                mux.reset(StreamId(1), ResetCode::Cancelled);
            }
            for message in &late[skip..] {
                assert_eq!(mux.handle_message(base(), hex(message)), Ok(()), "{message}");
                mux.check_invariants();
            }
            assert_eq!(mux.read(StreamId(1)), None);
            mux.release(StreamId(1), ResetCode::Cancelled);
            assert_eq!(mux.streams(), 1);
        }
    }
}

#[test]
fn what_came_before_the_peers_reset_is_read_and_what_comes_after_is_dropped() {
    let mut mux = victim(Role::Opener);
    mux.handle_message(base(), hex("00000001 02 00 0001 61 00000001 05 00 0002 0003")).unwrap();
    mux.handle_message(base(), hex("00000001 03 00 0001 61 00000001 04 00 0001 01")).unwrap();
    assert_eq!(mux.read(StreamId(1)), Some(head("a")));
    assert_eq!(mux.read(StreamId(1)), Some(Incoming::Reset(ResetCode::OriginRefused)));
    assert_eq!(mux.read(StreamId(1)), None);
    assert_eq!(mux.reset_code(StreamId(1)), Some(ResetCode::OriginRefused));
}

#[test]
fn a_head_that_never_became_whole_leaves_nothing_behind() {
    let mut mux = victim(Role::Acceptor);
    for index in 0..10_u32 {
        let stream = StreamId(2 * index + 1);
        let mut out = BytesMut::new();
        let flags = wingman_wire::frame::Flags(wingman_wire::frame::Flags::MORE);
        Frame::Open { stream, flags, head: Bytes::from("h") }.put(&mut out);
        mux.handle_message(base(), out.split().freeze()).unwrap();
        assert_eq!(mux.streams(), 1, "it counts while it may become whole");
        Frame::Reset { stream, code: ResetCode::Cancelled }.put(&mut out);
        mux.handle_message(base(), out.freeze()).unwrap();
        assert_eq!(mux.streams(), 0, "nobody was given it, so nobody can release it");
        assert_eq!(mux.poll_event(), None, "and nobody hears of it");
        mux.check_invariants();
    }
}

#[test]
fn a_head_in_parts_is_accepted_once_and_its_content_announced_after_a_read() {
    let mut mux = victim(Role::Acceptor);
    for message in ["00000001 01 02 0001 61", "00000001 01 02 0000", "00000001 01 00 0001 62"] {
        assert_eq!(mux.poll_event(), None);
        mux.handle_message(base(), hex(message)).unwrap();
    }
    mux.handle_message(base(), hex("00000001 03 00 0001 63 00000001 04 00 0001 01")).unwrap();
    assert_eq!(mux.poll_event(), Some(Event::Accepted(StreamId(1))));
    assert_eq!(mux.poll_event(), None, "told once");
    assert_eq!(mux.read(StreamId(1)), Some(head("ab")));
    assert_eq!(mux.read(StreamId(1)), Some(Incoming::Data(Bytes::from("c"))));
    assert_eq!(mux.read(StreamId(1)), Some(finish()));
    assert_eq!(mux.read(StreamId(1)), None);
}

/// The reader lags and the peer sends crumbs in large messages: what is kept must not keep the messages.
#[test]
fn small_slices_do_not_pin_their_messages() {
    let mut mux = victim(Role::Opener);
    mux.handle_message(base(), hex("00000001 02 00 0001 61")).unwrap();
    assert_eq!(mux.read(StreamId(1)), Some(head("a")));
    let mut messages = Vec::new();
    let mut sent = 0;
    for round in 0..200_u8 {
        let mut out = BytesMut::new();
        let length = [10, 16_383, 1, 700][usize::from(round % 4)];
        if sent + length > INITIAL_CREDIT as usize {
            break;
        }
        sent += length;
        let content = Bytes::from(vec![round; length]);
        Frame::Data { stream: StreamId(1), content }.put(&mut out);
        while out.len() < 50_000 {
            Frame::Pong(0).put(&mut out);
        }
        messages.push(out.freeze());
        mux.handle_message(base(), messages[messages.len() - 1].clone()).unwrap();
        mux.check_invariants();
    }
    let pins = |data: &Bytes| {
        messages.iter().any(|message| message.as_ptr_range().contains(&data.as_ptr()))
    };
    let (mut read, mut pinned, mut items, mut bytes) = (0, 0, 0, Vec::new());
    while let Some(Incoming::Data(data)) = mux.read(StreamId(1)) {
        read += data.len();
        pinned += usize::from(pins(&data));
        items += 1;
        assert!(data.len() <= MAX_PAYLOAD);
        bytes.extend_from_slice(&data);
    }
    assert_eq!(read, sent);
    assert!(sent > 200_000);
    assert!(pinned <= 1, "{pinned} of {items} items keep a message of 50 kB alive");
    assert!(items <= 2 * sent / MAX_PAYLOAD + 2, "{items} items: crumbs are joined");
    let mut expected = Vec::new();
    for (round, message) in messages.iter().enumerate() {
        let length = usize::from(u16::from_be_bytes([message[6], message[7]]));
        expected.extend(std::iter::repeat_n(round as u8, length));
    }
    assert!(bytes == expected, "joined in order");
}

#[test]
fn a_reader_that_keeps_up_gets_slices_without_a_copy() {
    let mut mux = victim(Role::Opener);
    mux.handle_message(base(), hex("00000001 02 00 0001 61")).unwrap();
    mux.read(StreamId(1));
    for _ in 0..5 {
        let message = hex("00000001 03 00 0003 616263");
        mux.handle_message(base(), message.clone()).unwrap();
        let Some(Incoming::Data(data)) = mux.read(StreamId(1)) else { panic!() };
        assert!(message.as_ptr_range().contains(&data.as_ptr()));
    }
}

#[test]
fn crumbs_beyond_number_stay_within_the_credit() {
    let mut mux = victim(Role::Opener);
    mux.handle_message(base(), hex("00000001 02 00 0001 61")).unwrap();
    let crumbs = hex("000000010300000161 x4096");
    for _ in 0..INITIAL_CREDIT as usize / 4096 {
        mux.handle_message(base(), crumbs.clone()).unwrap();
    }
    mux.check_invariants();
    assert!(mux.handle_message(base(), crumbs).is_err());
    let items: Vec<_> = std::iter::from_fn(|| mux.read(StreamId(1))).collect();
    assert!(items.len() <= 18, "{} items for 256 KiB", items.len());
}
