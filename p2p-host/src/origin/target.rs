//! Where the origin is, as the developer wrote it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use url::{Host, Url};

/// The scheme of an origin or of a visitor's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

impl Scheme {
    /// The scheme's name in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that is left out of an authority of this scheme.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The one local server that is shared: scheme, host and port, nothing else.
///
/// Parsed from `3000`, `localhost:3000`, `http://127.0.0.1:5173` or `https://localhost:8443`.
/// The wildcard addresses `0.0.0.0` and `[::]`, which development servers print as theirs, are
/// read as `localhost`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    scheme: Scheme,
    host: Host<String>,
    port: u16,
    authority: String,
    origin: String,
}

impl Target {
    /// `http` or `https`.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The port, also where it is the scheme's default.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What the origin expects in its `Host` field: `localhost:3000`, without a default port.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The web origin, `scheme://authority` (RFC 6454 §6.2).
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The host alone, an IPv6 address in brackets.
    pub fn host(&self) -> String {
        self.host.to_string()
    }

    /// The hosts that name the same server: `localhost` and the two loopback addresses are one.
    pub(crate) fn host_names(&self) -> Vec<String> {
        if self.loopback_addresses().is_some() {
            let mut names =
                vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()];
            if !names.contains(&self.host()) {
                names.push(self.host());
            }
            names
        } else {
            vec![self.host()]
        }
    }

    /// The addresses of a host that needs no look-up, best first; `None` asks the resolver.
    ///
    /// `localhost` and what is below it is loopback by definition (RFC 6761 §6.3), and IPv6 comes
    /// first, as in browsers: if two servers share the port number, both show the same one.
    pub(crate) fn addresses(&self) -> Option<Vec<IpAddr>> {
        match &self.host {
            Host::Ipv4(address) => Some(vec![IpAddr::V4(*address)]),
            Host::Ipv6(address) => Some(vec![IpAddr::V6(*address)]),
            Host::Domain(_) => self.loopback_addresses(),
        }
    }

    /// The name to look up where [`addresses`](Self::addresses) gives none.
    pub(crate) fn domain(&self) -> &str {
        match &self.host {
            Host::Domain(name) => name,
            Host::Ipv4(_) | Host::Ipv6(_) => "",
        }
    }

    fn loopback_addresses(&self) -> Option<Vec<IpAddr>> {
        let both = || vec![IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)];
        match &self.host {
            Host::Domain(name) if name == "localhost" || name.ends_with(".localhost") => {
                Some(both())
            }
            Host::Ipv4(address) if address.is_loopback() => Some(both()),
            Host::Ipv6(address) if address.is_loopback() => Some(both()),
            _ => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(TargetError::Empty);
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let port = text.parse().ok().filter(|port| *port != 0);
            let port = port.ok_or_else(|| TargetError::Port { given: text.to_owned() })?;
            return Ok(Self::new(Scheme::Http, Host::Domain("localhost".to_owned()), port));
        }
        // `localhost:3000` would parse as the scheme `localhost`.
        let url = match text.contains("://") {
            true => Url::parse(text),
            false => Url::parse(&format!("http://{text}")),
        };
        let url = url.map_err(|source| TargetError::Url { given: text.to_owned(), source })?;
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => {
                return Err(TargetError::Scheme { given: other.to_owned() });
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::UserInfo);
        }
        if url.query().is_some() {
            return Err(TargetError::Query);
        }
        if url.fragment().is_some() {
            return Err(TargetError::Fragment);
        }
        if url.path() != "/" {
            return Err(TargetError::Path { given: url.path().to_owned() });
        }
        let port = url.port_or_known_default().unwrap_or_else(|| scheme.default_port());
        if port == 0 {
            return Err(TargetError::Port { given: "0".to_owned() });
        }
        let host = url.host().ok_or(TargetError::Empty)?.to_owned();
        Ok(Self::new(scheme, host, port))
    }
}

impl Target {
    fn new(scheme: Scheme, host: Host<String>, port: u16) -> Self {
        let host = match host {
            Host::Ipv4(address) if address.is_unspecified() => Host::Domain("localhost".to_owned()),
            Host::Ipv6(address) if address.is_unspecified() => Host::Domain("localhost".to_owned()),
            other => other,
        };
        let authority =
            if port == scheme.default_port() { host.to_string() } else { format!("{host}:{port}") };
        let origin = format!("{scheme}://{authority}");
        Self { scheme, host, port, authority, origin }
    }
}

/// Why a text is no origin to share.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Nothing was given.
    #[error("no port or URL given; write the port of your local server, for example 3000")]
    Empty,
    /// The number is not a TCP port.
    #[error("{given} is not a port; ports are 1 to 65535")]
    Port {
        /// What was written.
        given: String,
    },
    /// It does not parse as a URL.
    #[error("{given:?} is neither a port nor a URL such as http://localhost:3000")]
    Url {
        /// What was written.
        given: String,
        /// What is wrong with it.
        source: url::ParseError,
    },
    /// A scheme other than `http` and `https`.
    #[error("the scheme {given:?} cannot be shared; use http:// or https://")]
    Scheme {
        /// The scheme.
        given: String,
    },
    /// `user:password@` in the URL. What was written is not repeated: it is a secret.
    #[error("the URL has a user name or password; leave it out")]
    UserInfo,
    /// A path: a session shares a whole origin.
    #[error("the URL has the path {given:?}; a whole server is shared, leave the path out")]
    Path {
        /// The path.
        given: String,
    },
    /// A query. It is not repeated: it may hold a secret.
    #[error("the URL has a query; a whole server is shared, leave it out")]
    Query,
    /// A fragment.
    #[error("the URL has a fragment (#…); a whole server is shared, leave it out")]
    Fragment,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, authority: &str, origin: &str) {
        let target: Target = text.parse().expect(text);
        assert_eq!((target.authority(), target.origin()), (authority, origin), "{text}");
    }

    #[test]
    fn reads_ports_and_urls() {
        check("3000", "localhost:3000", "http://localhost:3000");
        check(" 80 ", "localhost", "http://localhost");
        check("localhost:3000", "localhost:3000", "http://localhost:3000");
        check("LOCALHOST:3000/", "localhost:3000", "http://localhost:3000");
        check("http://127.0.0.1:5173", "127.0.0.1:5173", "http://127.0.0.1:5173");
        check("https://localhost:8443", "localhost:8443", "https://localhost:8443");
        check("https://localhost:443", "localhost", "https://localhost");
        check("https://localhost:80", "localhost:80", "https://localhost:80");
        check("http://[::1]:3000", "[::1]:3000", "http://[::1]:3000");
        check("myapp.test:3000", "myapp.test:3000", "http://myapp.test:3000");
        check("http://0.0.0.0:3000", "localhost:3000", "http://localhost:3000");
        check("[::]:3000", "localhost:3000", "http://localhost:3000");
    }

    #[test]
    fn refuses_with_a_reason() {
        let error = |text: &str| text.parse::<Target>().expect_err(text);
        assert!(matches!(error(""), TargetError::Empty));
        assert!(matches!(error("0"), TargetError::Port { .. }));
        assert!(matches!(error("70000"), TargetError::Port { .. }));
        assert!(matches!(error("localhost:0"), TargetError::Port { .. }));
        assert!(matches!(error("localhost:70000"), TargetError::Url { .. }));
        assert!(matches!(error("ftp://localhost"), TargetError::Scheme { .. }));
        assert!(matches!(error("ws://localhost:1"), TargetError::Scheme { .. }));
        assert!(matches!(error("http://a:b@localhost:1"), TargetError::UserInfo));
        assert!(matches!(error("http://localhost:1/app"), TargetError::Path { .. }));
        assert!(matches!(error("http://localhost:1?a=b"), TargetError::Query));
        assert!(matches!(error("http://localhost:1#a"), TargetError::Fragment));
        assert!(matches!(error("http://"), TargetError::Url { .. }));
        assert!(matches!(error("local host:1"), TargetError::Url { .. }));
    }

    #[test]
    fn secrets_are_not_repeated() {
        for text in ["http://me:secret@localhost:1", "http://localhost:1?token=secret"] {
            let error = text.parse::<Target>().expect_err(text);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn loopback_has_both_addresses() {
        let addresses = |text: &str| text.parse::<Target>().expect(text).addresses();
        assert_eq!(addresses("3000").map(|list| list.len()), Some(2));
        assert_eq!(addresses("app.localhost:3000").map(|list| list.len()), Some(2));
        // An address was asked for by name: only that one.
        assert_eq!(addresses("127.0.0.1:3000"), Some(vec![Ipv4Addr::LOCALHOST.into()]));
        assert_eq!(addresses("myapp.test:3000"), None);
    }
}
