//! Waiting with a deadline.

use std::{
    future::Future,
    panic::Location,
    time::{Duration, Instant},
};

/// Long enough for anything that is not broken, even on a busy machine with two cores.
const SOON: Duration = Duration::from_secs(15);

/// The future's result; panics when it takes longer than 15 seconds.
#[track_caller]
pub fn soon<F: Future>(future: F) -> impl Future<Output = F::Output> {
    within(SOON, future)
}

/// The future's result; panics when it takes longer than `limit`.
#[track_caller]
pub fn within<F: Future>(limit: Duration, future: F) -> impl Future<Output = F::Output> {
    let place = Location::caller();
    async move {
        match tokio::time::timeout(limit, future).await {
            Ok(output) => output,
            Err(_) => panic!("{place}: not within {limit:?}"),
        }
    }
}

/// Polls `condition` until it holds and tells how long that took; panics with `what` after `limit`.
pub async fn until(
    what: &str,
    limit: Duration,
    mut condition: impl AsyncFnMut() -> bool,
) -> Duration {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}
