//! WebSockets: a chat between all open pages, and an echo.

use std::time::{Duration, SystemTime};

use futures_util::{SinkExt as _, StreamExt as _};
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::reply::{self, Reply};

/// What all members of the chat hear.
#[derive(Debug)]
pub(crate) struct Chat(broadcast::Sender<String>);

impl Default for Chat {
    fn default() -> Self {
        Self(broadcast::channel(BACKLOG).0)
    }
}

/// A WebSocket that begins once its 101 response is sent.
pub(crate) struct Upgrade {
    kind: Kind,
    ready: OnUpgrade,
}

/// What is spoken on a WebSocket.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// [`Line`]s as JSON, passed on to every member, the sender too.
    Chat,
    /// Every message comes back.
    Echo,
}

/// Answers an opening handshake (RFC 6455 §4.2).
pub(crate) fn open(mut request: Request<Incoming>, kind: Kind) -> (Reply, Option<Upgrade>) {
    let fields = request.headers();
    let accept = match fields.get(SEC_WEBSOCKET_KEY) {
        Some(key) if is_handshake(request.method(), fields) => derive_accept_key(key.as_bytes()),
        _ => {
            let refusal = reply::text(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket");
            let refusal = reply::with(refusal, UPGRADE, HeaderValue::from_static("websocket"));
            let version = HeaderValue::from_static("13");
            return (reply::with(refusal, SEC_WEBSOCKET_VERSION, version), None);
        }
    };
    let Ok(accept) = HeaderValue::from_str(&accept) else {
        return (reply::text(StatusCode::BAD_REQUEST, "not a usable key"), None);
    };
    let mut reply = reply::empty(StatusCode::SWITCHING_PROTOCOLS);
    reply = reply::with(reply, CONNECTION, HeaderValue::from_static("Upgrade"));
    reply = reply::with(reply, UPGRADE, HeaderValue::from_static("websocket"));
    reply = reply::with(reply, SEC_WEBSOCKET_ACCEPT, accept);
    if tokens(fields, SEC_WEBSOCKET_PROTOCOL).any(|offered| offered == PROTOCOL) {
        let chosen = HeaderValue::from_static(PROTOCOL);
        reply = reply::with(reply, SEC_WEBSOCKET_PROTOCOL, chosen);
    }
    let ready = hyper::upgrade::on(&mut request);
    (reply, Some(Upgrade { kind, ready }))
}

impl Upgrade {
    /// Speaks until either side ends it.
    pub(crate) async fn run(self, chat: &Chat) {
        let upgraded = match timeout(DEADLINE, self.ready).await {
            Ok(Ok(upgraded)) => upgraded,
            Ok(Err(error)) => return tracing::debug!(%error, "upgrade failed"),
            Err(_) => return tracing::debug!("upgrade took too long"),
        };
        let config = WebSocketConfig::default()
            .read_buffer_size(16 * 1024)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let io = TokioIo::new(upgraded);
        let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        let ended = match self.kind {
            Kind::Chat => speak(socket, chat).await,
            Kind::Echo => echo(socket).await,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "WebSocket ended");
        }
    }
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// What a member says.
#[derive(Debug, Deserialize)]
struct Line {
    from: String,
    text: String,
}

/// What members hear.
#[derive(Debug, Serialize)]
struct Heard<'a> {
    from: &'a str,
    text: &'a str,
    at_ms: u128,
}

async fn speak(mut socket: Socket, chat: &Chat) -> Result<(), Error> {
    let mut heard = chat.0.subscribe();
    loop {
        tokio::select! {
            received = socket.next() => match received {
                None => return Ok(()),
                Some(Err(error)) => return Err(error),
                Some(Ok(Message::Text(said))) => {
                    if let Some(line) = publish(&said) {
                        // No receiver is impossible here: this member listens too.
                        let _ = chat.0.send(line);
                    }
                }
                Some(Ok(_)) => {}
            },
            line = heard.recv() => match line {
                Ok(line) => send(&mut socket, Message::text(line)).await?,
                Err(RecvError::Lagged(missed)) => {
                    let text = format!("{missed} lines went by too fast");
                    let notice = heard_line("sample-app", &text);
                    send(&mut socket, Message::text(notice)).await?;
                }
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}

async fn echo(mut socket: Socket) -> Result<(), Error> {
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            send(&mut socket, message).await?;
        }
    }
    Ok(())
}

/// Sends, or gives up on a member that stopped reading.
async fn send(socket: &mut Socket, message: Message) -> Result<(), Error> {
    match timeout(DEADLINE, socket.send(message)).await {
        Ok(sent) => sent,
        Err(_) => Err(Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// What the others hear of `said`, `None` if it is not a line.
fn publish(said: &str) -> Option<String> {
    let line: Line = serde_json::from_str(said).ok()?;
    let short = |text: &str, max| text.trim().chars().take(max).collect::<String>();
    let (from, text) = (short(&line.from, 40), short(&line.text, 1000));
    (!text.is_empty()).then(|| heard_line(&from, &text))
}

fn heard_line(from: &str, text: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let heard = Heard { from, text, at_ms: now.as_millis() };
    serde_json::to_string(&heard).unwrap_or_default()
}

fn is_handshake(method: &Method, fields: &HeaderMap) -> bool {
    method == Method::GET
        && tokens(fields, CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"))
        && tokens(fields, UPGRADE).any(|token| token.eq_ignore_ascii_case("websocket"))
        && fields.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13")
}

/// The comma-separated values of all field lines of `name`.
fn tokens(fields: &HeaderMap, name: hyper::header::HeaderName) -> impl Iterator<Item = &str> {
    let lines = fields.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// The subprotocol this server knows; a visitor that offers none gets none.
const PROTOCOL: &str = "sample-chat.v1";
/// Lines kept for a member that reads slowly.
const BACKLOG: usize = 64;
const MAX_MESSAGE: usize = 16 * 1024 * 1024;
const DEADLINE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_with_text_are_passed_on() {
        let heard = publish(r#"{"from":" Ada ","text":"hello"}"#).expect("a line");
        assert!(heard.starts_with(r#"{"from":"Ada","text":"hello","at_ms":"#), "{heard}");
        for said in ["", "hello", r#"{"from":"Ada"}"#, r#"{"from":"Ada","text":"  "}"#] {
            assert_eq!(publish(said), None, "{said}");
        }
    }

    #[test]
    fn a_handshake_is_told_from_a_plain_request() {
        let mut fields = HeaderMap::new();
        fields.insert(CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        fields.insert(UPGRADE, HeaderValue::from_static("WebSocket"));
        assert!(!is_handshake(&Method::GET, &fields), "no version");
        fields.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        assert!(is_handshake(&Method::GET, &fields));
        assert!(!is_handshake(&Method::POST, &fields));
        fields.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
        assert!(!is_handshake(&Method::GET, &fields));
    }
}
