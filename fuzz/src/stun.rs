//! The edge's answer to a datagram.

use std::net::SocketAddr;

// The edge is no dependency: it would bring its whole HTTP engine. The codec stands alone.
#[path = "../../proxy/src/stun/message.rs"]
#[allow(dead_code, unreachable_pub, reason = "the server beside it uses the rest")]
mod message;

use message::{Answer, MAX_ANSWER, read};

/// What is not well-formed is not answered; an answer is short, well-formed and of its request.
pub fn stun(datagram: &[u8]) {
    let Ok(request) = read(datagram) else { return };
    assert_eq!(datagram[..2], [0, 1], "only Binding requests");
    for source in ["192.0.2.1:1", "[2001:db8::1]:65535"] {
        let source: SocketAddr = source.parse().expect("an address");
        let answer = Answer::to(&request, source);
        let is_success = matches!(answer, Answer::Mapped(_));
        assert_eq!(is_success, request.unknown.is_empty());
        let answer = answer.encode(&request);
        assert!(answer.len() <= MAX_ANSWER && answer.len() <= datagram.len() + 24, "no amplifier");
        assert_eq!(answer[..2], if is_success { [1, 1] } else { [1, 0x11] });
        assert_eq!(answer[4..20], datagram[4..20], "cookie and transaction come back");
        let length = usize::from(u16::from_be_bytes([answer[2], answer[3]]));
        assert_eq!(length + 20, answer.len());
        assert!(read(&answer).is_err(), "an answer is never answered: no loops between servers");
    }
}
