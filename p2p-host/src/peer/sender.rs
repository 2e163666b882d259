//! What goes to the page, and when.

use std::{
    future::poll_fn,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::time::sleep;
use wingman_link::Transmit;
use wingman_wire::{
    direct::CONTROL_CHANNEL,
    frame::{HEADER_LEN, MAX_PAYLOAD},
    signal::Reason,
};

use super::peer::Running;

/// Takes messages from the lanes as the path takes them: the control channel's first, then the others' in turns.
/// What is inside SCTP waits in one queue for all channels, so no more than the budget is given to it.
pub(super) async fn run(peer: &Running) -> Reason {
    let mut sender = Sender { peer, sent: 0, outstanding: 0, control: 0, turn: 0 };
    loop {
        let budget = peer.endpoint.budget();
        let limit = (budget / 2).clamp(MAX_PAYLOAD + HEADER_LEN, LARGEST);
        let room = sender.outstanding < budget;
        let asked = Instant::now();
        let transmit = tokio::select! {
            biased;
            transmit = poll_fn(|context| sender.poll_next(context, room, limit)) => transmit,
            () = wait_for_progress(peer), if !room => {
                sender.refresh().await;
                continue;
            }
        };
        if room && asked.elapsed() > IDLE {
            peer.endpoint.on_idle();
        }
        match transmit {
            (lane, Transmit::Message(message)) => {
                let length = message.len();
                if let Err(error) = peer.connection.send(lane, message).await {
                    tracing::debug!(%error, "cannot send on a channel");
                    return Reason::ChannelClosed;
                }
                sender.sent += length as u64;
                sender.outstanding += length;
                if lane == usize::from(CONTROL_CHANNEL) {
                    sender.control += length;
                }
                if sender.outstanding >= budget {
                    sender.refresh().await;
                }
            }
            // Everything has been given to SCTP; until the page has it, the connection must not be closed.
            (_, Transmit::Close(..)) => {
                while sender.outstanding > 0 {
                    wait_for_progress(peer).await;
                    sender.refresh().await;
                }
                return Reason::Shutdown;
            }
        }
    }
}

struct Sender<'a> {
    peer: &'a Running,
    /// Bytes given to SCTP in all.
    sent: u64,
    /// Of these, not acknowledged when last looked at, and given since.
    outstanding: usize,
    /// The part of it that is on the control channel.
    control: usize,
    /// The lane whose turn it is, counted without the control channel.
    turn: usize,
}

impl Sender<'_> {
    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        room: bool,
        limit: usize,
    ) -> Poll<(usize, Transmit)> {
        let Some((control, lanes)) = self.peer.lanes.split_first() else { return Poll::Pending };
        // Small and urgent things go in spite of a full budget; what is not small waits like the others.
        if control.is_open()
            && (room || self.control < CONTROL_ALLOWANCE)
            && let Poll::Ready(transmit) = control.driver.poll_transmit(context, limit)
        {
            return Poll::Ready((0, transmit));
        }
        if !room {
            return Poll::Pending;
        }
        for step in 0..lanes.len() {
            let index = (self.turn + step) % lanes.len();
            if let Some(lane) = lanes.get(index)
                && lane.is_open()
                && let Poll::Ready(transmit) = lane.driver.poll_transmit(context, limit)
            {
                self.turn = index + 1;
                return Poll::Ready((index + 1, transmit));
            }
        }
        Poll::Pending
    }

    async fn refresh(&mut self) {
        self.outstanding = 0;
        for channel in 0..self.peer.lanes.len() {
            let outstanding = self.peer.connection.outstanding(channel).await;
            self.outstanding += outstanding;
            if channel == usize::from(CONTROL_CHANNEL) {
                self.control = outstanding;
            }
        }
        self.peer.endpoint.on_delivered(self.sent.saturating_sub(self.outstanding as u64));
    }
}

async fn wait_for_progress(peer: &Running) {
    tokio::select! {
        () = peer.endpoint.progress.notified() => {}
        () = sleep(PATIENCE) => {}
    }
}

/// Of one message: what every end of a data channel takes (RFC 8841 §6.1).
const LARGEST: usize = 64 * 1024;
/// Bytes that the control channel may have on the way beyond the budget.
const CONTROL_ALLOWANCE: usize = 32 * 1024;
/// Longer than it takes an exchange to give more: there was nothing to send.
const IDLE: Duration = Duration::from_millis(5);
/// Should an acknowledgement go unnoticed.
const PATIENCE: Duration = Duration::from_millis(50);
