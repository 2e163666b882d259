//! A page's signaling socket, and its visitor.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, handshake::client::Request},
};
use wingman_tests::{Edge, soon};
use wingman_wire::{
    id::{PeerId, VisitorId},
    signal::{Body, Candidate, ConnectionState, Description, From, Reason, Report, Signal, State},
};

/// Who asks, and for what.
#[derive(Clone, Copy)]
pub(crate) struct Visit<'a> {
    pub(crate) edge: &'a Edge,
    pub(crate) session: &'a str,
    pub(crate) visitor: VisitorId,
    pub(crate) peer: PeerId,
}

pub(crate) struct Page {
    pub(crate) socket: WebSocketStream<TcpStream>,
    session: String,
}

/// A visitor, made of a number.
pub(crate) fn visitor(number: u128) -> VisitorId {
    VisitorId::from_bits(number + (7 << 100))
}

/// A peer, made of a number.
pub(crate) fn peer(number: u128) -> PeerId {
    PeerId::from_bits(number + (3 << 100))
}

impl Visit<'_> {
    /// What a browser sends.
    pub(crate) fn handshake(&self) -> Request {
        let authority = format!("{}.localhost:{}", self.session, self.edge.port());
        let url = format!("ws://{authority}/_wingman/signal?peer={}", self.peer);
        let mut request = url.into_client_request().expect("a URL");
        let fields = request.headers_mut();
        fields.insert("origin", format!("http://{authority}").parse().expect("a value"));
        let cookie = format!("a=1; wingman={}", self.visitor);
        fields.insert("cookie", cookie.parse().expect("a value"));
        request
    }

    /// Opens the socket.
    pub(crate) async fn open(&self) -> Page {
        self.try_open(self.handshake()).await.expect("a signaling socket")
    }

    /// Opens a socket with this handshake; else the status, and the code of the refusal.
    pub(crate) async fn try_open(&self, request: Request) -> Result<Page, (u16, String)> {
        let stream = soon(TcpStream::connect(("127.0.0.1", self.edge.port()))).await;
        match soon(client_async(request, stream.expect("the edge listens"))).await {
            Ok((socket, _)) => Ok(Page { socket, session: self.session.to_owned() }),
            Err(Error::Http(response)) => {
                let code = response.headers().get("wingman-error");
                let code = code.map_or("", |code| code.to_str().expect("is text")).to_owned();
                Err((response.status().as_u16(), code))
            }
            Err(error) => panic!("{error}"),
        }
    }
}

impl Page {
    /// A message as pages of this session say it.
    pub(crate) fn signal(&self, body: Body) -> Signal {
        Signal { session_id: self.session.clone(), from: From::Client, body }
    }

    pub(crate) async fn say(&mut self, body: Body) -> Signal {
        let signal = self.signal(body);
        let json = serde_json::to_string(&signal).expect("is JSON");
        self.raw(Message::text(json)).await.expect("the edge takes it");
        signal
    }

    /// Sends any message.
    pub(crate) async fn raw(&mut self, message: Message) -> Result<(), Error> {
        soon(self.socket.send(message)).await
    }

    /// What it is told next; `Err` with the close code.
    pub(crate) async fn hears(&mut self) -> Result<Signal, u16> {
        loop {
            match soon(self.socket.next()).await {
                Some(Ok(Message::Text(json))) => {
                    return Ok(serde_json::from_str(&json).expect("a signaling message"));
                }
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map_or(0, |frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(0),
            }
        }
    }

    /// The close code; what was said before is passed over.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.hears().await {
                return code;
            }
        }
    }
}

pub(crate) fn offer(sdp: &str) -> Body {
    Body::Offer(Description { sdp: sdp.to_owned() })
}

pub(crate) fn answer(sdp: &str) -> Body {
    Body::Answer(Description { sdp: sdp.to_owned() })
}

pub(crate) fn candidate(number: usize) -> Body {
    Body::IceCandidate(Candidate {
        candidate: format!("candidate:{number} 1 udp 1 192.0.2.1 {number} typ host"),
        sdp_mid: Some("0".to_owned()),
        sdp_m_line_index: Some(0),
    })
}

pub(crate) fn state(state: State, reason: Option<Reason>, report: Option<Report>) -> Body {
    Body::ConnectionState(ConnectionState { state, reason, report })
}

/// A message of the host of this session.
pub(crate) fn from_host(session: &str, body: Body) -> Signal {
    Signal { session_id: session.to_owned(), from: From::Host, body }
}
