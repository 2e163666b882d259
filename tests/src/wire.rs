//! HTTP/1.1 with nothing between the test and the bytes.

mod message;

pub use message::{Cut, Head, Message};

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::time::soon;
use message::field;

/// One end of an HTTP/1.1 connection. Reading has no deadline of its own but in [`Wire::response`]: wrap
/// what may hang in [`soon`].
#[derive(Debug)]
pub struct Wire<S> {
    stream: S,
    buffer: BytesMut,
    framing: Framing,
}

/// How the content that is being read ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// It has.
    Done,
    /// After so many bytes.
    Length(u64),
    /// Chunked, at a chunk's size line; `first`: there is no CRLF of an earlier chunk.
    Size { first: bool },
    /// Chunked, so many bytes of a chunk left.
    Chunk(u64),
    /// With the connection.
    Close,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// A connection on which nothing was read yet.
    pub fn new(stream: S) -> Self {
        Self { stream, buffer: BytesMut::new(), framing: Framing::Done }
    }

    /// The stream below, for what is not a message.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The stream, and what was read ahead.
    pub fn into_parts(self) -> (S, Bytes) {
        (self.stream, self.buffer.freeze())
    }

    /// Sends exactly these bytes; panics if the peer does not take them.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("the peer takes it");
    }

    /// Sends exactly these bytes.
    ///
    /// # Errors
    /// The peer is gone.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        self.stream.flush().await
    }

    /// Closes the sending direction.
    pub async fn finish(&mut self) {
        self.stream.shutdown().await.expect("the peer is there");
    }

    /// The next head; `None` when the peer closes instead of sending one.
    ///
    /// # Errors
    /// [`Cut`]: it broke off within the head.
    pub async fn head(&mut self) -> Result<Option<Head>, Cut> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                return Ok(Some(Head::parse(self.buffer.split_to(end + 4).freeze())));
            }
            match self.fill().await {
                Ok(true) => {}
                Ok(false) if self.buffer.is_empty() => return Ok(None),
                Ok(false) => return Err(Cut::Amid(0, "in its head".into())),
                Err(error) => return Err(Cut::Amid(0, error.to_string())),
            }
        }
    }

    /// Prepares for [`Wire::piece`]: how the content of this message ends, by its head.
    /// `nothing`: it has none whatever the head says, as the response to HEAD.
    pub fn begin(&mut self, head: &Head, nothing: bool) {
        let bodiless = matches!(head.status(), Some(100..=199 | 204 | 304));
        let chunked =
            head.get("transfer-encoding").is_some_and(|coding| coding.ends_with("chunked"));
        let length = head.get("content-length").map(|length| length.parse().expect("a length"));
        self.framing = match length {
            _ if nothing || bodiless => Framing::Done,
            _ if chunked => Framing::Size { first: true },
            Some(0) => Framing::Done,
            Some(length) => Framing::Length(length),
            // RFC 9112 §6.3: a request without either has no content.
            None if head.status().is_none() => Framing::Done,
            None => Framing::Close,
        };
    }

    /// The next piece of content, as soon as there is one; `None` at its end. Trailers, if any, are
    /// then left to [`Wire::trailers`].
    ///
    /// # Errors
    /// [`Cut`]: the connection ended before the content did.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Cut> {
        let limit = match self.framing {
            Framing::Done => return Ok(None),
            Framing::Length(left) | Framing::Chunk(left) => left,
            Framing::Close => u64::MAX,
            Framing::Size { first } => match self.chunk_size(first).await? {
                // The trailer section begins here.
                0 => {
                    self.framing = Framing::Done;
                    return Ok(None);
                }
                size => {
                    self.framing = Framing::Chunk(size);
                    size
                }
            },
        };
        if self.buffer.is_empty() {
            match self.fill().await {
                Ok(true) => {}
                Ok(false) if self.framing == Framing::Close => {
                    self.framing = Framing::Done;
                    return Ok(None);
                }
                Ok(false) => return Err(Cut::Amid(0, "end of connection".into())),
                Err(error) => return Err(Cut::Amid(0, error.to_string())),
            }
        }
        let take = self.buffer.len().min(usize::try_from(limit).unwrap_or(usize::MAX));
        let piece = self.buffer.split_to(take).freeze();
        let left = limit - take as u64;
        self.framing = match self.framing {
            Framing::Length(_) if left == 0 => Framing::Done,
            Framing::Length(_) => Framing::Length(left),
            Framing::Chunk(_) if left == 0 => Framing::Size { first: false },
            Framing::Chunk(_) => Framing::Chunk(left),
            other => other,
        };
        Ok(Some(piece))
    }

    /// The trailers after chunked content that [`Wire::piece`] has ended.
    ///
    /// # Errors
    /// [`Cut`]: the connection ended before them.
    pub async fn trailers(&mut self) -> Result<Vec<(String, String)>, Cut> {
        let mut fields = Vec::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(fields);
            }
            fields.push(field(&line));
        }
    }

    /// All content of a message, and its trailers.
    ///
    /// # Errors
    /// [`Cut`]: it broke off.
    pub async fn content(
        &mut self,
        head: &Head,
        nothing: bool,
    ) -> Result<(Vec<u8>, Vec<(String, String)>), Cut> {
        self.begin(head, nothing);
        let chunked = matches!(self.framing, Framing::Size { .. });
        let mut content = Vec::new();
        loop {
            match self.piece().await {
                Ok(Some(piece)) => content.extend_from_slice(&piece),
                Ok(None) => break,
                Err(Cut::Amid(_, why)) => return Err(Cut::Amid(content.len() as u64, why)),
                Err(nothing) => return Err(nothing),
            }
        }
        let trailers = if chunked { self.trailers().await? } else { Vec::new() };
        Ok((content, trailers))
    }

    /// The next final response with those before it; `to_head`: the request was HEAD. Panics when it
    /// takes longer than [`soon`] allows.
    ///
    /// # Errors
    /// [`Cut`]: it is not whole.
    pub async fn response(&mut self, to_head: bool) -> Result<Message, Cut> {
        soon(async {
            let mut interim = Vec::new();
            loop {
                let head = self.head().await?.ok_or(Cut::Nothing)?;
                match head.status() {
                    Some(100 | 102..=199) => interim.push(head),
                    _ => {
                        let (content, trailers) = self.content(&head, to_head).await?;
                        return Ok(Message { interim, head, content, trailers });
                    }
                }
            }
        })
        .await
    }

    /// What comes next, whatever it is; empty at the end of the connection.
    ///
    /// # Errors
    /// The connection was reset.
    pub async fn read(&mut self) -> io::Result<Bytes> {
        if self.buffer.is_empty() {
            self.fill().await?;
        }
        Ok(self.buffer.split().freeze())
    }

    /// Exactly so many raw bytes.
    ///
    /// # Errors
    /// The connection ended before.
    pub async fn read_exact(&mut self, length: usize) -> io::Result<Bytes> {
        while self.buffer.len() < length {
            if !self.fill().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    /// Waits until the peer closes or resets the connection, whatever it sends before.
    pub async fn closed(&mut self) {
        while let Ok(true) = self.fill().await {
            self.buffer.clear();
        }
    }

    async fn fill(&mut self) -> io::Result<bool> {
        self.buffer.reserve(64 * 1024);
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }

    async fn chunk_size(&mut self, first: bool) -> Result<u64, Cut> {
        if !first {
            let end = self.line().await?;
            assert_eq!(end, "", "a chunk ends with CRLF");
        }
        let line = self.line().await?;
        let size = line.split(';').next().unwrap_or_default().trim();
        Ok(u64::from_str_radix(size, 16).unwrap_or_else(|_| panic!("not a chunk size: {line:?}")))
    }

    async fn line(&mut self) -> Result<String, Cut> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.advance(end + 2);
                return Ok(line);
            }
            match self.fill().await {
                Ok(true) => {}
                Ok(false) => return Err(Cut::Amid(0, "end of connection".into())),
                Err(error) => return Err(Cut::Amid(0, error.to_string())),
            }
        }
    }
}

impl Wire<tokio::net::TcpStream> {
    /// Breaks the connection off with a TCP reset, as a process that is killed with unread bytes does.
    pub fn abort(self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_linger(Some(std::time::Duration::ZERO)).expect("is a TCP socket");
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn reading(bytes: &[u8]) -> Wire<tokio::io::DuplexStream> {
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        theirs.write_all(bytes).await.expect("fits");
        drop(theirs);
        Wire::new(ours)
    }

    #[tokio::test]
    async fn framings_are_told_apart() {
        let mut wire = reading(
            b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n\
              HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n\
              HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nfg\
              HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n\
              HTTP/1.1 200 OK\r\n\r\nhij",
        )
        .await;
        let first = wire.response(false).await.expect("whole");
        assert_eq!(first.interim[0].get("link"), Some("a"));
        assert_eq!((first.status(), first.text()), (200, "abcde".into()));
        assert_eq!(first.trailers, [("T".to_owned(), "1".to_owned())]);
        assert_eq!(wire.response(false).await.expect("whole").text(), "fg");
        assert_eq!(wire.response(false).await.expect("whole").status(), 304);
        assert_eq!(wire.response(false).await.expect("whole").text(), "hij");
        assert!(matches!(wire.response(false).await, Err(Cut::Nothing)));
    }

    #[tokio::test]
    async fn what_is_cut_is_not_whole() {
        for (bytes, got) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"[..], 3),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 3),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", 2),
            (b"HTTP/1.1 200 OK\r\nContent-", 0),
        ] {
            let cut = reading(bytes).await.response(false).await;
            assert!(matches!(cut, Err(Cut::Amid(length, _)) if length == got), "{cut:?}");
        }
    }
}
