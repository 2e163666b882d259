use wingman_mux::{Config, Role};

use super::*;

const KEY: &str = "a-resume-key-of-some-length";

fn registry() -> Registry {
    let limits = RegistryLimits { retention: Duration::from_secs(600), waiting: 512 };
    Registry::new(limits, Arc::new(Metrics::new()))
}

fn link() -> Link {
    Link::new(Config::new(Role::Opener))
}

fn name() -> SessionName {
    ResumeProof::of(KEY).expect("is long enough").name()
}

/// A host opens the session whose name comes from [`KEY`].
fn open(registry: &Registry) {
    let grant = Grant { id: "ci".into(), names: [].into(), max_sessions: 1 };
    let proof = ResumeProof::of(KEY).expect("is long enough");
    let claim = Claim { name: None, proof, grant: &grant, pages: None, exchanges: 256 };
    registry.claim(&claim, &link()).expect("is free");
}

/// What is found, and after how long.
async fn find(registry: &Registry) -> (bool, Duration) {
    let began = tokio::time::Instant::now();
    let found = matches!(registry.find_or_await(&name()).await, Found::Session(_));
    (found, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_young_edge_waits_for_the_host_that_comes_back() {
    let registry = Arc::new(registry());
    let waiting = tokio::spawn({
        let registry = registry.clone();
        async move { find(&registry).await }
    });
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert!(!waiting.is_finished());
    open(&registry);
    assert_eq!(waiting.await.expect("no panic"), (true, Duration::from_millis(1200)));
    // It is there now: nobody waits.
    assert_eq!(find(&registry).await, (true, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn another_session_that_opens_ends_no_wait() {
    let registry = Arc::new(registry());
    let stranger = SessionName::from_hash(&[7; 32]);
    let waiting = tokio::spawn({
        let registry = registry.clone();
        async move { matches!(registry.find_or_await(&stranger).await, Found::Session(_)) }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    open(&registry);
    tokio::time::sleep(Duration::from_millis(1900)).await;
    assert!(!waiting.is_finished());
    assert!(!waiting.await.expect("no panic"));
}

#[tokio::test(start_paused = true)]
async fn the_wait_ends_with_the_recovery_and_is_never_had_again() {
    let registry = registry();
    tokio::time::sleep(Duration::from_secs(1)).await;
    // The rest of the recovery, however late one asks (tokio's timers round up to milliseconds).
    let (found, waited) = find(&registry).await;
    assert!(!found);
    assert!((2000..2010).contains(&waited.as_millis()), "{waited:?}");
    assert_eq!(find(&registry).await, (false, Duration::ZERO));
    open(&registry);
    assert_eq!(find(&registry).await, (true, Duration::ZERO));
}
