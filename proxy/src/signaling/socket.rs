//! One signaling socket, from its first message to its last.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
    task::JoinSet,
    time::{interval_at, sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode as WsCloseCode},
    },
};
use wingman_wire::{
    code::CloseCode,
    signal::{Body, ConnectionState, From, MAX_SIGNAL, Reason, Signal, State},
};

use super::{
    bucket::Bucket,
    peers::{Mailbox, PassError, Seat},
    progress::Progress,
};
use crate::{
    link::Place,
    names::SessionName,
    telemetry::{Metrics, SignalingDrop, SignalingEnd, Speaker},
};

/// Limits of one socket.
#[derive(Clone, Copy, Debug)]
pub struct SocketLimits {
    /// Between pings.
    pub heartbeat: Duration,
    /// From its beginning to its end.
    pub lifetime: Duration,
}

/// Runs signaling sockets, each in a task of its own.
#[derive(Debug)]
pub struct SignalingServer {
    limits: SocketLimits,
    metrics: Arc<Metrics>,
    tasks: Mutex<JoinSet<()>>,
}

impl SignalingServer {
    /// None yet.
    pub fn new(limits: SocketLimits, metrics: Arc<Metrics>) -> Self {
        Self { limits, metrics, tasks: Mutex::default() }
    }

    /// Runs a socket to its end, then gives its seat and place back. As with links, the caller's task is
    /// Pingora's.
    pub fn spawn<S>(self: &Arc<Self>, stream: S, seat: Seat, mailbox: Mailbox, place: Option<Place>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let server = self.clone();
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let _held = server.metrics.direct.sockets.hold();
            let config = Some(websocket_config());
            let socket = WebSocketStream::from_raw_socket(stream, Role::Server, config).await;
            let end = server.serve(socket, &seat, mailbox).await;
            server.metrics.direct.sockets_closed.get(end).add(1);
            tracing::debug!(session = %seat.session(), end = end.as_str(), "signaling socket ended");
            seat.leave().await;
            drop(place);
        });
    }

    async fn serve<S>(
        &self,
        socket: WebSocketStream<S>,
        seat: &Seat,
        mailbox: Mailbox,
    ) -> SignalingEnd
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Mailbox { mail, sender, end } = mailbox;
        let (mut sink, mut stream) = socket.split();
        let mut page = Page {
            seat,
            mail: sender,
            bucket: Bucket::new(BURST, PER_SECOND, Instant::now()),
            progress: Progress::new(self.metrics.clone()),
            told_away: false,
            metrics: &self.metrics,
        };
        let why = tokio::select! {
            // An error means that the seat was freed, which only this task does.
            end = end => end.unwrap_or(SignalingEnd::Gone),
            end = page.read(&mut stream, self.limits.heartbeat) => end,
            end = write(&mut sink, mail, self.limits.heartbeat) => end,
            () = sleep(self.limits.lifetime) => SignalingEnd::Lifetime,
        };
        page.progress.failed(match why {
            SignalingEnd::SessionEnded => Reason::SessionEnded,
            SignalingEnd::Shutdown | SignalingEnd::Lifetime => Reason::Other,
            _ => Reason::PageGone,
        });
        let last = (why == SignalingEnd::SessionEnded)
            .then(|| failed(seat.session(), Reason::SessionEnded));
        if let Ok(socket) = sink.reunite(stream) {
            close(socket, last, why).await;
        }
        why
    }
}

/// The page's end, as read.
struct Page<'a> {
    seat: &'a Seat,
    mail: mpsc::Sender<String>,
    bucket: Bucket,
    progress: Progress,
    /// It knows that the host is away, and has offered nothing since.
    told_away: bool,
    metrics: &'a Metrics,
}

impl Page<'_> {
    async fn read<S>(
        &mut self,
        stream: &mut SplitStream<WebSocketStream<S>>,
        heartbeat: Duration,
    ) -> SignalingEnd
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.seat.announce().await;
        loop {
            let message = match timeout(heartbeat * 5 / 2, stream.next()).await {
                Err(_) => return SignalingEnd::Silent,
                Ok(Some(Err(Error::Capacity(_)))) => return SignalingEnd::Oversized,
                Ok(None | Some(Err(_) | Ok(Message::Close(_)))) => return SignalingEnd::Gone,
                Ok(Some(Ok(message))) => message,
            };
            while let Err(wait) = self.bucket.take(1, Instant::now()) {
                self.metrics.direct.messages_delayed.add(1);
                sleep(wait).await;
            }
            match message {
                Message::Text(json) => {
                    if let Err(end) = self.on_text(json.as_str()).await {
                        return end;
                    }
                }
                Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {}
                Message::Binary(_) => return SignalingEnd::Protocol,
            }
        }
    }

    async fn on_text(&mut self, json: &str) -> Result<(), SignalingEnd> {
        let mut message: Signal = serde_json::from_str(json).map_err(|_| SignalingEnd::Protocol)?;
        if message.from != From::Client || message.session_id != self.seat.session().as_str() {
            return Err(SignalingEnd::Protocol);
        }
        self.metrics.direct.messages.get(Speaker::Page).add(1);
        self.progress.on_message(&message.body);
        let is_offer = matches!(message.body, Body::Offer(_));
        if let Body::ConnectionState(said) = &mut message.body
            && said.report.take().is_some()
            && said.reason.is_none()
        {
            // There was nothing else in it.
            return Ok(());
        }
        match self.seat.pass(message).await {
            Ok(()) => self.told_away = false,
            Err(PassError::Away) => self.on_away(is_offer)?,
            Err(PassError::Replaced) => return Err(SignalingEnd::Replaced),
            Err(PassError::TooLarge) => return Err(SignalingEnd::Oversized),
        }
        Ok(())
    }

    /// Each offer is answered, and of other messages the first.
    fn on_away(&mut self, is_offer: bool) -> Result<(), SignalingEnd> {
        self.metrics.direct.messages_dropped.get(SignalingDrop::HostAway).add(1);
        self.progress.failed(Reason::HostAway);
        if is_offer || !self.told_away {
            self.told_away = true;
            let answer = failed(self.seat.session(), Reason::HostAway);
            self.mail.try_send(answer).map_err(|_| SignalingEnd::Unread)?;
        }
        Ok(())
    }
}

/// What the edge says in the host's stead.
fn failed(session: &SessionName, reason: Reason) -> String {
    let state = ConnectionState { state: State::Failed, reason: Some(reason), report: None };
    let message = Signal {
        session_id: session.as_str().to_owned(),
        from: From::Host,
        body: Body::ConnectionState(state),
    };
    serde_json::to_string(&message).expect("texts and enums are JSON")
}

async fn write<S>(
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    mut mail: mpsc::Receiver<String>,
    heartbeat: Duration,
) -> SignalingEnd
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut beats = interval_at(tokio::time::Instant::now() + heartbeat, heartbeat);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            json = mail.recv() => match json {
                Some(json) => Message::text(json),
                // The reading half has a sender.
                None => return SignalingEnd::Gone,
            },
            _ = beats.tick() => Message::Ping(Default::default()),
        };
        match timeout(WRITE_DEADLINE, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return SignalingEnd::Gone,
            Err(_) => return SignalingEnd::Unread,
        }
    }
}

async fn close<S>(mut socket: WebSocketStream<S>, last: Option<String>, why: SignalingEnd)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let code = match why {
        SignalingEnd::Gone => return,
        SignalingEnd::Replaced => CloseCode::Replaced.to_wire(),
        SignalingEnd::Unread | SignalingEnd::Silent => CloseCode::Silent.to_wire(),
        SignalingEnd::Protocol => CloseCode::Protocol.to_wire(),
        SignalingEnd::Oversized => WsCloseCode::Size.into(),
        SignalingEnd::SessionEnded => CloseCode::Ended.to_wire(),
        SignalingEnd::Lifetime | SignalingEnd::Shutdown => CloseCode::Restarting.to_wire(),
    };
    let frame = CloseFrame { code: code.into(), reason: why.as_str().into() };
    let farewell = async {
        if let Some(json) = last {
            socket.send(Message::text(json)).await?;
        }
        socket.close(Some(frame)).await?;
        // Closing with something unread would reset the connection, and the last words with it.
        let mut unread = UNREAD;
        while let Some(Ok(_)) = socket.next().await {
            unread -= 1;
            if unread == 0 {
                break;
            }
        }
        Ok::<(), Error>(())
    };
    // The page may be frozen or gone: this is a courtesy.
    let _ = timeout(CLOSE_DEADLINE, farewell).await;
}

/// Small buffers, for sockets are many and mostly idle.
fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(2 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MAX_SIGNAL)
        .max_message_size(Some(MAX_SIGNAL))
        .max_frame_size(Some(MAX_SIGNAL))
}

/// Messages of one page: an offer with its candidates at once, then three in a second. All sockets that an
/// address may have cannot take up the budget of a session for long.
const BURST: u32 = 60;
const PER_SECOND: u32 = 3;

const WRITE_DEADLINE: Duration = Duration::from_secs(10);
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);
/// Messages read after our close frame.
const UNREAD: usize = 64;
