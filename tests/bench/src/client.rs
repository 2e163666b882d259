//! A small blocking HTTP/1.1 client: no runtime of ours between the clock and the socket.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    host: String,
    buffer: Vec<u8>,
}

/// A response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Got {
    /// Its status.
    pub status: u16,
    /// Bytes of content that came.
    pub content: u64,
    /// Whether that was all of it.
    pub complete: bool,
}

impl Client {
    /// Connects to `address`, to ask for `host`.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn connect(address: SocketAddr, host: &str) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, SILENCE)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, host: host.to_owned(), buffer: vec![0; BUFFER] })
    }

    /// Only the connection, to leave it idle.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Asks for `target` and reads the whole response.
    ///
    /// # Errors
    /// The connection broke, was silent for too long, or the response has no length.
    pub fn get(&mut self, target: &str) -> io::Result<Got> {
        self.get_unless(target, &AtomicBool::new(false))
    }

    /// As [`Client::get`], but ends early, with an incomplete response, once `stop` is true.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn get_unless(&mut self, target: &str, stop: &AtomicBool) -> io::Result<Got> {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
        self.stream.write_all(request.as_bytes())?;
        let mut filled = 0;
        let (head, end) = loop {
            let read = self.stream.read(&mut self.buffer[filled..])?;
            if read == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "end within a head"));
            }
            filled += read;
            if let Some(end) = end_of_head(&self.buffer[..filled]) {
                break (Head::parse(&self.buffer[..end])?, end);
            }
        };
        let mut content = (filled - end) as u64;
        while content < head.length {
            if stop.load(Ordering::Relaxed) {
                return Ok(Got { status: head.status, content, complete: false });
            }
            match self.stream.read(&mut self.buffer)? {
                0 => {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "end within content"));
                }
                read => content += read as u64,
            }
        }
        Ok(Got { status: head.status, content, complete: true })
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    length: u64,
}

impl Head {
    fn parse(head: &[u8]) -> io::Result<Self> {
        let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let text = std::str::from_utf8(head).map_err(|_| bad("head is not text"))?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let length = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok());
        Ok(Self {
            status: status.ok_or_else(|| bad("no status"))?,
            length: length.ok_or_else(|| bad("no content-length"))?,
        })
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// A peer that says nothing for so long is broken.
const SILENCE: Duration = Duration::from_secs(10);
const BUFFER: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    fn answering(response: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let read = stream.read(&mut request).unwrap();
            assert!(request[..read].starts_with(b"GET /x HTTP/1.1\r\nHost: a.localhost\r\n"));
            stream.write_all(response).unwrap();
        });
        address
    }

    fn get(response: &'static [u8]) -> io::Result<Got> {
        Client::connect(answering(response), "a.localhost")?.get("/x")
    }

    #[test]
    fn a_response_is_read_to_its_end() {
        let got = get(b"HTTP/1.1 404 Not Found\r\nCONTENT-length: 3\r\n\r\nabc").unwrap();
        assert_eq!(got, Got { status: 404, content: 3, complete: true });
    }

    #[test]
    fn a_response_that_is_cut_or_has_no_length_is_an_error() {
        assert!(get(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc").is_err());
        assert!(get(b"HTTP/1.1 200 OK\r\n\r\nabc").is_err());
        assert!(get(b"HTTP/1.1 200 OK\r\nContent-Le").is_err());
    }

    #[test]
    fn a_stopped_download_is_incomplete() {
        let address = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc");
        let mut client = Client::connect(address, "a.localhost").unwrap();
        assert!(!client.get_unless("/x", &AtomicBool::new(true)).unwrap().complete);
    }
}
