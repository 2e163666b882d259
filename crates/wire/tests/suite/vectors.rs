//! Reads the vectors; `vectors/README.md` defines the notation.

use std::path::Path;

use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};

/// Loads one file.
pub(crate) fn load<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Annotated hexadecimal.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Hex {
    Line(String),
    Lines(Vec<String>),
}

impl Hex {
    pub(crate) fn bytes(&self) -> Bytes {
        let mut bytes = Vec::new();
        match self {
            Self::Line(line) => put_line(line, &mut bytes),
            Self::Lines(lines) => lines.iter().for_each(|line| put_line(line, &mut bytes)),
        }
        bytes.into()
    }
}

fn put_line(line: &str, out: &mut Vec<u8>) {
    let code = line.split('#').next().unwrap();
    let (mut digits, mut times) = (String::new(), 1);
    for word in code.split_whitespace() {
        match word.strip_prefix('x') {
            Some(count) => times = count.parse().unwrap(),
            None => digits.push_str(word),
        }
    }
    assert!(digits.len().is_multiple_of(2), "half a byte in {line:?}");
    let bytes: Vec<u8> = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect();
    (0..times).for_each(|_| out.extend_from_slice(&bytes));
}

/// A byte string.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum ByteString {
    Text(String),
    Long { repeat: String, times: usize },
}

impl ByteString {
    pub(crate) fn bytes(&self) -> Bytes {
        let latin_1 = |text: &str| {
            text.chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect::<Vec<_>>()
        };
        match self {
            Self::Text(text) => latin_1(text).into(),
            Self::Long { repeat, times } => latin_1(repeat).repeat(*times).into(),
        }
    }
}

/// A decimal string.
#[derive(Debug, Deserialize)]
pub(crate) struct Decimal(String);

impl Decimal {
    pub(crate) fn value(&self) -> u64 {
        self.0.parse().unwrap()
    }
}

/// `OriginRefused` as `origin-refused`: names in the vectors are the variants' names.
pub(crate) fn kebab(variant: &impl std::fmt::Debug) -> String {
    let mut name = String::new();
    for char in format!("{variant:?}").chars() {
        if char.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(char.to_ascii_lowercase());
    }
    name
}
