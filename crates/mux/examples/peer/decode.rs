//! What the decoders make of bytes, as text that another implementation can be compared by.

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wingman_wire::{
    control::{self, EdgeToHost, HostToEdge},
    direct::{HostToPage, PageToHost},
    head::{FieldLines, HeadError, RequestHead, ResponseHead},
    signal::Signal,
};

use super::{Frame, FrameError, digest, kebab};

/// What the bytes are taken for.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Frames,
    Request,
    Response,
    Fields,
    Control,
}

/// What was decoded, up to the first error and its name.
pub(crate) fn verdict(kind: Kind, bytes: Bytes) -> String {
    match kind {
        Kind::Frames => frames(bytes),
        Kind::Request => request(bytes).unwrap_or_else(head_error),
        Kind::Response => response(bytes).unwrap_or_else(head_error),
        Kind::Fields => fields(FieldLines::new(bytes)),
        // In the order of HostToEdge, EdgeToHost, Signal, PageToHost, HostToPage.
        Kind::Control => [
            recode::<HostToEdge>(&bytes),
            recode::<EdgeToHost>(&bytes),
            recode::<Signal>(&bytes),
            recode::<PageToHost>(&bytes),
            recode::<HostToPage>(&bytes),
        ]
        .join(" | "),
    }
}

pub(crate) fn frame_error(error: FrameError) -> String {
    match error {
        FrameError::Truncated => "truncated",
        FrameError::UnknownType(_) => "unknown-type",
        FrameError::TooLarge(_) => "too-large",
        FrameError::UnknownFlags { .. } => "unknown-flags",
        FrameError::WrongStream { .. } => "wrong-stream",
        FrameError::Malformed(_) => "malformed",
    }
    .to_owned()
}

fn frames(mut message: Bytes) -> String {
    let mut seen = Vec::new();
    loop {
        match Frame::take(&mut message) {
            Ok(Some(frame)) => seen.push(frame_name(&frame)),
            Ok(None) => return seen.join(", "),
            Err(error) => {
                seen.push(frame_error(error));
                return seen.join(", ");
            }
        }
    }
}

fn frame_name(frame: &Frame) -> String {
    match frame {
        Frame::Open { stream, flags, head } => {
            format!("open {stream} {} {}", flags.0, digest(head))
        }
        Frame::Head { stream, flags, head } => {
            format!("head {stream} {} {}", flags.0, digest(head))
        }
        Frame::Data { stream, content } => format!("data {stream} {}", digest(content)),
        Frame::Finish { stream, total, trailers } => {
            // TypeScript has only numbers for it.
            let total = if *total > 1 << 53 { "huge".to_owned() } else { total.to_string() };
            format!("finish {stream} {total} {}", digest(trailers))
        }
        Frame::Reset { stream, code } => format!("reset {stream} {}", code.to_wire()),
        Frame::Credit { stream, bytes } => format!("credit {stream} {bytes}"),
        Frame::Ping(token) => format!("ping {token}"),
        Frame::Pong(token) => format!("pong {token}"),
        Frame::Drain => "drain".to_owned(),
        Frame::Control(json) => format!("control {}", digest(json)),
    }
}

fn request(head: Bytes) -> Result<String, HeadError> {
    let head = RequestHead::decode(head)?;
    let words = [&head.method, &head.authority, &head.target].map(|word| digest(word)).join(" ");
    let lines = head.fields.map(line).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("{} {words}, {}", head.scheme.as_str(), lines.join(", ")))
}

fn response(head: Bytes) -> Result<String, HeadError> {
    let head = ResponseHead::decode(head)?;
    let lines = head.fields.map(line).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("{}, {}", head.status, lines.join(", ")))
}

/// The lines before a bad one are good.
fn fields(lines: FieldLines) -> String {
    lines.map(|read| line(read).unwrap_or_else(head_error)).collect::<Vec<_>>().join(", ")
}

fn line(line: Result<(Bytes, Bytes), HeadError>) -> Result<String, HeadError> {
    line.map(|(name, value)| format!("{} {}", digest(&name), digest(&value)))
}

fn head_error(error: HeadError) -> String {
    match error {
        HeadError::Status(_) => "status".to_owned(),
        other => kebab(&other),
    }
}

fn recode<T: DeserializeOwned + Serialize>(json: &[u8]) -> String {
    match control::decode::<T>(json) {
        Ok(message) => digest(&serde_json::to_vec(&message).unwrap()),
        Err(_) => "refused".to_owned(),
    }
}
