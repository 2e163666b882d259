//! Dialling the edge.

use std::{path::Path, sync::Arc, time::Duration};

use http::{HeaderValue, StatusCode, Uri, header};
use rustls::{ClientConfig, RootCertStore};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    tungstenite::{Error, client::IntoClientRequest, error::ProtocolError},
};
use wingman_link::websocket_config;
use wingman_wire::{SUBPROTOCOL, VERSION};

use super::STEP_DEADLINE;
use crate::{
    config::Token,
    dial::{race, resolve},
    status::{Cause, Failure},
};

/// Where the edge is and how it is recognized.
pub struct EdgeAddress {
    /// As the user wrote it, for messages.
    pub url: String,
    /// The link endpoint: `wss://…/_wingman/link`.
    pub link_url: String,
    /// Proves who may share.
    pub token: Option<Token>,
    /// Whom to trust.
    pub trust: Trust,
}

/// Which certificates of an edge are accepted.
#[derive(Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
    /// There is none to trust; told when that matters.
    is_empty: bool,
}

impl Trust {
    /// The system's roots, and those of a PEM file.
    ///
    /// # Errors
    /// The file cannot be read or has no certificate in it.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, Failure> {
        let mut roots = RootCertStore::empty();
        // A machine without any roots can still reach an edge on loopback, or one of --ca-file.
        let native = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(native.certs);
        if let Some(file) = ca_file {
            let failed = |cause: Cause| Failure::Other {
                doing: format!("Reading the CA file {}", file.display()),
                cause,
            };
            let pem = std::fs::read(file).map_err(|error| failed(error.into()))?;
            let mut found = 0_usize;
            for certificate in rustls_pki_types::pem::PemObject::pem_slice_iter(&pem) {
                let certificate: rustls_pki_types::CertificateDer<'_> =
                    certificate.map_err(|error| failed(format!("{error:?}").into()))?;
                roots.add(certificate.into_owned()).map_err(|error| failed(error.into()))?;
                found += 1;
            }
            if found == 0 {
                return Err(failed("no certificate in it".into()));
            }
        }
        let is_empty = roots.is_empty();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::Other {
                doing: "Setting up TLS".into(),
                cause: error.into(),
            })?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), is_empty })
    }
}

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Dials and shakes hands.
pub(super) async fn connect(edge: &EdgeAddress) -> Result<Socket, Failure> {
    let mut request = edge.link_url.as_str().into_client_request().map_err(|error| {
        Failure::EdgeUnreachable { edge: edge.url.clone(), cause: error.into() }
    })?;
    let fields = request.headers_mut();
    fields.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    fields.insert(header::USER_AGENT, HeaderValue::from_static(super::AGENT));
    if let Some(token) = &edge.token {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|_| Failure::TokenRefused { edge: edge.url.clone() })?;
        bearer.set_sensitive(true);
        fields.insert(header::AUTHORIZATION, bearer);
    }
    let connector = Connector::Rustls(edge.trust.config.clone());
    let shake_hands = async {
        let tcp = dial(request.uri()).await?;
        client_async_tls_with_config(request, tcp, Some(websocket_config()), Some(connector)).await
    };
    match timeout(STEP_DEADLINE, shake_hands).await {
        Err(_) => Err(Failure::EdgeUnreachable {
            edge: edge.url.clone(),
            cause: std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                format!("no answer within {STEP_DEADLINE:?}"),
            )
            .into(),
        }),
        Ok(Err(error)) => Err(failure(edge, error)),
        Ok(Ok((socket, response))) => {
            let agreed = response.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
            if agreed.is_some_and(|protocol| protocol == SUBPROTOCOL) {
                bound_unsent(&socket);
                Ok(socket)
            } else {
                Err(Failure::NotAnEdge {
                    edge: edge.url.clone(),
                    status: Some(response.status().as_u16()),
                })
            }
        }
    }
}

/// Not by tungstenite, which tries the addresses of a name one after the other: with one family of two broken,
/// as IPv6 often is in hotels, it would not come to the other one in time.
async fn dial(link: &Uri) -> Result<TcpStream, Error> {
    let host = link.host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = link.port_u16().unwrap_or(if link.scheme_str() == Some("ws") { 80 } else { 443 });
    let addresses = resolve(host, port).await?;
    Ok(race(&addresses, STAGGER).await?.1)
}

/// How long one address may be silent before the next is tried beside it (RFC 8305 §5).
const STAGGER: Duration = Duration::from_millis(250);

/// Keeps the kernel from taking megabytes of bulk ahead of a small exchange: what is not sent yet waits in
/// the mux, where ready streams take turns.
fn bound_unsent(socket: &Socket) {
    let tcp = match socket.get_ref() {
        MaybeTlsStream::Plain(tcp) => tcp,
        MaybeTlsStream::Rustls(tls) => tls.get_ref().0,
        _ => return,
    };
    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "android"))]
    if let Err(error) = socket2::SockRef::from(tcp).set_tcp_notsent_lowat(UNSENT) {
        tracing::debug!(%error, "the kernel's send queue is not bounded");
    }
    #[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "android")))]
    let _ = tcp;
}

/// Two carrier messages: one on its way out, one to follow.
const UNSENT: u32 = 128 * 1024;

fn failure(edge: &EdgeAddress, error: Error) -> Failure {
    let url = || edge.url.clone();
    match error {
        Error::Http(response) => {
            let status = response.status();
            let code = response.headers().get("wingman-error").map(HeaderValue::as_bytes);
            match (status, code) {
                (StatusCode::UNAUTHORIZED, Some(b"token-missing")) => {
                    Failure::TokenMissing { edge: url() }
                }
                (StatusCode::UNAUTHORIZED, Some(_)) => Failure::TokenRefused { edge: url() },
                (StatusCode::UPGRADE_REQUIRED, Some(b"not-websocket")) => {
                    Failure::NoWebSocket { edge: url() }
                }
                (StatusCode::UPGRADE_REQUIRED, Some(b"version-mismatch")) => {
                    let theirs = response
                        .headers()
                        .get(header::SEC_WEBSOCKET_PROTOCOL)
                        .and_then(|protocol| protocol.to_str().ok())
                        .and_then(|protocol| protocol.strip_prefix("wingman."))
                        .and_then(|version| version.parse().ok());
                    match theirs {
                        // It speaks ours, so what we offered did not reach it.
                        Some(VERSION) => Failure::NoWebSocket { edge: url() },
                        theirs => Failure::VersionMismatch { ours: VERSION, theirs },
                    }
                }
                (StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, Some(_)) => {
                    Failure::EdgeUnreachable {
                        edge: url(),
                        cause: format!("it answers {status} for now").into(),
                    }
                }
                _ => Failure::NotAnEdge { edge: url(), status: Some(status.as_u16()) },
            }
        }
        Error::Tls(error) => Failure::EdgeTls { edge: url(), cause: error.into() },
        Error::Io(error) => match tls_error(&error) {
            Some(rustls::Error::InvalidCertificate(_)) if edge.trust.is_empty => {
                Failure::EdgeTls { edge: url(), cause: NoRoots(error).into() }
            }
            Some(_) => Failure::EdgeTls { edge: url(), cause: error.into() },
            None => Failure::EdgeUnreachable { edge: url(), cause: error.into() },
        },
        // It may be a wingman edge that ends just now.
        Error::Protocol(ProtocolError::HandshakeIncomplete) => Failure::EdgeUnreachable {
            edge: url(),
            cause: std::io::Error::new(
                std::io::ErrorKind::UnexpectedEof,
                "it closes the connection without an answer",
            )
            .into(),
        },
        // The peer spoke, but neither HTTP nor WebSocket.
        Error::Protocol(_) => Failure::NotAnEdge { edge: url(), status: None },
        error => Failure::EdgeUnreachable { edge: url(), cause: error.into() },
    }
}

/// As in a container without the package `ca-certificates`.
#[derive(Debug, thiserror::Error)]
#[error("this machine has no root certificates")]
struct NoRoots(#[source] std::io::Error);

fn tls_error(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}
