//! Paths of cookies (RFC 6265 §5.1.4), also where only a request is known that carried one.

/// The path of a request target.
pub(super) fn of_target(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(target.len());
    target.get(..end).unwrap_or_default()
}

/// The path of a cookie that is set without one by a response to a request for `path`.
pub(super) fn default(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(0) | None => b"/",
        Some(slash) => path.get(..slash).unwrap_or(b"/"),
    }
}

/// The directory of a request path, with its slash at the end.
pub(super) fn directory(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    path.get(..end).unwrap_or_default()
}

/// Whether it is a directory or a file in one by its name, and so hardly the path of a cookie other than its directory's.
fn is_file(path: &[u8]) -> bool {
    let name = path.get(directory(path).len()..).unwrap_or_default();
    name.is_empty() || name.contains(&b'.')
}

/// Whether a cookie with the path `cookie` goes with a request for `path`.
pub(super) fn matches(cookie: &[u8], path: &[u8]) -> bool {
    match path.strip_prefix(cookie) {
        None => false,
        Some(rest) => rest.is_empty() || cookie.ends_with(b"/") || rest.starts_with(b"/"),
    }
}

/// What is known of the path of a cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Paths {
    /// Its line said it.
    Exactly(Box<[u8]>),
    /// A browser showed name and value with some requests and not with others. There may even be two cookies of that
    /// name and value, which for each request makes no difference.
    Shown {
        with: Vec<Box<[u8]>>,
        without: Vec<Box<[u8]>>,
        /// Requests in one directory differed, so its path is a whole file's.
        of_a_file: bool,
    },
}

/// Whether a cookie goes with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goes {
    Yes,
    No,
    /// Its path is not known well enough.
    Unknown,
}

impl Paths {
    pub(super) fn exactly(path: &[u8]) -> Self {
        Self::Exactly(path.into())
    }

    /// A request for `path`, or a document there, had it.
    pub(super) fn shown(path: &[u8]) -> Self {
        Self::Shown { with: vec![path.into()], without: Vec::new(), of_a_file: false }
    }

    /// Whether the cookie goes with a request for `path`.
    ///
    /// What goes with a request goes with all below it; what does not, does not with any above. Files of one
    /// directory are alike until they are seen to differ.
    pub(super) fn goes(&self, path: &[u8]) -> Goes {
        let (with, without, of_a_file) = match self {
            Self::Exactly(cookie) if matches(cookie, path) => return Goes::Yes,
            Self::Exactly(_) => return Goes::No,
            Self::Shown { with, without, of_a_file } => (with, without, *of_a_file),
        };
        let alike = |known: &[u8]| !of_a_file && directory(known) == directory(path);
        if self.must(path) {
            Goes::Yes
        } else if without.iter().any(|without| matches(path, without)) {
            Goes::No
        } else if with.iter().any(|with| is_file(with) && alike(with)) {
            Goes::Yes
        } else if is_file(path) && without.iter().any(|without| alike(without)) {
            Goes::No
        } else {
            Goes::Unknown
        }
    }

    /// Whether the cookie is gone if a request for `path` does not have it.
    pub(super) fn must(&self, path: &[u8]) -> bool {
        match self {
            Self::Exactly(cookie) => matches(cookie, path),
            Self::Shown { with, .. } => with.iter().any(|with| matches(with, path)),
        }
    }

    /// A request for `path` had it.
    pub(super) fn seen(&mut self, path: &[u8]) {
        let differs = self.goes(path) == Goes::No;
        if let Self::Shown { with, without, of_a_file } = self {
            *of_a_file |= differs;
            without.retain(|without| !matches(path, without));
            remember(with, path);
        }
    }

    /// It is seen at `path`, and where else it was seen counts no more.
    pub(super) fn only(&mut self, path: &[u8]) {
        if let Self::Shown { with, .. } = self {
            with.clear();
        }
        self.seen(path);
    }

    /// A request for `path` did not have it, though it exists.
    pub(super) fn missed(&mut self, path: &[u8]) {
        let differs = self.goes(path) == Goes::Yes;
        if let Self::Shown { without, of_a_file, .. } = self {
            *of_a_file |= differs;
            remember(without, path);
        }
    }

    /// The path, if it is known.
    pub(super) fn known(&self) -> Option<&[u8]> {
        match self {
            Self::Exactly(path) => Some(path),
            // Only one path matches the root.
            Self::Shown { with, .. } => with.iter().map(|with| &**with).find(|with| *with == b"/"),
        }
    }

    /// Whether a cookie with this very path can be this one.
    pub(super) fn may_be(&self, path: &[u8]) -> bool {
        match self {
            Self::Exactly(known) => **known == *path,
            Self::Shown { with, .. } => with.iter().any(|with| matches(path, with)),
        }
    }

    /// The longest it can be: browsers send longer paths first.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Exactly(path) => path.len(),
            Self::Shown { with, .. } => with.iter().map(|with| with.len()).min().unwrap_or(0),
        }
    }

    /// Memory that grows with what was sent.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Exactly(path) => path.len(),
            Self::Shown { with, without, .. } => {
                with.iter().chain(without).map(|path| path.len()).sum()
            }
        }
    }
}

/// Keeps the newest. What is forgotten is unknown again.
fn remember(paths: &mut Vec<Box<[u8]>>, path: &[u8]) {
    if paths.iter().any(|known| **known == *path) {
        return;
    }
    if paths.len() >= MAX_SHOWN {
        paths.remove(0);
    }
    paths.push(path.into());
}

const MAX_SHOWN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_directories_are_those_of_the_rfc() {
        for (path, default_path, directory_of) in [
            ("/", "/", "/"),
            ("/a", "/", "/"),
            ("/a/", "/a", "/a/"),
            ("/a/b", "/a", "/a/"),
            ("/a/b/c.js", "/a/b", "/a/b/"),
            ("*", "/", ""),
        ] {
            assert_eq!(default(path.as_bytes()), default_path.as_bytes(), "{path}");
            assert_eq!(directory(path.as_bytes()), directory_of.as_bytes(), "{path}");
        }
        assert_eq!(of_target(b"/a?b/c"), b"/a");
        assert_eq!(of_target(b"/a#b"), b"/a");
    }

    #[test]
    fn paths_match_as_in_the_rfc() {
        for (cookie, path, goes) in [
            ("/", "/", true),
            ("/", "/a/b", true),
            ("/a", "/a", true),
            ("/a", "/a/", true),
            ("/a", "/a/b", true),
            ("/a", "/ab", false),
            ("/a", "/", false),
            ("/a/", "/a", false),
            ("/a/", "/a/", true),
            ("/a/", "/a/b", true),
            ("/a/b", "/a/c", false),
            ("/a%20b", "/a%20b/c", true),
        ] {
            assert_eq!(matches(cookie.as_bytes(), path.as_bytes()), goes, "{cookie} {path}");
            let expected = if goes { Goes::Yes } else { Goes::No };
            assert_eq!(Paths::exactly(cookie.as_bytes()).goes(path.as_bytes()), expected);
        }
    }

    #[test]
    fn requests_show_a_path_bit_by_bit() {
        let mut paths = Paths::shown(b"/app/page.html");
        for (path, goes) in [
            ("/app/page.html", Goes::Yes),
            ("/app/page.html/x", Goes::Yes),
            ("/app/other", Goes::Yes),
            ("/app/deep/er", Goes::Unknown),
            ("/api/x", Goes::Unknown),
            ("/", Goes::Unknown),
        ] {
            assert_eq!(paths.goes(path.as_bytes()), goes, "{path}");
        }
        paths.missed(b"/api/v1/x");
        assert_eq!(paths.goes(b"/api/v1/y.js"), Goes::No);
        assert_eq!(paths.goes(b"/api/v1/y"), Goes::Unknown, "may be its very path");
        assert_eq!(paths.goes(b"/"), Goes::No, "else it would go with all");
        assert_eq!(paths.goes(b"/api/y"), Goes::Unknown);
        assert_eq!(paths.known(), None);
        // Its path is `/app/page.html`, after all.
        assert!(!paths.must(b"/app/other"));
        paths.missed(b"/app/other");
        assert_eq!(paths.goes(b"/app/page.html"), Goes::Yes);
        assert_eq!(paths.goes(b"/app/other"), Goes::No);
        assert_eq!(paths.goes(b"/app/third"), Goes::Unknown);
        // Or another one of its name and value came.
        paths.seen(b"/");
        assert_eq!(paths.goes(b"/api/v1/x"), Goes::Yes);
        assert_eq!((paths.known(), paths.length()), (Some(&b"/"[..]), 1));
        // A cookie that a login at `/app/login` left at `/app` goes with `/app`, not with `/`.
        assert_eq!(Paths::shown(b"/app").goes(b"/"), Goes::Unknown);
    }

    #[test]
    fn little_is_remembered() {
        let mut paths = Paths::shown(b"/0/");
        for number in 0..100 {
            paths.seen(format!("/{number}/").as_bytes());
            paths.missed(format!("/x/{number}/").as_bytes());
        }
        assert!(paths.bytes() < 2 * MAX_SHOWN * 8, "{paths:?}");
        assert_eq!(paths.goes(b"/99/x"), Goes::Yes);
        assert_eq!(paths.goes(b"/0/x"), Goes::Unknown);
    }
}
