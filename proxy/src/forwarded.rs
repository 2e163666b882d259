//! Who the visitor is behind proxies, and the fields that tell the origin.
//!
//! 1. [`Visitor::of`] reads what the sender of the request may be believed.
//! 2. [`Visitor::drops`] says which forwarding fields of the request do not go on.
//! 3. [`Visitor::write`] gives the ones that do: `X-Forwarded-For`, `-Proto`, `-Host`, `Forwarded`.
//!
//! Only senders in `trusted_proxies` are believed; everybody can write a field. A trusted proxy
//! must itself drop or extend the `X-Forwarded-For` it gets (all the usual ones do).

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;
use wingman_wire::head::Scheme;

/// Networks whose forwarding fields are believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Box<[IpNet]>);

impl TrustedProxies {
    /// From the configured networks.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().collect())
    }

    /// Whether an address is in one of them. `::ffff:10.0.0.1` is `10.0.0.1`.
    pub fn contains(&self, address: IpAddr) -> bool {
        // The common configuration is none.
        if self.0.is_empty() {
            return false;
        }
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The visitor's side of a request, as far as it can be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The address nearest to the visitor that the visitor itself could not choose.
    pub address: IpAddr,
    /// How the visitor spoke to the first server on the way.
    pub scheme: Scheme,
    /// What a trusted proxy says the visitor asked for, if it says so.
    pub host: Option<HeaderValue>,
    /// Trusted proxies on the way, the nearest to the visitor first; the last is the sender.
    /// Empty (and without an allocation) when the visitor is the sender.
    pub proxies: Vec<IpAddr>,
    /// The sender is trusted, so what it says about the way goes on.
    believed: bool,
}

impl Visitor {
    /// Reads the forwarding fields of a request that came from `sender` by `scheme`.
    ///
    /// `X-Forwarded-For` wins over `Forwarded`: it is what proxies write when they write one.
    pub fn of(
        sender: IpAddr,
        scheme: Scheme,
        fields: &HeaderMap,
        trusted: &TrustedProxies,
    ) -> Self {
        let address = sender.to_canonical();
        let mut visitor =
            Self { address, scheme, host: None, proxies: Vec::new(), believed: false };
        if !trusted.contains(address) {
            return visitor;
        }
        visitor.believed = true;
        if fields.contains_key(&X_FORWARDED_FOR) || !fields.contains_key(&header::FORWARDED) {
            visitor.walk(entries(fields, &X_FORWARDED_FOR).map(parse_node), trusted);
            visitor.host = visitor.nth(entries(fields, &X_FORWARDED_HOST)).and_then(parse_host);
        } else {
            let elements = forwarded_elements(fields);
            visitor.walk(elements.iter().rev().map(|element| element.node), trusted);
            let first = visitor.nth(elements.into_iter().rev());
            if let Some(element) = first {
                visitor.host = element.host;
                visitor.scheme = element.scheme.unwrap_or(scheme);
            }
        }
        let said = visitor.nth(entries(fields, &X_FORWARDED_PROTO)).and_then(parse_scheme);
        visitor.scheme = said.unwrap_or(visitor.scheme);
        visitor
    }

    /// Whether a field of the request does not go on: the fields [`Visitor::write`] gives, and from
    /// senders that are not trusted also their like.
    pub fn drops(&self, name: &[u8]) -> bool {
        // Nearly all fields start with another letter.
        if !matches!(name.first(), Some(b'x' | b'X' | b'f' | b'F')) {
            return false;
        }
        let Some(start) = name.get(..9) else {
            return false;
        };
        if start.eq_ignore_ascii_case(b"forwarded") {
            return name.len() == 9;
        }
        if start.eq_ignore_ascii_case(b"x-real-ip") {
            return name.len() == 9 && !self.believed;
        }
        match name.get(..X_FORWARDED.len()) {
            Some(start) if start.eq_ignore_ascii_case(X_FORWARDED) => {
                let rest = &name[X_FORWARDED.len()..];
                let ours: [&[u8]; 3] = [b"for", b"proto", b"host"];
                !self.believed || ours.iter().any(|our| our.eq_ignore_ascii_case(rest))
            }
            _ => false,
        }
    }

    /// Gives the field lines to send on, names in lower case. `host` is what the request asked for
    /// (`Host` or `:authority`).
    pub fn write(&self, host: &[u8], mut line: impl FnMut(&'static [u8], &[u8])) {
        let host = self.host.as_ref().map_or(host, HeaderValue::as_bytes);
        // `Forwarded` starts with the address, and without proxies that is all X-Forwarded-For has:
        // one buffer for both. Writing to a Vec cannot fail.
        let mut value = Vec::with_capacity(192);
        let (open, close) = quotes(self.address);
        value.extend_from_slice(open);
        let _ = write!(value, "{}", self.address);
        if self.proxies.is_empty() {
            line(b"x-forwarded-for", &value[open.len()..]);
        } else {
            let mut way = value[open.len()..].to_vec();
            for proxy in &self.proxies {
                let _ = write!(way, ", {proxy}");
            }
            line(b"x-forwarded-for", &way);
        }
        line(b"x-forwarded-proto", self.scheme.as_str().as_bytes());
        line(b"x-forwarded-host", host);
        value.extend_from_slice(close);
        if !host.is_empty() && host.iter().all(|byte| is_host_byte(*byte)) {
            // Colons and brackets are not for bare tokens.
            let quote: &[u8] =
                if host.iter().any(|b| matches!(b, b':' | b'[')) { b"\"" } else { b"" };
            for part in [b";host=", quote, host, quote] {
                value.extend_from_slice(part);
            }
        }
        value.extend_from_slice(b";proto=");
        value.extend_from_slice(self.scheme.as_str().as_bytes());
        for proxy in &self.proxies {
            let (open, close) = quotes(*proxy);
            value.extend_from_slice(b", ");
            value.extend_from_slice(open);
            let _ = write!(value, "{proxy}");
            value.extend_from_slice(close);
        }
        line(b"forwarded", &value);
    }

    /// Goes back along `nodes` (the last one first) for as long as the one who wrote is trusted.
    fn walk(&mut self, nodes: impl Iterator<Item = Option<IpAddr>>, trusted: &TrustedProxies) {
        for node in nodes.take(MAX_PROXIES) {
            let Some(node) = node else { break };
            self.proxies.push(self.address);
            self.address = node;
            if !trusted.contains(node) {
                break;
            }
        }
        self.proxies.reverse();
    }

    /// Of what the proxies said (the last one first) what the first trusted one said: each adds to
    /// the list, or a single one stands for all of them.
    fn nth<T>(&self, said: impl Iterator<Item = T>) -> Option<T> {
        said.take(self.proxies.len().max(1)).last()
    }
}

/// One element of `Forwarded`.
#[derive(Debug, Default)]
struct Element {
    node: Option<IpAddr>,
    scheme: Option<Scheme>,
    host: Option<HeaderValue>,
}

/// The list of all lines of a field, the last entry first.
fn entries<'a>(fields: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = fields.get_all(name).iter().rev();
    lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','))
}

fn forwarded_elements(fields: &HeaderMap) -> Vec<Element> {
    let mut elements = Vec::new();
    for line in fields.get_all(header::FORWARDED) {
        for element in split_quoted(line.as_bytes(), b',') {
            let mut read = Element::default();
            for pair in split_quoted(element, b';') {
                let Some(equals) = pair.iter().position(|byte| *byte == b'=') else {
                    continue;
                };
                let (name, value) = (pair[..equals].trim_ascii(), &pair[equals + 1..]);
                match () {
                    () if name.eq_ignore_ascii_case(b"for") => read.node = parse_node(value),
                    () if name.eq_ignore_ascii_case(b"proto") => read.scheme = parse_scheme(value),
                    () if name.eq_ignore_ascii_case(b"host") => read.host = parse_host(value),
                    () => {}
                }
            }
            elements.push(read);
        }
    }
    elements
}

/// Splits outside of quoted strings. If a quote is left open, splits everywhere: else a visitor's
/// open quote would swallow what the proxy wrote behind it.
fn split_quoted(text: &[u8], separator: u8) -> Vec<&[u8]> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (place, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if *byte == separator && !quoted => {
                parts.push(&text[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    if quoted {
        return text.split(|byte| *byte == separator).collect();
    }
    parts.push(&text[start..]);
    parts
}

/// What stands around an address in `Forwarded` (RFC 7239 §6: IPv6 has brackets and so quotes).
const fn quotes(address: IpAddr) -> (&'static [u8], &'static [u8]) {
    match address {
        IpAddr::V4(_) => (b"for=", b""),
        IpAddr::V6(_) => (b"for=\"[", b"]\""),
    }
}

/// An address, with or without a port, in any of the ways proxies write it.
fn parse_node(node: &[u8]) -> Option<IpAddr> {
    let node = std::str::from_utf8(node).ok()?.trim().trim_matches('"');
    let bare = node.strip_prefix('[').and_then(|node| node.strip_suffix(']')).unwrap_or(node);
    let address = bare.parse::<IpAddr>();
    let address = address.or_else(|_| node.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

fn parse_scheme(scheme: &[u8]) -> Option<Scheme> {
    let scheme = unquote(scheme);
    let is = |name: &[u8]| scheme.eq_ignore_ascii_case(name);
    // Traefik writes ws and wss.
    if is(b"https") || is(b"wss") {
        Some(Scheme::Https)
    } else if is(b"http") || is(b"ws") {
        Some(Scheme::Http)
    } else {
        None
    }
}

fn parse_host(host: &[u8]) -> Option<HeaderValue> {
    let host = unquote(host);
    let plausible = (1..=MAX_HOST).contains(&host.len());
    if !plausible || !host.iter().all(|byte| is_host_byte(*byte)) {
        return None;
    }
    HeaderValue::from_bytes(host).ok()
}

fn unquote(value: &[u8]) -> &[u8] {
    match value.trim_ascii() {
        [b'"', value @ .., b'"'] | value => value,
    }
}

const fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'[' | b']')
}

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED: &[u8] = b"x-forwarded-";
/// More trusted proxies in a row than anybody has.
const MAX_PROXIES: usize = 16;
/// A host name and a port.
const MAX_HOST: usize = 253 + 6;

#[cfg(test)]
mod tests;
