//! Edges whose limit of heads is not the default: what is above it ends one exchange, never the link.

use wingman_tests::{EdgeOptions, HostOptions, Share};

use super::stage::{ask, error, settled};

async fn share_with(head_bytes: &str) -> Share {
    let edge = EdgeOptions::default().set("limits.head_bytes", head_bytes);
    Share::with(edge, HostOptions::default(), |mut connection| async move {
        while let Some(head) = connection.request().await {
            let long = match head.target() {
                "/long" => format!("X-Long: {}\r\n", "v".repeat(20_000)),
                _ => String::new(),
            };
            let length = head.get("x-long").map_or(0, str::len).to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\n{long}Content-Length: {}\r\n\r\n{length}",
                length.len()
            );
            connection.send(&answer).await;
        }
    })
    .await
}

async fn same_link(share: &Share) {
    assert_eq!(share.get("/").await.text(), "0");
    settled(&share.edge).await;
    assert_eq!(share.edge.metrics().await.sum("links_closed_total"), 0.0);
}

#[tokio::test]
async fn a_raised_limit_holds_all_the_way() {
    let share = share_with("256 KiB").await;
    let field = |length: usize| format!("X-Long: {}\r\n", "v".repeat(length));
    let answer =
        ask(&share.edge, share.request("GET /", &field(100_000))).await.expect("an answer");
    assert_eq!((answer.status(), &*answer.text()), (200, "100000"));
    let answer =
        ask(&share.edge, share.request("GET /", &field(300_000))).await.expect("an answer");
    assert_eq!((answer.status(), error(&answer)), (431, "head-too-large"));
    same_link(&share).await;
}

#[tokio::test]
async fn a_lowered_limit_does_not_cost_the_link() {
    let share = share_with("8 KiB").await;
    let request = share.request("GET /", &format!("X-Long: {}\r\n", "v".repeat(20_000)));
    let answer = ask(&share.edge, request).await.expect("an answer");
    assert_eq!((answer.status(), error(&answer)), (431, "head-too-large"));
    let answer = share.get("/long").await;
    assert!(matches!(answer.status(), 200 | 502), "{answer:?}");
    same_link(&share).await;
}

#[tokio::test]
async fn answers_of_the_edge_are_counted_by_their_status() {
    let edge = EdgeOptions::default().set("limits.content_bytes", "4");
    let share = Share::with(edge, HostOptions::default(), |_| async {}).await;
    let request = share.request("POST /", "Content-Length: 5\r\n") + "hello";
    let answer = ask(&share.edge, request).await.expect("an answer");
    assert_eq!((answer.status(), error(&answer)), (413, "content-too-large"));
    // The origin hangs up.
    assert_eq!(share.get("/").await.status(), 502);
    let metrics = share.edge.metrics().await;
    let ended = |status: &str| {
        metrics.get(&format!("exchanges_total{{path=\"relay\",status=\"{status}\"}}"))
    };
    assert_eq!(["4xx", "5xx", "none"].map(ended), [1.0, 1.0, 0.0]);
}
