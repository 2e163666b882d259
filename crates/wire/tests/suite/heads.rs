//! `heads.json`.

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use wingman_wire::head::{FieldLines, HeadError, RequestHead, ResponseHead, Scheme, put_field};

use crate::vectors::{ByteString, Hex, kebab, load};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Heads {
    requests: Vec<Request>,
    invalid_requests: Vec<Invalid>,
    responses: Vec<Response>,
    invalid_responses: Vec<Invalid>,
    field_lines: Vec<Lines>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    name: String,
    hex: Hex,
    method: ByteString,
    scheme: String,
    authority: ByteString,
    target: ByteString,
    fields: Vec<(ByteString, ByteString)>,
    #[serde(default)]
    decode_only: bool,
}

#[derive(Deserialize)]
struct Response {
    name: String,
    hex: Hex,
    status: u16,
    fields: Vec<(ByteString, ByteString)>,
}

#[derive(Deserialize)]
struct Lines {
    name: String,
    hex: Hex,
    fields: Vec<(ByteString, ByteString)>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Invalid {
    name: String,
    hex: Hex,
    error: String,
    number: Option<u16>,
}

type Pair = (Bytes, Bytes);

fn pairs(fields: &[(ByteString, ByteString)]) -> Vec<Pair> {
    fields.iter().map(|(name, value)| (name.bytes(), value.bytes())).collect()
}

fn name_of(error: HeadError) -> String {
    match error {
        HeadError::Status(_) => "status".to_owned(),
        other => kebab(&other),
    }
}

fn put_fields(out: &mut BytesMut, fields: &[Pair]) {
    fields.iter().for_each(|(name, value)| put_field(out, name, value));
}

/// Rule 2 of the README: a cut head is truncated, or has fewer lines if a line ends at the cut.
fn check_cuts(name: &str, head: &Bytes, fields: &[Pair], decode: impl Fn(Bytes) -> Cut) {
    let mut ends = vec![head.len()];
    for count in (0..fields.len()).rev() {
        let mut line = BytesMut::new();
        put_fields(&mut line, &fields[count..=count]);
        ends.push(ends[ends.len() - 1] - line.len());
    }
    ends.reverse();
    for cut in 0..head.len() {
        let decoded = decode(head.slice(..cut));
        let whole_lines = ends.iter().position(|end| *end == cut);
        let expected = whole_lines.map_or(Err(HeadError::Truncated), |count| Ok(&fields[..count]));
        assert_eq!(decoded.as_deref(), expected.as_ref().copied(), "{name} cut to {cut}");
    }
}

type Cut = Result<Vec<Pair>, HeadError>;

#[test]
fn requests_decode_to_their_value_and_encode_to_their_bytes() {
    for entry in load::<Heads>("heads.json").requests {
        let bytes = entry.hex.bytes();
        let head = RequestHead::decode(bytes.clone()).expect(&entry.name);
        assert_eq!(head.method, entry.method.bytes(), "{}", entry.name);
        assert_eq!(head.scheme.as_str(), entry.scheme, "{}", entry.name);
        assert_eq!(head.authority, entry.authority.bytes(), "{}", entry.name);
        assert_eq!(head.target, entry.target.bytes(), "{}", entry.name);
        let fields: Vec<_> = head.fields.collect::<Result<_, _>>().expect(&entry.name);
        assert_eq!(fields, pairs(&entry.fields), "{}", entry.name);
        let mut out = BytesMut::new();
        let scheme = if entry.scheme == "https" { Scheme::Https } else { Scheme::Http };
        RequestHead::put(&mut out, &head.method, scheme, &head.authority, &head.target);
        put_fields(&mut out, &fields);
        assert_eq!(out == bytes, !entry.decode_only, "{}", entry.name);
        check_cuts(&entry.name, &bytes, &fields, |cut| RequestHead::decode(cut)?.fields.collect());
    }
}

#[test]
fn responses_decode_to_their_value_and_encode_to_their_bytes() {
    for entry in load::<Heads>("heads.json").responses {
        let bytes = entry.hex.bytes();
        let head = ResponseHead::decode(bytes.clone()).expect(&entry.name);
        assert_eq!(head.status, entry.status, "{}", entry.name);
        let fields: Vec<_> = head.fields.collect::<Result<_, _>>().expect(&entry.name);
        assert_eq!(fields, pairs(&entry.fields), "{}", entry.name);
        let mut out = BytesMut::new();
        ResponseHead::put(&mut out, entry.status);
        put_fields(&mut out, &fields);
        assert_eq!(out, bytes, "{}", entry.name);
        check_cuts(&entry.name, &bytes, &fields, |cut| ResponseHead::decode(cut)?.fields.collect());
    }
}

#[test]
fn hostile_heads_have_their_named_errors() {
    let heads: Heads = load("heads.json");
    for entry in heads.invalid_requests {
        let error = RequestHead::decode(entry.hex.bytes()).expect_err(&entry.name);
        assert_eq!(name_of(error), entry.error, "{}", entry.name);
    }
    for entry in heads.invalid_responses {
        let error = ResponseHead::decode(entry.hex.bytes()).expect_err(&entry.name);
        assert_eq!(name_of(error), entry.error, "{}", entry.name);
        if let HeadError::Status(number) = error {
            assert_eq!(Some(number), entry.number, "{}", entry.name);
        }
    }
}

#[test]
fn field_lines_are_read_up_to_the_first_bad_one() {
    for entry in load::<Heads>("heads.json").field_lines {
        let bytes = entry.hex.bytes();
        let mut lines = FieldLines::new(bytes.clone());
        let mut read = Vec::new();
        let mut failed = None;
        for line in &mut lines {
            assert_eq!(failed, None, "{}: nothing follows an error", entry.name);
            match line {
                Ok(line) => read.push(line),
                Err(error) => failed = Some(name_of(error)),
            }
        }
        assert_eq!(read, pairs(&entry.fields), "{}", entry.name);
        assert_eq!(failed, entry.error, "{}", entry.name);
        assert!(lines.next().is_none(), "{}: it stays at its end", entry.name);
        if entry.error.is_none() {
            let mut out = BytesMut::new();
            put_fields(&mut out, &read);
            assert_eq!(out, bytes, "{}", entry.name);
        }
        // A request, a response and trailers share the field lines.
        let mut head = BytesMut::from(&b"\x01G\x00\x00\x01*"[..]);
        head.extend_from_slice(&bytes);
        let result: Result<Vec<_>, _> =
            RequestHead::decode(head.freeze()).expect(&entry.name).fields.collect();
        assert_eq!(result.map_err(name_of).err(), entry.error, "{}", entry.name);
    }
}

#[test]
fn every_byte_is_judged_as_rfc_9110_says() {
    for byte in 0..=255_u8 {
        let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let method = Bytes::from(vec![1, byte, 0, 0, 1, b'*']);
        assert_eq!(RequestHead::decode(method).is_ok(), token, "method {byte:#04x}");
        let line = |bytes: Vec<u8>| FieldLines::new(bytes.into()).next().unwrap();
        let name = line(vec![1, byte, 1, b'x']);
        assert_eq!(name.is_ok(), token && !byte.is_ascii_uppercase(), "name {byte:#04x}");
        let value = line(vec![1, b'a', 3, b'x', byte, b'y']);
        let visible = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        assert_eq!(value.is_ok(), visible, "value {byte:#04x}");
        let target = Bytes::from(vec![1, b'G', 0, 0, 2, b'/', byte]);
        let graphic = byte > b' ' && byte != 0x7f;
        assert_eq!(RequestHead::decode(target).is_ok(), graphic, "target {byte:#04x}");
        let authority = Bytes::from(vec![1, b'G', 0, 1, byte, 1, b'/']);
        let ascii = byte.is_ascii_graphic();
        assert_eq!(RequestHead::decode(authority).is_ok(), ascii, "authority {byte:#04x}");
    }
}
