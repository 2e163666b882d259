//! Random 128-bit identifiers, 32 lower-case hexadecimal digits in text.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Text that is no identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 32 lower-case hexadecimal digits")]
pub struct IdError;

/// 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Bits(u128);

impl FromStr for Bits {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 32 || !text.bytes().all(is_digit) {
            return Err(IdError);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| IdError)
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Bits);

        impl $name {
            /// Of 128 random bits.
            pub const fn from_bits(bits: u128) -> Self {
                Self(Bits(bits))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "{:032x}", self.0.0)
            }
        }

        /// Identifiers prove something: logs get only the first digits.
        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "{:04x}…", self.0.0 >> 112)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.parse().map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

id! {
    /// One page's connection to the host. The page chooses it; it keeps it when it signals again, so that the
    /// host knows the peer whose ICE is to be restarted.
    PeerId
}

id! {
    /// One visitor's browser. The edge chooses it and keeps it in a cookie that scripts cannot read.
    VisitorId
}

id! {
    /// One intercepted request, the same on both paths, so that it is not executed twice.
    RequestId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_strict_and_logs_are_short() {
        let id: PeerId = "00ff00000000000000000000000000aa".parse().unwrap();
        assert_eq!(id.to_string(), "00ff00000000000000000000000000aa");
        assert_eq!(format!("{id:?}"), "00ff…");
        for bad in [
            "",
            "00ff",
            "00FF00000000000000000000000000aa",
            "+0ff00000000000000000000000000aa",
            "00ff00000000000000000000000000aa0",
        ] {
            assert_eq!(bad.parse::<PeerId>(), Err(IdError), "{bad}");
        }
    }
}
