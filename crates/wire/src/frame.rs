//! Frames: `stream id (u32) | type (u8) | flags (u8) | length (u16) | payload`, big endian.
//!
//! A carrier message holds one or more whole frames; a frame never spans messages, so that a data
//! channel and a WebSocket carry the same bytes. Rules that need memory (who may open, order, credit)
//! live in `wingman-mux`.

use bytes::{Buf, BufMut, Bytes};

use crate::{
    code::ResetCode,
    head::{FieldLines, HeadError},
    varint,
};

/// Bytes before each payload.
pub const HEADER_LEN: usize = 8;

/// The largest payload; a longer head is cut into several frames with [`Flags::MORE`].
pub const MAX_PAYLOAD: usize = 16 * 1024;

/// The largest carrier message a sender builds and a receiver must take: four frames of bulk, and nothing of a fifth,
/// which would cost each of them a second message.
pub const MAX_MESSAGE: usize = 4 * (HEADER_LEN + MAX_PAYLOAD);

/// Identifies a stream on one carrier. 0 is the carrier itself; the visitors' side opens odd ids,
/// rising; even ones are kept for streams opened by the host, of which there are none yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u32);

impl StreamId {
    /// The carrier itself: heartbeats, drain, control messages.
    pub const CARRIER: Self = Self(0);
}

impl std::fmt::Display for StreamId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.0)
    }
}

/// Frame types. Numbers are never reused. 11 TEXT, 12 BINARY and 13 CLOSE are kept for the WebSockets
/// of the direct path and refused until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FrameType {
    /// Request head; opens the stream.
    Open = 1,
    /// Response head; interim ones (1xx) may come before the final one.
    Head = 2,
    /// Content, or bytes of an upgraded connection.
    Data = 3,
    /// Clean end of one direction: total content length, then trailers.
    Finish = 4,
    /// Abrupt end of both directions.
    Reset = 5,
    /// More content bytes may be sent on this stream.
    Credit = 6,
    /// Carrier: are you there?
    Ping = 7,
    /// Carrier: the answer, with the same eight bytes.
    Pong = 8,
    /// Carrier: the sender takes no more streams; running ones go on.
    Drain = 9,
    /// Carrier: one JSON control message.
    Control = 10,
}

impl FrameType {
    /// All types.
    pub const ALL: [Self; 10] = [
        Self::Open,
        Self::Head,
        Self::Data,
        Self::Finish,
        Self::Reset,
        Self::Credit,
        Self::Ping,
        Self::Pong,
        Self::Drain,
        Self::Control,
    ];

    const fn from_wire(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Open,
            2 => Self::Head,
            3 => Self::Data,
            4 => Self::Finish,
            5 => Self::Reset,
            6 => Self::Credit,
            7 => Self::Ping,
            8 => Self::Pong,
            9 => Self::Drain,
            10 => Self::Control,
            _ => return None,
        })
    }

    /// Whether the type belongs to the carrier (stream 0) and not to a stream.
    const fn is_of_carrier(self) -> bool {
        matches!(self, Self::Ping | Self::Pong | Self::Drain | Self::Control)
    }

    const fn allowed_flags(self) -> u8 {
        match self {
            Self::Open => Flags::END | Flags::MORE,
            Self::Head => Flags::END | Flags::MORE | Flags::INTERIM,
            _ => 0,
        }
    }
}

/// Flag bits of OPEN and HEAD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// The message has neither content nor trailers: no FINISH follows.
    pub const END: u8 = 1;
    /// The head goes on in the next frame of the same type.
    pub const MORE: u8 = 2;
    /// An interim response (1xx but 101): another head follows.
    pub const INTERIM: u8 = 4;

    /// Whether `bit` is set.
    pub const fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }
}

/// One decoded frame. Payloads are slices of the message, not copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Part of a request head.
    Open {
        /// The new stream.
        stream: StreamId,
        /// END and MORE.
        flags: Flags,
        /// The encoded head, or a part of it.
        head: Bytes,
    },
    /// Part of a response head.
    Head {
        /// The stream.
        stream: StreamId,
        /// END, MORE and INTERIM.
        flags: Flags,
        /// The encoded head, or a part of it.
        head: Bytes,
    },
    /// Content.
    Data {
        /// The stream.
        stream: StreamId,
        /// At least one byte.
        content: Bytes,
    },
    /// Clean end of the sender's direction.
    Finish {
        /// The stream.
        stream: StreamId,
        /// How many content bytes there were in all; a different count is a cut body.
        total: u64,
        /// Encoded trailer field lines, mostly empty.
        trailers: Bytes,
    },
    /// Abrupt end.
    Reset {
        /// The stream.
        stream: StreamId,
        /// Why.
        code: ResetCode,
    },
    /// More content may be sent.
    Credit {
        /// The stream.
        stream: StreamId,
        /// Additional bytes, never 0.
        bytes: u32,
    },
    /// Heartbeat.
    Ping(u64),
    /// Heartbeat's answer.
    Pong(u64),
    /// No more streams, please.
    Drain,
    /// A control message.
    Control(Bytes),
}

/// Why bytes are not frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The message ends inside a frame.
    #[error("message ends inside a frame")]
    Truncated,
    /// Not a frame type of this version.
    #[error("unknown frame type {0}")]
    UnknownType(u8),
    /// Payload above [`MAX_PAYLOAD`].
    #[error("payload of {0} bytes is too large")]
    TooLarge(u16),
    /// A flag that this type does not have.
    #[error("unknown flags {flags:#04x} on {kind:?}")]
    UnknownFlags {
        /// The type.
        kind: FrameType,
        /// All its flags.
        flags: u8,
    },
    /// A carrier frame on a stream or the reverse.
    #[error("{kind:?} does not belong on stream {stream}")]
    WrongStream {
        /// The type.
        kind: FrameType,
        /// Where it was.
        stream: StreamId,
    },
    /// The payload is not what the type asks for.
    #[error("malformed {0:?}")]
    Malformed(FrameType),
}

impl Frame {
    /// Takes the first frame off `message`; `Ok(None)` at its end.
    ///
    /// # Errors
    /// [`FrameError`]: the carrier must be closed, nothing after it can be trusted.
    pub fn take(message: &mut Bytes) -> Result<Option<Self>, FrameError> {
        if message.is_empty() {
            return Ok(None);
        }
        if message.len() < HEADER_LEN {
            return Err(FrameError::Truncated);
        }
        let stream = StreamId(message.get_u32());
        let number = message.get_u8();
        let flags = message.get_u8();
        let length = message.get_u16();
        let kind = FrameType::from_wire(number).ok_or(FrameError::UnknownType(number))?;
        if usize::from(length) > MAX_PAYLOAD {
            return Err(FrameError::TooLarge(length));
        }
        if flags & !kind.allowed_flags() != 0 {
            return Err(FrameError::UnknownFlags { kind, flags });
        }
        if kind.is_of_carrier() != (stream == StreamId::CARRIER) {
            return Err(FrameError::WrongStream { kind, stream });
        }
        if message.len() < usize::from(length) {
            return Err(FrameError::Truncated);
        }
        let payload = message.split_to(usize::from(length));
        Self::decode(stream, kind, Flags(flags), payload).map(Some)
    }

    fn decode(
        stream: StreamId,
        kind: FrameType,
        flags: Flags,
        mut payload: Bytes,
    ) -> Result<Self, FrameError> {
        let malformed = FrameError::Malformed(kind);
        let exactly = |length| if payload.len() == length { Ok(()) } else { Err(malformed) };
        Ok(match kind {
            FrameType::Open => Self::Open { stream, flags, head: payload },
            FrameType::Head => Self::Head { stream, flags, head: payload },
            FrameType::Data if payload.is_empty() => return Err(malformed),
            FrameType::Data => Self::Data { stream, content: payload },
            FrameType::Finish => {
                let total = varint::take(&mut payload).ok_or(malformed)?;
                Self::Finish { stream, total, trailers: payload }
            }
            FrameType::Reset => {
                exactly(2)?;
                Self::Reset { stream, code: ResetCode::from_wire(payload.get_u16()) }
            }
            FrameType::Credit => {
                exactly(4)?;
                match payload.get_u32() {
                    0 => return Err(malformed),
                    bytes => Self::Credit { stream, bytes },
                }
            }
            FrameType::Ping | FrameType::Pong => {
                exactly(8)?;
                let token = payload.get_u64();
                if kind == FrameType::Ping { Self::Ping(token) } else { Self::Pong(token) }
            }
            FrameType::Drain => {
                exactly(0)?;
                Self::Drain
            }
            FrameType::Control => Self::Control(payload),
        })
    }

    /// Appends this frame; the inverse of [`Frame::take`].
    ///
    /// # Panics
    /// In debug builds when a payload is above [`MAX_PAYLOAD`]: cutting is the caller's work.
    pub fn put(&self, out: &mut impl BufMut) {
        match self {
            Self::Open { stream, flags, head } => {
                put_header(out, *stream, FrameType::Open, *flags, head.len());
                out.put_slice(head);
            }
            Self::Head { stream, flags, head } => {
                put_header(out, *stream, FrameType::Head, *flags, head.len());
                out.put_slice(head);
            }
            Self::Data { stream, content } => put_data(out, *stream, content),
            Self::Finish { stream, total, trailers } => {
                put_finish(out, *stream, *total, trailers);
            }
            Self::Reset { stream, code } => {
                put_header(out, *stream, FrameType::Reset, Flags::default(), 2);
                out.put_u16(code.to_wire());
            }
            Self::Credit { stream, bytes } => {
                put_header(out, *stream, FrameType::Credit, Flags::default(), 4);
                out.put_u32(*bytes);
            }
            Self::Ping(token) | Self::Pong(token) => {
                let kind =
                    if matches!(self, Self::Ping(_)) { FrameType::Ping } else { FrameType::Pong };
                put_header(out, StreamId::CARRIER, kind, Flags::default(), 8);
                out.put_u64(*token);
            }
            Self::Drain => {
                put_header(out, StreamId::CARRIER, FrameType::Drain, Flags::default(), 0);
            }
            Self::Control(json) => {
                put_header(
                    out,
                    StreamId::CARRIER,
                    FrameType::Control,
                    Flags::default(),
                    json.len(),
                );
                out.put_slice(json);
            }
        }
    }
}

/// Appends a DATA frame without making a [`Frame`] of it first.
pub fn put_data(out: &mut impl BufMut, stream: StreamId, content: &[u8]) {
    put_header(out, stream, FrameType::Data, Flags::default(), content.len());
    out.put_slice(content);
}

/// Appends a FINISH frame; `trailers` are encoded field lines and must leave room for `total`.
pub fn put_finish(out: &mut impl BufMut, stream: StreamId, total: u64, trailers: &[u8]) {
    let mut length = [0_u8; 8];
    let mut rest = &mut length[..];
    varint::put(&mut rest, total);
    let used = 8_usize.saturating_sub(rest.len());
    let prefix = length.get(..used).unwrap_or_default();
    put_header(
        out,
        stream,
        FrameType::Finish,
        Flags::default(),
        used.saturating_add(trailers.len()),
    );
    out.put_slice(prefix);
    out.put_slice(trailers);
}

/// The largest trailer section: FINISH is one frame.
pub const MAX_TRAILERS: usize = MAX_PAYLOAD - 8;

/// Checks encoded trailers as [`FieldLines`].
///
/// # Errors
/// [`HeadError`] of the first bad field line.
pub fn check_trailers(trailers: &Bytes) -> Result<(), HeadError> {
    FieldLines::new(trailers.clone()).try_for_each(|line| line.map(drop))
}

/// Appends a frame header; the payload must follow.
pub fn put_header(
    out: &mut impl BufMut,
    stream: StreamId,
    kind: FrameType,
    flags: Flags,
    length: usize,
) {
    debug_assert!(length <= MAX_PAYLOAD, "payload of {length} bytes must be cut by the caller");
    out.put_u32(stream.0);
    out.put_u8(kind as u8);
    out.put_u8(flags.0);
    out.put_u16(u16::try_from(length).unwrap_or(u16::MAX));
}
