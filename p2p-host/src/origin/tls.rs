//! TLS to `https://` origins.

use std::io;
use std::sync::Arc;

use hyper_rustls::{ConfigBuilderExt, HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::Connection;
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tower::{Service, service_fn};

use super::target::Target;

/// A connection to the origin, plain or encrypted.
pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// What is offered by ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// Only HTTP/1.1.
    Http1,
    /// Only HTTP/2.
    Http2,
    /// Both; the origin chooses.
    Both,
}

/// The handshake's settings, one per [`Offer`].
#[derive(Debug)]
pub(super) struct Tls {
    uri: http::Uri,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    both: Arc<ClientConfig>,
}

impl Tls {
    /// Reads the platform's certificate store, unless any certificate will do (`insecure`).
    pub(super) fn new(target: &Target, insecure: bool) -> Result<Self, TlsSetupError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsSetupError::Versions)?;
        let config = if insecure {
            let verifier = Arc::new(AnyCertificate(provider));
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        } else {
            builder.with_native_roots().map_err(TlsSetupError::Roots)?.with_no_client_auth()
        };
        let offering = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            Arc::new(config)
        };
        Ok(Self {
            uri: target.origin().parse().map_err(TlsSetupError::Name)?,
            http1: offering(&[b"http/1.1"]),
            http2: offering(&[b"h2"]),
            both: offering(&[b"h2", b"http/1.1"]),
        })
    }

    /// The stream, and whether HTTP/2 was agreed on.
    pub(super) async fn handshake(
        &self,
        tcp: TcpStream,
        offer: Offer,
    ) -> Result<(Stream, bool), Box<dyn std::error::Error + Send + Sync>> {
        let config = match offer {
            Offer::Http1 => &self.http1,
            Offer::Http2 => &self.http2,
            Offer::Both => &self.both,
        };
        // The connector wants to dial; what it dials is already there.
        let mut tcp = Some(TokioIo::new(tcp));
        let dialed = service_fn(move |_: http::Uri| {
            std::future::ready(
                tcp.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)),
            )
        });
        let mut connector = HttpsConnector::from((dialed, Arc::clone(config)));
        let stream = connector.call(self.uri.clone()).await?;
        let http2 = Connection::connected(&stream).is_negotiated_h2();
        Ok((stream, http2))
    }
}

/// Accepts any certificate: development servers sign their own.
///
/// The handshake's signatures are still checked, so that a broken server is not taken for a
/// working one.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Why an `https://` origin cannot be spoken to from this machine at all.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// The machine has no certificate store to check the origin's certificate with.
    #[error("this machine has no trusted root certificates")]
    Roots(#[source] io::Error),
    /// The TLS library was built without a usable version.
    #[error("no usable TLS version")]
    Versions(#[source] rustls::Error),
    /// The origin's name cannot be used in TLS.
    #[error("the origin's name cannot be used with TLS")]
    Name(#[source] http::uri::InvalidUri),
}
