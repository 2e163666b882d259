//! Query parameters with a bound on each.

use std::time::Duration;

/// The parameters of one request target.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Parses what follows `?`; an absent query has no parameters.
    pub(crate) fn parse(query: Option<&str>) -> Self {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// The first value of `name`.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first value of `name` as a number, `default` if absent or not a number, at most `max`.
    pub(crate) fn number(&self, name: &str, default: u64, max: u64) -> u64 {
        self.text(name).and_then(|value| value.parse().ok()).unwrap_or(default).min(max)
    }

    /// The first value of `name` in milliseconds, bounded by `max`.
    pub(crate) fn millis(&self, name: &str, default: Duration, max: Duration) -> Duration {
        let bounded = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.number(name, bounded(default), bounded(max)))
    }

    /// Whether `name` is there with a value other than `0`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|value| value != "0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fall_back_and_are_bounded() {
        let query = Query::parse(Some("bytes=9&count=many&big=99999999999999999999&wide=700"));
        assert_eq!(query.number("bytes", 1, 100), 9);
        assert_eq!(query.number("count", 1, 100), 1, "not a number");
        assert_eq!(query.number("big", 7, 100), 7, "does not fit");
        assert_eq!(query.number("wide", 1, 100), 100, "bounded");
        assert_eq!(query.number("absent", 5, 100), 5);
        assert_eq!(Query::parse(None).number("bytes", 3, 100), 3);
    }

    #[test]
    fn values_are_decoded() {
        let query = Query::parse(Some("to=%2Fa%20b&chunked=1&off=0"));
        assert_eq!(query.text("to"), Some("/a b"));
        assert!(query.flag("chunked"));
        assert!(!query.flag("off"));
        assert!(!query.flag("absent"));
    }
}
