//! STUN Binding messages (RFC 8489), as much as a server needs that asks nobody who they are.
//!
//! The contract: [`read`] takes one datagram and says what it asks, [`Answer::encode`] makes the bytes
//! to send back. What is not a well-formed Binding request is refused with its reason and never
//! answered, so a stray or forged datagram makes no traffic. An answer has nothing in it that was not
//! asked for: it is at most 24 bytes larger than its request, and so much only for IPv6 addresses.
//!
//! This file depends on nothing else of the crate: `fuzz/` includes it by its path.

use std::net::{IpAddr, SocketAddr};

/// The largest request that is looked at. RFC 8489 §6.1 keeps requests below the smallest path MTU.
pub const MAX_REQUEST: usize = 1280;

/// The largest answer: the header, `XOR-MAPPED-ADDRESS` for IPv6 and `FINGERPRINT`; or the header,
/// `ERROR-CODE`, [`MAX_UNKNOWN`] types and `FINGERPRINT`.
pub const MAX_ANSWER: usize = HEADER + 8 + (4 + 2 * MAX_UNKNOWN) + 8;

/// A well-formed Binding request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Chosen by the sender, sent back as it is.
    pub transaction: [u8; 12],
    /// It had a `FINGERPRINT`, so its answer has one.
    pub fingerprint: bool,
    /// Types of attributes that must be understood and are not; at most [`MAX_UNKNOWN`].
    pub unknown: Vec<u16>,
}

/// Why a datagram is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Shorter than a header, or longer than [`MAX_REQUEST`].
    Size,
    /// The first bits or the magic cookie are not STUN's: another protocol, or RFC 3489.
    NotStun,
    /// The length in the header is not that of the datagram, or no multiple of four.
    Length,
    /// STUN, but not a Binding request.
    NotBindingRequest,
    /// An attribute reaches beyond the message, or stands after `FINGERPRINT`.
    Attribute,
    /// `FINGERPRINT` is not that of these bytes.
    Fingerprint,
}

/// Reads a datagram.
///
/// # Errors
/// [`Refusal`]: drop it.
pub fn read(datagram: &[u8]) -> Result<Request, Refusal> {
    if datagram.len() > MAX_REQUEST {
        return Err(Refusal::Size);
    }
    let Some((header, attributes)) = datagram.split_first_chunk::<HEADER>() else {
        return Err(Refusal::Size);
    };
    if header[0] & 0b1100_0000 != 0 || header[4..8] != COOKIE {
        return Err(Refusal::NotStun);
    }
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if length != attributes.len() || !length.is_multiple_of(4) {
        return Err(Refusal::Length);
    }
    if [header[0], header[1]] != BINDING_REQUEST {
        return Err(Refusal::NotBindingRequest);
    }
    let mut transaction = [0; 12];
    transaction.copy_from_slice(&header[8..]);
    let mut request = Request { transaction, fingerprint: false, unknown: Vec::new() };
    let mut rest = attributes;
    let mut after_integrity = false;
    while !rest.is_empty() {
        if request.fingerprint {
            return Err(Refusal::Attribute);
        }
        let before = datagram.len() - rest.len();
        let (kind, value) = take_attribute(&mut rest).ok_or(Refusal::Attribute)?;
        match kind {
            FINGERPRINT => {
                let expected = fingerprint(&datagram[..before]);
                if value != expected {
                    return Err(Refusal::Fingerprint);
                }
                request.fingerprint = true;
            }
            // RFC 8489 §14.5: but for the fingerprint, what follows the integrity is not covered by it.
            _ if after_integrity => {}
            MESSAGE_INTEGRITY | MESSAGE_INTEGRITY_SHA256 => after_integrity = true,
            _ if kind >= OPTIONAL || IGNORED.contains(&kind) => {}
            _ if request.unknown.len() < MAX_UNKNOWN && !request.unknown.contains(&kind) => {
                request.unknown.push(kind);
            }
            _ => {}
        }
    }
    Ok(request)
}

/// What is sent back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Where the request came from.
    Mapped(SocketAddr),
    /// 420: the request has attributes that must be understood.
    UnknownAttributes,
}

impl Answer {
    /// To `request`, which came from `source`.
    pub fn to(request: &Request, source: SocketAddr) -> Self {
        if request.unknown.is_empty() { Self::Mapped(source) } else { Self::UnknownAttributes }
    }

    /// The datagram to send.
    pub fn encode(self, request: &Request) -> Vec<u8> {
        let mut out = Vec::with_capacity(MAX_ANSWER);
        let kind = match self {
            Self::Mapped(_) => BINDING_SUCCESS,
            Self::UnknownAttributes => BINDING_ERROR,
        };
        out.extend_from_slice(&kind);
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&COOKIE);
        out.extend_from_slice(&request.transaction);
        match self {
            Self::Mapped(source) => put_mapped(&mut out, source, &request.transaction),
            Self::UnknownAttributes => {
                // Class 4, number 20. The reason phrase is for people, and nobody reads it here.
                put_attribute(&mut out, ERROR_CODE, &[0, 0, 4, 20]);
                let types: Vec<u8> =
                    request.unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect();
                put_attribute(&mut out, UNKNOWN_ATTRIBUTES, &types);
            }
        }
        if request.fingerprint {
            // The length counts the fingerprint, which is of all that is before it (§14.7).
            put_length(&mut out, 8);
            let value = fingerprint(&out);
            put_attribute(&mut out, FINGERPRINT, &value);
        }
        put_length(&mut out, 0);
        out
    }
}

/// Takes an attribute and its padding off the front.
fn take_attribute<'a>(rest: &mut &'a [u8]) -> Option<(u16, &'a [u8])> {
    let (head, after) = rest.split_first_chunk::<4>()?;
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let value = after.get(..length)?;
    *rest = after.get(length.next_multiple_of(4)..)?;
    Some((u16::from_be_bytes([head[0], head[1]]), value))
}

fn put_attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// RFC 8489 §14.2: the address is hidden from routers that rewrite addresses wherever they see them.
fn put_mapped(out: &mut Vec<u8>, source: SocketAddr, transaction: &[u8; 12]) {
    let mut key = COOKIE.to_vec();
    key.extend_from_slice(transaction);
    let hide = |bytes: &[u8]| -> Vec<u8> { bytes.iter().zip(&key).map(|(a, b)| a ^ b).collect() };
    let (family, address) = match source.ip().to_canonical() {
        IpAddr::V4(address) => (1, hide(&address.octets())),
        IpAddr::V6(address) => (2, hide(&address.octets())),
    };
    let mut value = vec![0, family];
    value.extend(hide(&source.port().to_be_bytes()));
    value.extend(address);
    put_attribute(out, XOR_MAPPED_ADDRESS, &value);
}

/// Writes the length of what follows the header, with `more` to come.
fn put_length(out: &mut [u8], more: usize) {
    let length = u16::try_from(out.len() - HEADER + more).unwrap_or(u16::MAX);
    out[2..4].copy_from_slice(&length.to_be_bytes());
}

/// The value of `FINGERPRINT` after these bytes, whose length field counts it already.
fn fingerprint(before: &[u8]) -> [u8; 4] {
    // CRC-32 of ISO 3309, bit by bit: a table is not worth its cache lines for 28 bytes.
    let mut crc = u32::MAX;
    for byte in before {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    (!crc ^ 0x5354_554e).to_be_bytes()
}

const HEADER: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const BINDING_ERROR: [u8; 2] = [0x01, 0x11];

const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const FINGERPRINT: u16 = 0x8028;

/// From here on attributes may be ignored by who does not know them.
const OPTIONAL: u16 = 0x8000;

/// Understood, and without meaning for a server that serves everybody: `USERNAME`, `REALM`, `NONCE`,
/// `PASSWORD-ALGORITHM`, `USERHASH`.
const IGNORED: [u16; 5] = [0x0006, 0x0014, 0x0015, 0x001d, 0x001e];

/// Types listed in a 420 answer. Each took four bytes of the request, so the answer is not larger.
const MAX_UNKNOWN: usize = 16;

#[cfg(test)]
#[path = "tests/message.rs"]
mod tests;
