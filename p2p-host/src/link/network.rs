//! Notices that this machine is in another network: Wi-Fi, cable, VPN, or back from none.

use std::{collections::BTreeSet, future::poll_fn, net::IpAddr, time::Duration};

use if_watch::tokio::IfWatcher;
use tokio::time::{Instant, sleep_until};

/// A new network brings several addresses, and its routes a moment later.
const SETTLING: Duration = Duration::from_millis(250);

/// The addresses of this machine, watched.
pub(super) struct Network {
    /// None where the system cannot tell; reconnecting goes by time alone then.
    watcher: Option<IfWatcher>,
    /// What there was when it was last looked at; the first look is no change.
    known: Option<BTreeSet<IpAddr>>,
    /// When to look again.
    look_at: Option<Instant>,
}

impl Network {
    /// Watches from now on.
    pub(super) fn watch() -> Self {
        let watcher = IfWatcher::new()
            .inspect_err(|error| tracing::debug!(%error, "changes of the network are not noticed"))
            .ok();
        Self { watcher, known: None, look_at: None }
    }

    /// Waits until the addresses that lead anywhere are others than before. Nothing is lost when it is
    /// dropped meanwhile.
    pub(super) async fn changed(&mut self) {
        loop {
            let Some(watcher) = &mut self.watcher else { return std::future::pending().await };
            let look_at = self.look_at;
            let settled = async {
                match look_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = poll_fn(|context| watcher.poll_if_event(context)) => match event {
                    Ok(_) => {
                        self.look_at.get_or_insert_with(|| Instant::now() + SETTLING);
                    }
                    Err(error) => {
                        tracing::debug!(%error, "changes of the network are not noticed any more");
                        self.watcher = None;
                    }
                },
                () = settled => {
                    self.look_at = None;
                    let now: BTreeSet<_> =
                        watcher.iter().map(|net| net.addr()).filter(leads_anywhere).collect();
                    let before = self.known.replace(now);
                    if before.is_some() && before != self.known {
                        return;
                    }
                }
            }
        }
    }
}

/// Containers that come and go bring addresses which are good for their own wire only.
fn leads_anywhere(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_wire_lead_nowhere() {
        for (address, leads) in [
            ("127.0.0.1", false),
            ("::1", false),
            ("169.254.1.1", false),
            ("fe80::1", false),
            ("192.168.1.2", true),
            ("fd00::1", true),
            ("2001:db8::1", true),
        ] {
            assert_eq!(leads_anywhere(&address.parse().unwrap()), leads, "{address}");
        }
    }

    #[tokio::test]
    async fn what_is_there_at_the_start_is_no_change() {
        let mut network = Network::watch();
        let changed = tokio::time::timeout(Duration::from_millis(600), network.changed()).await;
        assert!(changed.is_err());
        #[cfg(target_os = "linux")]
        assert!(network.known.is_some(), "it was looked at");
    }
}
