use std::error::Error as _;
use std::fs;

use rcgen::{CertifiedKey as Generated, KeyPair, generate_simple_self_signed};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use super::*;

struct Dir {
    dir: tempfile::TempDir,
}

impl Dir {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn put(&self, pair: &Generated<KeyPair>) {
        fs::write(self.path("cert.pem"), pair.cert.pem()).unwrap();
        fs::write(self.path("key.pem"), pair.signing_key.serialize_pem()).unwrap();
    }

    fn load(&self) -> Result<Certificates, CertError> {
        Certificates::load(self.path("cert.pem"), self.path("key.pem"))
    }
}

fn pair() -> Generated<KeyPair> {
    generate_simple_self_signed(vec!["demo.example".to_owned()]).unwrap()
}

fn shown(certificates: &Certificates) -> Vec<u8> {
    certificates.current().cert[0].to_vec()
}

#[test]
fn a_handshake_sees_the_certificate_of_the_moment() {
    let dir = Dir::new();
    let (old, new) = (pair(), pair());
    dir.put(&old);
    let certificates = Arc::new(dir.load().unwrap());
    handshake(&certificates, &old).unwrap();
    dir.put(&new);
    assert_eq!(certificates.reload_if_changed().unwrap(), Reload::Replaced);
    handshake(&certificates, &new).unwrap();
    handshake(&certificates, &old).unwrap_err();
    assert_eq!(certificates.reload_if_changed().unwrap(), Reload::Unchanged);
}

/// A TLS handshake in memory by a client that trusts only `trusted`.
fn handshake(
    certificates: &Arc<Certificates>,
    trusted: &Generated<KeyPair>,
) -> Result<(), rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(certificates) as _;
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    let mut roots = RootCertStore::empty();
    roots.add(trusted.cert.der().clone())?;
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut server = ServerConnection::new(Arc::new(server))?;
    let name = "demo.example".try_into().unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name)?;
    while client.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets()?;
        bytes.clear();
        server.write_tls(&mut bytes).unwrap();
        client.read_tls(&mut bytes.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok(())
}

#[test]
fn broken_renewals_keep_the_old_one() {
    let dir = Dir::new();
    let old = pair();
    dir.put(&old);
    let certificates = dir.load().unwrap();
    let before = shown(&certificates);
    let new = pair();

    // Half-way through a renewal: the certificate is new, the key is not yet.
    fs::write(dir.path("cert.pem"), new.cert.pem()).unwrap();
    let error = certificates.reload_if_changed().unwrap_err();
    assert!(matches!(error, CertError::Mismatch { .. }), "{error:?}");
    // Said once, not every five seconds.
    assert_eq!(certificates.reload_if_changed().unwrap(), Reload::Unchanged);
    assert_eq!(shown(&certificates), before);

    fs::remove_file(dir.path("key.pem")).unwrap();
    let error = certificates.reload_if_changed().unwrap_err();
    assert!(matches!(error, CertError::Missing(_)), "{error:?}");
    assert_eq!(certificates.reload_if_changed().unwrap(), Reload::Unchanged);
    assert_eq!(shown(&certificates), before);

    fs::write(dir.path("cert.pem"), "").unwrap();
    fs::write(dir.path("key.pem"), "").unwrap();
    let error = certificates.reload_if_changed().unwrap_err();
    assert!(matches!(error, CertError::NoCertificate(_)), "{error:?}");
    assert_eq!(shown(&certificates), before);

    dir.put(&new);
    assert_eq!(certificates.reload_if_changed().unwrap(), Reload::Replaced);
    assert_eq!(shown(&certificates), new.cert.der().to_vec());
}

#[test]
fn a_same_size_change_at_the_same_time_is_seen() {
    let dir = Dir::new();
    let (old, new) = (pair(), pair());
    dir.put(&old);
    let certificates = dir.load().unwrap();
    let time = fs::metadata(dir.path("cert.pem")).unwrap().modified().unwrap();
    dir.put(&new);
    for name in ["cert.pem", "key.pem"] {
        File::options().append(true).open(dir.path(name)).unwrap().set_modified(time).unwrap();
    }
    assert_eq!(certificates.reload_if_changed().unwrap(), Reload::Replaced);
}

#[test]
fn chains_and_other_sections() {
    let dir = Dir::new();
    let (leaf, issuer) = (pair(), pair());
    dir.put(&leaf);
    let key = leaf.signing_key.serialize_pem();
    // Key and chain in one file, as some tools write them.
    let all = format!("# comment\n{key}{}{}", leaf.cert.pem(), issuer.cert.pem());
    fs::write(dir.path("all.pem"), all).unwrap();
    let certificates = Certificates::load(dir.path("all.pem"), dir.path("all.pem")).unwrap();
    assert_eq!(certificates.current().cert.len(), 2);
    assert_eq!(shown(&certificates), leaf.cert.der().to_vec());
}

#[test]
fn every_fault_has_its_error() {
    let dir = Dir::new();
    let good = pair();
    let damaged = good.cert.pem().replace("-----END", "*!*\n-----END");
    let empty_section = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cert = good.cert.pem();
    let key = good.signing_key.serialize_pem();
    let other = pair().signing_key.serialize_pem();
    let huge = "x".repeat(MAX_FILE as usize + 1);
    let check = |cert: &str, key: &str, part: &str| {
        fs::write(dir.path("cert.pem"), cert).unwrap();
        fs::write(dir.path("key.pem"), key).unwrap();
        let error = dir.load().unwrap_err();
        assert!(error.to_string().contains(part), "{error} / {:?}", error.source());
        assert!(error.to_string().contains(".pem"), "{error} names no file");
    };
    check(&cert, &other, "does not belong");
    check("", &key, "no CERTIFICATE");
    check(&key, &key, "no CERTIFICATE");
    check(&cert, "", "no PRIVATE KEY");
    check(&cert, &cert, "no PRIVATE KEY");
    check(&damaged, &key, "cert.pem is not valid PEM");
    check(&cert, &key.replace("-----END", "*!*\n-----END"), "key.pem is not valid PEM");
    check(empty_section, &key, "not usable");
    check(&huge, &key, "larger than");
    fs::remove_file(dir.path("cert.pem")).unwrap();
    let error = dir.load().unwrap_err();
    assert!(error.to_string().contains("cert.pem does not exist"), "{error}");
    fs::create_dir(dir.path("cert.pem")).unwrap();
    let error = dir.load().unwrap_err();
    assert!(error.to_string().contains("cannot be read") && error.source().is_some());
}

#[test]
fn nothing_secret_in_debug() {
    let dir = Dir::new();
    let good = pair();
    dir.put(&good);
    let debug = format!("{:?}", dir.load().unwrap());
    let key = good.signing_key.serialize_pem();
    let secret = key.lines().nth(1).unwrap();
    assert!(!debug.contains(secret));
    let error = dir.load().map(|_| ()).map_err(|error| format!("{error:?}"));
    assert_eq!(error, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn watching_takes_up_changes() {
    let dir = Dir::new();
    let (old, new) = (pair(), pair());
    dir.put(&old);
    let certificates = Arc::new(dir.load().unwrap());
    let watch = Arc::clone(&certificates).watch();
    tokio::pin!(watch);
    dir.put(&new);
    // Time is virtual: a day passes as soon as nothing else is to do.
    let replaced = async {
        while shown(&certificates) != new.cert.der().to_vec() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        ended = &mut watch => panic!("watch ended: {ended:?}"),
        () = replaced => {}
        () = tokio::time::sleep(Duration::from_secs(86_400)) => panic!("never replaced"),
    }
}
