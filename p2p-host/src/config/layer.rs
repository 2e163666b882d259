//! One source of keys, checked against the tree of all keys before it is merged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::providers::{Format as _, Toml};
use figment::value::{Dict, Map, Num, Value};
use figment::{Metadata, Profile, Provider};

use super::CONFIG;
use super::error::{ConfigError, Place};

/// Keys from one place.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) place: Place,
    keys: Dict,
}

impl Layer {
    /// Reads a TOML file. Relative paths in it are relative to it.
    pub(super) fn file(
        path: &Path,
        home: Option<&Path>,
        shape: &Dict,
    ) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let place = Place::File(path.to_owned());
        let mut keys: Dict = Toml::from_str(&text).map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            problem: without_source_lines(&error.to_string()),
        })?;
        check(&mut keys, shape, &place, "")?;
        let base = path.parent().unwrap_or(Path::new(""));
        for key in PATHS {
            if let Some(Value::String(_, value)) = keys.get_mut(key) {
                *value = resolve(value, base, home);
            }
        }
        Ok(Self { place, keys })
    }

    /// Takes `WINGMAN_KEY` and `WINGMAN_TABLE__KEY`, and some without the prefix ([`BARE`]). Empty variables count as unset, as
    /// composed environments have them.
    pub(super) fn environment(
        variables: &BTreeMap<String, String>,
        shape: &Dict,
    ) -> Result<Self, ConfigError> {
        let mut keys = Dict::new();
        for (variable, text) in variables {
            let bare = BARE.contains(&variable.as_str()).then_some(variable.as_str());
            // The one with the prefix is meant for this program alone, so it wins.
            let meant = |bare: &&str| !variables.contains_key(&format!("{PREFIX}{bare}"));
            let Some(rest) = variable.strip_prefix(PREFIX).or(bare.filter(meant)) else {
                continue;
            };
            if variable == CONFIG || variable.starts_with(EDGE_PREFIX) || text.is_empty() {
                continue;
            }
            let key = rest.to_ascii_lowercase();
            let path: Vec<&str> = key.split("__").collect();
            let kind = match path.as_slice() {
                [key] => shape.get(*key),
                [table, key] => {
                    shape.get(*table).and_then(Value::as_dict).and_then(|t| t.get(*key))
                }
                _ => None,
            };
            let value = match kind {
                Some(Value::Dict(..)) | None => {
                    return Err(ConfigError::UnknownVariable {
                        variable: variable.clone(),
                        known: variables_of(shape),
                    });
                }
                Some(kind) => typed(text, kind).ok_or_else(|| ConfigError::Value {
                    key: path.join("."),
                    place: Some(Place::Environment),
                    problem: format!("it is {}", expected(kind)),
                })?,
            };
            match path.as_slice() {
                [table, key] => {
                    let table =
                        keys.entry((*table).to_owned()).or_insert_with(|| Dict::new().into());
                    if let Value::Dict(_, table) = table {
                        table.insert((*key).to_owned(), value);
                    }
                }
                _ => {
                    keys.insert(key, value);
                }
            }
        }
        Ok(Self { place: Place::Environment, keys })
    }

    /// Takes what the command line says.
    pub(super) fn flags(keys: Dict) -> Self {
        Self { place: Place::Flags, keys }
    }

    /// Whether the layer sets a top-level key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.place.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.keys.clone()))
    }
}

/// The highest layer that sets `key` (`table.key`), or `None` if it has its default.
pub(super) fn place_of(layers: &[Layer], key: &str) -> Option<Place> {
    layers
        .iter()
        .rev()
        .find(|layer| match key.split_once('.') {
            Some((table, key)) => {
                let table = layer.keys.get(table).and_then(Value::as_dict);
                table.is_some_and(|table| table.contains_key(key))
            }
            None => layer.has(key),
        })
        .map(|layer| layer.place.clone())
}

/// Refuses keys that do not exist, and takes numbers where text is meant (`target = 3000`).
fn check(keys: &mut Dict, shape: &Dict, place: &Place, table: &str) -> Result<(), ConfigError> {
    for (key, value) in keys.iter_mut() {
        match (shape.get(key), value) {
            (None, _) => {
                return Err(ConfigError::UnknownKey {
                    key: format!("{table}{key}"),
                    place: place.clone(),
                    known: shape.keys().map(|known| format!("{table}{known}")).collect(),
                });
            }
            (Some(Value::Dict(_, shape)), Value::Dict(_, keys)) => {
                check(keys, shape, place, &format!("{key}."))?;
            }
            (Some(Value::Dict(..)), _) => {
                return Err(ConfigError::Value {
                    key: format!("{table}{key}"),
                    place: Some(place.clone()),
                    problem: format!("it is a table: [{key}]"),
                });
            }
            (Some(Value::String(..) | Value::Empty(..)), value @ Value::Num(..)) => {
                if let Some(number) = value.to_i128() {
                    *value = number.to_string().into();
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A variable's text as the kind of value its key has. Guessing the kind from the text, as
/// figment's own provider does, would make a number of a session name like `123`.
fn typed(text: &str, kind: &Value) -> Option<Value> {
    match kind {
        Value::Bool(..) => match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true.into()),
            "false" | "0" | "no" | "off" => Some(false.into()),
            _ => None,
        },
        Value::Num(..) => text.trim().parse::<u32>().ok().map(|number| Num::U32(number).into()),
        Value::Array(..) => {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            Some(words.map(Value::from).collect::<Vec<_>>().into())
        }
        _ => Some(text.into()),
    }
}

fn expected(kind: &Value) -> &'static str {
    match kind {
        Value::Bool(..) => "true or false",
        _ => "a whole number",
    }
}

fn variables_of(shape: &Dict) -> Vec<String> {
    let mut names = vec![CONFIG.to_owned()];
    for (key, value) in shape {
        match value.as_dict() {
            Some(table) => names.extend(
                table.keys().map(|inner| format!("{key}__{inner}")).map(|key| variable(&key)),
            ),
            None => names.push(variable(key)),
        }
    }
    names
}

/// The variable for a key (`table__key` or `key`).
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase())
}

/// The TOML parser quotes the line at fault, which may hold the token.
fn without_source_lines(message: &str) -> String {
    let lines = message.lines().map(str::trim);
    let kept = lines.filter(|line| !line.is_empty() && !line.contains('|'));
    kept.collect::<Vec<_>>().join(": ")
}

fn resolve(value: &str, base: &Path, home: Option<&Path>) -> String {
    let path: PathBuf = match (value.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => base.join(value),
    };
    // Both parts came from text, so nothing is lost unless `base` itself is not Unicode; then the
    // file is not found, and the error names it.
    path.to_string_lossy().into_owned()
}

/// What all variables of wingman begin with.
pub(super) const PREFIX: &str = "WINGMAN_";
/// Variables that also go without it: the edge has them too.
pub(super) const BARE: [&str; 3] = ["P2P_ENABLED", "P2P_TIMEOUT_MS", "STUN_SERVERS"];
/// Variables of the edge, which may run on the same machine.
const EDGE_PREFIX: &str = "WINGMAN_EDGE_";
/// Keys whose value is a path.
const PATHS: [&str; 2] = ["ca_file", "token_file"];
