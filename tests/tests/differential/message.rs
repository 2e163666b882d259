//! HTTP/1.1 as bytes on a socket: reads messages without repairing anything, so that what two servers
//! wrote can be compared.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

/// Field lines as they came: names with their case, values without the white space around them.
pub(crate) type Lines = Vec<(Vec<u8>, Vec<u8>)>;

/// How a message says where its content ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// It has none.
    None,
    /// `Content-Length`.
    Length,
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// By the end of the connection.
    Close,
}

/// The part of a message after its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) framing: Framing,
    pub(crate) bytes: Vec<u8>,
    pub(crate) trailers: Lines,
    /// The end came where the framing said.
    pub(crate) complete: bool,
}

/// A request as a server gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) version: Vec<u8>,
    pub(crate) lines: Lines,
    pub(crate) content: Content,
}

/// A response as a visitor gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    /// Interim responses before it.
    pub(crate) interim: Vec<(u16, Lines)>,
    pub(crate) status: u16,
    pub(crate) reason: Vec<u8>,
    pub(crate) lines: Lines,
    pub(crate) content: Content,
}

impl Response {
    /// Whether another request may follow on the connection.
    pub(crate) fn keeps_alive(&self) -> bool {
        self.content.complete
            && self.content.framing != Framing::Close
            && !values(&self.lines, "connection").any(|value| value.eq_ignore_ascii_case(b"close"))
    }
}

/// The values of all lines of a field.
pub(crate) fn values<'a>(lines: &'a Lines, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    lines
        .iter()
        .filter(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| value.as_slice())
}

/// A connection, from either end. Every step has a deadline.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        // Small pieces shall arrive as they were written.
        let _ = stream.set_nodelay(true);
        Self(BufReader::new(stream))
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        within(self.0.get_mut().write_all(bytes)).await
    }

    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        self.0.get_mut().shutdown().await
    }

    /// A request; `None` when the connection ends before one.
    pub(crate) async fn request(&mut self) -> io::Result<Option<Request>> {
        if self.0.fill_buf().await?.is_empty() {
            return Ok(None);
        }
        let (start, lines) = within(self.head()).await?;
        let mut parts = start.splitn(2, |byte| *byte == b' ');
        let method = parts.next().unwrap_or_default().to_vec();
        let rest = parts.next().ok_or_else(|| malformed("request line", &start))?;
        let split = rest.iter().rposition(|byte| *byte == b' ');
        let split = split.ok_or_else(|| malformed("request line", &start))?;
        let (target, version) = (rest[..split].to_vec(), rest[split + 1..].to_vec());
        let framing = match framing(&lines)? {
            Framing::Close => Framing::None,
            framing => framing,
        };
        let content = self.content(framing, &lines).await?;
        Ok(Some(Request { method, target, version, lines, content }))
    }

    /// A final response and the interim ones before it.
    pub(crate) async fn response(&mut self, method: &[u8]) -> io::Result<Response> {
        let mut interim = Vec::new();
        loop {
            let (start, lines) = within(self.head()).await?;
            let text = start.strip_prefix(b"HTTP/1.").ok_or_else(|| malformed("status", &start))?;
            let status = text
                .get(2..5)
                .and_then(|digits| std::str::from_utf8(digits).ok())
                .and_then(|digits| digits.parse().ok())
                .ok_or_else(|| malformed("status", &start))?;
            if (100..200).contains(&status) && status != 101 {
                interim.push((status, lines));
                continue;
            }
            let framing = match status {
                _ if method == b"HEAD" => Framing::None,
                101 | 204 | 304 => Framing::None,
                _ => framing(&lines)?,
            };
            let content = self.content(framing, &lines).await?;
            let reason = text.get(6..).unwrap_or_default().to_vec();
            return Ok(Response { interim, status, reason, lines, content });
        }
    }

    async fn head(&mut self) -> io::Result<(Vec<u8>, Lines)> {
        let start = self.line().await?;
        Ok((start, self.lines().await?))
    }

    async fn lines(&mut self) -> io::Result<Lines> {
        let mut lines = Lines::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(lines);
            }
            let colon = line.iter().position(|byte| *byte == b':');
            let colon = colon.ok_or_else(|| malformed("field line", &line))?;
            lines.push((line[..colon].to_vec(), line[colon + 1..].trim_ascii().to_vec()));
        }
    }

    async fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line).await?;
        if !line.ends_with(b"\r\n") {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "line is cut"));
        }
        line.truncate(line.len() - 2);
        Ok(line)
    }

    async fn content(&mut self, framing: Framing, lines: &Lines) -> io::Result<Content> {
        let mut content =
            Content { framing, bytes: Vec::new(), trailers: Lines::new(), complete: true };
        let read = match framing {
            Framing::None => Ok(()),
            Framing::Close => within(self.0.read_to_end(&mut content.bytes)).await.map(drop),
            Framing::Length => {
                let length = values(lines, "content-length").next().unwrap_or_default();
                let length = number(length, 10)?;
                within((&mut self.0).take(length).read_to_end(&mut content.bytes))
                    .await
                    .and_then(|read| if read as u64 == length { Ok(()) } else { Err(cut()) })
            }
            Framing::Chunked => self.chunks(&mut content).await,
        };
        match read {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => content.complete = false,
            other => other?,
        }
        Ok(content)
    }

    async fn chunks(&mut self, content: &mut Content) -> io::Result<()> {
        loop {
            let line = within(self.line()).await?;
            let size = line.split(|byte| matches!(byte, b';' | b' ')).next().unwrap_or_default();
            let size = number(size, 16)?;
            if size == 0 {
                content.trailers = within(self.lines()).await?;
                return Ok(());
            }
            let read =
                within((&mut self.0).take(size).read_to_end(&mut content.bytes)).await? as u64;
            if read != size || !within(self.line()).await?.is_empty() {
                return Err(cut());
            }
        }
    }
}

fn framing(lines: &Lines) -> io::Result<Framing> {
    match (values(lines, "transfer-encoding").next(), values(lines, "content-length").next()) {
        (Some(b"chunked"), None) => Ok(Framing::Chunked),
        (Some(coding), _) => Err(malformed("Transfer-Encoding", coding)),
        (None, Some(_)) => Ok(Framing::Length),
        (None, None) => Ok(Framing::Close),
    }
}

fn number(digits: &[u8], radix: u32) -> io::Result<u64> {
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| u64::from_str_radix(digits, radix).ok())
        .ok_or_else(|| malformed("number", digits))
}

fn malformed(what: &str, bytes: &[u8]) -> io::Error {
    let found = String::from_utf8_lossy(bytes);
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} is malformed: {found:?}"))
}

fn cut() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

async fn within<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(DEADLINE, step).await.map_err(|_| io::ErrorKind::TimedOut)?
}

const DEADLINE: Duration = Duration::from_secs(10);
