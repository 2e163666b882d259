//! Which fields belong to a connection, to the edge, or to the other end.

/// What a field is to the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Connection,
    ContentLength,
    TransferEncoding,
    Te,
    Upgrade,
    Expect,
    /// Dropped without a look at the value.
    HopByHop,
    /// `Wingman-*`: said by the edge, never by others.
    Ours,
    EndToEnd,
}

impl Kind {
    /// By first letter and length first: this runs twice for each line of each head.
    pub(super) fn of(name: &[u8]) -> Self {
        let Some(first) = name.first().map(|letter| letter | 0x20) else {
            return Self::EndToEnd;
        };
        if !matches!(first, b'c' | b'e' | b'h' | b'k' | b'p' | b't' | b'u' | b'w') {
            return Self::EndToEnd;
        }
        let (kind, expected): (Self, &[u8]) = match name.len() {
            2 => (Self::Te, b"te"),
            6 => (Self::Expect, b"expect"),
            7 => (Self::Upgrade, b"upgrade"),
            10 if first == b'c' => (Self::Connection, b"connection"),
            10 => (Self::HopByHop, b"keep-alive"),
            14 if first == b'c' => (Self::ContentLength, b"content-length"),
            14 => (Self::HopByHop, b"http2-settings"),
            16 => (Self::HopByHop, b"proxy-connection"),
            17 => (Self::TransferEncoding, b"transfer-encoding"),
            18 => (Self::HopByHop, b"proxy-authenticate"),
            19 => (Self::HopByHop, b"proxy-authorization"),
            25 => (Self::HopByHop, b"proxy-authentication-info"),
            _ => (Self::EndToEnd, b""),
        };
        if name.eq_ignore_ascii_case(expected) {
            return kind;
        }
        match name.get(..OURS.len()) {
            Some(start) if start.eq_ignore_ascii_case(OURS) => Self::Ours,
            _ => Self::EndToEnd,
        }
    }
}

/// Fields for all who receive the message, which nobody honest nominates. `Connection: cookie` and
/// its like make one server on the way see another request than the next.
pub(super) fn is_essential(name: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    ESSENTIAL.contains(&lower.as_slice())
        || lower.starts_with(b"sec-")
        || lower.starts_with(b"x-forwarded-")
        || lower.starts_with(b"access-control-")
}

/// RFC 9110 §5.6.2.
pub(super) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

const OURS: &[u8] = b"wingman-";
const ESSENTIAL: &[&[u8]] = &[
    b"host",
    b"authorization",
    b"cookie",
    b"set-cookie",
    b"content-type",
    b"content-encoding",
    b"content-range",
    b"content-security-policy",
    b"cache-control",
    b"origin",
    b"referer",
    b"range",
    b"forwarded",
    b"location",
    b"date",
];
