//! The edge to share through.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

/// The edge's base URL: `https://wingman.dev`.
///
/// Without a scheme it is `https`, for loopback names `http` (an edge in development mode).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EdgeUrl(BaseUrl);

/// Why a text is no such URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Nothing.
    #[error("it is empty")]
    Empty,
    /// A number that is no port.
    #[error("a port is a number from 1 to 65535")]
    Port,
    /// Not a URL.
    #[error("it is not a URL ({0})")]
    Syntax(String),
    /// Another scheme.
    #[error("the scheme is http or https, not {0}")]
    Scheme(String),
    /// A user name or password.
    #[error("a user name or password cannot be part of it")]
    Credentials,
    /// A path, query or fragment.
    #[error("it ends after the port, without a path or query (all paths are included)")]
    Path,
}

impl EdgeUrl {
    /// The host, for resolving and for TLS; IPv6 addresses without brackets.
    #[must_use]
    pub fn host(&self) -> String {
        self.0.host()
    }

    /// The port, also when the scheme implies it.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Whether the link is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.is_tls()
    }

    /// Whether the edge is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.0.url.host().is_some_and(|host| is_loopback(&host))
    }

    /// The URL of the link endpoint: `wss://wingman.dev/_wingman/link`.
    #[must_use]
    pub fn link_url(&self) -> String {
        let scheme = if self.is_tls() { "wss" } else { "ws" };
        format!("{scheme}://{}{}", self.0.url.authority(), wingman_wire::LINK_PATH)
    }
}

impl FromStr for EdgeUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let url = BaseUrl::parse(text.trim(), "https")?;
        let loopback = url.url.host().is_some_and(|host| is_loopback(&host));
        if loopback && !text.contains("://") {
            return BaseUrl::parse(text.trim(), "http").map(Self);
        }
        Ok(Self(url))
    }
}

impl fmt::Display for EdgeUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl fmt::Debug for EdgeUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "EdgeUrl({self})")
    }
}

/// An http or https URL with a host and nothing after the port.
#[derive(Clone, PartialEq, Eq, Hash)]
struct BaseUrl {
    url: Url,
}

impl BaseUrl {
    fn parse(text: &str, default_scheme: &str) -> Result<Self, UrlError> {
        if text.is_empty() {
            return Err(UrlError::Empty);
        }
        let full = match text.contains("://") {
            true => text.to_owned(),
            false => format!("{default_scheme}://{text}"),
        };
        let url = Url::parse(&full).map_err(|error| match error {
            url::ParseError::InvalidPort => UrlError::Port,
            error => UrlError::Syntax(error.to_string()),
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(UrlError::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::Credentials);
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(UrlError::Path);
        }
        if url.port() == Some(0) {
            return Err(UrlError::Port);
        }
        Ok(Self { url })
    }

    fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']').to_owned()
    }

    fn port(&self) -> u16 {
        // http and https have default ports, and `parse` lets nothing else through.
        self.url.port_or_known_default().unwrap_or_default()
    }

    fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => IpAddr::from(*address).is_loopback(),
        Host::Ipv6(address) => IpAddr::from(*address).is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_is_https_unless_it_is_here() {
        let cases = [
            ("wingman.dev", "wss://wingman.dev/_wingman/link", false),
            ("https://wingman.dev:8443", "wss://wingman.dev:8443/_wingman/link", false),
            ("localhost:8080", "ws://localhost:8080/_wingman/link", true),
            ("a.localhost:8080", "ws://a.localhost:8080/_wingman/link", true),
            ("127.0.0.1:8080", "ws://127.0.0.1:8080/_wingman/link", true),
            ("https://localhost:8443", "wss://localhost:8443/_wingman/link", true),
            ("http://10.0.0.1", "ws://10.0.0.1/_wingman/link", false),
        ];
        for (text, link, loopback) in cases {
            let edge: EdgeUrl = text.parse().expect(text);
            assert_eq!((edge.link_url().as_str(), edge.is_loopback()), (link, loopback), "{text}");
        }
        assert_eq!("https://e/x".parse::<EdgeUrl>(), Err(UrlError::Path));
    }
}
