//! The fields that tell the origin what the visitor asked for, where no edge says them.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use wingman_wire::head::Scheme;

/// Takes away what a page wrote of `Forwarded` and its like, and says them as the edge does on relay.
///
/// Without the visitor's address: what ICE knows of it may be a router's or a relay's, and an origin that trusts
/// `X-Forwarded-For` must not get a guess. `unknown` is what RFC 7239 §6.2 has for it.
pub(super) fn replace(fields: &mut HeaderMap, scheme: Scheme, authority: &[u8]) {
    let said: Vec<HeaderName> =
        fields.keys().filter(|name| is_forwarding(name.as_str())).cloned().collect();
    for name in said {
        fields.remove(name);
    }
    let proto = scheme.as_str();
    fields.insert(&X_FORWARDED_PROTO, HeaderValue::from_static(proto));
    if let Ok(host) = HeaderValue::from_bytes(authority) {
        fields.insert(&X_FORWARDED_HOST, host);
    }
    let mut forwarded = b"for=unknown".to_vec();
    // The session's name, which was checked; a port has a colon, and that is not for bare tokens.
    let quote: &[u8] = if authority.contains(&b':') { b"\"" } else { b"" };
    for part in [b";host=", quote, authority, quote, b";proto=", proto.as_bytes()] {
        forwarded.extend_from_slice(part);
    }
    if let Ok(forwarded) = HeaderValue::from_bytes(&forwarded) {
        fields.insert(header::FORWARDED, forwarded);
    }
}

fn is_forwarding(name: &str) -> bool {
    name.starts_with("x-forwarded-") || matches!(name, "forwarded" | "x-real-ip")
}

static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_wrote_is_replaced() {
        let mut fields = HeaderMap::new();
        for name in
            ["x-forwarded-for", "x-forwarded-proto", "x-real-ip", "forwarded", "x-forwarded-user"]
        {
            fields.append(name, HeaderValue::from_static("forged"));
            fields.append(name, HeaderValue::from_static("twice"));
        }
        fields.insert("x-mine", HeaderValue::from_static("stays"));
        replace(&mut fields, Scheme::Https, b"abc.wingman.dev");
        assert_eq!(fields["x-forwarded-proto"], "https");
        assert_eq!(fields["x-forwarded-host"], "abc.wingman.dev");
        assert_eq!(fields["forwarded"], "for=unknown;host=abc.wingman.dev;proto=https");
        assert_eq!(fields["x-mine"], "stays");
        assert_eq!(fields.len(), 4, "{fields:?}");
    }

    #[test]
    fn a_port_is_quoted() {
        let mut fields = HeaderMap::new();
        replace(&mut fields, Scheme::Http, b"abc.localhost:8080");
        assert_eq!(fields["forwarded"], "for=unknown;host=\"abc.localhost:8080\";proto=http");
        assert_eq!(fields["x-forwarded-host"], "abc.localhost:8080");
    }
}
