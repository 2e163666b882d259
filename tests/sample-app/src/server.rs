//! Accepting connections and owning what runs on them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::app::App;
use crate::chat::Upgrade;

/// Serves until dropped; dropping it ends every connection.
pub(crate) async fn serve(listener: TcpListener) {
    let app = Arc::new(App::default());
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // A closed semaphore is impossible: nothing closes it.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Mostly "too many open files": let some connections end first.
                    tracing::warn!(%error, "cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        let app = Arc::clone(&app);
        connections.spawn(async move {
            connection(stream, app).await;
            drop(slot);
        });
    }
}

/// Serves one connection: exchanges first, then the WebSocket if one of them asked for it.
async fn connection(stream: TcpStream, app: Arc<App>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "connection is gone");
        return;
    }
    // The upgraded half runs in this task too, so that it ends with it.
    let upgrade: Arc<Mutex<Option<Upgrade>>> = Arc::default();
    let exchanges = service_fn({
        let (app, upgrade) = (Arc::clone(&app), Arc::clone(&upgrade));
        move |request| {
            let (app, upgrade) = (Arc::clone(&app), Arc::clone(&upgrade));
            async move {
                let (reply, wanted) = app.answer(request).await;
                *upgrade.lock() = wanted;
                Ok::<_, Infallible>(reply)
            }
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .serve_connection(TokioIo::new(stream), exchanges)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
        return;
    }
    let wanted = upgrade.lock().take();
    if let Some(upgrade) = wanted {
        upgrade.run(&app.chat).await;
    }
}

/// More than the demo and any test need, and far below the usual limit of open files.
const MAX_CONNECTIONS: usize = 768;
/// How long a request head may take; also how long a connection may wait for its next request.
const HEAD_DEADLINE: Duration = Duration::from_secs(75);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
