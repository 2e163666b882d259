//! `frames.json`.

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use wingman_wire::{
    code::ResetCode,
    frame::{
        self, Flags, Frame, FrameError, FrameType, HEADER_LEN, MAX_PAYLOAD, MAX_TRAILERS, StreamId,
    },
};

use crate::vectors::{ByteString, Decimal, Hex, kebab, load};

#[derive(Deserialize)]
struct Frames {
    valid: Vec<Valid>,
    invalid: Vec<Invalid>,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Valid {
    name: String,
    hex: Hex,
    frame: Described,
    #[serde(default)]
    decode_only: bool,
}

#[derive(Deserialize)]
struct Invalid {
    name: String,
    hex: Hex,
    #[serde(flatten)]
    error: Failure,
}

#[derive(Deserialize)]
struct Message {
    name: String,
    hex: Hex,
    frames: Vec<Described>,
    #[serde(flatten)]
    error: Option<Failure>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Described {
    Open { stream: u32, flags: Vec<String>, payload: ByteString },
    Head { stream: u32, flags: Vec<String>, payload: ByteString },
    Data { stream: u32, payload: ByteString },
    Finish { stream: u32, total: Decimal, payload: ByteString },
    Reset { stream: u32, code: String },
    Credit { stream: u32, bytes: u32 },
    Ping { token: Decimal },
    Pong { token: Decimal },
    Drain,
    Control { payload: ByteString },
}

#[derive(Deserialize)]
struct Failure {
    error: String,
    number: Option<u16>,
    r#type: Option<String>,
    flags: Option<u8>,
    stream: Option<u32>,
}

impl Described {
    fn frame(&self) -> Frame {
        match self {
            Self::Open { stream, flags: names, payload } => Frame::Open {
                stream: StreamId(*stream),
                flags: flags(names),
                head: payload.bytes(),
            },
            Self::Head { stream, flags: names, payload } => Frame::Head {
                stream: StreamId(*stream),
                flags: flags(names),
                head: payload.bytes(),
            },
            Self::Data { stream, payload } => {
                Frame::Data { stream: StreamId(*stream), content: payload.bytes() }
            }
            Self::Finish { stream, total, payload } => Frame::Finish {
                stream: StreamId(*stream),
                total: total.value(),
                trailers: payload.bytes(),
            },
            Self::Reset { stream, code: name } => {
                let code = ResetCode::ALL.into_iter().find(|code| kebab(code) == *name);
                Frame::Reset { stream: StreamId(*stream), code: code.expect(name) }
            }
            Self::Credit { stream, bytes } => {
                Frame::Credit { stream: StreamId(*stream), bytes: *bytes }
            }
            Self::Ping { token } => Frame::Ping(token.value()),
            Self::Pong { token } => Frame::Pong(token.value()),
            Self::Drain => Frame::Drain,
            Self::Control { payload } => Frame::Control(payload.bytes()),
        }
    }
}

fn flags(names: &[String]) -> Flags {
    Flags(names.iter().fold(0, |flags, name| {
        flags
            | match name.as_str() {
                "end" => Flags::END,
                "more" => Flags::MORE,
                "interim" => Flags::INTERIM,
                other => panic!("unknown flag {other}"),
            }
    }))
}

fn kind(name: &str) -> FrameType {
    FrameType::ALL.into_iter().find(|kind| kebab(kind) == name).expect(name)
}

impl Failure {
    fn error(&self) -> FrameError {
        match self.error.as_str() {
            "truncated" => FrameError::Truncated,
            "unknown-type" => FrameError::UnknownType(self.number.unwrap().try_into().unwrap()),
            "too-large" => FrameError::TooLarge(self.number.unwrap()),
            "unknown-flags" => FrameError::UnknownFlags {
                kind: kind(self.r#type.as_ref().unwrap()),
                flags: self.flags.unwrap(),
            },
            "wrong-stream" => FrameError::WrongStream {
                kind: kind(self.r#type.as_ref().unwrap()),
                stream: StreamId(self.stream.unwrap()),
            },
            "malformed" => FrameError::Malformed(kind(self.r#type.as_ref().unwrap())),
            other => panic!("unknown error {other}"),
        }
    }
}

fn encode(frame: &Frame) -> Bytes {
    let mut out = BytesMut::new();
    frame.put(&mut out);
    out.freeze()
}

#[test]
fn valid_frames_decode_to_their_value_and_encode_to_their_bytes() {
    let frames: Frames = load("frames.json");
    for entry in &frames.valid {
        let bytes = entry.hex.bytes();
        let mut message = bytes.clone();
        let frame = Frame::take(&mut message).expect(&entry.name).expect(&entry.name);
        assert_eq!(frame, entry.frame.frame(), "{}", entry.name);
        assert!(message.is_empty(), "{}: all of it is used", entry.name);
        let encoded = encode(&frame);
        assert_eq!(encoded == bytes, !entry.decode_only, "{}", entry.name);
        let declared = u16::from_be_bytes([encoded[6], encoded[7]]);
        assert_eq!(usize::from(declared) + HEADER_LEN, encoded.len(), "{}: length", entry.name);
    }
    for kind in FrameType::ALL {
        let name = kebab(&kind);
        let number = kind as u8;
        assert!(
            frames.valid.iter().any(|entry| entry.hex.bytes()[4] == number),
            "{name} has no vector"
        );
    }
}

#[test]
fn a_valid_frame_cut_anywhere_is_truncated() {
    for entry in load::<Frames>("frames.json").valid {
        let bytes = entry.hex.bytes();
        for cut in 1..bytes.len() {
            let error = Frame::take(&mut bytes.slice(..cut));
            assert_eq!(error, Err(FrameError::Truncated), "{} cut to {cut}", entry.name);
        }
        assert_eq!(Frame::take(&mut bytes.slice(..0)), Ok(None));
    }
}

#[test]
fn hostile_frames_have_their_named_errors() {
    for entry in load::<Frames>("frames.json").invalid {
        let mut message = entry.hex.bytes();
        assert_eq!(Frame::take(&mut message), Err(entry.error.error()), "{}", entry.name);
    }
}

#[test]
fn messages_are_runs_of_frames() {
    for entry in load::<Frames>("frames.json").messages {
        let mut message = entry.hex.bytes();
        for described in &entry.frames {
            assert_eq!(Frame::take(&mut message), Ok(Some(described.frame())), "{}", entry.name);
        }
        let end = entry.error.map_or(Ok(None), |failure| Err(failure.error()));
        assert_eq!(Frame::take(&mut message), end, "{}", entry.name);
    }
}

#[test]
fn decoded_payloads_are_slices_of_the_message() {
    let mut message = encode(&Frame::Data { stream: StreamId(1), content: Bytes::from("hello") });
    let place = message[HEADER_LEN..].as_ptr();
    let Ok(Some(Frame::Data { content, .. })) = Frame::take(&mut message) else { panic!() };
    assert_eq!(content.as_ptr(), place, "no copy");
}

#[test]
fn the_short_cuts_write_the_same_bytes_as_the_frames() {
    let mut out = BytesMut::new();
    frame::put_data(&mut out, StreamId(7), b"hello");
    let content = Bytes::from("hello");
    assert_eq!(out, encode(&Frame::Data { stream: StreamId(7), content }));
    for total in [0, 63, 64, 16_383, 16_384, (1 << 30) - 1, 1 << 30, (1 << 62) - 1] {
        for trailers in [Bytes::new(), Bytes::from(vec![b'a'; MAX_TRAILERS])] {
            let mut out = BytesMut::new();
            frame::put_finish(&mut out, StreamId(7), total, &trailers);
            assert!(out.len() <= MAX_PAYLOAD + HEADER_LEN);
            let finish = Frame::Finish { stream: StreamId(7), total, trailers };
            assert_eq!(out, encode(&finish));
            assert_eq!(Frame::take(&mut out.freeze()), Ok(Some(finish)));
        }
    }
}

#[test]
fn trailers_are_checked_as_field_lines() {
    assert_eq!(frame::check_trailers(&Bytes::new()), Ok(()));
    assert_eq!(frame::check_trailers(&Bytes::from("\x01a\x011\x01b\x012")), Ok(()));
    let bad = Bytes::from("\x01a\x011\x01B\x012");
    assert_eq!(frame::check_trailers(&bad), Err(wingman_wire::head::HeadError::FieldName));
}
