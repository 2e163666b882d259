//! The certificate visitors see: read from files, read again when they change.
//!
//! Handshakes take whatever is current; connections that stand are not touched. A new pair is taken
//! only if it is whole (it parses and the key fits), so a half-written renewal changes nothing.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{SignalKind, signal};

/// Gives the current certificate to every handshake, whatever name it asks for.
#[derive(Debug)]
pub struct Certificates {
    current: ArcSwap<CertifiedKey>,
    files: Files,
    /// Of the files' content when they were last looked at, whole or broken.
    seen: Mutex<Digest>,
}

/// What a look at the files found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// The same as last time.
    Unchanged,
    /// A new certificate is in use.
    Replaced,
}

impl Certificates {
    /// Reads the certificate chain and its key, both PEM.
    ///
    /// # Errors
    /// [`CertError`] if there is no pair that fits.
    pub fn load(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, CertError> {
        let files = Files { cert: cert.into(), key: key.into() };
        let content = files.read()?;
        let current = ArcSwap::from_pointee(files.parse(&content)?);
        Ok(Self { current, files, seen: Mutex::new(content.digest()) })
    }

    /// Takes what the files hold now, if it differs from the last time and is whole.
    ///
    /// Compares content, not times: two small files are cheap to read, and neither an exchanged
    /// symbolic link nor a second change within one tick of the clock is missed.
    ///
    /// # Errors
    /// [`CertError`] once for each broken content; the certificate in use stays.
    pub fn reload_if_changed(&self) -> Result<Reload, CertError> {
        let mut seen = self.seen.lock();
        let content = match self.files.read() {
            Ok(content) => content,
            Err(error) => {
                // Missing files are news once as well.
                let before = std::mem::replace(&mut *seen, MISSING);
                return if before == MISSING { Ok(Reload::Unchanged) } else { Err(error) };
            }
        };
        let digest = content.digest();
        if std::mem::replace(&mut *seen, digest) == digest {
            return Ok(Reload::Unchanged);
        }
        self.current.store(Arc::new(self.files.parse(&content)?));
        Ok(Reload::Replaced)
    }

    /// Looks at the files every five seconds and on SIGHUP, for as long as it is polled.
    ///
    /// # Errors
    /// If the signal cannot be listened to.
    pub async fn watch(self: Arc<Self>) -> io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut ticks = tokio::time::interval(POLL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = hangup.recv() => {}
            }
            let certificates = Arc::clone(&self);
            // Files may be on a disk that sleeps.
            let look = tokio::task::spawn_blocking(move || certificates.reload_if_changed());
            match look.await {
                Ok(Ok(Reload::Unchanged)) => {}
                Ok(Ok(Reload::Replaced)) => tracing::info!("certificate replaced"),
                Ok(Err(error)) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "new certificate not usable, keeping the old one"
                ),
                // Only if the runtime is going down.
                Err(_) => return Ok(()),
            }
        }
    }

    /// The certificate in use.
    pub fn current(&self) -> Arc<CertifiedKey> {
        self.current.load_full()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// A file is not there.
    #[error("{0} does not exist")]
    Missing(PathBuf),
    /// A file is there but cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Larger than any certificate.
    #[error("{0} is larger than {MAX_FILE} bytes; is it the right file?")]
    TooLarge(PathBuf),
    /// The certificate file has no certificate.
    #[error("{0} has no CERTIFICATE section; it must be the PEM chain, the server's own first")]
    NoCertificate(PathBuf),
    /// The key file has no key.
    #[error("{0} has no PRIVATE KEY section; it must be a PEM key without a password")]
    NoKey(PathBuf),
    /// A file is damaged PEM.
    #[error("{path} is not valid PEM")]
    Pem {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// The key belongs to another certificate.
    #[error("the key in {key} does not belong to the first certificate in {cert}")]
    Mismatch {
        /// The certificate file.
        cert: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// What is in the PEM sections is no certificate or no key rustls knows.
    #[error("the certificate in {cert} or the key in {key} is not usable")]
    Unusable {
        /// The certificate file.
        cert: PathBuf,
        /// The key file.
        key: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
}

#[derive(Debug)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
}

impl Files {
    fn read(&self) -> Result<Content, CertError> {
        Ok(Content { cert: read(&self.cert)?, key: read(&self.key)? })
    }

    fn parse(&self, content: &Content) -> Result<CertifiedKey, CertError> {
        let broken = |path: &Path| {
            let path = path.to_owned();
            |source| CertError::Pem { path, source }
        };
        let chain = CertificateDer::pem_slice_iter(&content.cert)
            .collect::<Result<Vec<_>, _>>()
            .map_err(broken(&self.cert))?;
        if chain.is_empty() {
            return Err(CertError::NoCertificate(self.cert.clone()));
        }
        let key = match PrivateKeyDer::from_pem_slice(&content.key) {
            Ok(key) => key,
            Err(pem::Error::NoItemsFound) => return Err(CertError::NoKey(self.key.clone())),
            Err(error) => return Err(broken(&self.key)(error)),
        };
        let provider = rustls::crypto::ring::default_provider();
        CertifiedKey::from_der(chain, key, &provider).map_err(|source| {
            let (cert, key) = (self.cert.clone(), self.key.clone());
            match source {
                rustls::Error::InconsistentKeys(_) => CertError::Mismatch { cert, key },
                source => CertError::Unusable { cert, key, source },
            }
        })
    }
}

struct Content {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Content {
    fn digest(&self) -> Digest {
        let mut hasher = Sha256::new();
        // The length keeps a move of bytes from one file to the other a change.
        hasher.update((self.cert.len() as u64).to_be_bytes());
        hasher.update(&self.cert);
        hasher.update(&self.key);
        hasher.finalize().into()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CertError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => CertError::Missing(path.to_owned()),
        _ => CertError::Unreadable { path: path.to_owned(), source },
    };
    let mut content = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_FILE + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > MAX_FILE {
        return Err(CertError::TooLarge(path.to_owned()));
    }
    Ok(content)
}

type Digest = [u8; 32];

/// Stands for files that cannot be read.
const MISSING: Digest = [0; 32];
const MAX_FILE: u64 = 1 << 20;
const POLL: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
