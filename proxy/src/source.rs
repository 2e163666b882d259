//! Whom an address stands for, where something is limited by address.

use std::net::IpAddr;

/// The address itself, or the network of an IPv6 address: a household has a whole /64 and its machines change
/// their addresses in it at will.
pub fn of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let mut octets = address.octets();
            octets[8..].fill(0);
            octets.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_a_network_are_one_source() {
        let source = |address: &str| of(address.parse().unwrap()).to_string();
        assert_eq!(source("2001:db8:0:7:1:2:3:4"), "2001:db8:0:7::");
        assert_eq!(source("2001:db8:0:7::"), source("2001:db8:0:7:ffff:ffff:ffff:ffff"));
        assert_ne!(source("2001:db8:0:7::1"), source("2001:db8:0:8::1"));
        assert_eq!(source("192.0.2.9"), "192.0.2.9");
        assert_eq!(source("::ffff:192.0.2.9"), "192.0.2.9");
    }
}
