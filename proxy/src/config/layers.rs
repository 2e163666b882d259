//! Where configuration comes from, and who is told when it is wrong.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use figment::error::Kind;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::{Config, Settings, SettingsError};

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In this file.
    File(PathBuf),
    /// In this environment variable.
    Variable(String),
    /// In this flag, as in `--listen`.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(out, "file {}", path.display()),
            Self::Variable(name) => write!(out, "environment variable {name}"),
            Self::Flag(name) => write!(out, "flag {name}"),
        }
    }
}

/// What one origin says.
#[derive(Clone, Debug)]
pub struct Layer {
    origin: Origin,
    values: Dict,
}

impl Layer {
    /// A TOML file.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`] or [`ConfigError::Toml`].
    pub fn file(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let table: toml::Table = toml::from_str(&text)
            .map_err(|source| ConfigError::Toml { path: path.to_owned(), source })?;
        let origin = Origin::File(path.to_owned());
        match Value::serialize(table) {
            Ok(Value::Dict(_, values)) => Ok(Self { origin, values }),
            // A TOML table is a dictionary; only its values could be strange (dates).
            Ok(_) => Ok(Self { origin, values: Dict::new() }),
            Err(error) => {
                let problem = error.kind.to_string();
                Err(ConfigError::Value { key: String::new(), problem, origin: Some(origin) })
            }
        }
    }

    /// The environment: `WINGMAN_EDGE_LIMITS__HEAD_BYTES` is `limits.head_bytes`. `P2P_ENABLED` and
    /// `STUN_SERVERS` also go without the prefix: the host has them too.
    ///
    /// A value is read as TOML where it is TOML (numbers, lists, tables), else it is a text.
    pub fn environment(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> impl Iterator<Item = Self> {
        variables.into_iter().filter_map(|(name, text)| {
            let bare = BARE_KEYS.contains(&name.as_str()).then_some(name.as_str());
            let key = name.strip_prefix(ENV_PREFIX).or(bare)?;
            if NOT_KEYS.contains(&key) {
                return None;
            }
            let key = key.to_ascii_lowercase().replace("__", ".");
            let value = toml::from_str::<toml::Table>(&format!("value = {text}"))
                .ok()
                .filter(|table| table.len() == 1)
                .and_then(|mut table| table.remove("value"))
                .and_then(|value| Value::serialize(value).ok())
                .unwrap_or_else(|| Value::from(text));
            Some(Self::one(Origin::Variable(name), &key, value))
        })
    }

    /// One flag that sets one key.
    pub fn flag(name: &'static str, key: &str, value: impl Into<Value>) -> Self {
        Self::one(Origin::Flag(name), key, value.into())
    }

    fn one(origin: Origin, key: &str, value: Value) -> Self {
        let nested = key
            .rsplit('.')
            .fold(value, |inner, part| Value::from(Dict::from([(part.to_owned(), inner)])));
        Self { origin, values: nested.into_dict().unwrap_or_default() }
    }

    fn says(&self, key: &str) -> bool {
        let mut keys = key.split('.');
        let first = keys.next().and_then(|key| self.values.get(key));
        let found = keys.try_fold(first, |value, key| match value? {
            Value::Dict(_, dict) => Some(dict.get(key)),
            // Lists are written whole: who wrote the list wrote what is in it.
            Value::Array(..) => Some(value),
            _ => None,
        });
        found.flatten().is_some()
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.to_string())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// A configuration and where it came from.
#[derive(Debug)]
pub struct Loaded {
    /// What is configured.
    pub config: Config,
    layers: Vec<Layer>,
}

impl Config {
    /// Puts layers over the defaults; later ones win.
    ///
    /// # Errors
    /// [`ConfigError`] with the key and the layer it is from.
    pub fn load(layers: impl IntoIterator<Item = Layer>) -> Result<Loaded, ConfigError> {
        let layers: Vec<Layer> = layers.into_iter().collect();
        let figment = layers.iter().fold(Figment::new(), |all, layer| all.merge(layer));
        match figment.extract() {
            Ok(config) => Ok(Loaded { config, layers }),
            Err(error) => Err(explain(error, &layers)),
        }
    }
}

impl Loaded {
    /// Checks what the keys mean together.
    ///
    /// # Errors
    /// [`ConfigError::Setting`].
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        Settings::new(&self.config).map_err(|problem| {
            let origin = problem.key().and_then(|key| origin_of(key, &self.layers));
            ConfigError::Setting { problem, origin }
        })
    }
}

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {path} cannot be read")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("configuration file {path} is not valid TOML")]
    Toml {
        /// Which.
        path: PathBuf,
        /// Where and why.
        source: toml::de::Error,
    },
    /// A key that does not exist.
    #[error(
        "there is no key `{key}`{from}{meant}; keys here: {exist}",
        from = Written(origin), meant = Meant(meant), exist = exist.join(", ")
    )]
    UnknownKey {
        /// With its tables.
        key: String,
        /// Where it is written.
        origin: Option<Origin>,
        /// The key that is most like it.
        meant: Option<String>,
        /// The keys that stand beside it.
        exist: Vec<String>,
    },
    /// A key without which a table means nothing.
    #[error("the key `{key}` is missing{from}", from = Written(origin))]
    MissingKey {
        /// With its tables.
        key: String,
        /// Where the rest of the table is written.
        origin: Option<Origin>,
    },
    /// A value of the wrong kind.
    #[error("`{key}`{from}: {problem}", from = Written(origin))]
    Value {
        /// With its tables.
        key: String,
        /// What is wrong with its value.
        problem: String,
        /// Where it is written.
        origin: Option<Origin>,
    },
    /// Values that cannot be had, or not together.
    #[error("{problem}{from}", from = Written(origin))]
    Setting {
        /// What is wrong.
        problem: SettingsError,
        /// Where it is written.
        origin: Option<Origin>,
    },
}

fn explain(error: figment::Error, layers: &[Layer]) -> ConfigError {
    let path = error.path.join(".");
    let below = |name: &str| match path.as_str() {
        "" => name.to_owned(),
        path if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        path => format!("{path}.{name}"),
    };
    match &error.kind {
        Kind::UnknownField(name, exist) => {
            let key = below(name);
            let table = key.strip_suffix(name.as_str()).unwrap_or_default();
            let mut exist: Vec<_> = exist.iter().map(|name| format!("{table}{name}")).collect();
            let meant = exist.iter().find(|known| distance(known, &key) <= 2).cloned();
            exist.sort_unstable();
            ConfigError::UnknownKey { origin: origin_of(&key, layers), key, meant, exist }
        }
        Kind::MissingField(name) => {
            ConfigError::MissingKey { origin: origin_of(&path, layers), key: below(name) }
        }
        kind => {
            let problem = kind.to_string();
            ConfigError::Value { origin: origin_of(&path, layers), key: path, problem }
        }
    }
}

/// The last layer that says something about a key.
fn origin_of(key: &str, layers: &[Layer]) -> Option<Origin> {
    layers.iter().rev().find(|layer| layer.says(key)).map(|layer| layer.origin.clone())
}

/// How many letters to add, remove or exchange (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let exchanged = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = exchanged.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

struct Written<'a>(&'a Option<Origin>);

impl fmt::Display for Written<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |origin| write!(out, " (from {origin})"))
    }
}

struct Meant<'a>(&'a Option<String>);

impl fmt::Display for Meant<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |key| write!(out, "; did you mean `{key}`"))
    }
}

const ENV_PREFIX: &str = "WINGMAN_EDGE_";
/// `WINGMAN_EDGE_CONFIG` names the file and is read by the command line.
const NOT_KEYS: &[&str] = &["CONFIG"];
const BARE_KEYS: &[&str] = &["P2P_ENABLED", "STUN_SERVERS"];
