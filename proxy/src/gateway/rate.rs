//! How many requests a source may send in a second.

use std::{net::IpAddr, time::Duration};

use pingora_limits::rate::Rate;

use crate::source;

/// A count-min sketch of constant size: many addresses cannot make it grow, and it may count one of them
/// too high but never too low.
pub(super) struct RequestRate {
    rate: Rate,
    max: isize,
}

impl RequestRate {
    pub(super) fn new(max: u32) -> Self {
        let max = isize::try_from(max).unwrap_or(isize::MAX);
        Self { rate: Rate::new(Duration::from_secs(1)), max }
    }

    /// Counts a request and says whether it may pass.
    pub(super) fn admits(&self, address: IpAddr) -> bool {
        self.rate.observe(&source::of(address), 1) <= self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_above_the_limit_is_refused_and_others_are_not() {
        let rate = RequestRate::new(3);
        let [one, other]: [IpAddr; 2] = [[127, 0, 0, 1].into(), [127, 0, 0, 2].into()];
        assert_eq!([(); 4].map(|()| rate.admits(one)), [true, true, true, false]);
        assert!(rate.admits(other));
    }

    #[test]
    fn a_network_is_counted_together() {
        let rate = RequestRate::new(3);
        let admitted = (1..=9_u16)
            .filter(|n| rate.admits(IpAddr::from([0x2001, 0xdb8, 0, 7, *n, 0, 0, *n])))
            .count();
        assert_eq!(admitted, 3);
    }
}
