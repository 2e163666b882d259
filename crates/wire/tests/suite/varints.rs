//! `varints.json`.

use serde::Deserialize;
use wingman_wire::varint;

use crate::vectors::{Decimal, Hex, load};

#[derive(Deserialize)]
struct Varints {
    valid: Vec<Valid>,
    invalid: Vec<Invalid>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Valid {
    hex: Hex,
    value: Decimal,
    #[serde(default)]
    decode_only: bool,
}

#[derive(Deserialize)]
struct Invalid {
    hex: Hex,
    error: String,
}

#[test]
fn integers_are_those_of_the_vectors() {
    let varints: Varints = load("varints.json");
    for entry in varints.valid {
        let bytes = entry.hex.bytes();
        let mut input = &bytes[..];
        assert_eq!(varint::take(&mut input), Some(entry.value.value()), "{:?}", entry.hex);
        assert!(input.is_empty(), "{:?}: all of it is used", entry.hex);
        let mut followed = [&bytes[..], &[0xff; 9]].concat();
        let mut input = &followed[..];
        assert_eq!(varint::take(&mut input), Some(entry.value.value()));
        assert_eq!(input.len(), 9, "{:?}: nothing more is used", entry.hex);
        followed.clear();
        varint::put(&mut followed, entry.value.value());
        assert_eq!(followed == bytes, !entry.decode_only, "{:?}", entry.hex);
    }
    for entry in varints.invalid {
        let bytes = entry.hex.bytes();
        let mut input = &bytes[..];
        assert_eq!(entry.error, "truncated");
        assert_eq!(varint::take(&mut input), None, "{:?}", entry.hex);
    }
}

#[test]
fn an_integer_over_two_chunks_of_a_buffer_is_read() {
    use bytes::Buf;
    let mut input = (&[0x7b][..]).chain(&[0xbd, 0x25][..]);
    assert_eq!(varint::take(&mut input), Some(15_293));
    assert_eq!(varint::take(&mut input), Some(37));
    assert_eq!(varint::take(&mut input), None);
}
