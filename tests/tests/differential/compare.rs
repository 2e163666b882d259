//! Tells allowed differences from others.

use std::collections::BTreeSet;

use super::{
    message::{Content, Framing, Lines, Request, Response, values},
    origin::place,
};

/// A difference that docs/protocol.md gives a reason for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Allowed {
    FieldNameCase,
    FieldLineOrder,
    ForwardingFields,
    ConnectionFields,
    ContentFraming,
    RequestTrailers,
    ResponseTrailers,
    InterimResponses,
    Expect,
    Upgrades,
    HttpVersion,
    TargetBytes,
    ReasonPhrase,
    Date,
    Names,
    CookieDomain,
    Documents,
    VisitorCookie,
}

impl Allowed {
    /// All of them.
    pub(crate) const ALL: [Self; 18] = [
        Self::FieldNameCase,
        Self::FieldLineOrder,
        Self::ForwardingFields,
        Self::ConnectionFields,
        Self::ContentFraming,
        Self::RequestTrailers,
        Self::ResponseTrailers,
        Self::InterimResponses,
        Self::Expect,
        Self::Upgrades,
        Self::HttpVersion,
        Self::TargetBytes,
        Self::ReasonPhrase,
        Self::Date,
        Self::Names,
        Self::CookieDomain,
        Self::Documents,
        Self::VisitorCookie,
    ];

    /// Its name in docs/protocol.md.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::FieldNameCase => "field-name-case",
            Self::FieldLineOrder => "field-line-order",
            Self::ForwardingFields => "forwarding-fields",
            Self::ConnectionFields => "connection-fields",
            Self::ContentFraming => "content-framing",
            Self::RequestTrailers => "request-trailers",
            Self::ResponseTrailers => "response-trailers",
            Self::InterimResponses => "interim-responses",
            Self::Expect => "expect",
            Self::Upgrades => "upgrades",
            Self::HttpVersion => "http-version",
            Self::TargetBytes => "target-bytes",
            Self::ReasonPhrase => "reason-phrase",
            Self::Date => "date",
            Self::Names => "names",
            Self::CookieDomain => "cookie-domain",
            Self::Documents => "documents",
            Self::VisitorCookie => "visitor-cookie",
        }
    }
}

/// Interim responses that reach a visitor.
const MAX_INTERIM: usize = 8;

/// What a comparison found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) allowed: BTreeSet<Allowed>,
    pub(crate) defects: Vec<String>,
}

/// The authorities of the same server.
pub(crate) struct Authorities {
    pub(crate) origin: String,
    pub(crate) session: String,
}

impl Findings {
    fn note(&mut self, differs: bool, allowed: Allowed) {
        if differs {
            self.allowed.insert(allowed);
        }
    }

    fn same<T: PartialEq>(
        &mut self,
        what: &str,
        alone: &T,
        shared: &T,
        show: impl Fn(&T) -> String,
    ) {
        if alone != shared {
            let (alone, shared) = (show(alone), show(shared));
            self.defects.push(format!("{what}\n      alone:  {alone}\n      shared: {shared}"));
        }
    }

    /// What the origin received.
    pub(crate) fn requests(&mut self, alone: &Request, shared: &Request) {
        self.same("method", &alone.method, &shared.method, |method| text(method));
        let target = without_fragment(&alone.target);
        self.note(target.len() != alone.target.len(), Allowed::TargetBytes);
        self.same("target", &target, &shared.target.as_slice(), |target| text(target));
        self.note(alone.version != shared.version, Allowed::HttpVersion);
        self.same("version", &b"HTTP/1.1".to_vec(), &shared.version, |version| text(version));
        let alone_lines = self.request_lines(&alone.lines, true);
        let shared_lines = self.request_lines(&shared.lines, false);
        self.lines("request", &alone_lines, &shared_lines);
        self.content("request", &alone.content, &shared.content, Allowed::RequestTrailers);
        let empty = alone.content.bytes.is_empty() && alone.content.trailers.is_empty();
        if alone.content.framing == shared.content.framing {
        } else if alone.content.framing == Framing::Chunked && empty {
            self.note(true, Allowed::ContentFraming);
        } else {
            let framings = format!("{:?} / {:?}", alone.content.framing, shared.content.framing);
            self.defects.push(format!("request framing: {framings}"));
        }
    }

    /// Lines of a request without those that may differ, names in lower case.
    fn request_lines(&mut self, lines: &Lines, alone: bool) -> Lines {
        let nominated = nominated(lines);
        let mut kept = Lines::new();
        for (name, value) in lines {
            let lower = name.to_ascii_lowercase();
            let difference = match &lower[..] {
                b"connection" | b"keep-alive" | b"proxy-connection" | b"te" => {
                    Some(Allowed::ConnectionFields)
                }
                _ if nominated.contains(&lower) => Some(Allowed::ConnectionFields),
                b"transfer-encoding" | b"content-length" => continue,
                b"trailer" => Some(Allowed::RequestTrailers),
                b"expect" => Some(Allowed::Expect),
                b"upgrade" if !value.eq_ignore_ascii_case(b"websocket") => Some(Allowed::Upgrades),
                b"http2-settings" => Some(Allowed::Upgrades),
                b"x-forwarded-for" | b"x-forwarded-proto" | b"x-forwarded-host" | b"forwarded"
                    if !alone =>
                {
                    Some(Allowed::ForwardingFields)
                }
                _ => None,
            };
            self.note(alone && lower != *name, Allowed::FieldNameCase);
            match difference {
                Some(difference) => self.note(true, difference),
                None => kept.push((lower, value.clone())),
            }
        }
        kept
    }

    /// What the visitor received.
    pub(crate) fn responses(
        &mut self,
        alone: &Response,
        shared: &Response,
        authorities: &Authorities,
    ) {
        self.same("status", &alone.status, &shared.status, u16::to_string);
        self.note(alone.reason != shared.reason, Allowed::ReasonPhrase);
        // The edge says it, for the host is there.
        let continues =
            |response: &Response| response.interim.first().is_some_and(|(s, _)| *s == 100);
        let mut shared = shared.clone();
        if self.allowed.contains(&Allowed::Expect) && continues(&shared) && !continues(alone) {
            shared.interim.remove(0);
        }
        let mut alone = alone.clone();
        if alone.interim.len() > MAX_INTERIM {
            self.note(true, Allowed::InterimResponses);
            alone.interim.truncate(MAX_INTERIM);
        }
        let statuses =
            |response: &Response| response.interim.iter().map(|(status, _)| *status).collect();
        let (before, after): (Vec<u16>, Vec<u16>) = (statuses(&alone), statuses(&shared));
        self.same("interim responses", &before, &after, |all| format!("{all:?}"));
        for ((_, alone), (_, shared)) in alone.interim.iter().zip(&shared.interim) {
            let alone = self.response_lines(alone, Some(authorities));
            let shared = self.response_lines(shared, None);
            self.lines("interim response", &alone, &shared);
        }
        let alone_lines = self.response_lines(&alone.lines, Some(authorities));
        let shared_lines = self.response_lines(&shared.lines, None);
        self.lines("response", &alone_lines, &shared_lines);
        self.content("response", &alone.content, &shared.content, Allowed::ResponseTrailers);
        match (alone.content.framing, shared.content.framing) {
            (one, other) if one == other => {}
            (Framing::Close, Framing::Chunked) => self.note(true, Allowed::ContentFraming),
            // HTTP/1.0 has no chunks.
            (Framing::Chunked, Framing::Close) if self.allowed.contains(&Allowed::HttpVersion) => {
                self.note(true, Allowed::ContentFraming);
            }
            (one, other) => self.defects.push(format!("response framing: {one:?} / {other:?}")),
        }
        let length = |lines| values(lines, "content-length").map(text).collect::<Vec<_>>();
        let (before, after) = (length(&alone.lines), length(&shared.lines));
        self.same("Content-Length", &before, &after, |all| format!("{all:?}"));
    }

    /// Lines of a response without those that may differ, names in lower case; with `authorities` as
    /// they should be on the other way.
    fn response_lines(&mut self, lines: &Lines, authorities: Option<&Authorities>) -> Lines {
        let nominated = nominated(lines);
        let mut kept = Lines::new();
        for (name, value) in lines {
            let lower = name.to_ascii_lowercase();
            self.note(authorities.is_some() && lower != *name, Allowed::FieldNameCase);
            let mut value = value.clone();
            match &lower[..] {
                b"connection" | b"keep-alive" | b"proxy-connection" | b"upgrade" => {
                    self.note(true, Allowed::ConnectionFields);
                    continue;
                }
                _ if nominated.contains(&lower) => {
                    self.note(true, Allowed::ConnectionFields);
                    continue;
                }
                b"transfer-encoding" | b"content-length" => continue,
                b"trailer" => {
                    self.note(true, Allowed::ResponseTrailers);
                    continue;
                }
                b"date" => {
                    self.note(true, Allowed::Date);
                    continue;
                }
                b"location" | b"content-location" | b"refresh" | b"access-control-allow-origin" => {
                    if let Some(authorities) = authorities {
                        let renamed = renamed(&value, authorities);
                        self.note(renamed != value, Allowed::Names);
                        value = renamed;
                    }
                }
                b"set-cookie" if authorities.is_some() => {
                    let stripped = without_own_domain(&value);
                    self.note(stripped != value, Allowed::CookieDomain);
                    value = stripped;
                }
                _ => {}
            }
            kept.push((lower, value));
        }
        kept
    }

    /// Lines of one name keep their order; so do names among each other, but for what
    /// [`Allowed::FieldLineOrder`] says.
    fn lines(&mut self, of: &str, alone: &Lines, shared: &Lines) {
        if alone == shared {
            return;
        }
        let sorted = |lines: &Lines| {
            let mut sorted = lines.clone();
            // Stable: lines of the same name stay in their order.
            sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
            sorted
        };
        let (alone_sorted, shared_sorted) = (sorted(alone), sorted(shared));
        if alone_sorted == shared_sorted {
            self.note(true, Allowed::FieldLineOrder);
            if grouped(alone) != grouped(shared) {
                self.defects
                    .push(format!("{of} has its lines in another order: {}", names(shared)));
            }
            return;
        }
        for line in alone_sorted.iter().filter(|line| !shared_sorted.contains(line)) {
            self.defects.push(format!("{of} loses {}", show(line)));
        }
        for line in shared_sorted.iter().filter(|line| !alone_sorted.contains(line)) {
            self.defects.push(format!("{of} gains {}", show(line)));
        }
        if self.defects.is_empty() {
            self.defects.push(format!("{of} has lines in another order or number: {shared:?}"));
        }
    }

    fn content(&mut self, of: &str, alone: &Content, shared: &Content, trailers: Allowed) {
        let brief = |bytes: &Vec<u8>| format!("{} bytes: {:.80}", bytes.len(), text(bytes));
        self.same(&format!("{of} content"), &alone.bytes, &shared.bytes, brief);
        self.same(&format!("{of} complete"), &alone.complete, &shared.complete, bool::to_string);
        if alone.trailers != shared.trailers {
            if shared.trailers.is_empty() {
                self.note(true, trailers);
            } else {
                self.defects.push(format!("{of} trailers: {:?}", shared.trailers));
            }
        }
    }
}

/// Lines where a repeated name stands at its first place, and what the host sets anew first of all.
fn grouped(lines: &Lines) -> Lines {
    let first = |name: &[u8]| match name {
        b"host" => (0, 0),
        b"upgrade" => (0, 1),
        _ => (1, lines.iter().position(|(known, _)| known == name).unwrap_or_default()),
    };
    let mut grouped = lines.clone();
    grouped.sort_by_key(|(name, _)| first(name));
    grouped
}

fn names(lines: &Lines) -> String {
    lines.iter().map(|(name, _)| text(name)).collect::<Vec<_>>().join(", ")
}

/// Fields that `Connection` names.
fn nominated(lines: &Lines) -> Vec<Vec<u8>> {
    values(lines, "connection")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(|option| option.trim_ascii().to_ascii_lowercase())
        .filter(|option| option != b"upgrade" && option != b"close")
        .collect()
}

fn without_fragment(target: &[u8]) -> &[u8] {
    target.split(|byte| *byte == b'#').next().unwrap_or_default()
}

/// Whether the edge's HTTP engine answers a target with 400: [`Allowed::TargetBytes`].
pub(crate) fn is_refused(target: &[u8]) -> bool {
    let target = without_fragment(target);
    let query = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    std::str::from_utf8(target).is_err()
        || target.iter().enumerate().any(|(at, byte)| match byte {
            b'<' | b'>' => true,
            b'`' => at < query,
            b'"' => at > query,
            _ => false,
        })
}

/// The value with the session's name in the place of the origin's, where it is a URL of the origin.
fn renamed(value: &[u8], authorities: &Authorities) -> Vec<u8> {
    let lower = value.to_ascii_lowercase();
    for (prefix, public) in [("http://", "http://"), ("//", "//")] {
        let at = match lower.windows(5).position(|window| window == b" url=") {
            Some(at) => at + 5,
            None => 0,
        };
        let own = format!("{prefix}{}", authorities.origin);
        if let Some(rest) = lower[at..].strip_prefix(own.as_bytes())
            && matches!(rest.first(), None | Some(b'/' | b'?' | b'#'))
        {
            let after = &value[at + own.len()..];
            return [&value[..at], public.as_bytes(), authorities.session.as_bytes(), after]
                .concat();
        }
    }
    value.to_vec()
}

/// The cookie without a `Domain` that is the origin's host or the base domain: both are `localhost`.
fn without_own_domain(cookie: &[u8]) -> Vec<u8> {
    let kept = cookie.split(|byte| *byte == b';').enumerate().filter(|(at, part)| {
        let part = part.trim_ascii().to_ascii_lowercase();
        *at == 0 || !matches!(&part[..], b"domain=localhost" | b"domain=.localhost")
    });
    kept.map(|(_, part)| part).collect::<Vec<_>>().join(&b';')
}

fn show((name, value): &(Vec<u8>, Vec<u8>)) -> String {
    format!("{}: {:.200}", text(name), text(value))
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// The bytes of a request for one of the two ways.
pub(crate) fn addressed(request: &[u8], authority: &str) -> Vec<u8> {
    place(request, authority)
}
