//! Which relayed requests have shown a browser's cookies.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound;

use super::path;

/// Paths of requests whose cookies are all known. Bounded: the oldest is forgotten, and shown again when it matters.
#[derive(Debug, Default)]
pub(super) struct Known {
    paths: BTreeSet<Box<[u8]>>,
    order: VecDeque<Box<[u8]>>,
    bytes: usize,
}

impl Known {
    pub(super) fn add(&mut self, path: &[u8]) {
        if path.len() > MAX_PATH || !self.paths.insert(path.into()) {
            return;
        }
        self.order.push_back(path.into());
        self.bytes += path.len();
        while self.order.len() > MAX_PATHS || self.bytes > MAX_BYTES {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= oldest.len();
            self.paths.remove(&oldest);
        }
    }

    /// Whether all cookies for `path` were shown. For a request that only reads, its directory counts; for any
    /// other the path itself.
    pub(super) fn covers(&self, path: &[u8], safe: bool) -> bool {
        if safe {
            return self.has_below(path::directory(path));
        }
        self.paths.contains(path) || self.has_below(&[path, b"/"].concat())
    }

    fn has_below(&self, start: &[u8]) -> bool {
        let mut from = self.paths.range::<[u8], _>((Bound::Included(start), Bound::Unbounded));
        from.next().is_some_and(|path| path.starts_with(start))
    }
}

const MAX_PATH: usize = 2_048;
const MAX_PATHS: usize = 1_024;
const MAX_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_cover_what_reads_and_paths_the_rest() {
        let mut known = Known::default();
        assert!(!known.covers(b"/", true));
        known.add(b"/api/v1/items");
        for (path, safe, covered) in [
            ("/", true, true),
            ("/x", true, true),
            ("/api/x", true, true),
            ("/api/v1/x", true, true),
            ("/api/v1/items/7", true, false),
            ("/api/v2/x", true, false),
            ("/app/x", true, false),
            ("/api/v1/items", false, true),
            ("/api/v1", false, true),
            ("/api", false, true),
            ("/api/v", false, false),
            ("/api/v1/x", false, false),
            ("/x", false, false),
            ("*", true, true),
        ] {
            assert_eq!(known.covers(path.as_bytes(), safe), covered, "{path}");
        }
    }

    #[test]
    fn it_is_bounded() {
        let mut known = Known::default();
        for number in 0..3_000 {
            known.add(format!("/{number}/{}", "x".repeat(number % 100)).as_bytes());
            assert_eq!(known.paths.len(), known.order.len());
            assert_eq!(known.bytes, known.order.iter().map(|path| path.len()).sum::<usize>());
        }
        assert!(known.paths.len() <= MAX_PATHS && known.bytes <= MAX_BYTES);
        assert!(known.covers(b"/2999/y", true) && !known.covers(b"/0/y", true));
        known.add(&[b'/'; MAX_PATH + 1]);
        assert!(known.covers(b"/2999/y", true));
    }
}
