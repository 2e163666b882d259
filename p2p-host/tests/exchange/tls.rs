//! `https://` origins with a certificate of their own.

use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;
use wingman_host::exchange::ExchangeError;
use wingman_host::origin::{ConnectError, Options};

use crate::http2::answer;
use crate::origin::*;

/// An origin with a self-signed certificate that offers these protocols.
async fn secured(protocols: &[&[u8]]) -> Origin {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("certificate");
    let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).expect("key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .expect("config");
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Origin::new(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let (stream, service) = (TokioIo::new(stream), service_fn(answer));
            let _ = match http2 {
                true => {
                    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    builder.serve_connection(stream, service).await
                }
                false => {
                    let builder = hyper::server::conn::http1::Builder::new();
                    builder.serve_connection(stream, service).await
                }
            };
        }
    })
    .await
}

fn options(insecure: bool) -> Options {
    Options { insecure, ..Options::default() }
}

#[tokio::test]
async fn self_signed_certificates_need_insecure() {
    let origin = secured(&[]).await;
    let target = format!("https://localhost:{}", origin.address.port());
    let strict = service(&target, options(false));
    let probe = strict.client().probe().await.expect_err("untrusted");
    assert!(matches!(probe, ConnectError::Tls { .. }), "{probe:?}");
    let error = failure(&strict, get("/")).await;
    assert!(matches!(error, ExchangeError::OriginTls(_)), "{error:?}");
    let lenient = service(&target, options(true));
    lenient.client().probe().await.expect("any certificate will do");
    for _ in 0..2 {
        let response = soon(lenient.call(post("hello"))).await.expect("response");
        assert_eq!(text(response).await, "HTTP/1.1 POST / hello");
    }
}

#[tokio::test]
async fn http2_is_agreed_on() {
    let origin = secured(&[b"h2", b"http/1.1"]).await;
    let target = format!("https://localhost:{}", origin.address.port());
    let service = service(&target, options(true));
    for _ in 0..3 {
        let response = soon(service.call(get("/a"))).await.expect("response");
        assert_eq!(text(response).await, format!("HTTP/2.0 GET {target}/a "));
    }
    assert_eq!(origin.connections(), 1);
    // An upgrade needs HTTP/1.1, and gets it from the same origin.
    let mut upgrade = get("/b");
    upgrade.headers_mut().insert("upgrade", "websocket".parse().expect("value"));
    let response = soon(service.call(upgrade)).await.expect("response");
    assert_eq!(text(response).await, "HTTP/1.1 GET /b ");
}

#[tokio::test]
async fn plain_http_behind_https_is_no_tls() {
    let origin = Origin::keeping("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let target = format!("https://localhost:{}", origin.address.port());
    let service = service(
        &target,
        Options { connect_deadline: std::time::Duration::from_millis(500), ..options(true) },
    );
    let error = failure(&service, get("/")).await;
    // It waits for the rest of what it takes for a request, so nothing but the time tells.
    assert!(matches!(error, ExchangeError::OriginTls(_)), "{error:?}");
}
