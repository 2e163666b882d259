//! The host's machine changes its network. Needs root, for network namespaces; CI and containers are.

use std::{
    process::{Command, Output},
    time::{Duration, Instant},
};

use wingman_tests::{Edge, HostOptions, Origin, Share};

use super::{OK, ask, cable::Cable};

/// By when a host knows the addresses it started with.
const LOOKED_AROUND: Duration = Duration::from_millis(500);

/// A network namespace for a host, which reaches this machine by a wire of its own.
struct Namespace {
    name: String,
    /// The third byte of the wire's addresses.
    net: u8,
}

fn ip(arguments: &str) -> Output {
    Command::new("ip").args(arguments.split(' ')).output().expect("ip is installed (iproute2)")
}

/// As [`ip`], and it must succeed.
fn must(arguments: &str) {
    let output = ip(arguments);
    assert!(
        output.status.success(),
        "ip {arguments} (needs root): {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

impl Namespace {
    fn new() -> Self {
        let net = u8::try_from(std::process::id() % 250).expect("is below 250");
        let name = format!("wingman{}", std::process::id());
        let namespace = Self { name: name.clone(), net };
        must(&format!("netns add {name}"));
        must(&format!("link add wm{net}a type veth peer name wm{net}b netns {name}"));
        must(&format!("addr add {}/24 dev wm{net}a", namespace.outside()));
        must(&format!("link set wm{net}a up"));
        must(&format!("-n {name} link set lo up"));
        must(&format!("-n {name} link set wm{net}b up"));
        // `localhost`, the base domain of the edge, is this machine.
        let directory = format!("/etc/netns/{name}");
        std::fs::create_dir_all(&directory).expect("is root");
        let hosts = format!("{} localhost\n", namespace.outside());
        std::fs::write(format!("{directory}/hosts"), hosts).expect("is root");
        namespace.connect(2);
        namespace
    }

    fn outside(&self) -> String {
        format!("10.213.{}.1", self.net)
    }

    /// Gives it the address that ends with `last`.
    fn connect(&self, last: u8) {
        let Self { name, net } = self;
        must(&format!("-n {name} addr add 10.213.{net}.{last}/24 dev wm{net}b"));
    }

    /// Takes all its addresses: what it sends goes nowhere, and nobody is told.
    fn disconnect(&self) {
        let Self { name, net } = self;
        must(&format!("-n {name} addr flush dev wm{net}b"));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&format!("netns del {}", self.name));
        let _ = std::fs::remove_dir_all(format!("/etc/netns/{}", self.name));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_another_network_it_is_back_at_once() {
    let namespace = Namespace::new();
    let (origin, mut handed) = Origin::handing_over_at(&namespace.outside()).await;
    let edge = Edge::start().await;
    let cable = Cable::at(&namespace.outside(), edge.port()).await;
    // The heartbeat and the pauses alone would take a minute.
    let options = HostOptions::default()
        .edge_port(cable.port())
        .set("heartbeat.period", "60s")
        .set("heartbeat.deadline", "120s")
        .set("reconnect.initial", "60s")
        .set("reconnect.cap", "60s")
        .within_namespace(&namespace.name);
    let host = options.start(&edge, &origin.target()).await;
    let mut share = Share { edge, host, origin };
    tokio::time::sleep(LOOKED_AROUND).await;
    for address in [3, 4] {
        let before = share.host.events(0).len();
        namespace.disconnect();
        // A PING finds that nobody answers.
        let gone = Instant::now();
        share.host.event("link-lost", before, Duration::from_secs(6)).await;
        assert!(gone.elapsed() > Duration::from_secs(2), "the edge has time to answer");
        // It tries, fails at once, and waits for long.
        share.host.event("connecting", before, Duration::from_secs(3)).await;
        let waiting = share.host.events(0).len();
        let lost = share.host.event("link-lost", waiting - 1, Duration::from_secs(3)).await;
        assert!(lost["retry_in_ms"].as_u64().expect("a number") > 20_000, "{lost}");
        namespace.connect(address);
        let ready = share.host.event("ready", before, Duration::from_millis(1500)).await;
        assert_eq!(ready["url"], share.host.url());
        let mut visitor = ask(&share, "/").await;
        handed.next().await.0.send(OK).await;
        assert_eq!(visitor.response(false).await.expect("whole").text(), "ok");
    }
}

/// One more network, as a VPN brings: the link goes on, and so does what runs on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_more_network_disturbs_nothing() {
    let namespace = Namespace::new();
    let (origin, mut handed) = Origin::handing_over_at(&namespace.outside()).await;
    let edge = Edge::start().await;
    let cable = Cable::at(&namespace.outside(), edge.port()).await;
    let options = HostOptions::default().edge_port(cable.port()).within_namespace(&namespace.name);
    let host = options.start(&edge, &origin.target()).await;
    let share = Share { edge, host, origin };
    let mut visitor = ask(&share, "/").await;
    let (mut origin, _) = handed.next().await;
    let before = share.host.events(0).len();
    tokio::time::sleep(LOOKED_AROUND).await;
    namespace.connect(9);
    tokio::time::sleep(Duration::from_secs(4)).await;
    origin.send(OK).await;
    assert_eq!(visitor.response(false).await.expect("whole").text(), "ok");
    let events = share.host.events(before);
    assert!(events.iter().all(|event| event["event"] != "link-lost"), "{events:?}");
}
