//! May this request become a link? Answered before the 101, so that a host learns why not by an
//! ordinary HTTP status.

use http::{HeaderMap, Method, header};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use wingman_wire::SUBPROTOCOL;

use crate::tokens::{Grant, Registry};

/// A host that may have a link.
#[derive(Debug)]
pub struct Admission {
    /// What its token allows.
    pub grant: Grant,
    /// `Sec-WebSocket-Accept` of the 101.
    pub accept: String,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a WebSocket handshake (RFC 6455 §4.1).
    #[error("a link starts with a WebSocket handshake: GET with Upgrade: websocket, version 13")]
    NotWebSocket,
    /// Another version of our protocol.
    #[error("this edge speaks {SUBPROTOCOL}")]
    Version,
    /// No token.
    #[error("a token is needed: Authorization: Bearer …")]
    TokenMissing,
    /// A wrong one.
    #[error("this token is not known here")]
    TokenUnknown,
}

impl Refusal {
    /// Its name for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotWebSocket => "not-websocket",
            Self::Version => "version-mismatch",
            Self::TokenMissing => "token-missing",
            Self::TokenUnknown => "token-unknown",
        }
    }
}

/// Judges a link request.
///
/// # Errors
/// [`Refusal`].
pub fn admit(method: &Method, fields: &HeaderMap, tokens: &Registry) -> Result<Admission, Refusal> {
    let key = fields.get(header::SEC_WEBSOCKET_KEY).ok_or(Refusal::NotWebSocket)?;
    let is_websocket = method == Method::GET
        && has_token(fields, &header::UPGRADE, "websocket")
        && has_token(fields, &header::CONNECTION, "upgrade")
        && fields.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    if !is_websocket {
        return Err(Refusal::NotWebSocket);
    }
    if !has_token(fields, &header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return Err(Refusal::Version);
    }
    let presented = fields
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let grant = match presented {
        Some(token) => tokens.verify(token).ok_or(Refusal::TokenUnknown)?,
        None if tokens.is_open() => tokens.verify("").ok_or(Refusal::TokenMissing)?,
        None => return Err(Refusal::TokenMissing),
    };
    Ok(Admission { grant, accept: derive_accept_key(key.as_bytes()) })
}

fn has_token(fields: &HeaderMap, name: &header::HeaderName, token: &str) -> bool {
    fields
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::{Token, TokenHash};

    fn handshake(extra: &[(&'static str, &str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in [
            ("upgrade", "websocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", SUBPROTOCOL),
        ]
        .iter()
        .chain(extra)
        {
            fields.insert(*name, value.parse().unwrap());
        }
        fields
    }

    fn tokens() -> (Registry, Token) {
        let token = Token::generate().unwrap();
        let grant = Grant { id: "ci".into(), names: [].into(), max_sessions: 1 };
        (Registry::Tokens(vec![(TokenHash::of(token.expose()), grant)]), token)
    }

    #[test]
    fn a_good_handshake_with_the_right_token_is_admitted() {
        let (registry, token) = tokens();
        let bearer = format!("bearer {}", token.expose());
        let admitted =
            admit(&Method::GET, &handshake(&[("authorization", &bearer)]), &registry).unwrap();
        assert_eq!(&*admitted.grant.id, "ci");
        // The example of RFC 6455 §1.3.
        assert_eq!(admitted.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn each_fault_has_its_own_refusal() {
        let (registry, token) = tokens();
        let bearer = format!("Bearer {}", token.expose());
        let auth = ("authorization", bearer.as_str());
        let judge = |method: Method, fields: &HeaderMap| admit(&method, fields, &registry).err();
        assert_eq!(judge(Method::GET, &handshake(&[])), Some(Refusal::TokenMissing));
        let wrong = handshake(&[("authorization", "Bearer wm_nonsense")]);
        assert_eq!(judge(Method::GET, &wrong), Some(Refusal::TokenUnknown));
        let basic = handshake(&[("authorization", "Basic Zm9vOmJhcg==")]);
        assert_eq!(judge(Method::GET, &basic), Some(Refusal::TokenMissing));
        let other = handshake(&[auth, ("sec-websocket-protocol", "wingman.999")]);
        assert_eq!(judge(Method::GET, &other), Some(Refusal::Version));
        let plain = handshake(&[auth, ("upgrade", "h2c")]);
        assert_eq!(judge(Method::GET, &plain), Some(Refusal::NotWebSocket));
        assert_eq!(judge(Method::POST, &handshake(&[auth])), Some(Refusal::NotWebSocket));
        assert_eq!(judge(Method::GET, &HeaderMap::new()), Some(Refusal::NotWebSocket));
    }
}
