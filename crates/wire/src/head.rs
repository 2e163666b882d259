//! Heads: what RFC 9110 §6 calls control data and header section, without hop-by-hop fields.
//!
//! Request: `method | scheme (u8: 0 http, 1 https) | authority | target | field lines`.
//! Response: `status (u16) | field lines`. Trailers: `field lines`.
//! A string is a [`varint`] length and that many bytes; field lines are name, value, name, value, …
//! to the end, in the order of the message and with repeats. Names are lower case.

use bytes::{Buf, BufMut, Bytes};

use crate::varint;

/// The largest encoded head that an end must take, both ways. Part of the protocol: a longer one ends the
/// carrier. Limits of an operator are lower and answered exchange by exchange.
pub const MAX_HEAD: usize = 256 * 1024;

/// How the visitor reached the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP (development, loopback).
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// As in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Why bytes are not a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The head ends inside an element.
    #[error("head ends too early")]
    Truncated,
    /// A method that is not an RFC 9110 token.
    #[error("method is not a token")]
    Method,
    /// A scheme byte of another version.
    #[error("unknown scheme")]
    Scheme,
    /// A target with white space, control characters or nothing in it.
    #[error("request target is malformed")]
    Target,
    /// An authority with white space or control characters.
    #[error("authority is malformed")]
    Authority,
    /// A status outside 100..=599.
    #[error("status {0} is out of range")]
    Status(u16),
    /// A field name that is empty, not a token, or not lower case.
    #[error("field name is not a lower-case token")]
    FieldName,
    /// A field value with CR, LF, NUL or another control character but tab.
    #[error("field value has control characters")]
    FieldValue,
}

/// The start of a request head; its field lines are read from [`RequestHead::fields`].
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method, a token.
    pub method: Bytes,
    /// How the visitor came.
    pub scheme: Scheme,
    /// What the visitor asked for (`Host`, `:authority`), lower case.
    pub authority: Bytes,
    /// The request target: origin-form or `*`.
    pub target: Bytes,
    /// The field lines.
    pub fields: FieldLines,
}

impl RequestHead {
    /// Reads the control data; field lines are checked while they are iterated.
    ///
    /// # Errors
    /// [`HeadError`] naming the first bad element.
    pub fn decode(mut head: Bytes) -> Result<Self, HeadError> {
        let method = take_string(&mut head)?;
        if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
            return Err(HeadError::Method);
        }
        let scheme = match head.try_get_u8() {
            Ok(0) => Scheme::Http,
            Ok(1) => Scheme::Https,
            Ok(_) => return Err(HeadError::Scheme),
            Err(_) => return Err(HeadError::Truncated),
        };
        let authority = take_string(&mut head)?;
        if !authority.iter().all(u8::is_ascii_graphic) {
            return Err(HeadError::Authority);
        }
        let target = take_string(&mut head)?;
        if target.is_empty() || target.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
            return Err(HeadError::Target);
        }
        Ok(Self { method, scheme, authority, target, fields: FieldLines::new(head) })
    }

    /// Appends the control data of a request; field lines follow by [`put_field`].
    pub fn put(
        out: &mut impl BufMut,
        method: &[u8],
        scheme: Scheme,
        authority: &[u8],
        target: &[u8],
    ) {
        put_string(out, method);
        out.put_u8(match scheme {
            Scheme::Http => 0,
            Scheme::Https => 1,
        });
        put_string(out, authority);
        put_string(out, target);
    }
}

/// A response head.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// 100..=599.
    pub status: u16,
    /// The field lines.
    pub fields: FieldLines,
}

impl ResponseHead {
    /// Reads the status; field lines are checked while they are iterated.
    ///
    /// # Errors
    /// [`HeadError::Truncated`] or [`HeadError::Status`].
    pub fn decode(mut head: Bytes) -> Result<Self, HeadError> {
        let status = head.try_get_u16().map_err(|_| HeadError::Truncated)?;
        if !(100..=599).contains(&status) {
            return Err(HeadError::Status(status));
        }
        Ok(Self { status, fields: FieldLines::new(head) })
    }

    /// Appends a status; field lines follow by [`put_field`].
    pub fn put(out: &mut impl BufMut, status: u16) {
        out.put_u16(status);
    }
}

/// Appends one field line. `name` must be lower case.
pub fn put_field(out: &mut impl BufMut, name: &[u8], value: &[u8]) {
    put_string(out, name);
    put_string(out, value);
}

/// Iterates over encoded field lines; each item is checked, the first error ends the iteration.
#[derive(Clone, Debug, Default)]
pub struct FieldLines(Bytes);

impl FieldLines {
    /// Over the encoded bytes.
    pub const fn new(encoded: Bytes) -> Self {
        Self(encoded)
    }

    fn take_line(&mut self) -> Result<(Bytes, Bytes), HeadError> {
        let name = take_string(&mut self.0)?;
        if name.is_empty() || !name.iter().all(|b| is_token(*b) && !b.is_ascii_uppercase()) {
            return Err(HeadError::FieldName);
        }
        let value = take_string(&mut self.0)?;
        if value.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
            return Err(HeadError::FieldValue);
        }
        Ok((name, value))
    }
}

impl Iterator for FieldLines {
    type Item = Result<(Bytes, Bytes), HeadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let line = self.take_line();
        if line.is_err() {
            self.0 = Bytes::new();
        }
        Some(line)
    }
}

fn put_string(out: &mut impl BufMut, string: &[u8]) {
    varint::put(out, string.len() as u64);
    out.put_slice(string);
}

fn take_string(input: &mut Bytes) -> Result<Bytes, HeadError> {
    let length = varint::take(input).ok_or(HeadError::Truncated)?;
    match usize::try_from(length) {
        Ok(length) if length <= input.len() => Ok(input.split_to(length)),
        _ => Err(HeadError::Truncated),
    }
}

/// RFC 9110 §5.6.2 tchar.
const fn is_token(byte: u8) -> bool {
    matches!(byte,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`'
        | b'|' | b'~' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z')
}
