use http::HeaderValue;

use super::*;

fn fields(policies: &[&str]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for policy in policies {
        fields.append(header::CONTENT_SECURITY_POLICY, HeaderValue::from_str(policy).unwrap());
    }
    fields
}

/// On an HTTPS page, and on an HTTP page.
fn both(policies: &[&str]) -> [bool; 2] {
    [Scheme::Https, Scheme::Http].map(|scheme| allows(&fields(policies), scheme))
}

#[test]
fn policies_that_let_us_work() {
    for policy in [
        "",
        ";;",
        "default-src 'self'",
        "default-src *",
        "Default-Src 'SELF'",
        "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'",
        "default-src 'none'; script-src 'self'; connect-src *",
        "script-src 'self' 'nonce-abc' 'unsafe-inline' https://cdn.example",
        "script-src http:; connect-src 'self'",
        "script-src-elem 'self'; script-src 'self'",
        "script-src 'self'; worker-src 'self' blob:; connect-src 'self' ws:",
        "child-src 'self'; script-src 'self'",
        "connect-src http: ws:",
        "img-src 'none'; style-src 'none'; font-src 'none'; object-src 'none'; base-uri 'none'",
        "frame-ancestors 'none'; form-action 'none'; upgrade-insecure-requests",
        "sandbox allow-scripts allow-same-origin allow-forms",
        "trusted-types a b",
        "webrtc 'allow'",
        // Of two with one name the first counts.
        "script-src 'self'; script-src 'none'",
        "\tscript-src\t'self'\t;\tconnect-src  'self'",
    ] {
        assert_eq!(both(&[policy]), [true, true], "{policy}");
    }
}

#[test]
fn policies_that_keep_us_out() {
    for policy in [
        "default-src 'none'",
        "default-src",
        "default-src https://cdn.example",
        "script-src 'none'",
        "script-src 'nonce-abc'",
        "script-src 'sha256-abc='",
        "script-src 'unsafe-inline' 'unsafe-eval'",
        "script-src 'strict-dynamic' 'nonce-abc' 'self'",
        "script-src 'self' 'strict-dynamic'",
        "script-src-elem 'nonce-abc'; script-src 'self'",
        // The worker falls back to it even where script elements have their own.
        "script-src-elem 'self'; script-src 'nonce-abc'",
        "worker-src 'none'",
        "worker-src blob:",
        "child-src 'none'",
        "worker-src 'none'; child-src 'self'",
        "connect-src 'none'",
        "connect-src https://api.example wss://api.example",
        "connect-src ws: wss:",
        "script-src 'self'; default-src 'none'",
        "sandbox",
        "sandbox allow-scripts",
        "sandbox allow-same-origin",
        "require-trusted-types-for 'script'",
        "require-sri-for script",
        "webrtc 'block'",
        "webrtc 'allow' 'block'",
        "script-src 'none'; script-src 'self'",
    ] {
        assert_eq!(both(&[policy]), [false, false], "{policy}");
    }
}

#[test]
fn schemes_are_those_of_the_page() {
    for policy in ["default-src https: wss:", "script-src https:"] {
        assert_eq!(both(&[policy]), [true, false], "{policy}");
    }
    assert_eq!(both(&["connect-src https: "]), [false, false], "no sockets");
}

#[test]
fn all_policies_must_agree() {
    assert_eq!(both(&["default-src 'self'", "img-src *"]), [true, true]);
    assert_eq!(both(&["default-src 'self'", "connect-src 'none'"]), [false, false]);
    assert_eq!(both(&["default-src 'self', script-src 'nonce-a'"]), [false, false]);
    // Each policy falls back to its own default-src.
    assert_eq!(both(&["default-src 'none'", "script-src 'self'"]), [false, false]);
}

#[test]
fn other_fields() {
    let mut report = HeaderMap::new();
    let only = HeaderValue::from_static("default-src 'none'");
    report.insert(header::CONTENT_SECURITY_POLICY_REPORT_ONLY, only);
    assert!(allows(&report, Scheme::Https), "it blocks nothing");
    let mut integrity = HeaderMap::new();
    integrity.insert(INTEGRITY_POLICY, HeaderValue::from_static("blocked-destinations=(Script)"));
    assert!(!allows(&integrity, Scheme::Https));
    let mut odd = HeaderMap::new();
    let value = HeaderValue::from_bytes(b"script-src \xff").unwrap();
    odd.insert(header::CONTENT_SECURITY_POLICY, value);
    assert!(!allows(&odd, Scheme::Https));
}
