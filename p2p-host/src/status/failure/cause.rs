//! What lies beneath a failure.

use std::error::Error;
use std::io;

/// Whether it is the peer's certificate that TLS failed on. An [`io::Error`] is not the source of what it
/// wraps, so following the sources alone would miss it.
pub(super) fn is_certificate(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return matches!(tls, rustls::Error::InvalidCertificate(_));
        }
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map_or_else(|| error.source(), |wrapped| Some(wrapped));
    }
    false
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn a_certificate_is_found_however_it_is_wrapped() {
        let distrusted = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let once = || io::Error::new(io::ErrorKind::InvalidData, distrusted());
        assert!(is_certificate(&distrusted()));
        assert!(is_certificate(&once()));
        assert!(is_certificate(&io::Error::other(once())));
        assert!(is_certificate(&Outer(once())));
        assert!(!is_certificate(&Outer(io::ErrorKind::UnexpectedEof.into())));
        assert!(!is_certificate(&io::Error::other(rustls::Error::HandshakeNotComplete)));
    }
}
