//! What operators get wrong, and what they change while the edge serves.

use std::time::Duration;

use tempfile::TempDir;
use tokio::{io::AsyncReadExt, net::TcpStream};
use wingman_tests::{EdgeOptions, HostOptions, Program, Share, Wire, free_port, h2, soon, until};

use super::stage::settled;

/// Runs `wingman-edge` with this configuration and these arguments: exit code and output.
async fn edge(directory: &TempDir, config: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let file = directory.path().join("edge.toml");
    std::fs::write(&file, config).expect("is writable");
    let mut program = Program::start("wingman-edge", |command| {
        command.current_dir(directory.path());
        if !config.is_empty() {
            command.arg("--config").arg(&file);
        }
        command.args(arguments);
    });
    let status = program.ended(Duration::from_secs(10)).await;
    // What it has said is read by tasks of its own, which may be a moment behind.
    let mut length = usize::MAX;
    until("it has said why", Duration::from_secs(5), async || {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = program.log().len();
        program.log().contains("error:") && std::mem::replace(&mut length, now) == now
    })
    .await;
    (status.code(), program.log())
}

#[tokio::test]
async fn a_development_edge_stays_at_home() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let (code, log) = edge(&directory, "", &["--dev", "--listen", listen]).await;
        assert_eq!(code, Some(2), "{log}");
        assert!(log.contains("loopback"), "{log}");
    }
}

#[tokio::test]
async fn settings_that_make_no_sense_are_named() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let good = "base_domain = \"share.example\"\n";
    for (config, named) in [
        (format!("{good}lissten = []\n"), "lissten"),
        (format!("{good}[limits]\nhead_byte = 1\n"), "head_byte"),
        (format!("{good}[limits]\nhead_bytes = \"much\"\n"), "head_bytes"),
        (format!("{good}[timeouts]\ndrain = 5\n"), "drain"),
        (format!("{good}[[tokens]]\nid = \"a\"\nsha256 = \"short\"\nnames = []\n"), "sha256"),
        ("base_domain = \"https://share.example\"\n".to_owned(), "base_domain"),
        ("base_domain = \"127.0.0.1\"\n".to_owned(), "base_domain"),
        ("listen = [\"127.0.0.1:0\"]\n".to_owned(), "base_domain"),
        ("base_domain = \n".to_owned(), "edge.toml"),
    ] {
        let (code, log) = edge(&directory, &config, &["--check-config"]).await;
        assert_eq!(code, Some(2), "{config}: {log}");
        assert!(log.contains(named), "{config}: {log}");
    }
    let absent = directory.path().join("absent.toml");
    let (code, log) = edge(&directory, "", &["--config", &absent.to_string_lossy()]).await;
    assert!(code == Some(2) && log.contains("absent.toml"), "{code:?} {log}");
}

#[tokio::test]
async fn a_missing_or_broken_certificate_is_named() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let make =
        || rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let write = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).expect("is writable");
    };
    let (one, other) = (make(), make());
    write("cert.pem", &one.cert.pem());
    write("key.pem", &one.signing_key.serialize_pem());
    write("other.pem", &other.signing_key.serialize_pem());
    write("text.pem", "no certificate at all");
    write("half.pem", &one.cert.pem()[..200]);
    let damaged = one.cert.pem().replace("MII", "!!!");
    write("damaged.pem", &damaged);
    for (cert, key, named) in [
        ("absent.pem", "key.pem", "absent.pem does not exist"),
        ("cert.pem", "absent.pem", "absent.pem does not exist"),
        ("text.pem", "key.pem", "text.pem has no CERTIFICATE"),
        ("half.pem", "key.pem", "half.pem"),
        ("damaged.pem", "key.pem", "damaged.pem"),
        ("key.pem", "cert.pem", "key.pem has no CERTIFICATE"),
        ("cert.pem", "cert.pem", "cert.pem has no PRIVATE KEY"),
        ("cert.pem", "other.pem", "does not belong"),
        (".", "key.pem", "cannot be read"),
    ] {
        let path = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
        let hash = "0".repeat(64);
        let config = format!(
            "base_domain = \"share.example\"\nlisten = []\n[metrics]\nlisten = \"off\"\n\
             [[tokens]]\nid = \"a\"\nsha256 = \"{hash}\"\nnames = []\n\
             [tls]\nlisten = [\"127.0.0.1:{}\"]\ncert = {:?}\nkey = {:?}\n",
            free_port(),
            path(cert),
            path(key)
        );
        let (code, log) = edge(&directory, &config, &[]).await;
        assert!(matches!(code, Some(1 | 2)), "{cert} {key}: {code:?} {log}");
        assert!(log.contains(named), "{cert} {key}: {log}");
    }
}

async fn tls_share() -> Share {
    Share::with(
        EdgeOptions::default().tls(),
        HostOptions::default().name("app"),
        |mut c| async move {
            while let Some(head) = c.request().await {
                let text = format!("{} {:?}", head.target(), head.get("x-forwarded-proto"));
                let answer =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
                c.send(&answer).await;
            }
        },
    )
    .await
}

#[tokio::test]
async fn plain_http_is_sent_to_https() {
    let share = tls_share().await;
    let port = share.edge.https_port();
    for (request, location) in [
        ("GET /a?b=c", "/a?b=c"),
        ("POST /form", "/form"),
        ("GET //evil.example/x", "//evil.example/x"),
        ("GET /caf\u{e9}", "/caf\u{e9}"),
    ] {
        let mut visitor = share.edge.visit().await;
        visitor.send(format!("{request} HTTP/1.1\r\nHost: app.localhost\r\n\r\n")).await;
        let answer = visitor.response(false).await.expect("an answer");
        assert_eq!(answer.status(), 308);
        let expected = format!("https://app.localhost:{port}{location}");
        assert_eq!(answer.head.get("location"), Some(&*expected));
    }
    // Nobody is sent to where they did not ask for.
    let mut visitor = share.edge.visit().await;
    visitor.send("GET / HTTP/1.1\r\nHost: evil.example/@x\r\n\r\n").await;
    let answer = visitor.response(false).await.expect("an answer");
    assert_eq!((answer.status(), answer.head.get("location")), (400, None));
    let mut visitor = share.edge.visit().await;
    visitor.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(visitor.response(false).await.expect("an answer").status(), 200);
    settled(&share.edge).await;
}

#[tokio::test]
async fn plain_http_on_the_tls_port_does_no_harm() {
    let share = tls_share().await;
    let stream = TcpStream::connect(("127.0.0.1", share.edge.https_port())).await;
    let mut stream = stream.expect("the edge listens");
    tokio::io::AsyncWriteExt::write_all(
        &mut stream,
        b"GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n",
    )
    .await
    .expect("is taken");
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
    secure_get(&share, "/after").await;
}

#[tokio::test]
async fn a_new_certificate_is_taken_without_dropping_anybody() {
    let mut share = tls_share().await;
    let mut before = Wire::new(h2::tls(&share.edge, share.authority(), &["http/1.1"]).await);
    before.send(share.request("GET /before", "")).await;
    assert_eq!(before.response(false).await.expect("an answer").status(), 200);

    let files = share.edge.ca_file().expect("has TLS");
    let key_file = files.with_file_name("key.pem");
    let names = ["localhost".to_owned(), "app.localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    // Half of a renewal: the key is not there yet. The old pair goes on.
    std::fs::write(&files, made.cert.pem()).expect("is writable");
    hang_up(&share);
    until("the edge has said so", Duration::from_secs(10), async || {
        share.edge.program().log().contains("keeping the old one")
    })
    .await;
    before.send(share.request("GET /between", "")).await;
    assert_eq!(before.response(false).await.expect("an answer").status(), 200);
    std::fs::write(&key_file, made.signing_key.serialize_pem()).expect("is writable");
    hang_up(&share);
    until("the new one is in use", Duration::from_secs(10), async || {
        share.edge.program().log().contains("certificate replaced")
    })
    .await;

    // The visitor's connection, and the host's link.
    before.send(share.request("GET /again", "")).await;
    assert!(before.response(false).await.expect("an answer").text().starts_with("/again"));
    let metrics = share.edge.metrics().await;
    assert_eq!(metrics.get("links"), 1.0);
    assert_eq!(metrics.sum("links_closed_total"), 0.0);
    // New ones see the new certificate, which is the one they trust now.
    secure_get(&share, "/after").await;
    settled(&share.edge).await;
}

async fn secure_get(share: &Share, target: &str) {
    let mut visitor = Wire::new(h2::tls(&share.edge, share.authority(), &["http/1.1"]).await);
    visitor.send(share.request(&format!("GET {target}"), "")).await;
    let answer = visitor.response(false).await.expect("an answer");
    assert_eq!(answer.text(), format!("{target} Some(\"https\")"));
}

fn hang_up(share: &Share) {
    let pid = share.edge.pid().to_string();
    let sent = std::process::Command::new("kill").args(["-HUP", &pid]).status();
    assert!(sent.is_ok_and(|status| status.success()));
}
