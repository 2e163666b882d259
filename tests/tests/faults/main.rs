//! The link breaks: whoever dies, freezes or is cut off, no request hangs or is lost in silence, and
//! the same URL works again by itself.

mod cable;
mod edge;
mod host;
mod load;
mod namespace;
mod network;
mod roaming;

use std::time::Duration;

use wingman_tests::{EdgeOptions, HostOptions, Message, Share, Wire};

/// The edge finds a silent host, and gives up on an absent one, faster than by default.
fn hasty_edge() -> EdgeOptions {
    EdgeOptions::default()
        .set("timeouts.heartbeat_period", "200ms")
        .set("timeouts.heartbeat_deadline", "600ms")
        .set("timeouts.resume_wait", "1s")
}

/// The same for the host.
fn hasty_host() -> HostOptions {
    HostOptions::default().set("heartbeat.period", "200ms").set("heartbeat.deadline", "600ms")
}

/// By when a hasty peer has noticed that the other one is silent.
const NOTICED: Duration = Duration::from_millis(1500);

/// A visitor of its own that has sent `GET target`.
async fn ask(share: &Share, target: &str) -> Wire<tokio::net::TcpStream> {
    let mut visitor = share.visit().await;
    let fields = "Accept: application/json\r\nConnection: close\r\n";
    visitor.send(share.request(&format!("GET {target}"), fields)).await;
    visitor
}

/// What a problem page in JSON says is wrong.
fn code(page: &Message) -> String {
    let json: serde_json::Value =
        serde_json::from_slice(&page.content).unwrap_or_else(|_| panic!("{}", page.text()));
    json["code"].as_str().or(json["error"]["code"].as_str()).expect("a code").to_owned()
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
