//! Values as people write them. All of them also come from the environment, where everything starts
//! as text, so each type reads its text form itself.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use humantime_serde::re::humantime;
use serde::de::{self, DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use wingman_wire::head::Scheme;

/// A list, or one text with commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T>(pub Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T> Deserialize<'de> for List<T>
where
    T: FromStr<Err: fmt::Display>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts<T>(PhantomData<T>);

        impl<'de, T: FromStr<Err: fmt::Display>> Visitor<'de> for Texts<T> {
            type Value = Vec<T>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list of texts, or one text with commas")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<T>, E> {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                parts.map(|part| parse(part)).collect()
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
                let mut parsed = Vec::new();
                while let Some(text) = list.next_element::<String>()? {
                    parsed.push(parse(&text)?);
                }
                Ok(parsed)
            }
        }

        deserializer.deserialize_any(Texts(PhantomData)).map(Self)
    }
}

fn parse<T: FromStr<Err: fmt::Display>, E: de::Error>(text: &str) -> Result<T, E> {
    text.parse().map_err(|error| E::custom(format_args!("`{text}`: {error}")))
}

/// A STUN server as `stun:host:port`; the scheme may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StunServer(pub String);

impl FromStr for StunServer {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = if text.starts_with("stun:") { text.to_owned() } else { format!("stun:{text}") };
        if crate::session::is_stun_url(&url) { Ok(Self(url)) } else { Err("not host:port") }
    }
}

impl<'de> Deserialize<'de> for StunServer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse(&String::deserialize(deserializer)?)
    }
}

/// A number of bytes: a plain number, or a text such as `"64 KiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "expected bytes, as in 65536, \"64 KiB\" or \"1 GiB\"";
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kib" => 1 << 10,
            "m" | "mib" => 1 << 20,
            "g" | "gib" => 1 << 30,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            _ => return Err(WRONG),
        };
        let number: u64 = number.parse().map_err(|_| WRONG)?;
        number.checked_mul(factor).map(Self).ok_or("too large")
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match units.into_iter().find(|(unit, _)| self.0 >= *unit && self.0.is_multiple_of(*unit)) {
            Some((unit, name)) => write!(out, "{} {name}", self.0 / unit),
            None => write!(out, "{} bytes", self.0),
        }
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = ByteSize;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("bytes, as in 65536, \"64 KiB\" or \"1 GiB\"")
            }

            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(bytes))
            }

            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
                let wrong = || E::invalid_value(de::Unexpected::Signed(bytes), &self);
                u64::try_from(bytes).map(ByteSize).map_err(|_| wrong())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
                parse(text)
            }
        }

        deserializer.deserialize_any(Bytes)
    }
}

/// A duration with its unit: `"500ms"`, `"5s"`, `"10m"`, `"1h 30m"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(out)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Span;

            // A bare number is refused: `5` is milliseconds to one half of the readers.
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a duration with its unit, as in \"500ms\", \"5s\" or \"10m\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                let wrong = |_| E::invalid_value(de::Unexpected::Str(text), &self);
                humantime::parse_duration(text).map(Span).map_err(wrong)
            }
        }

        deserializer.deserialize_any(Text)
    }
}

/// A value, or `"off"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch<T> {
    /// No limit, no deadline, not there.
    Off,
    /// This.
    On(T),
}

impl<T> Switch<T> {
    /// The value, if it is on.
    pub fn on(self) -> Option<T> {
        match self {
            Self::Off => None,
            Self::On(value) => Some(value),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Switch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = <figment::value::Value as Deserialize>::deserialize(deserializer)?;
        if value.as_str() == Some("off") {
            return Ok(Self::Off);
        }
        // The kind alone: place and source are added by those above.
        value.deserialize().map(Self::On).map_err(|error: figment::Error| {
            de::Error::custom(format_args!("{}; or \"off\"", error.kind))
        })
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

pub(super) fn scheme<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Scheme>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Name {
        Http,
        Https,
    }

    Ok(Option::<Name>::deserialize(input)?.map(|name| match name {
        Name::Http => Scheme::Http,
        Name::Https => Scheme::Https,
    }))
}
