//! Where signaling goes.

use std::sync::Arc;

use parking_lot::Mutex;
use wingman_link::Link;
use wingman_wire::{
    control::{self, HostToEdge},
    id::PeerId,
    signal::{Body, ConnectionState, From, Reason, Signal, State},
};

/// The link of the moment. Without one, messages are lost: the page asks again, or stays on relay.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox(Arc<Mutex<Option<Way>>>);

#[derive(Debug)]
struct Way {
    link: Link,
    session: String,
}

impl Outbox {
    /// There is a link.
    pub(super) fn attach(&self, link: Link, session: String) {
        *self.0.lock() = Some(Way { link, session });
    }

    /// There is none any more.
    pub(super) fn detach(&self) {
        *self.0.lock() = None;
    }

    /// Says something to a page.
    pub(super) fn send(&self, peer: PeerId, body: Body) {
        let way = self.0.lock();
        let Some(Way { link, session }) = &*way else { return };
        let message = Signal { session_id: session.clone(), from: From::Host, body };
        match control::encode(&HostToEdge::Signaling { peer, message }) {
            Ok(json) => link.send_control(json),
            Err(error) => tracing::warn!(%error, "a signaling message is not sent"),
        }
    }

    /// Tells a page that it has no connection.
    pub(super) fn refuse(&self, peer: PeerId, state: State, reason: Reason) {
        let state = ConnectionState { state, reason: Some(reason), report: None };
        self.send(peer, Body::ConnectionState(state));
    }
}
