//! Two names for one server: visitors know it by the session's, the origin by its own.
//!
//! Development servers check the names in requests (Vite `Host`, Django `Referer`, Rails `Origin`)
//! and write theirs into responses. [`Rewriter`] translates both ways, so that neither side
//! notices the other's. A field is touched only if it names this server; all else passes as is.

mod names;
mod response;

use std::{fmt, str::FromStr};

use http::uri::Authority;
use http::{HeaderMap, HeaderValue, header};

use crate::origin::{Scheme, Target};
use names::{Names, join, same_authority, split_url, without_default_port};

/// What the origin gets to see in `Host`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HostHeader {
    /// The origin's own authority; `Origin` and `Referer` match it.
    #[default]
    Origin,
    /// What the visitor sent, in all three fields.
    Preserve,
    /// This authority; `Origin` and `Referer` match it.
    Fixed(Authority),
}

impl FromStr for HostHeader {
    type Err = HostHeaderError;

    fn from_str(text: &str) -> Result<Self, HostHeaderError> {
        match text {
            "origin" => Ok(Self::Origin),
            "preserve" => Ok(Self::Preserve),
            text => {
                let authority: Authority = text.parse().map_err(|_| HostHeaderError)?;
                // An authority may carry a user (`a@b`) and a dangling port (`a:`); Host may not.
                let port_is_sound = match authority.as_str().rsplit_once(':') {
                    Some((_, rest)) if !rest.ends_with(']') => authority.port_u16().is_some(),
                    _ => true,
                };
                if text.contains('@') || authority.host().is_empty() || !port_is_sound {
                    return Err(HostHeaderError);
                }
                Ok(Self::Fixed(authority))
            }
        }
    }
}

impl fmt::Display for HostHeader {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Origin => out.write_str("origin"),
            Self::Preserve => out.write_str("preserve"),
            Self::Fixed(authority) => out.write_str(authority.as_str()),
        }
    }
}

/// A text that cannot stand in `Host`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is origin, preserve, or a host name with an optional port")]
pub struct HostHeaderError;

/// How the visitor addressed the session. A request extension, set by the carrier.
///
/// Cheap to make and clone: nothing is parsed.
#[derive(Debug, Clone)]
pub struct Public {
    scheme: Scheme,
    authority: HeaderValue,
}

impl Public {
    /// `authority` is the value of the visitor's `Host` (or `:authority`).
    pub fn new(scheme: Scheme, authority: HeaderValue) -> Self {
        Self { scheme, authority }
    }

    /// The visitor's scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    fn authority(&self) -> &[u8] {
        without_default_port(self.authority.as_bytes(), self.scheme)
    }

    /// What follows the session's web origin in `url`, if that is where it points.
    fn strip<'u>(&self, url: &'u [u8]) -> Option<&'u [u8]> {
        let url = split_url(url)?;
        let same = url.scheme == Some(self.scheme)
            && same_authority(without_default_port(url.authority, self.scheme), self.authority());
        same.then_some(url.rest)
    }
}

/// Translates the names in heads. Made once per session.
#[derive(Debug)]
pub(super) struct Rewriter {
    host: HostHeader,
    /// Ready values of `Host` and `Origin`.
    host_value: HeaderValue,
    origin_value: HeaderValue,
    names: Names,
}

impl Rewriter {
    pub(super) fn new(target: &Target, host: HostHeader) -> Self {
        let authority = match &host {
            HostHeader::Fixed(authority) => authority.as_str(),
            HostHeader::Origin | HostHeader::Preserve => target.authority(),
        };
        let origin = format!("{}://{authority}", target.scheme());
        Self {
            host_value: value(authority),
            origin_value: value(&origin),
            names: Names::new(target, &host),
            host,
        }
    }

    /// Puts the origin's name where the visitor used the session's.
    pub(super) fn request(&self, headers: &mut HeaderMap, public: Option<&Public>) {
        if self.host == HostHeader::Preserve {
            if !headers.contains_key(header::HOST) {
                let host = public.map_or(&self.host_value, |public| &public.authority);
                headers.insert(header::HOST, host.clone());
            }
            return;
        }
        headers.insert(header::HOST, self.host_value.clone());
        let Some(public) = public else { return };
        if let Some(origin) = headers.get_mut(header::ORIGIN)
            && public.strip(origin.as_bytes()).is_some_and(<[u8]>::is_empty)
        {
            *origin = self.origin_value.clone();
        }
        if let Some(referer) = headers.get_mut(header::REFERER)
            && let Some(rest) = public.strip(referer.as_bytes())
            && let Some(rewritten) = join(&[self.origin_value.as_bytes(), rest])
        {
            *referer = rewritten;
        }
    }

    /// Puts the session's name where the origin used its own.
    pub(super) fn response(&self, headers: &mut HeaderMap, public: Option<&Public>) {
        if let Some(public) = public {
            response::locations(headers, &self.names, public);
            response::allowed_origin(headers, &self.names, public);
        }
        response::cookie_domains(headers, &self.names);
    }
}

/// Authorities and URLs made of them are always legal field values.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("localhost"))
}

#[cfg(test)]
mod tests;
