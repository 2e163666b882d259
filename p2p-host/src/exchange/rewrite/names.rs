//! The origin's names, and comparing URLs with them byte by byte.
//!
//! URLs in field values are not parsed by a library: what is not understood must pass unchanged,
//! and what is understood must keep all bytes after the authority.

use bytes::BytesMut;
use http::HeaderValue;

use super::HostHeader;
use crate::origin::{Scheme, Target};

/// All names under which the origin may speak of itself.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) scheme: Scheme,
    /// With their port, unless it is the scheme's default.
    authorities: Vec<Vec<u8>>,
    /// Without port.
    hosts: Vec<Vec<u8>>,
}

impl Names {
    pub(super) fn new(target: &Target, host: &HostHeader) -> Self {
        let scheme = target.scheme();
        let mut hosts: Vec<Vec<u8>> =
            target.host_names().into_iter().map(String::into_bytes).collect();
        let mut authorities: Vec<Vec<u8>> = hosts
            .iter()
            .map(|host| {
                let suffix = match target.port() {
                    port if port == scheme.default_port() => String::new(),
                    port => format!(":{port}"),
                };
                [host, suffix.as_bytes()].concat()
            })
            .collect();
        if let HostHeader::Fixed(fixed) = host {
            authorities.push(without_default_port(fixed.as_str().as_bytes(), scheme).to_vec());
            hosts.push(fixed.host().as_bytes().to_vec());
        }
        Self { scheme, authorities, hosts }
    }

    pub(super) fn has_authority(&self, authority: &[u8]) -> bool {
        let authority = without_default_port(authority, self.scheme);
        self.authorities.iter().any(|known| same_authority(known, authority))
    }

    /// Whether a cookie's domain is the origin's host.
    pub(super) fn has_domain(&self, domain: &[u8]) -> bool {
        let domain = domain.strip_prefix(b".").unwrap_or(domain);
        self.hosts.iter().any(|host| {
            let bare = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]"));
            host.eq_ignore_ascii_case(domain)
                || bare.is_some_and(|bare| bare.eq_ignore_ascii_case(domain))
        })
    }
}

/// A URL with an authority, in pieces.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url<'u> {
    /// `None` for `//authority/path`, which takes the scheme of where it stands.
    pub(super) scheme: Option<Scheme>,
    pub(super) authority: &'u [u8],
    /// Path, query and fragment; may be empty.
    pub(super) rest: &'u [u8],
}

/// Splits an `http`, `https` or scheme-relative URL; `None` for all others.
pub(super) fn split_url(url: &[u8]) -> Option<Url<'_>> {
    let (scheme, after) = if let Some(after) = strip_ignoring_case(url, b"https://") {
        (Some(Scheme::Https), after)
    } else if let Some(after) = strip_ignoring_case(url, b"http://") {
        (Some(Scheme::Http), after)
    } else {
        (None, url.strip_prefix(b"//")?)
    };
    // Browsers read a backslash as a slash.
    let end = after.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'\\'));
    let (authority, rest) = after.split_at(end.unwrap_or(after.len()));
    (!authority.is_empty()).then_some(Url { scheme, authority, rest })
}

/// Hosts are compared without regard to case (RFC 9110 §4.2.3).
pub(super) fn same_authority(one: &[u8], other: &[u8]) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// `example.com:443` is `example.com` where the scheme is `https`.
pub(super) fn without_default_port(authority: &[u8], scheme: Scheme) -> &[u8] {
    let port: &[u8] = match scheme {
        Scheme::Http => b":80",
        Scheme::Https => b":443",
    };
    authority.strip_suffix(port).unwrap_or(authority)
}

/// A field value made of pieces of field values. `None` only if a piece is none.
pub(super) fn join(pieces: &[&[u8]]) -> Option<HeaderValue> {
    let mut bytes = BytesMut::with_capacity(pieces.iter().map(|piece| piece.len()).sum());
    for piece in pieces {
        bytes.extend_from_slice(piece);
    }
    HeaderValue::from_maybe_shared(bytes.freeze()).ok()
}

pub(super) fn strip_ignoring_case<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}
