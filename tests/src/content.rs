//! Content that both ends can make up: byte `n` is a function of `n`.

use std::sync::OnceLock;

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// Not a power of two, so that no frame or buffer of a round size looks like another one.
const PERIOD: usize = 1_048_573;

/// The bytes from `offset` on, at most `length` of them, at least one.
pub fn piece(offset: u64, length: usize) -> Bytes {
    let start = usize::try_from(offset % PERIOD as u64).expect("is below the period");
    table().slice(start..PERIOD.min(start + length))
}

/// Whole content of this length.
pub fn whole(length: usize) -> Vec<u8> {
    let mut all = Vec::with_capacity(length);
    while all.len() < length {
        all.extend_from_slice(&piece(all.len() as u64, length - all.len()));
    }
    all
}

/// Takes content piece by piece: how much, and its SHA-256.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    length: u64,
    hash: Sha256,
}

impl Tally {
    /// Takes the next piece.
    pub fn take(&mut self, piece: &[u8]) {
        self.length += piece.len() as u64;
        self.hash.update(piece);
    }

    /// Bytes so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The SHA-256 of all of them.
    pub fn hash(self) -> String {
        self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn table() -> Bytes {
    static TABLE: OnceLock<Bytes> = OnceLock::new();
    let make = || {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            // xorshift64: content that does not compress and does not repeat.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        (0..PERIOD).map(|_| next()).collect()
    };
    TABLE.get_or_init(make).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_the_whole() {
        let all = whole(3 * PERIOD + 17);
        assert_eq!(all[PERIOD..PERIOD + 100], all[..100]);
        for offset in [0, 1, PERIOD - 1, PERIOD, 2 * PERIOD + 5] {
            let piece = piece(offset as u64, 64);
            assert_eq!(all[offset..offset + piece.len()], piece);
        }
        let mut tally = Tally::default();
        all.chunks(1000).for_each(|piece| tally.take(piece));
        assert_eq!(tally.length(), all.len() as u64);
        let hash: String = Sha256::digest(&all).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(tally.hash(), hash);
    }
}
