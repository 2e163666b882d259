//! The task that owns a link's WebSocket.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Sink, Stream};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Sleep, sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{CloseFrame, WebSocketConfig},
    },
};
use wingman_wire::{code::CloseCode, frame::MAX_MESSAGE};

use crate::{
    driver::{Driver, Transmit},
    state::{Closed, Link},
};

/// Messages read before other tasks of the thread have a turn.
const READ_BURST: usize = 8;

/// Bytes that are worth a message of their own.
const ENOUGH: usize = 32 * 1024;

/// How long a closing socket may take for its last bytes.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// Buffers and limits of a link's WebSocket: small ones, for an idle link must cost little.
pub fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        // As large as an idle link can afford; see [`crate::Burst`] for bulk.
        .read_buffer_size(8 * 1024)
        // Each message is a batch already.
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MAX_MESSAGE)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
}

/// Runs the carrier until it is over, then ends every exchange on it and says why.
pub async fn drive<S>(mut socket: WebSocketStream<S>, link: Link) -> Closed
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let driver = Driver::new(link);
    let mut timer = pin!(sleep_until(driver.poll_timeout().into()));
    let mut closing = None;
    let mut turn = Turn::Gather;
    let closed = poll_fn(|context| {
        let polled = poll(&mut socket, &driver, &mut timer, &mut turn, context);
        if polled.is_ready() || turn != Turn::Blocked {
            return polled;
        }
        // Whoever does not read must not keep a link that is to close.
        let Some(code) = driver.poll_close(context) else { return Poll::Pending };
        let patience = closing.get_or_insert_with(|| Box::pin(sleep(CLOSE_DEADLINE)));
        patience.as_mut().poll(context).map(|()| Closed::Locally(code))
    })
    .await;
    driver.finish(closed.clone());
    let frame = match &closed {
        Closed::Locally(code) => Some((*code, String::new())),
        Closed::Carrier(wingman_mux::CarrierError::Silent(_)) => {
            Some((CloseCode::Silent, closed.to_string()))
        }
        Closed::Carrier(_) | Closed::Flood => Some((CloseCode::Protocol, closed.to_string())),
        Closed::ByPeer { .. } | Closed::Lost(_) => None,
    };
    let frame = frame
        .map(|(code, reason)| CloseFrame { code: code.to_wire().into(), reason: reason.into() });
    // The peer may be frozen or gone: its answer is a courtesy.
    let _ = timeout(CLOSE_DEADLINE, socket.close(frame)).await;
    closed
}

/// Whoever wakes the driver is seldom alone, but tokio runs what was woken last first: the driver lets the others that are
/// ready push their bytes, and then sends all of them in one message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Gather,
    Send,
    /// The socket has to take what it was given first.
    Blocked,
}

fn poll<S>(
    socket: &mut WebSocketStream<S>,
    driver: &Driver,
    timer: &mut Pin<&mut Sleep>,
    turn: &mut Turn,
    context: &mut Context<'_>,
) -> Poll<Closed>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // 1. Read first: after a stop of this process the peer's signs of life are in the socket.
    let mut budget = READ_BURST;
    loop {
        match Pin::new(&mut *socket).poll_next(context) {
            Poll::Pending => break,
            Poll::Ready(message) => match receive(message, driver) {
                Ok(()) => {}
                Err(closed) => return Poll::Ready(closed),
            },
        }
        budget -= 1;
        if budget == 0 {
            context.waker().wake_by_ref();
            break;
        }
    }
    // 2. Time.
    while timer.as_mut().poll(context).is_ready() {
        if let Err(closed) = driver.handle_timeout() {
            return Poll::Ready(closed);
        }
        timer.as_mut().reset(driver.poll_timeout().into());
    }
    // 3. Write as long as the socket takes it.
    if *turn == Turn::Gather && (1..ENOUGH).contains(&driver.output_hint()) {
        *turn = Turn::Send;
        context.waker().wake_by_ref();
        return Poll::Pending;
    }
    *turn = Turn::Gather;
    loop {
        match Pin::new(&mut *socket).poll_flush(context) {
            Poll::Pending => {
                *turn = Turn::Blocked;
                return Poll::Pending;
            }
            Poll::Ready(Err(error)) => return Poll::Ready(lost(&error)),
            Poll::Ready(Ok(())) => {}
        }
        match driver.poll_transmit(context, MAX_MESSAGE) {
            Poll::Ready(Transmit::Message(message)) => {
                let message = Message::Binary(message.freeze());
                if let Err(error) = Pin::new(&mut *socket).start_send(message) {
                    return Poll::Ready(lost(&error));
                }
            }
            Poll::Ready(Transmit::Close(code, _)) => return Poll::Ready(Closed::Locally(code)),
            Poll::Pending => return Poll::Pending,
        }
    }
}

fn receive(message: Option<Result<Message, Error>>, driver: &Driver) -> Result<(), Closed> {
    match message {
        Some(Ok(Message::Binary(bytes))) => driver.handle_message(bytes),
        // WebSocket pings are answered by tungstenite; ours are frames.
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
        Some(Ok(Message::Close(frame))) => Err(closed_by_peer(frame)),
        Some(Ok(Message::Text(_) | Message::Frame(_))) => {
            Err(Closed::Lost("text on a link".to_owned()))
        }
        Some(Err(error)) => Err(lost(&error)),
        None => Err(Closed::Lost("end of connection".to_owned())),
    }
}

fn closed_by_peer(frame: Option<CloseFrame>) -> Closed {
    let Some(frame) = frame else { return Closed::Lost("closed without a reason".to_owned()) };
    match CloseCode::from_wire(frame.code.into()) {
        Some(code) => Closed::ByPeer { code, reason: frame.reason.to_string() },
        None => Closed::Lost(format!("closed with code {}", u16::from(frame.code))),
    }
}

fn lost(error: &Error) -> Closed {
    Closed::Lost(error.to_string())
}
