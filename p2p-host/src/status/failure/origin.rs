//! Why the origin cannot be shared: what its client says, as a failure of the start.

use super::{Failure, cause::is_certificate};
use crate::origin::{ConnectError, Target, TlsSetupError};

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let unreachable = |target: &Target, cause| Self::OriginUnreachable {
            target: target.authority().to_owned(),
            cause,
        };
        match error {
            ConnectError::Refused { target, .. } => {
                Self::NoOrigin { target: target.authority().to_owned() }
            }
            ConnectError::Unreachable { target, source } => unreachable(&target, source.into()),
            ConnectError::Timeout { target, after } => {
                unreachable(&target, format!("no connection within {after:?}").into())
            }
            ConnectError::Lookup { host, source } => Self::OriginUnreachable {
                target: host,
                cause: format!("its name cannot be looked up: {source}").into(),
            },
            ConnectError::NoAddress { target } => {
                unreachable(&target, "its name has no address".into())
            }
            ConnectError::Tls { target, source } if is_certificate(&*source) => {
                Self::OriginCertificate { target: target.authority().to_owned(), cause: source }
            }
            // With its port: the hint is about the same one without TLS.
            ConnectError::Tls { target, source } => Self::OriginTls {
                target: format!("{}:{}", target.host(), target.port()),
                cause: source,
            },
            ConnectError::Handshake { target, source } => unreachable(&target, source.into()),
        }
    }
}

impl Failure {
    /// No connection to an `https://` origin can be tried at all.
    pub(crate) fn of_tls_setup(target: &Target, error: TlsSetupError) -> Self {
        match error {
            TlsSetupError::Roots(_) => Self::OriginCertificate {
                target: target.authority().to_owned(),
                cause: error.into(),
            },
            TlsSetupError::Versions(_) | TlsSetupError::Name(_) => Self::Other {
                doing: "Setting up TLS towards the origin".into(),
                cause: error.into(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{error::Error, io, time::Duration};

    use rustls::CertificateError;

    use super::*;

    fn target() -> Target {
        "https://app.test".parse().expect("target")
    }

    fn wrapped(error: rustls::Error) -> Box<dyn Error + Send + Sync> {
        // As the client does.
        io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error)).into()
    }

    #[test]
    fn each_cause_has_its_own_words_and_way_out() {
        let tls = |error| ConnectError::Tls { target: target(), source: wrapped(error) };
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let no_route = io::Error::from(io::ErrorKind::HostUnreachable);
        let unknown = io::Error::other("no such host");
        let after = Duration::from_secs(5);
        let distrusted = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let plain = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        let cases = [
            (
                ConnectError::Refused { target: target(), source: refused },
                "no-origin",
                "Nothing listens on app.test",
                "wingman PORT",
            ),
            (
                ConnectError::Unreachable { target: target(), source: no_route },
                "origin-unreachable",
                "app.test cannot be reached: host unreachable",
                "what it can reach itself",
            ),
            (
                ConnectError::Timeout { target: target(), after },
                "origin-unreachable",
                "app.test cannot be reached: no connection within 5s",
                "what it can reach itself",
            ),
            (
                ConnectError::Lookup { host: "app.test".into(), source: unknown },
                "origin-unreachable",
                "app.test cannot be reached: its name cannot be looked up: no such host",
                "Check the name",
            ),
            (
                ConnectError::NoAddress { target: target() },
                "origin-unreachable",
                "app.test cannot be reached: its name has no address",
                "Check the name",
            ),
            (
                tls(distrusted),
                "origin-certificate",
                "The certificate of app.test cannot be trusted: invalid peer certificate: UnknownIssuer",
                "--insecure",
            ),
            (
                tls(plain),
                "origin-tls",
                "No TLS with app.test:443: received corrupt message of type InvalidContentType",
                "http://app.test:443",
            ),
        ];
        for (error, code, message, hint) in cases {
            let failure = Failure::from(error);
            assert_eq!((failure.code(), &*failure.message()), (code, message));
            assert!(failure.hint().contains(hint), "{hint:?} is not in {:?}", failure.hint());
            assert_eq!(failure.exit_code().code(), 3, "{failure:?}");
        }
    }

    #[test]
    fn a_machine_without_roots_can_share_with_insecure() {
        let error = TlsSetupError::Roots(io::Error::other("none found"));
        let failure = Failure::of_tls_setup(&target(), error);
        assert_eq!(failure.code(), "origin-certificate");
        assert!(failure.message().contains("no trusted root certificates"), "{failure:?}");
    }
}
