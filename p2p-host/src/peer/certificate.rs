//! The certificate by which pages know this host's peers.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rtc::{
    crypto::{CryptoError, SignatureScheme, default_provider},
    peer_connection::certificate::CertificateParams,
    shared::error::Error as RtcError,
};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use webrtc::peer_connection::RTCCertificate;

use crate::state_file;

/// A self-signed certificate, the same for all peers and, if it is kept on disk, for all runs of this host.
#[derive(Clone, Debug)]
pub struct Certificate(RTCCertificate);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file is there but cannot be read, or a new one cannot be written.
    #[error("cannot keep the certificate in {file}")]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// A key could not be made.
    #[error("cannot make a certificate")]
    Crypto(#[from] CryptoError),
    /// It could not be encoded.
    #[error("cannot encode a certificate")]
    Encoding(#[from] RtcError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    /// DER, base64.
    certificate: String,
    /// PKCS #8, base64.
    key: String,
}

impl Certificate {
    /// One that lives only as long as the process.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn fresh() -> Result<Self, CertificateError> {
        let provider = default_provider()?;
        let params = CertificateParams::new(Vec::new())
            .map_err(|error| RtcError::Other(error.to_string()))?;
        Ok(Self(RTCCertificate::generate(provider.crypto(), SCHEME, params)?))
    }

    /// The one kept in `directory`; a new one if there is none, or the file is damaged.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn load(directory: &Path) -> Result<Self, CertificateError> {
        let file = directory.join(FILE);
        match std::fs::read(&file) {
            Ok(json) => {
                if let Some(certificate) = Self::decode(&json) {
                    return Ok(certificate);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(cause) => return Err(CertificateError::File { file, cause }),
        }
        let certificate = Self::fresh()?;
        if let Some(json) = certificate.encode()? {
            state_file::write(&file, &json)
                .map_err(|cause| CertificateError::File { file, cause })?;
        }
        Ok(certificate)
    }

    pub(super) fn to_rtc(&self) -> RTCCertificate {
        self.0.clone()
    }

    fn encode(&self) -> Result<Option<Vec<u8>>, CertificateError> {
        let inner = &self.0.dtls_certificate;
        let key = inner.private_key.signing_key.to_pkcs8_der()?;
        let (Some(key), Some(certificate)) = (key, inner.certificate.first()) else {
            return Ok(None);
        };
        let stored =
            Stored { certificate: STANDARD.encode(certificate), key: STANDARD.encode(key) };
        Ok(serde_json::to_vec(&stored).ok())
    }

    fn decode(json: &[u8]) -> Option<Self> {
        let stored: Stored = serde_json::from_slice(json).ok()?;
        let certificate = CertificateDer::from(STANDARD.decode(stored.certificate).ok()?);
        let key = STANDARD.decode(stored.key).ok()?;
        let provider = default_provider().ok()?;
        // Nobody looks at the dates: pages know it by its fingerprint.
        let expires = SystemTime::now().checked_add(FOREVER)?;
        let certificate = vec![certificate];
        RTCCertificate::from_pkcs8(provider.crypto(), SCHEME, certificate, &key, expires)
            .ok()
            .map(Self)
    }
}

const SCHEME: SignatureScheme = SignatureScheme::EcdsaP256Sha256;
const FILE: &str = "peer-certificate.json";
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(certificate: &Certificate) -> String {
        let provider = default_provider().unwrap();
        let fingerprints = certificate.to_rtc().get_fingerprints(provider.crypto()).unwrap();
        fingerprints[0].value.clone()
    }

    #[test]
    fn a_kept_certificate_comes_back_with_its_fingerprint_and_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("state");
        let first = Certificate::load(&below).unwrap();
        let second = Certificate::load(&below).unwrap();
        assert_eq!(fingerprint(&first), fingerprint(&second));
        assert_ne!(fingerprint(&first), fingerprint(&Certificate::fresh().unwrap()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = below.join(FILE).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_damaged_file_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let first = Certificate::load(directory.path()).unwrap();
        let file = directory.path().join(FILE);
        let whole = std::fs::read(&file).unwrap();
        for damaged in
            [&b"{"[..], b"", &whole[..whole.len() / 2], br#"{"certificate":"","key":""}"#]
        {
            std::fs::write(&file, damaged).unwrap();
            let replaced = Certificate::load(directory.path()).unwrap();
            assert_ne!(fingerprint(&first), fingerprint(&replaced));
            let again = Certificate::load(directory.path()).unwrap();
            assert_eq!(fingerprint(&again), fingerprint(&replaced));
        }
    }
}
