//! The host dies under load.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{task::JoinSet, time::interval};
use wingman_tests::{EdgeOptions, HostOptions, Share, within};

const RATE: u32 = 20;
const SECONDS: u32 = 5;

/// 20 requests a second; after 1.5 s the host is killed, 1 s later it is started again. Every request
/// gets a complete answer, and none reaches the origin twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_unanswered_or_run_twice() {
    let runs: Arc<Mutex<HashMap<String, u32>>> = Arc::default();
    let counted = runs.clone();
    let script = move |mut origin: wingman_tests::OriginConnection| {
        let counted = counted.clone();
        async move {
            while let Some(head) = origin.request().await {
                let content = origin.content(&head, false).await;
                if content.is_err() {
                    return;
                }
                *counted.lock().expect("no panic").entry(head.target().into()).or_insert(0) += 1;
                // Long enough that the host dies in the middle of some.
                tokio::time::sleep(Duration::from_millis(80)).await;
                let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                if origin.try_send(answer).await.is_err() {
                    return;
                }
            }
        }
    };
    let mut share = Share::with(EdgeOptions::default(), HostOptions::default(), script).await;
    let url = share.host.url().to_owned();
    let mut requests = JoinSet::new();
    let mut ticks = interval(Duration::from_secs(1) / RATE);
    let mut killed = false;
    for number in 0..RATE * SECONDS {
        ticks.tick().await;
        if number == RATE * 3 / 2 {
            share.host.program().kill().await;
            killed = true;
        }
        if number == RATE * 5 / 2 {
            share.host.spawn_again();
        }
        let mut visitor = share.visit().await;
        let method = if number.is_multiple_of(2) { "GET" } else { "POST" };
        let content = if method == "POST" { "Content-Length: 4\r\n" } else { "" };
        let mut request = share.request(&format!("{method} /{number}"), content);
        if method == "POST" {
            request += "data";
        }
        visitor.send(request).await;
        requests.spawn(async move {
            let response = visitor.response(false).await;
            (number, response.map(|response| response.status()))
        });
    }
    assert!(killed);
    let mut statuses: HashMap<u16, u32> = HashMap::new();
    while let Some(answer) = within(Duration::from_secs(15), requests.join_next()).await {
        let (number, status) = answer.expect("no panic");
        let status = status.unwrap_or_else(|cut| panic!("request {number}: {cut}"));
        *statuses.entry(status).or_insert(0) += 1;
    }
    println!("{statuses:?}");
    let of = |status| statuses.get(&status).copied().unwrap_or(0);
    assert_eq!(of(200) + of(502), RATE * SECONDS, "{statuses:?}");
    // Only those that were at the origin when the host died: 80 ms of 20 a second, and some slack.
    assert!((1..=5).contains(&of(502)), "{statuses:?}");
    share.host.ready().await;
    assert_eq!(share.host.url(), url);
    let runs = runs.lock().expect("no panic");
    let twice: Vec<_> = runs.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "run more than once: {twice:?}");
    assert!(u32::try_from(runs.len()).expect("few") >= of(200));
}
