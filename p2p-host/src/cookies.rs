//! The cookies of visitors, as far as their browsers have shown them: for requests that no browser adds cookies to.
//!
//! Workers neither see nor set cookies, so on the direct path the host does both. [`Cookies`] holds a jar for each
//! visitor, in memory only, and promises: a direct request carries what it would have carried by relay, or it is
//! not run ([`Unsure`], RESET `RelayOnly`) and goes by relay, which teaches the jar; no `Set-Cookie` is lost.
//!
//! 1. [`Cookies::relayed`]: a relayed request shows what the browser has.
//! 2. [`Cookies::answered`]: a response by relay sets cookies.
//! 3. [`Cookies::direct`]: what a direct request carries.
//! 4. [`Cookies::keep`]: a direct response's cookies wait under a ticket; [`Cookies::redeem`] gives them to the
//!    relayed request that fetches them, and only then the jar believes in them.

mod date;
mod evidence;
mod jar;
mod known;
mod path;
mod set_cookie;
#[cfg(test)]
mod tests;

pub use jar::Unsure;

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use parking_lot::Mutex;
use wingman_wire::id::{RequestId, VisitorId};

use evidence::{Evidence, Kind};
use jar::{Jar, Now, SETTLED};
use set_cookie::{SetCookie, Site};

/// What visitors' browsers hold for the session's host.
#[derive(Debug, Default)]
pub struct Cookies {
    visitors: Mutex<HashMap<VisitorId, Visitor>>,
}

/// A request, as far as cookies care.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its target, or the path of it.
    pub target: &'a [u8],
    /// What the visitor asked for, perhaps with a port.
    pub authority: &'a [u8],
    /// Whether the visitor came by TLS.
    pub tls: bool,
}

/// What a page says of its document.
#[derive(Clone, Debug)]
pub struct Document {
    /// `document.cookie`.
    pub cookie: Bytes,
    /// Its path.
    pub path: Bytes,
}

/// A moment at which cookies were set; see [`Cookies::undelivered`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(Instant);

#[derive(Debug)]
struct Visitor {
    jar: Jar,
    tickets: VecDeque<Ticket>,
    /// Direct requests that were sent to the relay, and when: their copies are younger than that.
    returned: VecDeque<(RequestId, Instant)>,
    used: Instant,
}

#[derive(Debug)]
struct Ticket {
    number: u128,
    lines: Vec<HeaderValue>,
    made: Instant,
}

impl Cookies {
    /// A relayed request of the visitor's browser has come.
    pub fn relayed(
        &self,
        visitor: VisitorId,
        request: Request<'_>,
        fields: &HeaderMap,
        id: Option<RequestId>,
    ) {
        let now = Now::read();
        let mut pairs = Vec::new();
        for line in fields.get_all(header::COOKIE) {
            // HTTP/2 may split it.
            pairs.extend_from_slice(line.as_bytes());
            pairs.push(b';');
        }
        let kind = if is_foreign(fields) { Kind::Foreign } else { Kind::Request };
        self.with(visitor, now, |visitor| {
            let returned = visitor.returned.iter().position(|(returned, _)| Some(*returned) == id);
            let returned = returned.and_then(|place| visitor.returned.remove(place));
            let since = returned.map_or(now.before(SETTLED), |(_, at)| at);
            let path = path::of_target(request.target);
            visitor.jar.learn(Evidence { path, pairs: &pairs, since, kind }, now);
            if is_document(fields) {
                visitor.jar.navigated(path, now);
            }
        });
    }

    /// A relayed response to the visitor sets cookies, or clears all of them; `None` if it does neither.
    pub fn answered(
        &self,
        visitor: VisitorId,
        request: Request<'_>,
        fields: &HeaderMap,
    ) -> Option<Stamp> {
        let clears = clears_cookies(fields);
        if !clears && !fields.contains_key(header::SET_COOKIE) {
            return None;
        }
        let now = Now::read();
        self.with(visitor, now, |visitor| {
            if clears {
                visitor.jar.clear(now);
            }
            for line in fields.get_all(header::SET_COOKIE) {
                visitor.set(line.as_bytes(), request, now);
            }
        });
        Some(Stamp(now.instant))
    }

    /// A response that set cookies may not have reached the browser.
    pub fn undelivered(&self, visitor: VisitorId, stamp: Stamp) {
        let now = Now::read();
        // Later its head was there: the browser takes cookies with it, not with the content.
        if now.instant.duration_since(stamp.0) < SETTLED {
            self.with(visitor, now, |visitor| visitor.jar.doubt(stamp.0));
        }
    }

    /// The `Cookie` of a direct request, if it has any; `safe`: its method only reads.
    ///
    /// # Errors
    /// [`Unsure`]: only the browser knows. The request with this id shall come by relay.
    pub fn direct(
        &self,
        visitor: VisitorId,
        request: Request<'_>,
        safe: bool,
        document: Option<&Document>,
        id: Option<RequestId>,
    ) -> Result<Option<HeaderValue>, Unsure> {
        let now = Now::read();
        let path = path::of_target(request.target);
        self.with(visitor, now, |visitor| {
            let decided = match document {
                Some(document) if jar::is_suited(path) => {
                    let pairs = &document.cookie;
                    let since = now.before(SETTLED);
                    let shown =
                        Evidence { path: &document.path, pairs, since, kind: Kind::Document };
                    visitor.jar.learn(shown, now);
                    visitor.jar.decide(path, &document.path, safe, now)
                }
                _ => Err(Unsure::Unsuited),
            };
            if let (Err(_), Some(id)) = (&decided, id) {
                visitor.returned.push_back((id, now.instant));
                keep_last(&mut visitor.returned, MAX_RETURNED);
            }
            let value = decided?;
            if value.is_empty() {
                return Ok(None);
            }
            HeaderValue::from_bytes(&value).map(Some).map_err(|_| Unsure::Unsuited)
        })
    }

    /// Takes the cookies that a direct response sets out of its head and gives the ticket for them, if there are any.
    ///
    /// If it clears cookies, only its copy by relay does so in the browser; until then nothing is known any more.
    pub fn keep(
        &self,
        visitor: VisitorId,
        request: Request<'_>,
        fields: &mut HeaderMap,
    ) -> Option<HeaderValue> {
        let path = path::of_target(request.target);
        let lines: Vec<HeaderValue> = fields
            .get_all(header::SET_COOKIE)
            .iter()
            .filter_map(|line| {
                HeaderValue::from_bytes(&set_cookie::with_path(line.as_bytes(), path)).ok()
            })
            .collect();
        fields.remove(header::SET_COOKIE);
        let now = Now::read();
        if clears_cookies(fields) {
            self.with(visitor, now, |visitor| visitor.jar.clear(now));
        }
        if lines.is_empty() {
            return None;
        }
        let number: u128 = rand::random();
        self.with(visitor, now, |visitor| {
            visitor.tickets.push_back(Ticket { number, lines, made: now.instant });
            keep_last(&mut visitor.tickets, MAX_TICKETS);
        });
        HeaderValue::try_from(format!("{number:032x}")).ok()
    }

    /// The `Set-Cookie` lines of a ticket, once, with a stamp as from [`Cookies::answered`].
    pub fn redeem(
        &self,
        visitor: VisitorId,
        request: Request<'_>,
        ticket: &str,
    ) -> Option<(Vec<HeaderValue>, Stamp)> {
        // As strict as identifiers are: one text for one number.
        let number = u128::from_str_radix(ticket, 16).ok()?;
        if format!("{number:032x}") != ticket {
            return None;
        }
        let now = Now::read();
        self.with(visitor, now, |visitor| {
            let place = visitor.tickets.iter().position(|ticket| ticket.number == number)?;
            let ticket = visitor.tickets.remove(place)?;
            for line in &ticket.lines {
                visitor.set(line.as_bytes(), request, now);
            }
            Some((ticket.lines, Stamp(now.instant)))
        })
    }

    /// Forgets a ticket: its cookies went another way.
    pub fn revoke(&self, visitor: VisitorId, ticket: &HeaderValue) {
        self.with(visitor, Now::read(), |visitor| {
            visitor.tickets.retain(|kept| ticket != format!("{:032x}", kept.number).as_bytes());
        });
    }

    /// How many jars there are.
    pub fn len(&self) -> usize {
        self.visitors.lock().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn with<T>(&self, id: VisitorId, now: Now, act: impl FnOnce(&mut Visitor) -> T) -> T {
        let mut visitors = self.visitors.lock();
        if !visitors.contains_key(&id) {
            visitors.retain(|_, visitor| now.instant.duration_since(visitor.used) < IDLE);
            if visitors.len() >= MAX_VISITORS
                && let Some(oldest) = visitors.iter().min_by_key(|(_, visitor)| visitor.used)
            {
                let oldest = *oldest.0;
                visitors.remove(&oldest);
            }
        }
        let visitor = visitors.entry(id).or_insert_with(|| Visitor {
            jar: Jar::default(),
            tickets: VecDeque::new(),
            returned: VecDeque::new(),
            used: now.instant,
        });
        visitor.used = now.instant;
        visitor.tickets.retain(|ticket| now.instant.duration_since(ticket.made) < TICKET);
        act(visitor)
    }
}

impl Visitor {
    fn set(&mut self, line: &[u8], request: Request<'_>, now: Now) {
        let site = Site { host: without_port(request.authority), tls: request.tls };
        let path = path::of_target(request.target);
        if let Some(cookie) = SetCookie::parse(line, path, site, now.wall)
            && !is_ours(&cookie.name)
        {
            self.jar.set(cookie, now);
        }
    }
}

impl Now {
    fn read() -> Self {
        // tokio's clock, which tests can move.
        Self { instant: tokio::time::Instant::now().into_std(), wall: SystemTime::now() }
    }

    fn before(self, time: Duration) -> Instant {
        self.instant.checked_sub(time).unwrap_or(self.instant)
    }
}

/// Keeps the newest.
fn keep_last<T>(queue: &mut VecDeque<T>, most: usize) {
    while queue.len() > most {
        queue.pop_front();
    }
}

/// Whether `SameSite` cookies may be missing. The visitor's own cookie is `Lax`, so it is a navigation.
fn is_foreign(fields: &HeaderMap) -> bool {
    match fields.get("sec-fetch-site") {
        Some(site) => site == "cross-site",
        None => accepts_html(fields),
    }
}

/// Whether the response may become a document, with scripts.
fn is_document(fields: &HeaderMap) -> bool {
    match fields.get("sec-fetch-dest") {
        Some(dest) => matches!(dest.as_bytes(), b"document" | b"iframe" | b"frame"),
        None => accepts_html(fields),
    }
}

fn accepts_html(fields: &HeaderMap) -> bool {
    let accept = fields.get(header::ACCEPT).map_or(&b""[..], HeaderValue::as_bytes);
    accept.windows(9).any(|word| word.eq_ignore_ascii_case(b"text/html"))
}

/// Whether a browser drops all its cookies of the site (W3C Clear Site Data §3.1).
fn clears_cookies(fields: &HeaderMap) -> bool {
    let lines = fields.get_all("clear-site-data").iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).any(|kind| {
        let kind = kind.trim_ascii();
        kind == b"\"cookies\"" || kind == b"\"*\""
    })
}

/// The edge's cookie, which no origin sets.
fn is_ours(name: &[u8]) -> bool {
    [&b"wingman"[..], b"__Host-wingman"].iter().any(|ours| name.eq_ignore_ascii_case(ours))
}

fn without_port(authority: &[u8]) -> &[u8] {
    match authority.iter().rposition(|byte| *byte == b':') {
        Some(colon) if !authority.ends_with(b"]") => authority.get(..colon).unwrap_or_default(),
        _ => authority,
    }
}

const MAX_VISITORS: usize = 256;
const MAX_TICKETS: usize = 64;
const MAX_RETURNED: usize = 256;
const TICKET: Duration = Duration::from_secs(30);
/// Of a visitor who does nothing.
const IDLE: Duration = Duration::from_secs(12 * 3_600);
