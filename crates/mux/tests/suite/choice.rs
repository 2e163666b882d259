//! Where random tests get their decisions from: a seed, or bytes (of a fuzzer, or shrunk by proptest).

/// A source of decisions.
pub(crate) trait Choice {
    /// A number below `bound` (0 if that is 0).
    fn below(&mut self, bound: usize) -> usize;

    /// Nothing is left: the run comes to its end.
    fn is_spent(&self) -> bool;

    /// True once in `times`.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 1 % times.max(1)
    }

    /// One of some.
    fn one_of<T: Copy>(&mut self, some: &[T]) -> T {
        some[self.below(some.len())]
    }
}

/// Splitmix64; ends after so many decisions.
pub(crate) struct Seeded {
    state: u64,
    left: usize,
}

impl Seeded {
    pub(crate) fn new(seed: u64, decisions: usize) -> Self {
        Self { state: seed, left: decisions }
    }
}

impl Choice for Seeded {
    fn below(&mut self, bound: usize) -> usize {
        self.left = self.left.saturating_sub(1);
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) as usize % bound.max(1)
    }

    fn is_spent(&self) -> bool {
        self.left == 0
    }
}

/// As many bytes per decision as it needs; zeros once they are used up.
pub(crate) struct Scripted<'a>(pub(crate) &'a [u8]);

impl Choice for Scripted<'_> {
    fn below(&mut self, bound: usize) -> usize {
        let (mut number, mut reach) = (0_usize, 1_usize);
        while reach < bound {
            let Some((first, rest)) = self.0.split_first() else { break };
            self.0 = rest;
            number = (number << 8) | usize::from(*first);
            reach <<= 8;
        }
        number % bound.max(1)
    }

    fn is_spent(&self) -> bool {
        self.0.is_empty()
    }
}
