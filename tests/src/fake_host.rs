//! A host that says what a test tells it: the link's WebSocket, frame by frame.

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message, client::IntoClientRequest, handshake::client::Request, protocol::CloseFrame,
    },
};
use wingman_wire::{
    LINK_PATH, SUBPROTOCOL,
    control::{self, EdgeToHost, HostToEdge, Open, Pages},
    frame::{Flags, Frame, StreamId},
    head::{ResponseHead, put_field},
};

use crate::time::soon;

/// A link of ours to an edge.
#[derive(Debug)]
pub struct FakeHost {
    socket: WebSocketStream<TcpStream>,
    /// Frames of the message that is being read.
    unread: Bytes,
}

/// The handshake of a good host, to be spoilt.
pub fn handshake(port: u16) -> Request {
    let url = format!("ws://localhost:{port}{LINK_PATH}");
    let mut request = url.into_client_request().expect("a URL");
    request.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse().expect("a value"));
    request
}

/// Connects with this handshake.
///
/// # Errors
/// The edge refuses it.
pub async fn connect(port: u16, request: Request) -> Result<FakeHost, Error> {
    let stream = soon(TcpStream::connect(("127.0.0.1", port))).await.expect("the edge listens");
    let (socket, _) = soon(client_async(request, stream)).await?;
    Ok(FakeHost { socket, unread: Bytes::new() })
}

/// A good open message of a session without pages. For the same name it is the same host: the session is resumed.
pub fn open(name: Option<&str>) -> Open {
    Open {
        name: name.map(str::to_owned),
        resume_key: format!("{:=>32}", name.unwrap_or_default()),
        max_exchanges: 64,
        agent: "fake/1".to_owned(),
        pages: None,
    }
}

/// The same with pages that may connect.
pub fn open_with_pages(name: &str) -> Open {
    let pages = Pages {
        direct: true,
        badge: true,
        timeout_ms: 10_000,
        relay_only_paths: Vec::new(),
        stun_servers: Vec::new(),
    };
    Open { pages: Some(pages), ..open(Some(name)) }
}

impl FakeHost {
    /// Connects and opens a session whose pages may connect.
    pub async fn start_with_pages(port: u16, name: &str) -> Self {
        let mut host = connect(port, handshake(port)).await.expect("a link");
        match host.claim(open_with_pages(name)).await {
            EdgeToHost::Opened { session, .. } => assert_eq!(session, name),
            other => panic!("{other:?}"),
        }
        host
    }

    /// The next control message, requests and all else passed over.
    pub async fn told(&mut self) -> EdgeToHost {
        loop {
            match self.next().await {
                Ok(Frame::Control(json)) => {
                    return control::decode(&json).expect("a control message");
                }
                Ok(_) => {}
                Err(code) => panic!("closed with {code} before a control message"),
            }
        }
    }

    /// Connects and opens a session; anybody may on an edge in development mode.
    pub async fn start(port: u16, name: &str) -> Self {
        let mut host = connect(port, handshake(port)).await.expect("a link");
        match host.claim(open(Some(name))).await {
            EdgeToHost::Opened { session, .. } => assert_eq!(session, name),
            other => panic!("{other:?}"),
        }
        host
    }

    /// Asks for a session and takes the answer.
    pub async fn claim(&mut self, open: Open) -> EdgeToHost {
        self.control(&HostToEdge::Open(open)).await;
        loop {
            if let Frame::Control(json) = self.next().await.expect("an answer") {
                return control::decode(&json).expect("a control message");
            }
        }
    }

    /// Sends a control message.
    pub async fn control(&mut self, message: &HostToEdge) {
        let json = control::encode(message).expect("is small");
        self.send([Frame::Control(json.into())]).await;
    }

    /// Sends frames as one message.
    pub async fn send(&mut self, frames: impl IntoIterator<Item = Frame>) {
        let mut out = BytesMut::new();
        frames.into_iter().for_each(|frame| frame.put(&mut out));
        self.raw(Message::Binary(out.freeze())).await.expect("the edge takes it");
    }

    /// Sends any message.
    ///
    /// # Errors
    /// The edge is gone.
    pub async fn raw(&mut self, message: Message) -> Result<(), Error> {
        soon(self.socket.send(message)).await
    }

    /// The next frame, pings answered.
    ///
    /// # Errors
    /// The close code, when the link is over.
    pub async fn next(&mut self) -> Result<Frame, u16> {
        loop {
            if let Some(frame) = Frame::take(&mut self.unread).expect("the edge sends good frames")
            {
                if let Frame::Ping(token) = frame {
                    self.send([Frame::Pong(token)]).await;
                    continue;
                }
                return Ok(frame);
            }
            match soon(self.socket.next()).await {
                Some(Ok(Message::Binary(message))) => self.unread = message,
                Some(Ok(Message::Close(frame))) => return Err(code(frame)),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(0),
            }
        }
    }

    /// The next request: its stream.
    pub async fn request(&mut self) -> StreamId {
        loop {
            match self.next().await {
                Ok(Frame::Open { stream, .. }) => return stream,
                Ok(_) => {}
                Err(code) => panic!("closed with {code} before a request"),
            }
        }
    }

    /// Waits for the end of the link: its close code, 0 without one.
    pub async fn closed(&mut self) -> u16 {
        soon(async {
            loop {
                if let Err(code) = self.next().await {
                    return code;
                }
            }
        })
        .await
    }
}

fn code(frame: Option<CloseFrame>) -> u16 {
    frame.map_or(0, |frame| frame.code.into())
}

/// The peer broke the protocol.
pub const PROTOCOL: u16 = wingman_wire::code::CloseCode::Protocol.to_wire();

/// An encoded response head.
pub fn head(status: u16, fields: &[(&str, &str)]) -> Bytes {
    let mut out = BytesMut::new();
    ResponseHead::put(&mut out, status);
    for (name, value) in fields {
        put_field(&mut out, name.as_bytes(), value.as_bytes());
    }
    out.freeze()
}

/// A HEAD frame.
pub fn head_frame(stream: StreamId, flags: u8, head: Bytes) -> Frame {
    Frame::Head { stream, flags: Flags(flags), head }
}

/// A DATA frame.
pub fn data(stream: StreamId, content: &[u8]) -> Frame {
    Frame::Data { stream, content: Bytes::copy_from_slice(content) }
}

/// A FINISH frame without trailers.
pub fn finish(stream: StreamId, total: u64) -> Frame {
    Frame::Finish { stream, total, trailers: Bytes::new() }
}
