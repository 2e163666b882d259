//! Bearer tokens of hosts: made once, kept hashed, compared in constant time.
//!
//! A token is 256 random bits, so a single fast SHA-256 is the right hash: slow hashes protect
//! secrets that can be guessed, and these cannot. The edge's configuration holds only hashes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng as _;
use rand::rngs::SysRng;
use serde::{Deserialize, Deserializer};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use crate::names::{NameError, SessionName};

/// A fresh token, to be shown once.
pub struct Token(String);

impl Token {
    /// Makes one from the operating system's randomness.
    ///
    /// # Errors
    /// If the system gives none.
    pub fn generate() -> Result<Self, TokenError> {
        let mut secret = [0; 32];
        SysRng.try_fill_bytes(&mut secret).map_err(|_| TokenError::Randomness)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret))))
    }

    /// The secret itself: what the developer gets.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the edge keeps.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let secret = text.strip_prefix(PREFIX).ok_or(TokenError::Malformed)?;
        match URL_SAFE_NO_PAD.decode(secret) {
            Ok(bytes) if bytes.len() == 32 => Ok(Self(text.to_owned())),
            _ => Err(TokenError::Malformed),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token(…)")
    }
}

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The operating system's generator failed.
    #[error("the operating system gave no random bytes")]
    Randomness,
    /// Not `wm_` and 43 characters of base64url.
    #[error("not a token: tokens are `wm_` and 43 letters, digits, `-` or `_`")]
    Malformed,
}

/// SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Hashes what was presented, whatever its form.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

/// 64 lower-case hexadecimal digits.
impl fmt::Display for TokenHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

/// Masked: a hash in a log tells which of two logs belong to one developer.
impl fmt::Debug for TokenHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TokenHash(…)")
    }
}

impl FromStr for TokenHash {
    type Err = TokenHashError;

    fn from_str(text: &str) -> Result<Self, TokenHashError> {
        if text.starts_with(PREFIX) {
            return Err(TokenHashError::Token);
        }
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(TokenHashError::Form);
        }
        let mut hash = [0; 32];
        for (to, from) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(from).map_err(|_| TokenHashError::Form)?;
            *to = u8::from_str_radix(digits, 16).map_err(|_| TokenHashError::Form)?;
        }
        Ok(Self(hash))
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a text is not a token's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenHashError {
    /// Somebody pasted the secret.
    #[error(
        "this is a token, but its hash belongs here; get it with `wingman-edge token hash`, \
         and make a new token if this file was shared"
    )]
    Token,
    /// Not 64 hexadecimal digits.
    #[error("not a SHA-256 in 64 hexadecimal digits; `wingman-edge token new` prints one")]
    Form,
}

/// Which names a token may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// One name.
    Exact(SessionName),
    /// All names that start like this; of `*` alone, all.
    Prefix(Box<str>),
}

impl NamePattern {
    /// Whether the name is one of them.
    pub fn matches(&self, name: &SessionName) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Prefix(prefix) => name.as_str().starts_with(&**prefix),
        }
    }
}

impl FromStr for NamePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let Some(prefix) = text.strip_suffix('*') else {
            return Ok(Self::Exact(text.parse()?));
        };
        let prefix = prefix.to_ascii_lowercase();
        // Any prefix of a label: what it is the start of is checked name by name.
        if prefix.starts_with('-') || prefix.len() > 62 {
            return Err(PatternError::Prefix);
        }
        if !prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(PatternError::Prefix);
        }
        Ok(Self::Prefix(prefix.into()))
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(out),
            Self::Prefix(prefix) => write!(out, "{prefix}*"),
        }
    }
}

impl<'de> Deserialize<'de> for NamePattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error| serde::de::Error::custom(format!("`{text}`: {error}")))
    }
}

/// Why a text is not a [`NamePattern`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// No `*`, and not a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// What stands before the `*` cannot start a name.
    #[error("before the final `*` stand only letters a-z, digits and hyphens, not first a hyphen")]
    Prefix,
}

/// What the holder of a token may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The operator's word for the token, for logs. Not a secret.
    pub id: Arc<str>,
    /// Names that may be asked for. None: only names the edge chooses.
    pub names: Arc<[NamePattern]>,
    /// Sessions at one time.
    pub max_sessions: u32,
}

impl Grant {
    /// Whether a host with this grant may ask for the name.
    pub fn allows(&self, name: &SessionName) -> bool {
        self.names.iter().any(|pattern| pattern.matches(name))
    }
}

/// All tokens an edge knows.
#[derive(Clone, Debug)]
pub enum Registry {
    /// Loopback development: everybody gets this grant, with any token or none.
    Open(Grant),
    /// Only holders of these.
    Tokens(Vec<(TokenHash, Grant)>),
}

impl Registry {
    /// The registry of `--dev`, which allows every name.
    pub fn open(max_sessions: u32) -> Self {
        let every_name = NamePattern::Prefix("".into());
        Self::Open(Grant { id: "dev".into(), names: [every_name].into(), max_sessions })
    }

    /// Whether a token is needed at all.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// The grant of the presented token, if it is one of ours.
    ///
    /// Takes the same time wherever in the list a hash stands and however much of it agrees.
    pub fn verify(&self, presented: &str) -> Option<Grant> {
        let tokens = match self {
            Self::Open(grant) => return Some(grant.clone()),
            Self::Tokens(tokens) => tokens,
        };
        if presented.len() > MAX_PRESENTED {
            return None;
        }
        let hash = TokenHash::of(presented);
        let (mut found, mut place) = (Choice::from(0), 0_u64);
        for (index, (known, _)) in (0_u64..).zip(tokens) {
            let equal = known.0.ct_eq(&hash.0);
            place.conditional_assign(&index, equal);
            found |= equal;
        }
        let place = usize::try_from(place).ok()?;
        bool::from(found).then(|| tokens.get(place).map(|(_, grant)| grant.clone())).flatten()
    }
}

/// Makes a token recognizable to people and to secret scanners.
const PREFIX: &str = "wm_";
/// Nothing of ours is longer; do not hash what a stranger sends without end.
const MAX_PRESENTED: usize = 256;

#[cfg(test)]
mod tests;
