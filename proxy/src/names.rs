//! Session names, the base domain, and what a `Host` means.
//!
//! A name that exists as a [`SessionName`] is a DNS label one may give away; nothing behind this
//! module looks at the characters of a name again.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of a session: one lower-case DNS label (RFC 1123 §2.1), at most 63 characters.
///
/// Kept inline and `Copy`, because one is made for every request from its `Host`.
#[derive(Clone, Copy)]
pub struct SessionName {
    length: u8,
    bytes: [u8; MAX_LABEL],
}

impl SessionName {
    /// A fresh name of 65 random bits: with 64 a guesser who asks for a million names a second
    /// needs ten thousand years for an even chance at one of a thousand sessions.
    pub fn random() -> Self {
        Self::from_bits(rand::random())
    }

    /// The name made of a secret's hash, in the form of [`SessionName::random`]: whoever has the secret
    /// can prove that the name is its own.
    pub fn from_hash(hash: &[u8; 32]) -> Self {
        let (front, _) = hash.split_at(16);
        Self::from_bits(front.iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte)))
    }

    fn from_bits(mut bits: u128) -> Self {
        let mut bytes = [0; MAX_LABEL];
        for byte in &mut bytes[..RANDOM_LENGTH] {
            *byte = ALPHABET[(bits & 31) as usize];
            bits >>= 5;
        }
        Self { length: RANDOM_LENGTH as u8, bytes }
    }

    /// Whether the name has the form of [`SessionName::random`], so that it was hardly chosen by a
    /// person. Says nothing about who made it.
    pub fn is_random_form(&self) -> bool {
        let text = self.as_str().as_bytes();
        text.len() == RANDOM_LENGTH && text.iter().all(|byte| ALPHABET.contains(byte))
    }

    /// The label.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)])
            .expect("only ASCII is ever stored")
    }

    fn parse(label: &[u8]) -> Result<Self, NameError> {
        let mut bytes = check_label(label)?;
        let lower = &bytes[..label.len()];
        // Positions 3 and 4 are where IDNA puts its marks (RFC 5891 §4.2.3.1): a `xn--` name is
        // shown as other characters, which is how one session would imitate another.
        if lower.get(2..4) == Some(b"--") || RESERVED.iter().any(|word| word.as_bytes() == lower) {
            return Err(NameError::Reserved);
        }
        bytes[label.len()..].fill(0);
        Ok(Self { length: label.len() as u8, bytes })
    }
}

impl FromStr for SessionName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

impl fmt::Debug for SessionName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), out)
    }
}

impl PartialEq for SessionName {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for SessionName {}

impl Hash for SessionName {
    // As `str` hashes, for `Borrow<str>`.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Borrow<str> for SessionName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for SessionName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Serialize for SessionName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for SessionName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a text is not a session name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("a name must not be empty")]
    Empty,
    /// More than a DNS label holds.
    #[error("a name has at most 63 characters")]
    TooLong,
    /// Something else than a-z, 0-9 and hyphen.
    #[error("a name has only letters a-z, digits and hyphens")]
    Character,
    /// A hyphen at an end.
    #[error("a name must not start or end with a hyphen")]
    Hyphen,
    /// A name the edge keeps for itself, or of the form kept for internationalized names.
    #[error("this name is reserved")]
    Reserved,
}

/// The domain whose subdomains are sessions: lower case, no trailing dot, no port.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BaseDomain(Box<str>);

impl BaseDomain {
    /// The domain, such as `wingman.example` or `localhost`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host name of a session.
    pub fn host_of(&self, name: &SessionName) -> String {
        format!("{name}.{self}")
    }
}

impl FromStr for BaseDomain {
    type Err = BaseDomainError;

    fn from_str(text: &str) -> Result<Self, BaseDomainError> {
        let domain = text.strip_suffix('.').unwrap_or(text);
        if domain.is_empty() {
            return Err(BaseDomainError::Empty);
        }
        // An address has no subdomains; `::1` and `1.2.3.4` would otherwise fail less clearly.
        if domain.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
            return Err(BaseDomainError::Address);
        }
        if domain.len() > MAX_DOMAIN {
            return Err(BaseDomainError::TooLong);
        }
        for label in domain.split('.') {
            check_label(label.as_bytes()).map_err(BaseDomainError::Label)?;
        }
        Ok(Self(domain.to_ascii_lowercase().into()))
    }
}

impl fmt::Display for BaseDomain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

impl fmt::Debug for BaseDomain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, out)
    }
}

/// Why a text is not a base domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseDomainError {
    /// Nothing there.
    #[error("the base domain must not be empty")]
    Empty,
    /// An IP address.
    #[error("an IP address has no subdomains; give a domain name, or `localhost` to try it out")]
    Address,
    /// No room for a session's label in the 253 characters of a host name.
    #[error("the base domain has at most {MAX_DOMAIN} characters")]
    TooLong,
    /// One of its labels is wrong (a scheme, a port or a path, mostly).
    #[error("not a bare domain name such as `share.example.com`: {0}")]
    Label(NameError),
}

/// Whom a request is for, by its `Host`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The base domain itself: the link endpoint and the landing page.
    Base,
    /// One label below it. Whether such a session exists is another question.
    Session(SessionName),
    /// A well-formed host that is none of ours: another domain, an address, two labels deep, or a
    /// label no session can have.
    Foreign,
    /// Not a host at all: the request is malformed.
    Invalid,
}

impl Route {
    /// Reads a `Host` or `:authority`: any case, with or without a port or a trailing dot.
    pub fn of(host: &str, base: &BaseDomain) -> Self {
        let Some(host) = without_port(host.as_bytes()) else {
            return Self::Invalid;
        };
        if host.first() == Some(&b'[') {
            return Self::Foreign;
        }
        let host = host.strip_suffix(b".").unwrap_or(host);
        if host.is_empty() || host.len() > 253 || !host.iter().all(|byte| is_host_byte(*byte)) {
            return Self::Invalid;
        }
        let base = base.as_str().as_bytes();
        let Some(split) = host.len().checked_sub(base.len()) else {
            return Self::Foreign;
        };
        let (front, tail) = host.split_at(split);
        if !tail.eq_ignore_ascii_case(base) {
            return Self::Foreign;
        }
        match front.split_last() {
            None => Self::Base,
            // `parse` refuses dots, so a second label makes it foreign.
            Some((b'.', label)) => SessionName::parse(label).map_or(Self::Foreign, Self::Session),
            Some(_) => Self::Foreign,
        }
    }
}

/// The host without `:port`, or `None` if what is there is not `host [":" port]` (RFC 3986 §3.2).
fn without_port(host: &[u8]) -> Option<&[u8]> {
    let colon = if host.first() == Some(&b'[') {
        let end = host.iter().position(|byte| *byte == b']')?;
        let literal = std::str::from_utf8(&host[1..end]).ok()?;
        literal.parse::<std::net::Ipv6Addr>().ok()?;
        end + 1
    } else {
        host.iter().position(|byte| *byte == b':').unwrap_or(host.len())
    };
    match &host[colon..] {
        [] => Some(host),
        [b':', port @ ..] if port.len() <= 5 && port.iter().all(u8::is_ascii_digit) => {
            Some(&host[..colon])
        }
        _ => None,
    }
}

/// A label in lower case, in the first `label.len()` bytes.
fn check_label(label: &[u8]) -> Result<[u8; MAX_LABEL], NameError> {
    if label.is_empty() {
        return Err(NameError::Empty);
    }
    if label.len() > MAX_LABEL {
        return Err(NameError::TooLong);
    }
    let mut lower = [0; MAX_LABEL];
    for (to, from) in lower.iter_mut().zip(label) {
        if !from.is_ascii_alphanumeric() && *from != b'-' {
            return Err(NameError::Character);
        }
        *to = from.to_ascii_lowercase();
    }
    if label.first() == Some(&b'-') || label.last() == Some(&b'-') {
        return Err(NameError::Hyphen);
    }
    Ok(lower)
}

/// RFC 3986 reg-name without percent-encoding: wider than DNS, so that a wrong name is answered as
/// unknown and only bytes that never belong there are malformed.
const fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

const MAX_LABEL: usize = 63;
/// 253 less the longest label and its dot.
const MAX_DOMAIN: usize = 253 - MAX_LABEL - 1;
/// Crockford's base 32: no i, l, o, u, so nothing looks like something else and few words form.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 13 × 5 bits ≥ 64.
const RANDOM_LENGTH: usize = 13;
/// Names people would take for the operator's own.
const RESERVED: &[&str] = &[
    "www",
    "api",
    "admin",
    "edge",
    "wingman",
    "account",
    "auth",
    "login",
    "status",
    "support",
    "mail",
    "ns1",
    "ns2",
    "static",
    "assets",
    "cdn",
    "stun",
    "turn",
    "localhost",
];

#[cfg(test)]
mod tests;
