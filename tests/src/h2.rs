//! Visitors that speak HTTP/2 over TLS, as browsers do.

use std::{fs, sync::Arc};

use bytes::Bytes;
use h2::client::SendRequest;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{edge::Edge, time::soon};

/// A TLS connection to the edge, with SNI for `authority` and these ALPN protocols.
pub async fn tls(edge: &Edge, authority: &str, protocols: &[&str]) -> TlsStream<TcpStream> {
    let file = edge.ca_file().expect("the edge has TLS");
    let certificate = CertificateDer::from_pem_slice(&fs::read(file).expect("is readable"));
    let mut roots = RootCertStore::empty();
    roots.add(certificate.expect("is a certificate")).expect("is one we made");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = authority.split(':').next().unwrap_or(authority).to_owned();
    let stream = soon(TcpStream::connect(("127.0.0.1", edge.https_port()))).await;
    let connecting = TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from(name).expect("a name"), stream.expect("the edge listens"));
    soon(connecting).await.expect("the edge has a certificate for it")
}

/// An HTTP/2 connection; use the `h2` crate on it. It lives in a task until the sender is dropped.
pub async fn connect(edge: &Edge, authority: &str) -> SendRequest<Bytes> {
    let stream = tls(edge, authority, &["h2"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) = soon(h2::client::handshake(stream)).await.expect("speaks HTTP/2");
    tokio::spawn(connection);
    soon(sender.ready()).await.expect("takes requests")
}
