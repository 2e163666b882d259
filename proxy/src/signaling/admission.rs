//! May this request become a signaling socket? Answered before the 101.

use http::{HeaderMap, Version, header};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use wingman_wire::{
    head::Scheme,
    id::{PeerId, VisitorId},
};

use crate::{
    fields::{self, RequestRules},
    pages::Problem,
    session::PageConfig,
    telemetry::SignalingRefusal,
    visitors::VisitorCookie,
};

/// A request for a signaling socket.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its version.
    pub version: Version,
    /// It is a GET.
    pub is_get: bool,
    /// Its field lines.
    pub fields: &'a HeaderMap,
    /// What it is for (`Host`); a name of the session.
    pub authority: &'a str,
    /// Behind the question mark.
    pub query: Option<&'a str>,
}

/// A page that may have its socket, as far as the request tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Which page.
    pub peer: PeerId,
    /// Whose.
    pub visitor: VisitorId,
    /// `Sec-WebSocket-Accept` of the 101.
    pub accept: String,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a WebSocket handshake (RFC 6455 §4.1), which there is only in HTTP/1.1.
    #[error("not a WebSocket handshake")]
    NotWebSocket,
    /// Without a peer id.
    #[error("not a peer id")]
    Peer,
    /// Pages of this session stay on the relay.
    #[error("the session has no direct path")]
    Disabled,
    /// Browsers let pages of all origins open WebSockets with our cookies; they only say whose they are.
    #[error("a page of another origin")]
    Origin,
    /// Nobody we know.
    #[error("no visitor's cookie")]
    Visitor,
}

impl Refusal {
    /// What the visitor is told.
    pub const fn problem(self) -> Problem {
        match self {
            Self::NotWebSocket | Self::Peer => Problem::BadRequest,
            Self::Disabled | Self::Origin | Self::Visitor => Problem::Forbidden,
        }
    }

    /// How it is counted.
    pub const fn label(self) -> SignalingRefusal {
        match self {
            Self::NotWebSocket | Self::Peer => SignalingRefusal::Malformed,
            Self::Disabled => SignalingRefusal::Disabled,
            Self::Origin => SignalingRefusal::Origin,
            Self::Visitor => SignalingRefusal::Visitor,
        }
    }
}

/// Judges a request. `scheme` is that of sessions as browsers see it.
///
/// # Errors
/// [`Refusal`].
pub fn admit(
    asked: Asked<'_>,
    pages: Option<&PageConfig>,
    scheme: Scheme,
    cookie: VisitorCookie,
) -> Result<Admission, Refusal> {
    let rules = RequestRules::examine(asked.version, fields::lines(asked.fields));
    let version_is_good =
        asked.fields.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    let key = asked.fields.get(header::SEC_WEBSOCKET_KEY).ok_or(Refusal::NotWebSocket)?;
    if !asked.is_get || !version_is_good || !rules.is_ok_and(|rules| rules.websocket) {
        return Err(Refusal::NotWebSocket);
    }
    if !pages.is_some_and(|pages| pages.direct) {
        return Err(Refusal::Disabled);
    }
    let own = format!("{}://{}", scheme.as_str(), asked.authority);
    let mut origins = asked.fields.get_all(header::ORIGIN).iter();
    let is_own = origins.next().is_some_and(|origin| {
        origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()) && origins.next().is_none()
    });
    if !is_own {
        return Err(Refusal::Origin);
    }
    let visitor = cookie.find(asked.fields).ok_or(Refusal::Visitor)?;
    let peer = asked
        .query
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix("peer="))
        .and_then(|peer| peer.parse().ok())
        .ok_or(Refusal::Peer)?;
    Ok(Admission { peer, visitor, accept: derive_accept_key(key.as_bytes()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::DirectPath;

    const VISITOR: &str = "00112233445566778899aabbccddeeff";
    const PEER: &str = "ffeeddccbbaa99887766554433221100";
    const AUTHORITY: &str = "demo.localhost:8080";

    fn fields(other: &[(&'static str, &str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in [
            ("upgrade", "websocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("origin", "http://demo.localhost:8080"),
            ("cookie", &format!("a=1; wingman={VISITOR}")),
        ]
        .iter()
        .chain(other)
        {
            if value.is_empty() {
                fields.remove(*name);
            } else {
                fields.insert(*name, value.parse().unwrap());
            }
        }
        fields
    }

    fn pages(direct: bool) -> PageConfig {
        let wish = wingman_wire::control::Pages {
            direct,
            badge: true,
            timeout_ms: 1_000,
            relay_only_paths: Vec::new(),
            stun_servers: Vec::new(),
        };
        let edge = DirectPath { enabled: true, stun_servers: [].into() };
        PageConfig::new(&"demo".parse().unwrap(), wish, &edge).unwrap()
    }

    fn asked<'a>(fields: &'a HeaderMap, query: &'a str) -> Asked<'a> {
        let authority = AUTHORITY;
        Asked { version: Version::HTTP_11, is_get: true, fields, authority, query: Some(query) }
    }

    fn judge(asked: Asked<'_>) -> Result<Admission, Refusal> {
        admit(asked, Some(&pages(true)), Scheme::Http, VisitorCookie::of(Scheme::Http))
    }

    #[test]
    fn a_page_of_the_session_is_admitted() {
        let fields = fields(&[]);
        let query = format!("peer={PEER}");
        let admitted = judge(asked(&fields, &query)).unwrap();
        assert_eq!(admitted.peer.to_string(), PEER);
        assert_eq!(admitted.visitor.to_string(), VISITOR);
        // The example of RFC 6455 §1.3.
        assert_eq!(admitted.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn each_fault_has_its_own_refusal() {
        let query = format!("peer={PEER}");
        for (field, refusal) in [
            (("upgrade", "h2c"), Refusal::NotWebSocket),
            (("connection", "close"), Refusal::NotWebSocket),
            (("sec-websocket-version", "12"), Refusal::NotWebSocket),
            (("sec-websocket-key", ""), Refusal::NotWebSocket),
            (("content-length", "3"), Refusal::NotWebSocket),
            (("origin", ""), Refusal::Origin),
            (("origin", "null"), Refusal::Origin),
            (("origin", "https://demo.localhost:8080"), Refusal::Origin),
            (("origin", "http://demo.localhost"), Refusal::Origin),
            (("origin", "http://other.localhost:8080"), Refusal::Origin),
            (("origin", "http://demo.localhost:8080.evil.example"), Refusal::Origin),
            (("cookie", ""), Refusal::Visitor),
            (("cookie", "wingman=1"), Refusal::Visitor),
        ] {
            let fields = fields(&[field]);
            assert_eq!(judge(asked(&fields, &query)), Err(refusal), "{field:?}");
        }
        let good = fields(&[]);
        for query in ["", "peer=", "peer=1", "peers=1", &format!("peer={PEER}0")] {
            assert_eq!(judge(asked(&good, query)), Err(Refusal::Peer), "{query}");
        }
        let post = Asked { is_get: false, ..asked(&good, &query) };
        assert_eq!(judge(post), Err(Refusal::NotWebSocket));
        for version in [Version::HTTP_10, Version::HTTP_2] {
            let old = Asked { version, ..asked(&good, &query) };
            assert_eq!(judge(old), Err(Refusal::NotWebSocket), "{version:?}");
        }
    }

    #[test]
    fn two_origins_are_none() {
        let mut fields = fields(&[]);
        fields.append("origin", "http://demo.localhost:8080".parse().unwrap());
        assert_eq!(judge(asked(&fields, &format!("peer={PEER}"))), Err(Refusal::Origin));
    }

    #[test]
    fn sessions_without_a_direct_path_have_no_sockets() {
        let fields = fields(&[]);
        let query = format!("peer={PEER}");
        let cookie = VisitorCookie::of(Scheme::Http);
        for pages in [None, Some(&pages(false))] {
            let refused = admit(asked(&fields, &query), pages, Scheme::Http, cookie);
            assert_eq!(refused, Err(Refusal::Disabled));
        }
    }
}
