//! The task that owns the socket.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use futures_util::{Sink, Stream};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{CloseFrame, WebSocketConfig},
    },
};
use wingman_wire::{code::CloseCode, frame::MAX_MESSAGE};

use crate::state::{Closed, Link};

/// Messages read before other tasks of the thread have a turn.
const READ_BURST: usize = 8;

/// How long a closing socket may take for its last bytes.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// Buffers and limits of a link's WebSocket: small ones, for an idle link must cost little.
pub fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        // As large as an idle link can afford: bulk is read in pieces of this size.
        .read_buffer_size(11 * 1024)
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
    let guard = FinishOnDrop(&link);
    let first = link.0.lock().mux.poll_timeout();
    let mut timer = pin!(sleep_until(first.into()));
    let mut wakers = Vec::new();
    let closed =
        poll_fn(|context| poll(&mut socket, &link, &mut timer, &mut wakers, context)).await;
    link.finish(closed.clone());
    std::mem::forget(guard);
    // Taken from the state, but not woken when an error came in between.
    wakers.drain(..).for_each(Waker::wake);
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

/// A driver that is dropped (its task was aborted) must not leave exchanges waiting.
struct FinishOnDrop<'a>(&'a Link);

impl Drop for FinishOnDrop<'_> {
    fn drop(&mut self) {
        self.0.finish(Closed::Lost("driver was stopped".to_owned()));
    }
}

fn poll<S>(
    socket: &mut WebSocketStream<S>,
    link: &Link,
    timer: &mut Pin<&mut Sleep>,
    wakers: &mut Vec<Waker>,
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
            Poll::Ready(message) => match receive(message, link, wakers) {
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
        let mut state = link.0.lock();
        if let Err(error) = state.mux.handle_timeout(Instant::now()) {
            return Poll::Ready(error.into());
        }
        let next = state.mux.poll_timeout();
        drop(state);
        timer.as_mut().reset(next.into());
    }
    // 3. Write as long as the socket takes it.
    loop {
        match Pin::new(&mut *socket).poll_flush(context) {
            Poll::Pending => {
                return Poll::Pending;
            }
            Poll::Ready(Err(error)) => return Poll::Ready(lost(&error)),
            Poll::Ready(Ok(())) => {}
        }
        match next_message(link, wakers, context) {
            Next::Message(message) => {
                let sent = Pin::new(&mut *socket).start_send(Message::Binary(message));
                if let Err(error) = sent {
                    return Poll::Ready(lost(&error));
                }
            }
            Next::Nothing => return Poll::Pending,
            Next::Close(code) => return Poll::Ready(Closed::Locally(code)),
        }
    }
}

fn receive(
    message: Option<Result<Message, Error>>,
    link: &Link,
    wakers: &mut Vec<Waker>,
) -> Result<(), Closed> {
    let bytes = match message {
        Some(Ok(Message::Binary(bytes))) => bytes,
        // WebSocket pings are answered by tungstenite; ours are frames.
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
        Some(Ok(Message::Close(frame))) => return Err(closed_by_peer(frame)),
        Some(Ok(Message::Text(_) | Message::Frame(_))) => {
            return Err(Closed::Lost("text on a link".to_owned()));
        }
        Some(Err(error)) => return Err(lost(&error)),
        None => return Err(Closed::Lost("end of connection".to_owned())),
    };
    let mut state = link.0.lock();
    state.received += bytes.len() as u64;
    state.mux.handle_message(Instant::now(), bytes)?;
    state.dispatch(wakers)?;
    drop(state);
    wakers.drain(..).for_each(Waker::wake);
    Ok(())
}

enum Next {
    Message(Bytes),
    Nothing,
    Close(CloseCode),
}

fn next_message(link: &Link, wakers: &mut Vec<Waker>, context: &mut Context<'_>) -> Next {
    let mut state = link.0.lock();
    if state.mux.has_output() {
        let hint = state.mux.output_hint().min(MAX_MESSAGE);
        let mut out = BytesMut::with_capacity(hint);
        let wrote = state.mux.poll_transmit(Instant::now(), &mut out, MAX_MESSAGE);
        // Transmitting only makes streams writable; that cannot flood.
        let _ = state.dispatch(wakers);
        if wrote {
            state.sent += out.len() as u64;
            drop(state);
            wakers.drain(..).for_each(Waker::wake);
            return Next::Message(out.freeze());
        }
    }
    if let Some((code, _)) = &state.close {
        return Next::Close(*code);
    }
    match &mut state.driver {
        Some(waker) => waker.clone_from(context.waker()),
        none => *none = Some(context.waker().clone()),
    }
    drop(state);
    wakers.drain(..).for_each(Waker::wake);
    Next::Nothing
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
