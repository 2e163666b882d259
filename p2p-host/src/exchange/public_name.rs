//! The name under which visitors know the session.

use url::Url;
use wingman_wire::head::Scheme;

/// Scheme and authority of the session's URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PublicName {
    scheme: Scheme,
    /// Lower case, without the scheme's default port.
    authority: String,
}

impl PublicName {
    /// Of the URL that the edge gave; `None` if it is none.
    pub(super) fn of(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        // `Url` drops the default port.
        let host = url.host_str()?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Some(Self { scheme, authority })
    }

    /// Whether a request asks for this name.
    pub(super) fn is(&self, scheme: Scheme, authority: &[u8]) -> bool {
        let default: &[u8] = match scheme {
            Scheme::Http => b":80",
            Scheme::Https => b":443",
        };
        let authority = authority.strip_suffix(default).unwrap_or(authority);
        scheme == self.scheme && authority.eq_ignore_ascii_case(self.authority.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_case_do_not_tell_names_apart() {
        let plain = PublicName::of("http://abc.localhost:8080/").expect("url");
        assert!(plain.is(Scheme::Http, b"ABC.localhost:8080"));
        for other in ["abc.localhost", "abc.localhost:80", "xabc.localhost:8080", ""] {
            assert!(!plain.is(Scheme::Http, other.as_bytes()), "{other}");
        }
        assert!(!plain.is(Scheme::Https, b"abc.localhost:8080"));
        let tls = PublicName::of("https://abc.wingman.dev").expect("url");
        assert!(
            tls.is(Scheme::Https, b"abc.wingman.dev")
                && tls.is(Scheme::Https, b"abc.wingman.dev:443")
        );
        assert!(!tls.is(Scheme::Http, b"abc.wingman.dev"));
        assert_eq!(PublicName::of("ftp://abc"), None);
        assert_eq!(PublicName::of(""), None);
    }
}
