//! Variable-length integers of RFC 9000 §16: the two top bits of the first byte give the length.

use bytes::{Buf, BufMut};

/// The largest value that fits, 2^62 - 1.
pub const MAX: u64 = (1 << 62) - 1;

/// Appends `value` in its shortest form; values above [`MAX`] are a caller's fault and saturate.
pub fn put(out: &mut impl BufMut, value: u64) {
    match value.min(MAX) {
        v @ 0..0x40 => out.put_uint(v, 1),
        v @ 0x40..0x4000 => out.put_uint(v | 0x4000, 2),
        v @ 0x4000..0x4000_0000 => out.put_uint(v | 0x8000_0000, 4),
        v => out.put_uint(v | 0xc000_0000_0000_0000, 8),
    }
}

/// Takes one integer off the front, or `None` when the input ends inside it.
pub fn take(input: &mut impl Buf) -> Option<u64> {
    let first = *input.chunk().first()?;
    let length = 1_usize << (first >> 6);
    if input.remaining() < length {
        return None;
    }
    let mask = match length {
        1 => 0x3f,
        2 => 0x3fff,
        4 => 0x3fff_ffff,
        _ => MAX,
    };
    Some(input.get_uint(length) & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_rfc_9000_appendix_a_1() {
        for (value, hex) in [
            (37, &[0x25][..]),
            (15_293, &[0x7b, 0xbd]),
            (494_878_333, &[0x9d, 0x7f, 0x3e, 0x7d]),
            (151_288_809_941_952_652, &[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c]),
        ] {
            let mut out = Vec::new();
            put(&mut out, value);
            assert_eq!(out, hex);
            assert_eq!(take(&mut &hex[..]), Some(value));
            for cut in 0..hex.len() {
                assert_eq!(take(&mut &hex[..cut]), None, "cut at {cut}");
            }
        }
    }

    #[test]
    fn longer_forms_are_understood_and_too_large_values_saturate() {
        assert_eq!(take(&mut &[0x40, 0x25][..]), Some(37));
        let mut out = Vec::new();
        put(&mut out, u64::MAX);
        assert_eq!(take(&mut &out[..]), Some(MAX));
    }
}
