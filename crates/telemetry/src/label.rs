//! Closed sets of label values: how to define one, and those that edge and host have in common.

use wingman_wire::{
    code::Blame,
    signal::{CandidateKind, Reason},
};

/// A closed set of label values.
pub trait Label: Copy + 'static {
    /// All of them; a value stands at its own [`Label::index`].
    const ALL: &'static [Self];
    /// The place in [`Label::ALL`].
    fn index(self) -> usize;
    /// The value in Prometheus.
    fn text(self) -> &'static str;
}

/// Defines an enum that is a [`Label`], from variants and their texts.
#[macro_export]
macro_rules! labels {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident { $( $(#[$doc:meta])* $variant:ident = $text:literal, )+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $vis enum $name { $( $(#[$doc])* $variant, )+ }

        impl $name {
            /// All of them, in the order of [`Self::index`].
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The place in [`Self::ALL`].
            pub const fn index(self) -> usize {
                self as usize
            }
        }

        impl $crate::Label for $name {
            const ALL: &'static [Self] = Self::ALL;

            fn index(self) -> usize {
                self.index()
            }

            fn text(self) -> &'static str {
                self.as_str()
            }
        }
    };
}

labels! {
    /// How an exchange ended, by the response's status.
    pub enum Outcome {
        /// 101: the connection became a byte stream.
        Upgraded = "1xx",
        /// 200 to 299.
        Success = "2xx",
        /// 300 to 399.
        Redirect = "3xx",
        /// 400 to 499.
        Visitor = "4xx",
        /// 500 to 599.
        Server = "5xx",
        /// The visitor left before there was a response.
        None = "none",
    }
}

impl Outcome {
    /// Of a final status.
    pub const fn of(status: u16) -> Self {
        match status {
            100..=199 => Self::Upgraded,
            200..=299 => Self::Success,
            300..=399 => Self::Redirect,
            400..=499 => Self::Visitor,
            500..=599 => Self::Server,
            _ => Self::None,
        }
    }
}

labels! {
    /// Which way content goes.
    pub enum Content {
        /// From the visitor.
        Request = "request",
        /// To the visitor.
        Response = "response",
    }
}

impl Label for Reason {
    const ALL: &'static [Self] = &[
        Self::RelayOnly,
        Self::PeerLimit,
        Self::Shutdown,
        Self::SessionEnded,
        Self::HostAway,
        Self::Timeout,
        Self::Ice,
        Self::Protocol,
        Self::Silent,
        Self::ChannelClosed,
        Self::Unsupported,
        Self::PageGone,
        Self::Other,
    ];

    fn index(self) -> usize {
        self as usize
    }

    fn text(self) -> &'static str {
        match self {
            Self::RelayOnly => "relay-only",
            Self::PeerLimit => "peer-limit",
            Self::Shutdown => "shutdown",
            Self::SessionEnded => "session-ended",
            Self::HostAway => "host-away",
            Self::Timeout => "timeout",
            Self::Ice => "ice",
            Self::Protocol => "protocol",
            Self::Silent => "silent",
            Self::ChannelClosed => "channel-closed",
            Self::Unsupported => "unsupported",
            Self::PageGone => "page-gone",
            Self::Other => "other",
        }
    }
}

impl Label for CandidateKind {
    const ALL: &'static [Self] = &[Self::Host, Self::Srflx, Self::Prflx, Self::Relay];

    fn index(self) -> usize {
        self as usize
    }

    fn text(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Srflx => "srflx",
            Self::Prflx => "prflx",
            Self::Relay => "relay",
        }
    }
}

impl Label for Blame {
    const ALL: &'static [Self] = &[Self::Visitor, Self::Edge, Self::Host, Self::Origin];

    fn index(self) -> usize {
        self as usize
    }

    fn text(self) -> &'static str {
        self.as_str()
    }
}

/// Bounds of histograms of round trips, from loopback to a path that hardly works; in seconds.
pub const ROUND_TRIP_BUCKETS: &[f64] =
    &[0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5.0, 10.0];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fmt::Debug};

    use super::*;

    fn check<L: Label + PartialEq + Debug>() {
        for (index, label) in L::ALL.iter().enumerate() {
            assert_eq!(label.index(), index, "{label:?}");
        }
        let texts: BTreeSet<&str> = L::ALL.iter().map(|label| label.text()).collect();
        assert_eq!(texts.len(), L::ALL.len(), "{texts:?}");
    }

    #[test]
    fn labels_stand_at_their_index_and_have_a_text_each() {
        check::<Outcome>();
        check::<Content>();
        check::<Reason>();
        check::<CandidateKind>();
        check::<Blame>();
    }

    #[test]
    fn reasons_have_the_names_of_the_protocol() {
        // `other` is what a name of tomorrow reads as, so each of today's must be read as itself.
        for reason in Reason::ALL {
            let name = format!("\"{}\"", reason.text());
            assert_eq!(serde_json::from_str::<Reason>(&name).unwrap(), *reason);
        }
    }

    #[test]
    fn outcomes() {
        assert_eq!(
            [101, 200, 308, 404, 502, 0, 600].map(Outcome::of),
            [
                Outcome::Upgraded,
                Outcome::Success,
                Outcome::Redirect,
                Outcome::Visitor,
                Outcome::Server,
                Outcome::None,
                Outcome::None
            ]
        );
    }
}
