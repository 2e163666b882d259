//! A new connection to the origin, up to the point where a request can be sent on it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tracing::debug;

use super::client::{Options, Protocol};
use super::connect::{ConnectError, Dialer};
use super::target::{Scheme, Target};
use super::tls::{Offer, Stream, Tls, TlsSetupError};
use super::upload::Upload;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Opens connections and finds out what the origin speaks.
///
/// How [`Protocol::Auto`] decides, without ever sending a byte to find out (a probe would show up
/// as an error in the log of the developer's server):
/// 1. With TLS, ALPN says it.
/// 2. Without, the first connection is listened on for a moment before anything is sent. A server
///    of HTTP/2 only sends its SETTINGS frame at once (RFC 9113 §3.4), one of HTTP/1.1 never
///    speaks first.
/// 3. gRPC is always sent as HTTP/2: it does not exist in HTTP/1.1.
///
/// The answer is kept until a connection is refused, because then another server may come up.
#[derive(Debug)]
pub(super) struct Connector {
    dialer: Dialer,
    tls: Option<Tls>,
    protocol: Protocol,
    learned: AtomicU8,
}

/// What is known of the origin's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Wire {
    Unknown = 0,
    Http1 = 1,
    Http2 = 2,
}

/// A connection ready for its first request.
pub(super) enum Fresh<B> {
    Http1(Lane<B>),
    Http2(http2::SendRequest<Upload<B>>),
}

/// An HTTP/1.1 connection, to be used for one request at a time.
#[derive(Debug)]
pub(super) struct Lane<B> {
    pub(super) sender: http1::SendRequest<Upload<B>>,
    /// The task that moves its bytes; aborting it closes the socket.
    pub(super) task: AbortHandle,
}

impl Connector {
    pub(super) fn new(target: Target, options: &Options) -> Result<Self, TlsSetupError> {
        let tls = match target.scheme() {
            Scheme::Http => None,
            Scheme::Https => Some(Tls::new(&target, options.insecure)?),
        };
        Ok(Self {
            dialer: Dialer::new(target, options.connect_deadline),
            tls,
            protocol: options.protocol,
            learned: AtomicU8::new(Wire::Unknown as u8),
        })
    }

    pub(super) fn target(&self) -> &Target {
        self.dialer.target()
    }

    pub(super) fn deadline(&self) -> Duration {
        self.dialer.deadline()
    }

    pub(super) fn timed_out(&self) -> ConnectError {
        self.dialer.timed_out()
    }

    /// How an ordinary request is to be sent.
    pub(super) fn wire(&self) -> Wire {
        match self.protocol {
            Protocol::Http1 => Wire::Http1,
            Protocol::H2c => Wire::Http2,
            Protocol::Auto => match self.learned.load(Ordering::Relaxed) {
                1 => Wire::Http1,
                2 => Wire::Http2,
                _ => Wire::Unknown,
            },
        }
    }

    /// Whether gRPC is sent as HTTP/2 whatever is known of the origin.
    pub(super) fn may_choose(&self) -> bool {
        self.protocol == Protocol::Auto && self.tls.is_none()
    }

    fn learn(&self, wire: Wire) {
        self.learned.store(wire as u8, Ordering::Relaxed);
    }

    /// A connection that speaks `wire`, or what the origin speaks if that is unknown.
    ///
    /// Each of the two steps, TCP and TLS, has the whole deadline.
    pub(super) async fn open<B>(&self, wire: Wire) -> Result<Fresh<B>, ConnectError>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let tcp = self.dial().await?;
        let (stream, http2) = match &self.tls {
            None => match wire {
                Wire::Http1 => (Stream::Http(TokioIo::new(tcp)), false),
                Wire::Http2 => (Stream::Http(TokioIo::new(tcp)), true),
                Wire::Unknown => {
                    let found = listen_first(&tcp).await;
                    self.learn(found);
                    (Stream::Http(TokioIo::new(tcp)), found == Wire::Http2)
                }
            },
            Some(tls) => {
                let (stream, agreed) = self.secure(tls, tcp, wire).await?;
                if wire == Wire::Unknown {
                    self.learn(if agreed { Wire::Http2 } else { Wire::Http1 });
                }
                (stream, agreed || wire == Wire::Http2)
            }
        };
        let target = || self.target().clone();
        match http2 {
            false => match http1_settings().handshake(stream).await {
                Ok((sender, connection)) => {
                    // Ends with the connection: when the origin closes it, or when its sender and
                    // the content it is reading are dropped, or when it is aborted.
                    let task = tokio::spawn(async move {
                        if let Err(error) = connection.with_upgrades().await {
                            debug!(%error, "origin connection ended");
                        }
                    })
                    .abort_handle();
                    Ok(Fresh::Http1(Lane { sender, task }))
                }
                Err(source) => Err(ConnectError::Handshake { target: target(), source }),
            },
            true => match http2_settings().handshake(stream).await {
                Ok((sender, connection)) => {
                    // Ends as above.
                    tokio::spawn(async move {
                        if let Err(error) = connection.await {
                            debug!(%error, "origin connection ended");
                        }
                    });
                    Ok(Fresh::Http2(sender))
                }
                Err(source) => Err(ConnectError::Handshake { target: target(), source }),
            },
        }
    }

    /// Connects, learns what it can, and hangs up.
    pub(super) async fn probe(&self) -> Result<(), ConnectError> {
        let tcp = self.dial().await?;
        match &self.tls {
            None => {
                if self.wire() == Wire::Unknown {
                    self.learn(listen_first(&tcp).await);
                }
            }
            Some(tls) => {
                let wire = self.wire();
                let (_, agreed) = self.secure(tls, tcp, wire).await?;
                if wire == Wire::Unknown {
                    self.learn(if agreed { Wire::Http2 } else { Wire::Http1 });
                }
            }
        }
        Ok(())
    }

    async fn dial(&self) -> Result<TcpStream, ConnectError> {
        let dialed = self.dialer.dial().await;
        if let Err(ConnectError::Refused { .. }) = &dialed {
            self.learn(Wire::Unknown);
        }
        dialed
    }

    async fn secure(
        &self,
        tls: &Tls,
        tcp: TcpStream,
        wire: Wire,
    ) -> Result<(Stream, bool), ConnectError> {
        let offer = match wire {
            Wire::Unknown => Offer::Both,
            Wire::Http1 => Offer::Http1,
            Wire::Http2 => Offer::Http2,
        };
        match timeout(self.deadline(), tls.handshake(tcp, offer)).await {
            Ok(Ok(secured)) => Ok(secured),
            Ok(Err(source)) => Err(ConnectError::Tls { target: self.target().clone(), source }),
            // TCP was accepted: a server without TLS may wait for the rest of what it takes for a line.
            Err(_) => Err(ConnectError::Tls {
                target: self.target().clone(),
                source: format!("no answer to the handshake within {:?}", self.deadline()).into(),
            }),
        }
    }
}

/// What the origin says of itself by speaking first, or not.
async fn listen_first(tcp: &TcpStream) -> Wire {
    let mut head = [0; FRAME_HEAD];
    let settings = async {
        loop {
            match tcp.peek(&mut head).await {
                Ok(0) | Err(_) => return false,
                Ok(FRAME_HEAD) => return is_settings(&head),
                // Part of a frame. A peek does not take it away, so a second one is no wait.
                Ok(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    };
    match timeout(LISTEN_FIRST, settings).await {
        Ok(true) => Wire::Http2,
        Ok(false) | Err(_) => Wire::Http1,
    }
}

/// Whether these nine bytes begin a SETTINGS frame that is no acknowledgement (RFC 9113 §6.5).
fn is_settings(head: &[u8; FRAME_HEAD]) -> bool {
    let [a, b, c, kind, flags, stream @ ..] = *head;
    let length = u32::from_be_bytes([0, a, b, c]);
    length.is_multiple_of(6) && length <= 16_384 && kind == 4 && flags == 0 && stream == [0; 4]
}

fn http1_settings() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .max_headers(MAX_FIELD_LINES)
        .max_header_size(MAX_HEAD)
        // Holds a head that is just too long, so that it is refused for its length.
        .max_buf_size(MAX_HEAD + 16 * 1024)
        // Both are legal for a gateway if it repairs them (RFC 9112 §5.1, §5.2), and hyper does.
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true);
    builder
}

fn http2_settings() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
        .initial_stream_window_size(1024 * 1024)
        .initial_connection_window_size(8 * 1024 * 1024);
    builder
}

/// Longest response head and longest trailers, in bytes.
const MAX_HEAD: usize = 256 * 1024;
/// hyper reserves this many places per response; its cost at 400 is below 0.1 µs.
const MAX_FIELD_LINES: usize = 400;
const FRAME_HEAD: usize = 9;
/// How long a new origin may take to speak first. On loopback its SETTINGS frame is there within
/// a millisecond; this is paid once, by [`Connector::probe`] as a rule.
const LISTEN_FIRST: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    #[test]
    fn settings_frames_are_told_from_the_rest() {
        assert!(is_settings(&[0, 0, 18, 4, 0, 0, 0, 0, 0]));
        assert!(is_settings(&[0, 0, 0, 4, 0, 0, 0, 0, 0]));
        assert!(!is_settings(&[0, 0, 0, 4, 1, 0, 0, 0, 0]), "an acknowledgement");
        assert!(!is_settings(&[0, 0, 5, 4, 0, 0, 0, 0, 0]), "not a multiple of six");
        assert!(!is_settings(&[0, 0, 6, 4, 0, 0, 0, 0, 1]), "on a stream");
        assert!(!is_settings(b"HTTP/1.1 "));
        assert!(!is_settings(b"220 hello"));
    }

    #[tokio::test]
    async fn listens_before_it_speaks() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address");
        for (greeting, expected) in [
            (&b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64"[..], Wire::Http2),
            (b"\0\0\x06", Wire::Http1),
            (b"", Wire::Http1),
            (b"SSH-2.0-OpenSSH", Wire::Http1),
        ] {
            let ours = TcpStream::connect(address).await.expect("connect");
            let (mut theirs, _) = listener.accept().await.expect("accept");
            theirs.write_all(greeting).await.expect("write");
            assert_eq!(listen_first(&ours).await, expected, "{greeting:?}");
        }
    }
}
