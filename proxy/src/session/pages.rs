//! What the page script may do in documents of a session.

use std::sync::Arc;

use serde::Serialize;
use wingman_wire::control::Pages;

use crate::names::SessionName;

/// The edge's own word on the direct path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectPath {
    /// Off: pages of all sessions stay on the relay.
    pub enabled: bool,
    /// STUN servers for pages and hosts, as `stun:host:port`.
    pub stun_servers: Arc<[String]>,
}

/// What a host wished and the edge allows; its JSON is what the page script reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageConfig {
    /// The name of the session.
    pub session: String,
    /// Pages may connect to the host.
    pub direct: bool,
    /// Why they may not, where the edge forbids it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<&'static str>,
    /// The badge is shown.
    pub badge: bool,
    /// Milliseconds a page tries to connect.
    pub timeout_ms: u32,
    /// STUN servers, as `stun:host:port`.
    pub stun: Vec<String>,
    /// Requests whose path begins so are never sent directly.
    pub relay_only_paths: Vec<String>,
}

/// A wish of a host that is beyond bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`pages` is not acceptable")]
pub struct BadPages;

impl PageConfig {
    /// Puts a host's wish and the edge's word together.
    ///
    /// # Errors
    /// [`BadPages`].
    pub fn new(session: &SessionName, wish: Pages, edge: &DirectPath) -> Result<Self, BadPages> {
        let paths_are_good = wish.relay_only_paths.len() <= MAX_PATHS
            && wish
                .relay_only_paths
                .iter()
                .all(|path| path.starts_with('/') && path.len() <= MAX_PATH);
        let servers_are_good = wish.stun_servers.len() <= MAX_SERVERS
            && wish.stun_servers.iter().all(|server| is_stun_url(server));
        if !paths_are_good || !servers_are_good {
            return Err(BadPages);
        }
        let mut stun = edge.stun_servers.to_vec();
        for server in wish.stun_servers {
            if !stun.contains(&server) {
                stun.push(server);
            }
        }
        Ok(Self {
            session: session.as_str().to_owned(),
            direct: wish.direct && edge.enabled,
            why: (wish.direct && !edge.enabled).then_some(EDGE_FORBIDS),
            badge: wish.badge,
            timeout_ms: wish.timeout_ms.clamp(MIN_TIMEOUT_MS, MAX_TIMEOUT_MS),
            stun,
            relay_only_paths: wish.relay_only_paths,
        })
    }
}

/// `stun:host:port` (RFC 7064), with nothing in it that a URL of that kind does not have.
pub(crate) fn is_stun_url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("stun:") else { return false };
    let Some((host, port)) = rest.rsplit_once(':') else { return false };
    let host_is_good = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            (1..=253).contains(&host.len())
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
        }
    };
    host_is_good
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port != 0)
}

/// Shown by the badge.
const EDGE_FORBIDS: &str = "switched off at the edge";
const MAX_PATHS: usize = 64;
const MAX_PATH: usize = 1024;
const MAX_SERVERS: usize = 8;
const MIN_TIMEOUT_MS: u32 = 500;
const MAX_TIMEOUT_MS: u32 = 120_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn wish() -> Pages {
        Pages {
            direct: true,
            badge: true,
            timeout_ms: 10_000,
            relay_only_paths: vec!["/admin".to_owned()],
            stun_servers: vec!["stun:a:1".to_owned(), "stun:b:2".to_owned()],
        }
    }

    fn edge(enabled: bool) -> DirectPath {
        DirectPath { enabled, stun_servers: ["stun:a:1".to_owned()].into() }
    }

    fn config(wish: Pages, enabled: bool) -> Result<PageConfig, BadPages> {
        PageConfig::new(&"demo".parse().unwrap(), wish, &edge(enabled))
    }

    #[test]
    fn the_json_is_what_pages_read() {
        let json = serde_json::to_value(config(wish(), true).unwrap()).unwrap();
        let expected = serde_json::json!({
            "session": "demo", "direct": true, "badge": true, "timeoutMs": 10_000,
            "stun": ["stun:a:1", "stun:b:2"], "relayOnlyPaths": ["/admin"],
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn the_edge_has_the_last_word() {
        let off = config(wish(), false).unwrap();
        assert_eq!((off.direct, off.why), (false, Some(EDGE_FORBIDS)));
        let unwanted = config(Pages { direct: false, ..wish() }, false).unwrap();
        assert_eq!(
            (unwanted.direct, unwanted.why),
            (false, None),
            "the host's own wish needs none"
        );
        let timeout = |timeout_ms| config(Pages { timeout_ms, ..wish() }, true).unwrap().timeout_ms;
        assert_eq!([0, u32::MAX].map(timeout), [MIN_TIMEOUT_MS, MAX_TIMEOUT_MS]);
    }

    #[test]
    fn wishes_have_bounds() {
        for bad in [
            Pages { relay_only_paths: vec!["admin".to_owned()], ..wish() },
            Pages { relay_only_paths: vec!["/".repeat(MAX_PATH + 1)], ..wish() },
            Pages { relay_only_paths: vec!["/".to_owned(); MAX_PATHS + 1], ..wish() },
            Pages { stun_servers: vec!["stun:a:1".to_owned(); MAX_SERVERS + 1], ..wish() },
            Pages { stun_servers: vec!["turn:a:1".to_owned()], ..wish() },
        ] {
            assert_eq!(config(bad.clone(), true), Err(BadPages), "{bad:?}");
        }
    }

    #[test]
    fn stun_urls_are_strict() {
        for good in ["stun:stun.example:3478", "stun:127.0.0.1:1", "stun:[::1]:65535"] {
            assert!(is_stun_url(good), "{good}");
        }
        for bad in [
            "",
            "stun:",
            "stun:a",
            "stun:a:",
            "stun::1",
            "stun:a:0",
            "stun:a:65536",
            "stun:a:+1",
            "stun:a b:1",
            "stun:a'b:1",
            "stun:::1:2",
            "stun:[x]:1",
            "stuns:a:1",
            "stun:a:1?x",
        ] {
            assert!(!is_stun_url(bad), "{bad}");
        }
    }
}
