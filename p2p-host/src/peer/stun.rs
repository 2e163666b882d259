//! As much of STUN (RFC 8489) as is needed to tell datagrams of one socket apart.

/// The id by which a response belongs to its request.
pub(super) type TransactionId = [u8; 12];

/// What a STUN message is to whoever passes it on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stun<'a> {
    /// A request or indication; `ufrag` is of the agent it is for (RFC 8445 §7.2.2), if it is a check.
    Request { transaction: TransactionId, ufrag: Option<&'a str> },
    /// A response.
    Response { transaction: TransactionId, success: bool },
}

impl<'a> Stun<'a> {
    /// `None`: not STUN, but DTLS.
    pub(super) fn parse(datagram: &'a [u8]) -> Option<Self> {
        let (head, mut attributes) = datagram.split_first_chunk::<20>()?;
        let [t0, t1, l0, l1, c0, c1, c2, c3, transaction @ ..] = *head;
        if t0 & 0xc0 != 0 || [c0, c1, c2, c3] != MAGIC_COOKIE {
            return None;
        }
        if usize::from(u16::from_be_bytes([l0, l1])) != attributes.len() {
            return None;
        }
        // The class is two bits in the middle of the type.
        if t0 & 1 == 1 {
            return Some(Self::Response { transaction, success: t1 & 0x10 == 0 });
        }
        let mut ufrag = None;
        while let Some((head, rest)) = attributes.split_first_chunk::<4>() {
            let [a0, a1, l0, l1] = *head;
            let length = usize::from(u16::from_be_bytes([l0, l1]));
            let Some(value) = rest.get(..length) else { break };
            if u16::from_be_bytes([a0, a1]) == USERNAME {
                let name = std::str::from_utf8(value).ok()?;
                ufrag = name.split_once(':').map(|(ours, _)| ours);
                break;
            }
            // Values are padded to four bytes.
            attributes = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Some(Self::Request { transaction, ufrag })
    }
}

const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const USERNAME: u16 = 0x0006;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A STUN message of type `kind` with these attributes.
    pub(in crate::peer) fn message(
        kind: u16,
        transaction: TransactionId,
        attributes: &[(u16, &[u8])],
    ) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, value) in attributes {
            body.extend(name.to_be_bytes());
            body.extend((value.len() as u16).to_be_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut out = kind.to_be_bytes().to_vec();
        out.extend((body.len() as u16).to_be_bytes());
        out.extend(MAGIC_COOKIE);
        out.extend(transaction);
        out.extend(body);
        out
    }

    #[test]
    fn checks_name_the_agent_they_are_for() {
        let check = message(1, [7; 12], &[(0x24, &[0; 4]), (USERNAME, b"ours:theirs")]);
        let parsed = Stun::parse(&check).unwrap();
        assert_eq!(parsed, Stun::Request { transaction: [7; 12], ufrag: Some("ours") });
        // To a STUN server there is no name.
        let request = message(1, [7; 12], &[]);
        let parsed = Stun::parse(&request).unwrap();
        assert_eq!(parsed, Stun::Request { transaction: [7; 12], ufrag: None });
        // An odd length before it is padded.
        let check = message(1, [7; 12], &[(0x8022, b"abc"), (USERNAME, b"a:b")]);
        let parsed = Stun::parse(&check).unwrap();
        assert_eq!(parsed, Stun::Request { transaction: [7; 12], ufrag: Some("a") });
    }

    #[test]
    fn responses_succeed_or_fail() {
        let transaction = [9; 12];
        for (kind, success) in [(0x0101, true), (0x0111, false)] {
            let parsed =
                Stun::parse(&message(kind, transaction, &[])).map(|stun| format!("{stun:?}"));
            assert_eq!(parsed, Some(format!("{:?}", Stun::Response { transaction, success })));
        }
    }

    #[test]
    fn what_is_mangled_does_not_panic_and_dtls_is_not_stun() {
        assert_eq!(Stun::parse(&[22, 254, 253, 0, 0]), None);
        assert_eq!(Stun::parse(&[]), None);
        let check = message(1, [7; 12], &[(USERNAME, b"ours:theirs"), (0x24, &[1, 2, 3, 4])]);
        for length in 0..check.len() {
            assert_eq!(Stun::parse(&check[..length]), None, "cut at {length}");
        }
        for at in 0..check.len() {
            for bit in 0..8 {
                let mut check = check.clone();
                check[at] ^= 1 << bit;
                let _ = Stun::parse(&check);
            }
        }
        // The length of an attribute goes beyond the message.
        let mut check = message(1, [7; 12], &[(USERNAME, b"ours:theirs")]);
        check[23] = 200;
        assert_eq!(Stun::parse(&check), Some(Stun::Request { transaction: [7; 12], ufrag: None }));
    }
}
