//! By what the edge knows this host again.

use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{
    state_file,
    status::{Event, Reporter},
};

/// A resume key and the session name it was last used for.
///
/// One per edge and shared origin (or wanted name), in a file of the user's state directory that only the
/// user can read. A process that was killed, or a machine that was restarted, gets its URL back by it.
pub struct Identity {
    stored: Stored,
    file: Option<PathBuf>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    resume_key: String,
    name: Option<String>,
}

/// Why an identity could not be read.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file is there but cannot be read.
    #[error("cannot read {file}")]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Identity")
            .field("name", &self.stored.name)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// One that lives only as long as the process.
    pub fn fresh() -> Self {
        Self { stored: Stored::new(), file: None }
    }

    /// The one kept in `directory` for this edge and `what` (a wanted name or a shared origin); a new one
    /// if there is none, or the file is damaged.
    ///
    /// # Errors
    /// [`IdentityError`]: the file is there but not readable, so a new key would silently change the URL.
    pub fn load(directory: &Path, edge: &str, what: &str) -> Result<Self, IdentityError> {
        let file = directory.join(file_name(edge, what));
        let stored = match std::fs::read(&file) {
            Ok(json) => serde_json::from_slice(&json).unwrap_or_else(|_| Stored::new()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Stored::new(),
            Err(cause) => return Err(IdentityError::Unreadable { file, cause }),
        };
        Ok(Self { stored, file: Some(file) })
    }

    /// The secret.
    pub fn key(&self) -> &str {
        &self.stored.resume_key
    }

    /// The session name of last time.
    pub fn name(&self) -> Option<&str> {
        self.stored.name.as_deref()
    }

    /// Keeps the name for the next start. A disk that refuses is a warning: the session works.
    pub fn remember(&mut self, name: &str, reporter: &Reporter) {
        let known = self.stored.name.as_deref() == Some(name);
        self.stored.name = Some(name.to_owned());
        let Some(file) = &self.file else { return };
        if known && file.exists() {
            return;
        }
        let written = serde_json::to_vec(&self.stored)
            .map_err(std::io::Error::from)
            .and_then(|json| state_file::write(file, &json));
        if let Err(error) = written {
            reporter.report(Event::Warning {
                message: format!(
                    "The URL cannot be kept for the next start: {}: {error}",
                    file.display()
                ),
            });
        }
    }
}

impl Stored {
    fn new() -> Self {
        let key: [u8; 32] = rand::random();
        Self { resume_key: URL_SAFE_NO_PAD.encode(key), name: None }
    }
}

/// Readable, unique enough, and nothing but letters, digits, dots and hyphens.
fn file_name(edge: &str, what: &str) -> String {
    let plain = |text: &str| -> String {
        let text = text.split_once("://").map_or(text, |(_, rest)| rest);
        text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect()
    };
    format!("{}--{}.json", plain(edge), plain(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Options, Style, Terminal};

    fn reporter() -> Reporter {
        let terminal = Terminal::default();
        Reporter::start(Options { style: Style::Json, qr: false, log_query: false, terminal })
            .unwrap()
    }

    #[test]
    fn a_remembered_identity_comes_back_and_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let edge = "https://wingman.dev";
        let mut first = Identity::load(directory.path(), edge, "localhost:3000").unwrap();
        assert_eq!(first.name(), None);
        first.remember("quick-fox", &reporter());
        let second = Identity::load(directory.path(), edge, "localhost:3000").unwrap();
        assert_eq!(second.key(), first.key());
        assert_eq!(second.name(), Some("quick-fox"));
        let other = Identity::load(directory.path(), edge, "localhost:4000").unwrap();
        assert_ne!(other.key(), first.key());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let file = directory.path().join("wingman.dev--localhost-3000.json");
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_damaged_file_gives_a_new_identity_and_an_unreadable_one_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(file_name("e", "o"));
        std::fs::write(&file, "{").unwrap();
        assert!(Identity::load(directory.path(), "e", "o").unwrap().name().is_none());
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert!(Identity::load(directory.path(), "e", "o").is_err());
    }

    #[test]
    fn keys_are_secret_in_debug_output() {
        let identity = Identity::fresh();
        assert!(!format!("{identity:?}").contains(identity.key()));
        assert!(identity.key().len() >= 43);
    }
}
