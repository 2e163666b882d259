//! The secret that proves to the edge who shares.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ConfigError;

/// A token; shows itself only through [`Token::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Why a text is no token. It does not quote the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Nothing, or white space alone.
    #[error("the token is empty")]
    Empty,
    /// It could not stand in an `Authorization` field.
    #[error("a token has no spaces, line breaks or letters beyond ASCII")]
    Characters,
}

impl Token {
    /// Takes a token without the white space around it.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(TokenError::Empty);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Characters);
        }
        Ok(Self(text.to_owned()))
    }

    /// The secret itself, for the `Authorization` field only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token(…)")
    }
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str("…")
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

/// Reads a token file.
pub(super) fn read(path: &Path) -> Result<Token, ConfigError> {
    let unreadable = |source| ConfigError::TokenUnreadable { path: path.to_owned(), source };
    let mut text = String::new();
    // One byte more than allowed tells a large file (or /dev/zero) from one that fits.
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
        .map_err(unreadable)?;
    if text.len() as u64 > MAX_FILE {
        return Err(unreadable(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("longer than {MAX_FILE} bytes, so it is no token"),
        )));
    }
    Token::parse(&text).map_err(|error| match error {
        TokenError::Empty => ConfigError::TokenEmpty { path: path.to_owned() },
        TokenError::Characters => ConfigError::TokenInvalid { path: path.to_owned(), error },
    })
}

/// Whether every account of this machine can read the file.
#[cfg(unix)]
pub(super) fn is_world_readable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o004 != 0)
}

/// Access lists are not examined on this system.
#[cfg(not(unix))]
pub(super) fn is_world_readable(_: &Path) -> bool {
    false
}

const MAX_FILE: u64 = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_trimmed_and_checked() {
        assert_eq!(Token::parse(" wm_abc\r\n").expect("a token").expose(), "wm_abc");
        assert_eq!(Token::parse(" \n"), Err(TokenError::Empty));
        for text in ["a b", "a\nb", "ä", "a\u{7f}b"] {
            assert_eq!(Token::parse(text), Err(TokenError::Characters), "{text:?}");
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        let token = Token::parse("wm_secret").expect("a token");
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert_eq!(serde_json::to_string(&token).expect("serializes"), "\"…\"");
        let error = serde_json::from_str::<Token>("\"wm_secret x\"").expect_err("a space");
        assert!(!error.to_string().contains("wm_secret"), "{error}");
    }
}
