//! What requests and documents tell of a browser's cookies.

use std::time::Instant;

use super::{
    jar::{Belief, Cookie, Hidden, Jar, Now, Origin, SETTLED},
    known::Known,
    path::{self, Goes, Paths},
    set_cookie::name_and_value,
};

/// What a browser showed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence<'a> {
    /// Of the request, or of the document.
    pub(super) path: &'a [u8],
    /// A `Cookie` field, or a document's cookies.
    pub(super) pairs: &'a [u8],
    /// The browser was in this state at this time or later.
    pub(super) since: Instant,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request: all its cookies.
    Request,
    /// A request from another site, which lacks `SameSite` cookies: nothing follows from what it lacks.
    Foreign,
    /// A document: those that are not `HttpOnly`.
    Document,
}

impl Jar {
    /// Learns from a browser.
    pub(super) fn learn(&mut self, evidence: Evidence<'_>, now: Now) {
        if self.is_overfull() || !self.is_past_clearing(evidence.since) {
            return;
        }
        self.forget(now);
        let mut pairs: Vec<(&[u8], &[u8])> = evidence
            .pairs
            .split(|byte| *byte == b';')
            .map(name_and_value)
            .filter(|(name, value)| !name.is_empty() || !value.is_empty())
            .collect();
        let unclear = self.sort_out_twins(&pairs, evidence);
        pairs.retain(|pair| !unclear.contains(&twin_of(*pair)));
        let shown = self.recognise(&pairs, evidence, now);
        // Before this evidence changes anything.
        let young: Vec<bool> = self.cookies.iter().map(|cookie| evidence.decides(cookie)).collect();
        let known: Vec<usize> = shown.iter().filter_map(|place| *place).collect();
        self.doubt_or_drop(&known, &unclear, evidence, now);
        let mut order = Vec::with_capacity(pairs.len());
        for (place, pair) in shown.into_iter().zip(&pairs) {
            order.push(place.unwrap_or_else(|| self.adopt(*pair, &known, &young, evidence, now)));
        }
        self.reorder(order);
        match evidence.kind {
            Kind::Foreign => {}
            Kind::Document => self.opened(evidence.path, now),
            Kind::Request => {
                self.known.add(evidence.path);
                for opened in &mut self.opened {
                    opened.shown |= opened.written <= evidence.since
                        && path::matches(&opened.path, evidence.path);
                }
            }
        }
        self.bound();
    }

    /// Cookies of one name and one value, of which not all are shown: which ones, nobody can tell.
    ///
    /// If one of them may still be under way, nothing follows for the twins that are given back. Else they are
    /// forgotten, and so is where they might have been seen.
    fn sort_out_twins(&mut self, pairs: &[(&[u8], &[u8])], evidence: Evidence<'_>) -> Vec<Twin> {
        let mut unclear: Vec<Twin> = Vec::new();
        for pair in pairs {
            let twin = twin_of(*pair);
            if unclear.contains(&twin) {
                continue;
            }
            let shown = pairs.iter().filter(|other| *other == pair).count();
            let concerned = |cookie: &Cookie| twin.is(cookie) && evidence.concerns(cookie);
            let all = || self.cookies.iter().filter(|cookie| concerned(cookie));
            let sure = all().filter(|cookie| {
                cookie.belief == Belief::Present && cookie.paths.must(evidence.path)
            });
            if all().count() <= shown.max(1) || (shown == sure.count() && !self.is_under_way(&twin))
            {
                continue;
            }
            if all().all(|cookie| evidence.decides(cookie)) && evidence.kind != Kind::Foreign {
                self.cookies.retain(|cookie| !concerned(cookie));
                self.known = Known::default();
            } else {
                self.cookies
                    .iter_mut()
                    .filter(|cookie| concerned(cookie))
                    .for_each(|cookie| cookie.doubt = true);
                unclear.push(twin);
            }
        }
        unclear
    }

    /// Whether the browser may not have one of them yet.
    fn is_under_way(&self, twin: &Twin) -> bool {
        self.cookies.iter().any(|cookie| twin.is(cookie) && cookie.by_line)
    }

    /// Finds the cookies that are shown: for each pair its place, unless it is of no known cookie.
    fn recognise(
        &mut self,
        pairs: &[(&[u8], &[u8])],
        evidence: Evidence<'_>,
        now: Now,
    ) -> Vec<Option<usize>> {
        let mut shown = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let is_it = |place: usize, cookie: &Cookie| {
                !shown.contains(&Some(place))
                    && (&*cookie.name, &*cookie.value) == *pair
                    && evidence.concerns(cookie)
            };
            // One that is there before one that is not, one that surely goes before one that may; then as they are sent.
            let found =
                self.cookies.iter().enumerate().filter(|(place, cookie)| is_it(*place, cookie));
            let found = found.max_by_key(|(place, cookie)| {
                let line = matches!(cookie.origin, Origin::Line { .. });
                let first = std::cmp::Reverse(*place);
                let sure = cookie.paths.goes(evidence.path) == Goes::Yes;
                (cookie.belief == Belief::Present, sure, cookie.paths.length(), line, first)
            });
            let place = found.map(|(place, _)| place);
            if let Some(cookie) = place.and_then(|place| self.cookies.get_mut(place)) {
                cookie.shown_again(evidence, now);
            }
            shown.push(place);
        }
        shown
    }

    /// What is not shown though it should be is gone, if the evidence is young enough to say so.
    fn doubt_or_drop(
        &mut self,
        shown: &[usize],
        unclear: &[Twin],
        evidence: Evidence<'_>,
        now: Now,
    ) {
        if evidence.kind == Kind::Foreign {
            return;
        }
        for (place, cookie) in self.cookies.iter_mut().enumerate() {
            let goes = cookie.paths.goes(evidence.path);
            let is_unclear = unclear.iter().any(|twin| twin.is(cookie));
            if shown.contains(&place) || is_unclear || goes == Goes::No {
                continue;
            }
            let decides = evidence.decides(cookie);
            match (cookie.belief, goes) {
                // As believed.
                (Belief::Gone, _) if decides && evidence.kind == Kind::Request => {
                    if cookie.paths.must(evidence.path) {
                        cookie.doubt = false;
                    } else {
                        cookie.paths.missed(evidence.path);
                    }
                }
                (Belief::Gone, _) => {}
                // Not shown because of its path, or because scripts do not see it, or gone.
                (Belief::Present, _)
                    if evidence.kind == Kind::Document
                        && (cookie.hidden != Hidden::No || goes == Goes::Unknown) =>
                {
                    cookie.unshown(evidence.path, now);
                }
                (Belief::Present, _) if !decides => cookie.doubt = true,
                (Belief::Present, _) if !cookie.paths.must(evidence.path) => {
                    // Either its path is another one, or it is gone; where it was seen it has to be seen again.
                    cookie.paths.missed(evidence.path);
                    cookie.doubt = true;
                    cookie.changed = now.instant;
                }
                (Belief::Present, _) => cookie.gone(now),
            }
        }
    }

    /// A pair that is no known cookie, set by a script or before this jar; its place.
    fn adopt(
        &mut self,
        pair: (&[u8], &[u8]),
        shown: &[usize],
        young: &[bool],
        evidence: Evidence<'_>,
        now: Now,
    ) -> usize {
        let mut stale = false;
        for (place, cookie) in self.cookies.iter_mut().enumerate() {
            let concerned = *cookie.name == *pair.0 && cookie.paths.goes(evidence.path) != Goes::No;
            if !concerned || shown.contains(&place) {
                continue;
            }
            if !young.get(place).is_none_or(|young| *young) {
                // The browser may have sent this before it got what replaces it.
                cookie.doubt = true;
                stale = true;
            } else if evidence.kind == Kind::Document && cookie.hidden == Hidden::Yes {
                // Scripts cannot replace what they do not see: it is another one, or this one is gone.
                cookie.doubt = true;
            }
        }
        let mut cookie = Cookie::shown(pair, evidence.path, evidence.hidden(), now);
        cookie.doubt = stale;
        cookie.by_line = stale;
        self.cookies.push(cookie);
        self.cookies.len() - 1
    }

    /// Takes over the order in which the browser shows cookies of one path: it is that of their creation.
    fn reorder(&mut self, mut order: Vec<usize>) {
        let length = |place: &usize| self.cookies.get(*place).map(|cookie| cookie.paths.length());
        order.sort_by_key(length);
        let mut moved = Vec::with_capacity(order.len());
        for places in order.chunk_by(|one, other| length(one) == length(other)) {
            let mut sorted = places.to_vec();
            sorted.sort_unstable();
            let cookies = places.iter().filter_map(|place| self.cookies.get(*place).cloned());
            moved.extend(sorted.into_iter().zip(cookies));
        }
        for (place, cookie) in moved {
            if let Some(slot) = self.cookies.get_mut(place) {
                *slot = cookie;
            }
        }
    }
}

/// What cookies have in common that are told apart by their paths only.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Twin {
    name: Box<[u8]>,
    value: Box<[u8]>,
}

impl Twin {
    fn is(&self, cookie: &Cookie) -> bool {
        (&self.name, &self.value) == (&cookie.name, &cookie.value)
    }
}

fn twin_of((name, value): (&[u8], &[u8])) -> Twin {
    Twin { name: name.into(), value: value.into() }
}

impl Evidence<'_> {
    /// Whether it can show the cookie.
    fn concerns(&self, cookie: &Cookie) -> bool {
        let can_show = self.kind != Kind::Document || cookie.hidden != Hidden::Yes;
        can_show && cookie.paths.goes(self.path) != Goes::No
    }

    /// Whether it is younger than what is believed. What a document shows is the truth for the request that it comes
    /// with; only what is under way it cannot know.
    fn decides(&self, cookie: &Cookie) -> bool {
        if cookie.by_line {
            return cookie.changed + SETTLED <= self.since;
        }
        self.kind == Kind::Document || cookie.changed <= self.since
    }

    /// What it says of cookies that it shows.
    fn hidden(&self) -> Hidden {
        if self.kind == Kind::Document { Hidden::No } else { Hidden::Unknown }
    }
}

impl Cookie {
    fn shown_again(&mut self, evidence: Evidence<'_>, now: Now) {
        let decides = evidence.decides(self);
        if self.belief == Belief::Gone {
            // Sent before it was deleted, most likely. If not, then it was set again, by whomever.
            if decides {
                *self =
                    Self::shown((&self.name, &self.value), evidence.path, evidence.hidden(), now);
            } else {
                self.doubt = true;
            }
            return;
        }
        self.confirmed = now.instant;
        if self.doubt && self.origin == Origin::Browser {
            self.paths.only(evidence.path);
        }
        self.paths.seen(evidence.path);
        // A line brought this very value; what else is known of the browser may be from before.
        let arrived = self.by_line && matches!(self.origin, Origin::Line { .. });
        if arrived {
            self.by_line = false;
            self.changed = now.instant;
        }
        self.by_line &= !decides;
        let believable = decides || arrived;
        match &self.hidden {
            _ if evidence.kind == Kind::Document => {
                self.hidden = Hidden::No;
                self.doubt &= !believable;
            }
            Hidden::Unless { at, by } if *at <= evidence.since => {
                let by = by.clone();
                if !explains(&by, evidence.path) {
                    // It can be another one of the same name and value, which the document could not show.
                    self.origin = Origin::Browser;
                    self.paths = Paths::shown(evidence.path);
                }
                self.hidden = Hidden::Concluded { by };
                self.doubt &= !believable;
            }
            // This request may be older than the document that lacked it.
            Hidden::Unless { .. } => {}
            _ => self.doubt &= !believable,
        }
    }

    /// A document at `path` does not show it.
    fn unshown(&mut self, path: &[u8], now: Now) {
        match &self.hidden {
            Hidden::Yes => return,
            Hidden::Concluded { by } | Hidden::Unless { by, .. } if explains(by, path) => return,
            _ => {}
        }
        self.doubt = true;
        // It may not have come yet.
        if !self.by_line {
            self.hidden = Hidden::Unless { at: now.instant, by: path.into() };
        }
    }

    fn gone(&mut self, now: Now) {
        self.belief = Belief::Gone;
        self.doubt = false;
        self.by_line = false;
        self.changed = now.instant;
    }
}

/// Whether a document at `path` shows no more than the one at `other`.
fn explains(other: &[u8], path: &[u8]) -> bool {
    path::matches(path, other) || path::directory(path) == path::directory(other)
}
