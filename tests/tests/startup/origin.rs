//! Apps that cannot be reached, each for its own reason: what is wrong must be told, not guessed.

use std::{net::SocketAddr, sync::Arc};

use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;
use wingman_tests::{Edge, HostOptions, Wire, free_port};

use super::{Expected, fails};

/// An app with a certificate that it made itself, as development servers do.
async fn self_signed() -> (SocketAddr, JoinHandle<()>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("they belong together");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("is bound");
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let mut wire = Wire::new(stream);
            while let Ok(Some(_)) = wire.head().await {
                let _ = wire.try_send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret").await;
            }
        }
    });
    (address, task)
}

#[tokio::test]
async fn a_certificate_of_its_own_needs_insecure() {
    let edge = Edge::start().await;
    let (address, _app) = self_signed().await;
    let target = format!("https://localhost:{}", address.port());
    let expected = Expected {
        exit: 3,
        code: "origin-certificate",
        says: &["certificate of localhost", "cannot be trusted", "UnknownIssuer"],
        hints: "--insecure",
    };
    fails(&[&target, "--edge", &edge.url()], &[], &expected).await;

    let host = HostOptions::default().argument("--insecure").start(&edge, &target).await;
    let mut visitor = edge.visit().await;
    visitor.send(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", host.authority())).await;
    assert_eq!(visitor.response(false).await.expect("an answer").text(), "secret");
}

#[tokio::test]
async fn https_of_an_app_that_speaks_plain_http() {
    let edge = Edge::start().await;
    let expected = Expected {
        exit: 3,
        code: "origin-tls",
        says: &["No TLS with localhost"],
        hints: "share it as http://localhost:",
    };
    // One refuses what it takes for a request, the other waits for more of it.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let refusing = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = |listener: &TcpListener| listener.local_addr().expect("is bound").port();
    let ports = [port(&refusing), port(&silent)];
    let _app = tokio::spawn(async move {
        while let Ok((stream, _)) = refusing.accept().await {
            let _ = Wire::new(stream).try_send("HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let deadline = [("WINGMAN_ORIGIN__CONNECT_TIMEOUT", "500ms")];
    for port in ports {
        let target = format!("https://localhost:{port}");
        fails(&[&target, "--edge", &edge.url()], &deadline, &expected).await;
    }
}

#[tokio::test]
async fn an_app_on_an_unknown_machine() {
    let edge = Edge::start().await;
    let expected = Expected {
        exit: 3,
        code: "origin-unreachable",
        says: &["app.invalid", "cannot be looked up"],
        hints: "Check the name",
    };
    let target = format!("http://app.invalid:{}", free_port());
    fails(&[&target, "--edge", &edge.url()], &[], &expected).await;
}
