//! What is known of the cookies in one browser.
//!
//! The contract: what [`Jar::decide`] gives for a request is what the browser would have sent with it by relay; if
//! that is not sure, it says so and the request goes by relay, which teaches the jar what it lacked.
//!
//! 1. [`Jar::set`]: a `Set-Cookie` line was sent to the browser; all attributes are known.
//! 2. `observe` (a relayed request's `Cookie`) and `snapshot` (a document's cookies) in [`super::evidence`].
//! 3. [`Jar::decide`].
//!
//! What comes over two paths comes in any order. So a belief has the time of its last change, and evidence the time
//! before which it cannot have been made. Older evidence that contradicts proves nothing; the belief is then in
//! doubt until newer evidence comes.

use std::time::{Duration, Instant, SystemTime};

use super::{
    known::Known,
    path::{self, Goes, Paths},
    set_cookie::{CLOCKS, End, SetCookie},
};

/// Both clocks, read once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) instant: Instant,
    pub(super) wall: SystemTime,
}

/// The cookies of one browser for the session's host, in the order of their creation.
#[derive(Debug, Default)]
pub(super) struct Jar {
    pub(super) cookies: Vec<Cookie>,
    /// Which requests have shown what the browser had from before this jar.
    pub(super) known: Known,
    /// Documents that were opened, by their default path.
    pub(super) opened: Vec<Opened>,
    /// When a response told the browser to drop everything. Until that has surely happened nothing is learnt.
    cleared: Option<Instant>,
    /// More than a jar holds: nothing is known any more, for good.
    overfull: bool,
}

/// A directory with documents.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) path: Box<[u8]>,
    /// When one of them may have set cookies last.
    pub(super) written: Instant,
    /// A request since then has shown them.
    pub(super) shown: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Cookie {
    pub(super) name: Box<[u8]>,
    pub(super) value: Box<[u8]>,
    pub(super) paths: Paths,
    pub(super) hidden: Hidden,
    pub(super) origin: Origin,
    pub(super) belief: Belief,
    /// The last evidence was too old for what it contradicted.
    pub(super) doubt: bool,
    /// When the belief changed.
    pub(super) changed: Instant,
    /// It changed by a line that the browser may not have got yet.
    pub(super) by_line: bool,
    /// When it was last seen in the browser (or set).
    pub(super) confirmed: Instant,
}

/// Whether scripts see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hidden {
    /// Its line said `HttpOnly`.
    Yes,
    /// Requests had it when the document at this path did not show it: because of its path, or because scripts do not
    /// see it.
    Concluded { by: Box<[u8]> },
    /// A document has shown it.
    No,
    /// No document has shown it yet, though it may.
    Unknown,
    /// A document did not show it at this time: if it still exists afterwards, that is concluded.
    Unless { at: Instant, by: Box<[u8]> },
}

/// Where the cookie is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// From its `Set-Cookie` line.
    Line { domain: bool, partitioned: bool, end: Option<SystemTime> },
    /// From the browser, which tells name and value only.
    Browser,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belief {
    Present,
    /// Deleted; remembered for a while because requests sent before may still come.
    Gone,
}

/// Why the jar cannot tell what the browser would send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unsure {
    /// No relayed request has shown what the browser had here before.
    #[error("no request has shown the cookies of this directory")]
    UnknownDirectory,
    /// Scripts of another document may have set cookies here, which this document does not see.
    #[error("another document may have set cookies")]
    Unseen,
    /// A cookie's path is not known well enough.
    #[error("the path of a cookie is unknown")]
    UnknownPath,
    /// Relayed requests and documents contradict each other, or browsers differ.
    #[error("a cookie is in doubt")]
    Doubt,
    /// A cookie ends about now.
    #[error("a cookie is about to expire")]
    Expiring,
    /// Nobody knows when a cookie ends, and it was not seen lately.
    #[error("a cookie was not seen lately")]
    Stale,
    /// There are more cookies than a jar keeps.
    #[error("there are too many cookies")]
    TooMany,
    /// The page did not say what it sees, or cookies of the response could not be handed over.
    #[error("the request cannot have cookies directly")]
    Unsuited,
}

impl Jar {
    /// A `Set-Cookie` line is on its way to the browser.
    pub(super) fn set(&mut self, set: SetCookie, now: Now) {
        self.forget(now);
        let (domain, partitioned) = (set.domain, set.partitioned);
        let end = match set.end {
            End::Session | End::Now => None,
            End::At(at) => Some(at),
        };
        let gone = set.end == End::Now;
        // A cookie of unknown attributes may be this one, or another one of the same name.
        for cookie in &mut self.cookies {
            if cookie.origin == Origin::Browser
                && cookie.name == set.name
                && cookie.paths.may_be(&set.path)
            {
                cookie.doubt = true;
                cookie.changed = now.instant;
                cookie.by_line = true;
            }
        }
        let cookie = Cookie {
            paths: Paths::exactly(&set.path),
            name: set.name,
            value: set.value,
            hidden: if set.http_only { Hidden::Yes } else { Hidden::Unknown },
            origin: Origin::Line { domain, partitioned, end },
            belief: if gone { Belief::Gone } else { Belief::Present },
            // A response that clears cookies may come after this one.
            doubt: !set.certain || !self.is_past_clearing(now.instant),
            changed: now.instant,
            by_line: true,
            confirmed: now.instant,
        };
        let same = self.cookies.iter_mut().find(|old| old.is_same(&cookie));
        match same {
            Some(same) if gone => *same = Cookie { value: same.value.clone(), ..cookie },
            // What a cookie keeps is its place (RFC 6265 §5.3, creation time); one that comes back is a new one.
            Some(same) if same.belief == Belief::Present => *same = cookie,
            Some(_) => {
                self.cookies.retain(|old| !old.is_same(&cookie));
                self.cookies.push(cookie);
            }
            // Also one that deletes a cookie that nobody has seen yet.
            None => self.cookies.push(cookie),
        }
        self.bound();
    }

    /// The browser is told to drop all cookies: nothing is known any more.
    pub(super) fn clear(&mut self, now: Now) {
        let mut opened = std::mem::take(&mut self.opened);
        for opened in &mut opened {
            (opened.written, opened.shown) = (now.instant, false);
        }
        *self = Self { cleared: Some(now.instant), opened, ..Self::default() };
    }

    /// Whether the browser has dropped at this time what it was told to.
    pub(super) fn is_past_clearing(&self, at: Instant) -> bool {
        self.cleared.is_none_or(|cleared| cleared + SETTLED <= at)
    }

    /// Whether a response that set cookies at `since` has reached the browser is not known.
    pub(super) fn doubt(&mut self, since: Instant) {
        for cookie in self.cookies.iter_mut().filter(|cookie| cookie.changed == since) {
            cookie.doubt = true;
        }
    }

    /// A document is open at `path`: its scripts set cookies that documents elsewhere do not see.
    pub(super) fn opened(&mut self, path: &[u8], now: Now) {
        let path = path::default(path);
        self.opened.retain(|opened| *opened.path != *path);
        if path != b"/" {
            self.opened.push(Opened { path: path.into(), written: now.instant, shown: false });
        }
        if self.opened.len() > MAX_OPENED {
            self.opened.remove(0);
        }
    }

    /// Another document is opened: those before it may have set cookies until now.
    pub(super) fn navigated(&mut self, path: &[u8], now: Now) {
        for opened in &mut self.opened {
            (opened.written, opened.shown) = (now.instant, false);
        }
        self.opened(path, now);
    }

    /// What a request for `path` by a document at `asking` carries, as the value of `Cookie`; empty for none.
    ///
    /// A request that is not `safe` is held to more: that a cookie's path is exactly a request's is found
    /// where tokens are renewed, not where files are fetched.
    pub(super) fn decide(
        &self,
        path: &[u8],
        asking: &[u8],
        safe: bool,
        now: Now,
    ) -> Result<Vec<u8>, Unsure> {
        if self.overfull {
            return Err(Unsure::TooMany);
        }
        if !self.known.covers(path, safe) {
            return Err(Unsure::UnknownDirectory);
        }
        let unseen = self.opened.iter().filter(|opened| !opened.shown).any(|opened| {
            path::matches(&opened.path, path) && !path::matches(&opened.path, asking)
        });
        if unseen {
            return Err(Unsure::Unseen);
        }
        let mut sent: Vec<&Cookie> = Vec::new();
        for cookie in &self.cookies {
            match cookie.paths.goes(path) {
                Goes::No => continue,
                _ if cookie.doubt => return Err(Unsure::Doubt),
                _ if cookie.belief == Belief::Gone => continue,
                Goes::Unknown => return Err(Unsure::UnknownPath),
                Goes::Yes => {}
            }
            match cookie.origin {
                Origin::Line { end: Some(end), .. } if now.wall + CLOCKS >= end => {
                    return Err(Unsure::Expiring);
                }
                Origin::Browser if now.instant.duration_since(cookie.confirmed) > STALE => {
                    return Err(Unsure::Stale);
                }
                _ => {}
            }
            // Their order says which is which.
            let twin = sent.iter().any(|other| {
                other.name == cookie.name
                    && other.value != cookie.value
                    && (other.paths.known().is_none() || cookie.paths.known().is_none())
            });
            if twin {
                return Err(Unsure::UnknownPath);
            }
            sent.push(cookie);
        }
        // Stable: equal lengths stay in the order of creation.
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.paths.length()));
        let mut value = Vec::new();
        for cookie in sent {
            if !value.is_empty() {
                value.extend_from_slice(b"; ");
            }
            if !cookie.name.is_empty() {
                value.extend_from_slice(&cookie.name);
                value.push(b'=');
            }
            value.extend_from_slice(&cookie.value);
        }
        Ok(value)
    }

    /// Drops what is over beyond doubt.
    pub(super) fn forget(&mut self, now: Now) {
        self.cookies.retain(|cookie| match (cookie.belief, cookie.origin) {
            (Belief::Gone, _) => {
                cookie.doubt || now.instant.duration_since(cookie.changed) < SETTLED
            }
            (_, Origin::Line { end: Some(end), .. }) => now.wall < end + CLOCKS,
            _ => true,
        });
    }

    /// Gives up when there is more than can be kept.
    pub(super) fn bound(&mut self) {
        let bytes: usize = self.cookies.iter().map(Cookie::bytes).sum();
        if self.cookies.len() > MAX_COOKIES || bytes > MAX_BYTES {
            *self = Self { overfull: true, ..Self::default() };
        }
    }

    pub(super) fn is_overfull(&self) -> bool {
        self.overfull
    }
}

impl Cookie {
    /// One that the browser has shown.
    pub(super) fn shown(pair: (&[u8], &[u8]), path: &[u8], hidden: Hidden, now: Now) -> Self {
        Self {
            name: pair.0.into(),
            value: pair.1.into(),
            paths: Paths::shown(path),
            hidden,
            origin: Origin::Browser,
            belief: Belief::Present,
            doubt: false,
            changed: now.instant,
            by_line: false,
            confirmed: now.instant,
        }
    }

    /// Whether a line for one replaces the other (RFC 6265 §5.3: name, domain and path).
    fn is_same(&self, other: &Self) -> bool {
        let key = |cookie: &Self| match cookie.origin {
            Origin::Line { domain, partitioned, .. } => Some((domain, partitioned)),
            Origin::Browser => None,
        };
        key(self).is_some()
            && key(self) == key(other)
            && self.name == other.name
            && self.paths == other.paths
    }

    fn bytes(&self) -> usize {
        self.name.len() + self.value.len() + self.paths.bytes() + std::mem::size_of::<Self>()
    }
}

/// Cookies of a path set by a response to a request for `path` can be handed over by another request.
pub(super) fn is_suited(path: &[u8]) -> bool {
    super::set_cookie::can_say_path(path) && path::directory(path).first() == Some(&b'/')
}

/// After this time a message has arrived, or the link's heartbeat has found it dead: how old evidence may be when it
/// comes, and how long a response may be under way.
pub(super) const SETTLED: Duration = Duration::from_secs(10);
/// How long a cookie that may end at any time is trusted without having been seen.
const STALE: Duration = Duration::from_secs(60);
/// Directories of documents that a jar remembers.
const MAX_OPENED: usize = 64;
/// Browsers keep 180 for a site and may then drop any of them.
const MAX_COOKIES: usize = 150;
/// More than any server takes in a request head.
const MAX_BYTES: usize = 128 * 1024;
