use std::collections::{HashMap, HashSet};

use super::*;

fn route(host: &str) -> Route {
    Route::of(host, &"Share.Example.com.".parse().unwrap())
}

fn session(name: &str) -> Route {
    Route::Session(name.parse().unwrap())
}

#[test]
fn hosts_of_sessions() {
    for host in [
        "demo.share.example.com",
        "DEMO.Share.EXAMPLE.com",
        "demo.share.example.com:8080",
        "demo.share.example.com.",
        "demo.share.example.com.:443",
        "demo.share.example.com:",
    ] {
        assert_eq!(route(host), session("demo"), "{host}");
    }
    let longest = "a".repeat(63);
    assert_eq!(route(&format!("{longest}.share.example.com")), session(&longest));
}

#[test]
fn base_domain() {
    for host in ["share.example.com", "SHARE.example.com:80", "share.example.com."] {
        assert_eq!(route(host), Route::Base, "{host}");
    }
    assert_eq!(Route::of("localhost:8080", &"localhost".parse().unwrap()), Route::Base);
}

#[test]
fn foreign_hosts() {
    for host in [
        "example.com",
        "evilshare.example.com",
        "demo.share.example.com.evil.com",
        "a.b.share.example.com",
        ".share.example.com",
        "-demo.share.example.com",
        "my_app.share.example.com",
        "www.share.example.com",
        "xn--80ak6aa92e.share.example.com",
        "127.0.0.1:8080",
        "[::1]",
        "[::1]:8080",
        &format!("{}.share.example.com", "a".repeat(64)),
    ] {
        assert_eq!(route(host), Route::Foreign, "{host}");
    }
}

#[test]
fn malformed_hosts() {
    for host in [
        "",
        ".",
        ":80",
        "demo.share.example.com:80:80",
        "demo.share.example.com:eighty",
        "demo.share.example.com:123456",
        "user@demo.share.example.com",
        "demo.share.example.com/path",
        "demo share.example.com",
        "demo.share.example.com\0",
        "dẽmo.share.example.com",
        "%64emo.share.example.com",
        "[::1",
        "[::1]x",
        "[]",
        "[zz]:80",
        &"a.".repeat(2000),
    ] {
        assert_eq!(route(host), Route::Invalid, "{host:?}");
    }
}

#[test]
fn names() {
    let name: SessionName = "My-App-2".parse().unwrap();
    assert_eq!(name.to_string(), "my-app-2");
    assert_eq!(format!("{name:?}"), "\"my-app-2\"");
    for (text, error) in [
        ("", NameError::Empty),
        ("-a", NameError::Hyphen),
        ("a-", NameError::Hyphen),
        ("a.b", NameError::Character),
        ("a_b", NameError::Character),
        ("ä", NameError::Character),
        ("_wingman", NameError::Character),
        ("API", NameError::Reserved),
        ("ab--cd", NameError::Reserved),
    ] {
        assert_eq!(text.parse::<SessionName>(), Err(error), "{text}");
    }
    assert_eq!("a".repeat(64).parse::<SessionName>(), Err(NameError::TooLong));
}

#[test]
fn names_are_keys_by_text() {
    let map = HashMap::from([("demo".parse::<SessionName>().unwrap(), 1)]);
    assert_eq!(map.get("demo"), Some(&1));
    assert_eq!(map.get("DEMO"), None);
}

#[test]
fn names_in_json() {
    let name: SessionName = serde_json::from_str("\"Demo\"").unwrap();
    assert_eq!(serde_json::to_string(&name).unwrap(), "\"demo\"");
    let error = serde_json::from_str::<SessionName>("\"www\"").unwrap_err();
    assert!(error.to_string().contains("reserved"), "{error}");
}

#[test]
fn random_names_are_names_and_differ() {
    let names: HashSet<_> = (0..2000).map(|_| SessionName::random()).collect();
    assert_eq!(names.len(), 2000);
    let mut letters = HashSet::new();
    for name in &names {
        assert_eq!(name.as_str().parse::<SessionName>().as_ref(), Ok(name));
        assert!(name.is_random_form());
        letters.extend(name.as_str().bytes());
    }
    assert_eq!(letters.len(), 32);
    assert!(!"demo".parse::<SessionName>().unwrap().is_random_form());
}

#[test]
fn base_domains() {
    assert_eq!("Example.COM.".parse::<BaseDomain>().unwrap().as_str(), "example.com");
    for (text, error) in [
        ("", BaseDomainError::Empty),
        (".", BaseDomainError::Empty),
        ("127.0.0.1", BaseDomainError::Address),
        ("[::1]", BaseDomainError::Address),
        ("https://example.com", BaseDomainError::Label(NameError::Character)),
        ("example.com:80", BaseDomainError::Label(NameError::Character)),
        ("a..b", BaseDomainError::Label(NameError::Empty)),
    ] {
        assert_eq!(text.parse::<BaseDomain>(), Err(error), "{text}");
    }
    assert_eq!("a.".repeat(100).parse::<BaseDomain>(), Err(BaseDomainError::TooLong));
}
