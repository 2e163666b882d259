//! Round trips of random values, and mangled bytes.

use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, prelude::*};
use wingman_wire::{
    code::ResetCode,
    control::{self, EdgeToHost, HostToEdge},
    frame::{Flags, Frame, HEADER_LEN, MAX_PAYLOAD, StreamId},
    head::{FieldLines, RequestHead, ResponseHead, Scheme, put_field},
    varint,
};

fn payload() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        vec(any::<u8>(), 0..64),
        vec(any::<u8>(), 0..=MAX_PAYLOAD),
        Just(vec![0; MAX_PAYLOAD])
    ]
    .prop_map(Bytes::from)
}

fn frame() -> impl Strategy<Value = Frame> {
    let stream = || (1..=u32::MAX).prop_map(StreamId);
    let code = (0..ResetCode::ALL.len()).prop_map(|index| ResetCode::ALL[index]);
    prop_oneof![
        (stream(), 0..=3_u8, payload()).prop_map(|(stream, flags, head)| Frame::Open {
            stream,
            flags: Flags(flags),
            head
        }),
        (stream(), 0..=7_u8, payload()).prop_map(|(stream, flags, head)| Frame::Head {
            stream,
            flags: Flags(flags),
            head
        }),
        (stream(), payload())
            .prop_filter("never empty", |(_, content)| !content.is_empty())
            .prop_map(|(stream, content)| Frame::Data { stream, content }),
        (stream(), 0..=varint::MAX, vec(any::<u8>(), 0..100)).prop_map(
            |(stream, total, trailers)| Frame::Finish { stream, total, trailers: trailers.into() }
        ),
        (stream(), code).prop_map(|(stream, code)| Frame::Reset { stream, code }),
        (stream(), 1..=u32::MAX).prop_map(|(stream, bytes)| Frame::Credit { stream, bytes }),
        any::<u64>().prop_map(Frame::Ping),
        any::<u64>().prop_map(Frame::Pong),
        Just(Frame::Drain),
        payload().prop_map(Frame::Control),
    ]
}

/// One change to bytes that were right.
#[derive(Clone, Debug)]
enum Mangle {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
}

fn mangle() -> impl Strategy<Value = Mangle> {
    let index = || any::<prop::sample::Index>();
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Mangle::Set(at, byte)),
        index().prop_map(Mangle::Cut),
        (index(), any::<u8>()).prop_map(|(at, byte)| Mangle::Insert(at, byte)),
        index().prop_map(Mangle::Remove),
    ]
}

fn apply(bytes: &mut Vec<u8>, mangle: &Mangle) {
    if bytes.is_empty() {
        return;
    }
    match mangle {
        Mangle::Set(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Mangle::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Mangle::Insert(at, byte) => bytes.insert(at.index(bytes.len()), *byte),
        Mangle::Remove(at) => {
            bytes.remove(at.index(bytes.len()));
        }
    }
}

/// Decodes a message as a receiver does; whatever decodes must encode to something that decodes alike.
fn survive(mut message: Bytes) {
    let mut rest = message.len();
    while let Ok(Some(frame)) = Frame::take(&mut message) {
        assert!(message.len() + HEADER_LEN <= rest, "each frame uses its header at least");
        rest = message.len();
        let mut out = BytesMut::new();
        frame.put(&mut out);
        assert_eq!(Frame::take(&mut out.freeze()), Ok(Some(frame)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_round_trip(frames in vec(frame(), 0..8)) {
        let mut out = BytesMut::new();
        for frame in &frames {
            let before = out.len();
            frame.put(&mut out);
            let declared = u16::from_be_bytes([out[before + 6], out[before + 7]]);
            prop_assert_eq!(usize::from(declared) + HEADER_LEN, out.len() - before);
        }
        let mut message = out.freeze();
        for frame in frames {
            prop_assert_eq!(Frame::take(&mut message), Ok(Some(frame)));
        }
        prop_assert_eq!(Frame::take(&mut message), Ok(None));
    }

    #[test]
    fn mangled_frames_do_no_harm(
        frames in vec(frame(), 1..4),
        mangles in vec(mangle(), 1..4),
    ) {
        let mut out = BytesMut::new();
        frames.iter().for_each(|frame| frame.put(&mut out));
        let mut bytes = out.to_vec();
        mangles.iter().for_each(|mangle| apply(&mut bytes, mangle));
        survive(bytes.into());
    }

    #[test]
    fn noise_does_no_harm(bytes in vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        survive(bytes.clone());
        // A line is two bytes at least, and an error is the last item.
        let most = bytes.len() / 2 + 1;
        let count = |fields: FieldLines| fields.take(most + 1).count();
        let request = RequestHead::decode(bytes.clone()).map_or(0, |head| count(head.fields));
        let response = ResponseHead::decode(bytes.clone()).map_or(0, |head| count(head.fields));
        prop_assert!(request.max(response).max(count(FieldLines::new(bytes.clone()))) <= most);
        let _ = control::decode::<HostToEdge>(&bytes);
        let _ = control::decode::<EdgeToHost>(&bytes);
        let _ = varint::take(&mut &bytes[..]);
    }

    #[test]
    fn integers_round_trip_in_the_shortest_form(value in 0..=varint::MAX, shift in 0..62_u32) {
        let value = value >> shift;
        let mut out = Vec::new();
        varint::put(&mut out, value);
        let shortest = match value {
            0..=63 => 1,
            64..=16_383 => 2,
            16_384..=1_073_741_823 => 4,
            _ => 8,
        };
        prop_assert_eq!(out.len(), shortest);
        let mut input = &out[..];
        prop_assert_eq!(varint::take(&mut input), Some(value));
        prop_assert!(input.is_empty());
    }

    #[test]
    fn requests_round_trip(
        method in "[!#$%&'*+.^_`|~0-9a-zA-Z-]{1,20}",
        https in any::<bool>(),
        authority in "[!-~]{0,80}",
        target in "[!-~\u{80}-\u{2000}]{1,200}",
        fields in vec(("[!#$%&'*+.^_`|~0-9a-z-]{1,70}", "[ -~\t\u{80}-\u{300}]{0,100}"), 0..20),
        mangles in vec(mangle(), 1..4),
    ) {
        let scheme = if https { Scheme::Https } else { Scheme::Http };
        let mut out = BytesMut::new();
        RequestHead::put(
            &mut out, method.as_bytes(), scheme, authority.as_bytes(), target.as_bytes(),
        );
        for (name, value) in &fields {
            put_field(&mut out, name.as_bytes(), value.as_bytes());
        }
        let encoded = out.freeze();
        let head = RequestHead::decode(encoded.clone()).unwrap();
        prop_assert_eq!(&head.method[..], method.as_bytes());
        prop_assert_eq!(head.scheme, scheme);
        prop_assert_eq!(&head.authority[..], authority.as_bytes());
        prop_assert_eq!(&head.target[..], target.as_bytes());
        let read: Vec<_> = head.fields.map(Result::unwrap).collect();
        let expected: Vec<_> = fields
            .iter()
            .map(|(name, value)| (Bytes::from(name.clone()), Bytes::from(value.clone())))
            .collect();
        prop_assert_eq!(read, expected);
        let mut bytes = encoded.to_vec();
        mangles.iter().for_each(|mangle| apply(&mut bytes, mangle));
        if let Ok(head) = RequestHead::decode(bytes.into()) {
            // What passes is harmless in a request line, however it came about.
            prop_assert!(!head.target.iter().chain(&head.method).any(u8::is_ascii_control));
            for line in head.fields.map_while(Result::ok) {
                prop_assert!(!line.0.iter().chain(&line.1).any(|byte| b"\r\n\0".contains(byte)));
            }
        }
    }

    #[test]
    fn responses_round_trip(
        status in 100..=599_u16,
        fields in vec(("[a-z-]{1,20}", "[ -~]{0,100}"), 0..20),
    ) {
        let mut out = BytesMut::new();
        ResponseHead::put(&mut out, status);
        for (name, value) in &fields {
            put_field(&mut out, name.as_bytes(), value.as_bytes());
        }
        let head = ResponseHead::decode(out.freeze()).unwrap();
        prop_assert_eq!(head.status, status);
        let read: Vec<_> = head.fields.map(Result::unwrap).collect();
        let expected: Vec<_> = fields
            .iter()
            .map(|(name, value)| (Bytes::from(name.clone()), Bytes::from(value.clone())))
            .collect();
        prop_assert_eq!(read, expected);
    }
}
