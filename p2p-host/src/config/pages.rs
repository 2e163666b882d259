//! Values that say what pages may do.

use std::{fmt, str::FromStr};

/// A STUN server, `stun:host:port`; the scheme may be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StunServer(String);

/// Text that is no STUN server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a STUN server is host:port")]
pub struct StunServerError;

impl FromStr for StunServer {
    type Err = StunServerError;

    fn from_str(text: &str) -> Result<Self, StunServerError> {
        let address = text.strip_prefix("stun:").unwrap_or(text);
        let (host, port) = address.rsplit_once(':').ok_or(StunServerError)?;
        let port: u16 = port.parse().map_err(|_| StunServerError)?;
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match inner {
            Some(ip) => ip.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
                !host.is_empty() && host.len() <= 253 && host.chars().all(is_plain)
            }
        };
        if port == 0 || !is_host {
            return Err(StunServerError);
        }
        Ok(Self(format!("stun:{address}")))
    }
}

impl fmt::Display for StunServer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The beginning of a path, `/api/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPrefix(String);

/// Text that begins no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a path begins with / and has no ? or #")]
pub struct PathPrefixError;

impl FromStr for PathPrefix {
    type Err = PathPrefixError;

    fn from_str(text: &str) -> Result<Self, PathPrefixError> {
        let is_path = text.starts_with('/')
            && text.len() <= MAX_PATH
            && text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#'));
        if is_path { Ok(Self(text.to_owned())) } else { Err(PathPrefixError) }
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// All of them must fit into one control message.
const MAX_PATH: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stun_servers_have_a_host_and_a_port() {
        for (text, url) in [
            ("stun.example:3478", "stun:stun.example:3478"),
            ("stun:192.0.2.1:19302", "stun:192.0.2.1:19302"),
            ("[2001:db8::1]:3478", "stun:[2001:db8::1]:3478"),
        ] {
            assert_eq!(text.parse::<StunServer>().map(|server| server.to_string()), Ok(url.into()));
        }
        for bad in ["", "stun.example", ":3478", "a:0", "a:70000", "turn:a:1", "[::1:3478", "a b:1"]
        {
            assert_eq!(bad.parse::<StunServer>(), Err(StunServerError), "{bad}");
        }
    }

    #[test]
    fn prefixes_begin_paths() {
        assert!("/api/".parse::<PathPrefix>().is_ok());
        let long = format!("/{}", "x".repeat(MAX_PATH));
        for bad in ["", "api", "/a?b", "/a#b", "/a b", "/ä", long.as_str()] {
            assert_eq!(bad.parse::<PathPrefix>(), Err(PathPrefixError), "{bad}");
        }
    }
}
