//! Cleaning of heads in both directions (RFC 9110 §7.6.1, RFC 9112 §6).
//!
//! The contract: look over all field lines of a head once, then ask for each line whether it goes
//! on. Nothing is copied or moved, so the caller encodes from the map's own iterator and the order
//! of field lines is the visitor's.
//!
//! 1. [`RequestRules::examine`] or [`ResponseRules::examine`] over all lines: refuses what must not
//!    go on at all and remembers what `Connection` nominates.
//! 2. [`RequestRules::keeps`] or [`ResponseRules::keeps`] once for each line, in order.
//!
//! Lines come as `(name, value)` bytes, so that the same code reads an [`http::HeaderMap`] (see
//! [`lines`]) and the field lines of a link. Names may have any case.

mod kind;

use http::{HeaderMap, Version};
use wingman_wire::direct::field;

use kind::{Kind, is_essential, is_token};

/// The field lines of a map, in its order, with repeats.
pub fn lines(map: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    map.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
}

/// Whether a field belongs to one connection, whatever `Connection` says.
///
/// `TE: trailers` and `Upgrade` of a genuine upgrade are the exceptions the rules know.
pub fn is_hop_by_hop(name: &[u8]) -> bool {
    !matches!(Kind::of(name), Kind::EndToEnd | Kind::ContentLength)
}

/// What a request's head says to the edge itself, and which of its lines go on.
#[derive(Debug)]
pub struct RequestRules<'a> {
    nominated: Nominated<'a>,
    /// The request asks to turn the connection into a WebSocket, in the one valid form.
    /// Other protocols are not offered to origins: a server may ignore `Upgrade`.
    pub websocket: bool,
    /// The visitor waits for `100 (Continue)` before it sends content.
    pub expects_continue: bool,
    /// The length of the content, if the head gives one.
    pub content_length: Option<u64>,
    /// The content is chunked: no length in the head, but content there may be.
    pub chunked: bool,
    length_kept: bool,
}

impl<'a> RequestRules<'a> {
    /// Looks the head over.
    ///
    /// # Errors
    /// [`RequestError`]: the visitor sent what must not be guessed about. Answer 400.
    pub fn examine(
        version: Version,
        lines: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Self, RequestError> {
        let mut nominated = Nominated::default();
        let mut framing = Framing::default();
        let mut upgrades = 0_u32;
        let mut to_websocket = false;
        let mut expects_continue = false;
        for (name, value) in lines {
            match Kind::of(name) {
                Kind::EndToEnd | Kind::HopByHop | Kind::Te | Kind::Ours => {}
                Kind::Connection => nominated.read(value)?,
                Kind::ContentLength => framing.length(value)?,
                Kind::TransferEncoding => framing.coding(value),
                Kind::Upgrade => {
                    upgrades += 1;
                    to_websocket = value.eq_ignore_ascii_case(b"websocket");
                }
                Kind::Expect => expects_continue |= value.eq_ignore_ascii_case(b"100-continue"),
            }
        }
        let chunked = match framing.coding {
            Coding::None => false,
            // Smuggling lives here: two ends that prefer different ones (RFC 9112 §6.1).
            _ if framing.length.is_some() => return Err(RequestError::LengthAndCoding),
            Coding::Chunked if version == Version::HTTP_11 => true,
            Coding::Chunked | Coding::Other => return Err(RequestError::Coding),
        };
        let no_content = !chunked && framing.length.unwrap_or(0) == 0;
        let websocket = version == Version::HTTP_11
            && upgrades == 1
            && to_websocket
            && nominated.upgrade
            && no_content;
        let content_length = framing.length;
        let length_kept = false;
        Ok(Self { nominated, websocket, expects_continue, content_length, chunked, length_kept })
    }

    /// Whether this line goes on to the host. Ask once for each line: of a repeated, agreeing
    /// `Content-Length` only the first is kept.
    pub fn keeps(&mut self, name: &[u8], value: &[u8]) -> bool {
        match Kind::of(name) {
            Kind::EndToEnd => !self.nominated.contains(name),
            Kind::ContentLength => !std::mem::replace(&mut self.length_kept, true),
            // The one value that speaks of the whole way and not of this connection's codings.
            Kind::Te => value.trim_ascii().eq_ignore_ascii_case(b"trailers"),
            Kind::Upgrade => self.websocket,
            Kind::Connection
            | Kind::TransferEncoding
            | Kind::Expect
            | Kind::HopByHop
            | Kind::Ours => false,
        }
    }
}

/// What is wrong with a visitor's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// In `Connection`.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// In `Content-Length`.
    #[error(transparent)]
    Length(#[from] LengthError),
    /// `Content-Length` beside `Transfer-Encoding`.
    #[error("Content-Length and Transfer-Encoding in one request")]
    LengthAndCoding,
    /// A transfer coding that is not just `chunked`, or one in HTTP/1.0 or HTTP/2.
    #[error("unsupported Transfer-Encoding")]
    Coding,
}

/// Which lines of a response's head go on to the visitor.
#[derive(Debug)]
pub struct ResponseRules<'a> {
    nominated: Nominated<'a>,
    /// The length of the content, if the head gives one and it may be sent on.
    pub content_length: Option<u64>,
    switches: bool,
    length_kept: bool,
}

impl<'a> ResponseRules<'a> {
    /// Looks the head over; `websocket` is what [`RequestRules::websocket`] said.
    ///
    /// # Errors
    /// [`ResponseError`]: the host (or the origin through it) broke HTTP. Answer 502.
    pub fn examine(
        status: u16,
        websocket: bool,
        lines: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Self, ResponseError> {
        if !(100..=599).contains(&status) {
            return Err(ResponseError::Status(status));
        }
        let switches = status == 101;
        if switches && !websocket {
            return Err(ResponseError::Unasked);
        }
        let mut nominated = Nominated::default();
        let mut framing = Framing::default();
        for (name, value) in lines {
            match Kind::of(name) {
                Kind::Connection => nominated.read(value)?,
                Kind::ContentLength => framing.length(value)?,
                Kind::TransferEncoding => framing.coding(value),
                Kind::EndToEnd
                | Kind::HopByHop
                | Kind::Te
                | Kind::Upgrade
                | Kind::Expect
                | Kind::Ours => {}
            }
        }
        // RFC 9110 §8.6: no length in 1xx and 204. With a transfer coding the length is a lie: the
        // link has its own framing and the edge chooses the visitor's.
        let bare = status < 200 || status == 204 || framing.coding != Coding::None;
        let content_length = if bare { None } else { framing.length };
        Ok(Self { nominated, content_length, switches, length_kept: false })
    }

    /// Whether this line goes on to the visitor. Ask once for each line.
    pub fn keeps(&mut self, name: &[u8], value: &[u8]) -> bool {
        match Kind::of(name) {
            Kind::EndToEnd => !self.nominated.contains(name),
            Kind::ContentLength => {
                self.content_length.is_some() && !std::mem::replace(&mut self.length_kept, true)
            }
            Kind::Upgrade => self.switches,
            // What a host has to tell pages; the rest would be said in the edge's name.
            Kind::Ours => {
                name.eq_ignore_ascii_case(field::VISITOR_TAG.as_bytes())
                    || (name.eq_ignore_ascii_case(b"wingman-error") && value == b"replay-lost")
            }
            Kind::Connection
            | Kind::TransferEncoding
            | Kind::Te
            | Kind::Expect
            | Kind::HopByHop => false,
        }
    }
}

/// What is wrong with a response's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// In `Connection`.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// In `Content-Length`.
    #[error(transparent)]
    Length(#[from] LengthError),
    /// No HTTP status.
    #[error("status {0} is not between 100 and 599")]
    Status(u16),
    /// `101 (Switching Protocols)` to a request that did not ask.
    #[error("101 to a request without Upgrade")]
    Unasked,
}

/// What is wrong with `Connection`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// Not a list of tokens.
    #[error("Connection is not a list of tokens")]
    Malformed,
    /// More names than any honest sender has.
    #[error("Connection has more than {MAX_NOMINATED} options")]
    TooMany,
    /// Names a field that is meant for the other end: an attempt to have it removed on the way.
    #[error("Connection names an end-to-end field")]
    EndToEnd,
}

/// What is wrong with `Content-Length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LengthError {
    /// Not a plain decimal number below 2^63.
    #[error("Content-Length is not a number")]
    Malformed,
    /// Two different ones.
    #[error("Content-Length has differing values")]
    Differing,
}

/// Fields `Connection` nominates, less those that are handled anyway.
#[derive(Debug, Default)]
struct Nominated<'a> {
    names: [&'a [u8]; MAX_NOMINATED],
    count: usize,
    options: usize,
    upgrade: bool,
}

impl<'a> Nominated<'a> {
    fn read(&mut self, value: &'a [u8]) -> Result<(), ConnectionError> {
        // Nearly all there is, and an end of the matter without splitting.
        if value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close") {
            self.options += 1;
            return if self.options > MAX_NOMINATED {
                Err(ConnectionError::TooMany)
            } else {
                Ok(())
            };
        }
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if option.is_empty() {
                continue;
            }
            if !option.iter().all(|byte| is_token(*byte)) {
                return Err(ConnectionError::Malformed);
            }
            self.options += 1;
            if self.options > MAX_NOMINATED {
                return Err(ConnectionError::TooMany);
            }
            match Kind::of(option) {
                Kind::Upgrade => self.upgrade = true,
                Kind::ContentLength | Kind::Ours => return Err(ConnectionError::EndToEnd),
                Kind::EndToEnd if is_essential(option) => return Err(ConnectionError::EndToEnd),
                Kind::EndToEnd if !option.eq_ignore_ascii_case(b"close") => {
                    // In bounds: `count` never passes `options`.
                    self.names[self.count] = option;
                    self.count += 1;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn contains(&self, name: &[u8]) -> bool {
        self.names[..self.count].iter().any(|nominated| nominated.eq_ignore_ascii_case(name))
    }
}

#[derive(Debug, Default)]
struct Framing {
    length: Option<u64>,
    coding: Coding,
}

impl Framing {
    fn length(&mut self, value: &[u8]) -> Result<(), LengthError> {
        // 18 digits are below 2^63, where other implementations stop; `parse` would take a sign.
        if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
            return Err(LengthError::Malformed);
        }
        let length = value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        match self.length.replace(length) {
            Some(before) if before != length => Err(LengthError::Differing),
            _ => Ok(()),
        }
    }

    fn coding(&mut self, value: &[u8]) {
        let chunked = value.trim_ascii().eq_ignore_ascii_case(b"chunked");
        self.coding = match self.coding {
            Coding::None if chunked => Coding::Chunked,
            _ => Coding::Other,
        };
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Coding {
    #[default]
    None,
    Chunked,
    Other,
}

const MAX_NOMINATED: usize = 10;
#[cfg(test)]
mod tests;
