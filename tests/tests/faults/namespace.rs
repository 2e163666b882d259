//! A network of the host's own. Needs root, for network namespaces; CI and containers are.

use std::process::{Command, Output};

/// A network namespace for a host, which reaches this machine by a wire of its own.
pub(crate) struct Namespace {
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
    pub(crate) fn new() -> Self {
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
        namespace.know_localhost_as(&[&namespace.outside()]);
        namespace.connect(2);
        namespace
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn know_localhost_as(&self, addresses: &[&str]) {
        let directory = format!("/etc/netns/{}", self.name);
        std::fs::create_dir_all(&directory).expect("is root");
        let hosts: String = addresses.iter().map(|ip| format!("{ip} localhost\n")).collect();
        std::fs::write(format!("{directory}/hosts"), hosts).expect("is root");
    }

    /// `localhost` has IPv6 addresses too, and what is sent there goes nowhere, without a word.
    pub(crate) fn break_ipv6(&self) {
        let Self { name, net } = self;
        must(&format!("-n {name} addr add 2001:db8::2/64 dev wm{net}b nodad"));
        for last in ["a", "b"] {
            // Of nobody on the wire.
            let nobody = "lladdr 02:00:00:00:00:01 nud permanent";
            must(&format!("-n {name} neigh add 2001:db8::{last} {nobody} dev wm{net}b"));
        }
        self.know_localhost_as(&["2001:db8::a", "2001:db8::b", &self.outside()]);
    }

    pub(crate) fn outside(&self) -> String {
        format!("10.213.{}.1", self.net)
    }

    /// Gives it the address that ends with `last`.
    pub(crate) fn connect(&self, last: u8) {
        let Self { name, net } = self;
        must(&format!("-n {name} addr add 10.213.{net}.{last}/24 dev wm{net}b"));
    }

    /// Takes all its addresses: what it sends goes nowhere, and nobody is told.
    pub(crate) fn disconnect(&self) {
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
