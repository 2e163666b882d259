//! At which addresses pages may reach this machine.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use rtc::shared::ifaces::ifaces;

/// This machine's addresses that are worth offering, with port 0, the best one first; as of now, for networks come and
/// go.
///
/// Loopback is offered to pages of an edge on this machine, and where there is nothing else: to a page elsewhere
/// it would only be an address of its own.
pub(super) fn local(with_loopback: bool) -> Vec<SocketAddr> {
    let interfaces = ifaces().unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot list the network's interfaces");
        Vec::new()
    });
    let found = interfaces.into_iter().filter_map(|interface| interface.addr);
    // Pages elsewhere are behind the default route. IPv6 has no translation on its way (RFC 8421 §4 prefers it as well).
    let routes = [OUTSIDE_V6, OUTSIDE_V4].into_iter().filter_map(|outside| towards(outside).ok());
    select(routes.chain(found), with_loopback)
}

/// From which address this machine would reach `outside`; nothing is sent.
fn towards(outside: (IpAddr, u16)) -> io::Result<SocketAddr> {
    let any = if outside.0.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        IpAddr::from(Ipv6Addr::UNSPECIFIED)
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(outside)?;
    socket.local_addr()
}

fn select(found: impl IntoIterator<Item = SocketAddr>, with_loopback: bool) -> Vec<SocketAddr> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    let mut loopback: Vec<IpAddr> = Vec::new();
    for ip in found.into_iter().map(|address| address.ip()) {
        let list = if ip.is_loopback() { &mut loopback } else { &mut addresses };
        if !list.contains(&ip) && is_reachable(ip) {
            list.push(ip);
        }
    }
    addresses.truncate(MAX_ADDRESSES);
    if with_loopback || addresses.is_empty() {
        addresses.append(&mut loopback);
    }
    addresses.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect()
}

/// Link-local addresses need a scope, which candidates cannot say.
fn is_reachable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_link_local() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_unicast_link_local() && !ip.is_unspecified(),
    }
}

/// Somewhere in the internet: addresses of documentation (RFC 5737, RFC 3849).
const OUTSIDE_V4: (IpAddr, u16) = (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);
const OUTSIDE_V6: (IpAddr, u16) = (IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), 9);
/// Each is one more for every candidate of the page to be checked with.
const MAX_ADDRESSES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(found: &[&str], with_loopback: bool) -> Vec<String> {
        let found = found.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0));
        select(found, with_loopback).iter().map(|address| address.ip().to_string()).collect()
    }

    #[test]
    fn loopback_is_for_this_machine_only() {
        let all = ["127.0.0.1", "192.0.2.1", "::1", "2001:db8::1"];
        assert_eq!(selected(&all, false), ["192.0.2.1", "2001:db8::1"]);
        assert_eq!(selected(&all, true), ["192.0.2.1", "2001:db8::1", "127.0.0.1", "::1"]);
        assert_eq!(selected(&["127.0.0.1"], false), ["127.0.0.1"], "nothing else is there");
    }

    #[test]
    fn what_cannot_be_reached_or_is_too_much_is_left_out() {
        assert_eq!(
            selected(&["fe80::1", "169.254.1.1", "192.0.2.1", "192.0.2.1"], false),
            ["192.0.2.1"]
        );
        let many: Vec<String> = (0..100).map(|n| format!("192.0.2.{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(selected(&many, false).len(), MAX_ADDRESSES);
    }

    #[test]
    fn this_machine_has_an_address() {
        assert!(!local(true).is_empty());
    }
}
