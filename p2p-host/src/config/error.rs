//! What can be wrong with a configuration.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::layer::{Layer, place_of, variable};
use super::token::TokenError;

/// Where a key was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In this file.
    File(PathBuf),
    /// In the environment.
    Environment,
    /// On the command line.
    Flags,
}

/// The first thing that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Nothing says what to share.
    #[error("Nothing says what to share")]
    NoTarget,
    /// The file cannot be read.
    #[error("The configuration file {} cannot be read", path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("The configuration file {} is not valid TOML: {problem}", path.display())]
    Syntax {
        /// Its path.
        path: PathBuf,
        /// Where and what.
        problem: String,
    },
    /// A key that does not exist.
    #[error("Unknown key `{key}` in {place}")]
    UnknownKey {
        /// The key, as `table.key`.
        key: String,
        /// Where it stands.
        place: Place,
        /// The keys that exist there.
        known: Vec<String>,
    },
    /// A variable with our prefix that is no key.
    #[error("Unknown environment variable {variable}")]
    UnknownVariable {
        /// Its name.
        variable: String,
        /// The variables that exist.
        known: Vec<String>,
    },
    /// A value that makes no sense.
    #[error("{} is not valid: {problem}", name(key, place.as_ref()))]
    Value {
        /// The key, as `table.key`.
        key: String,
        /// Where it was set, unless the fault is in how defaults and settings meet.
        place: Option<Place>,
        /// What it should be.
        problem: String,
    },
    /// The token file cannot be read.
    #[error("The token file {} cannot be read", path.display())]
    TokenUnreadable {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The token file has nothing in it.
    #[error("The token file {} is empty", path.display())]
    TokenEmpty {
        /// Its path.
        path: PathBuf,
    },
    /// The token file has something else in it.
    #[error("The token file {} holds no token: {error}", path.display())]
    TokenInvalid {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        error: TokenError,
    },
}

impl ConfigError {
    /// The way out.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NoTarget => "Name the port of your app: wingman 3000.".into(),
            Self::Unreadable { .. } => {
                "Check the path and its permissions, or leave --config out.".into()
            }
            Self::Syntax { .. } | Self::Value { .. } => {
                "conf/host.toml shows every key with its default; wingman --help every flag.".into()
            }
            Self::UnknownKey { key, known, .. } => did_you_mean(key, known, "Keys there"),
            Self::UnknownVariable { variable, known } => {
                did_you_mean(variable, known, "Variables of wingman")
            }
            Self::TokenUnreadable { .. } => "Check the path and its permissions.".into(),
            Self::TokenEmpty { .. } | Self::TokenInvalid { .. } => {
                "Put the token alone into the file, on one line; the edge's operator makes one \
                 with: wingman-edge token new."
                    .into()
            }
        }
    }

    /// A value of the wrong type or form, with the place that set it.
    pub(super) fn extract(error: figment::Error, layers: &[Layer]) -> Self {
        let key = error.path.join(".");
        let problem = match &error.kind {
            figment::error::Kind::Message(message) => message.clone(),
            figment::error::Kind::InvalidType(found, expected) => {
                format!("it is {expected}, not {found}")
            }
            kind => kind.to_string(),
        };
        Self::Value { place: place_of(layers, &key), key, problem }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(out),
            Self::Environment => out.write_str("the environment"),
            Self::Flags => out.write_str("the command line"),
        }
    }
}

/// A key by the name it has where it was set.
fn name(key: &str, place: Option<&Place>) -> String {
    match place {
        Some(Place::File(path)) => format!("`{key}` in {}", path.display()),
        Some(Place::Environment) => variable(&key.replace('.', "__")),
        Some(Place::Flags) if key == "target" => "What to share (PORT|URL)".to_owned(),
        Some(Place::Flags) => format!("--{}", key.replace('_', "-")),
        None => format!("`{key}`"),
    }
}

fn did_you_mean(wrong: &str, known: &[String], what: &str) -> String {
    let nearest = known
        .iter()
        .map(|known| (distance(wrong, known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 3);
    let list = format!("{what}: {}.", known.join(", "));
    match nearest {
        Some((_, nearest)) => format!("Did you mean {nearest}? {list}"),
        None => list,
    }
}

/// Levenshtein's distance: how many letters to insert, remove or change.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(&b) {
            let above = *cell;
            left = (left + 1).min(above + 1).min(diagonal + usize::from(from != *to));
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_right() {
        let cases = [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("edge", "egde", 2)];
        for (a, b, expected) in cases {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn a_far_key_gets_the_list_alone() {
        let known = ["edge".to_owned(), "name".to_owned()];
        assert_eq!(did_you_mean("egde", &known, "Keys"), "Keys: edge, name.");
        assert_eq!(did_you_mean("nam", &known, "Keys"), "Did you mean name? Keys: edge, name.");
    }
}
