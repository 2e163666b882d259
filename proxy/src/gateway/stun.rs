//! The STUN responder as one of Pingora's services.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::{server::ShutdownWatch, services::background::BackgroundService};

use super::server::{StartError, requested};
use crate::{config::Settings, stun::Sockets, telemetry::Metrics};

/// Binds what is configured; of the default addresses those that are free.
pub(super) fn bind(settings: &Settings) -> Result<Sockets, StartError> {
    let mut sockets = Sockets::default();
    for address in settings.stun.listen.iter().copied() {
        match sockets.bind(address) {
            Ok(()) => {}
            Err(cause) if settings.stun.required => {
                return Err(StartError::Listen { address, cause });
            }
            Err(error) => tracing::warn!(%address, %error, "STUN is not answered here"),
        }
    }
    Ok(sockets)
}

/// Answers STUN until the server shuts down.
pub(super) struct StunService {
    /// Pingora starts a service by reference, but once.
    sockets: Mutex<Option<Sockets>>,
    metrics: Arc<Metrics>,
}

impl StunService {
    pub(super) fn new(sockets: Sockets, metrics: Arc<Metrics>) -> Self {
        Self { sockets: Mutex::new(Some(sockets)), metrics }
    }
}

#[async_trait]
impl BackgroundService for StunService {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let Some(sockets) = self.sockets.lock().take() else { return };
        tokio::select! {
            served = sockets.serve(self.metrics.clone()) => {
                if let Err(error) = served {
                    tracing::error!(%error, "STUN is not answered");
                }
            }
            () = requested(&mut shutdown) => {}
        }
    }
}
