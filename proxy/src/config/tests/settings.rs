//! What configurations become, and which cannot.

use super::*;
use crate::names::SessionName;
use crate::tokens::Token;

#[test]
fn dev_needs_nothing() {
    let settings = settings("dev = true").unwrap();
    assert_eq!(settings.listen, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(settings.metrics, Some("127.0.0.1:9090".parse().unwrap()));
    assert_eq!(settings.public.edge_url(), "http://localhost:8080");
    let name: SessionName = "demo".parse().unwrap();
    assert_eq!(settings.public.session_url(&name), "http://demo.localhost:8080");
    assert!(settings.registry.verify("").unwrap().allows(&name));
    assert!(settings.threads.get() >= 1);
}

#[test]
fn dev_stays_on_loopback() {
    for (key, text) in [
        ("listen", "listen = [\"127.0.0.1:80\", \"0.0.0.0:8080\"]"),
        ("listen", "listen = [\"[::]:8080\"]"),
        ("listen", "listen = [\"192.168.1.5:8080\"]"),
        ("listen", "listen = [\"[::ffff:10.0.0.1]:8080\"]"),
        ("tls.listen", "[tls]\nlisten = [\"0.0.0.0:443\"]\ncert = \"c\"\nkey = \"k\""),
        ("stun.listen", "[stun]\nlisten = \"0.0.0.0:3478\""),
        ("metrics.listen", "[metrics]\nlisten = \"0.0.0.0:9090\""),
    ] {
        let problem = problem(&format!("dev = true\n{text}"));
        assert!(matches!(problem, SettingsError::DevBeyondLoopback { key: k, .. } if k == key));
        assert!(problem.to_string().contains("token new"), "{problem}");
    }
    for address in ["127.0.0.2:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        settings(&format!("dev = true\nlisten = [\"{address}\"]")).unwrap();
    }
    // Tokens in the file do not make it closed, so they do not lift the rule.
    let text = format!("dev = true\n{}", least("listen = [\"0.0.0.0:80\"]"));
    assert!(matches!(problem(&text), SettingsError::DevBeyondLoopback { .. }));
    let file = TomlFile::new("listen = \"0.0.0.0:80\"");
    let layers = [file.layer(), Layer::flag("--dev", "dev", true)];
    let error = Config::load(layers).unwrap().settings().unwrap_err().to_string();
    assert!(error.contains("(from file "), "{error}");
}

#[test]
fn stun_servers_that_are_told() {
    let told = |text: &str| {
        let mut settings = settings(text).unwrap();
        settings.advertise_stun(Some(7));
        settings.direct.stun_servers.join(" ")
    };
    assert_eq!(told("dev = true"), "stun:localhost:3478");
    for (stun, servers) in [
        ("", "stun:share.example:3478 stun:other.example:1"),
        ("listen = \"off\"", "stun:other.example:1"),
        ("listen = []", "stun:other.example:1"),
        ("advertise = \"off\"", "stun:other.example:1"),
        ("listen = \"0.0.0.0:0\"", "stun:share.example:7 stun:other.example:1"),
        ("listen = \"0.0.0.0:5349\"", "stun:share.example:5349 stun:other.example:1"),
        ("listen = \"off\"\nadvertise = \"a:1\"", "stun:a:1 stun:other.example:1"),
    ] {
        let text = format!("{}\n[stun]\n{stun}", least("stun_servers = \"other.example:1\""));
        assert_eq!(told(&text), servers, "{stun}");
    }
    // A default may be taken; what somebody wrote may not.
    assert!(!settings("dev = true").unwrap().stun.required);
    assert!(settings("dev = true\n[stun]\nlisten = \"127.0.0.1:1\"").unwrap().stun.required);
}

#[test]
fn what_cannot_work_is_refused() {
    use SettingsError as E;
    assert_eq!(problem("base_domain = \"a.b\""), E::NoTokens);
    assert_eq!(problem(""), E::NoBaseDomain);
    assert_eq!(problem(&least("listen = []")), E::NoListener);
    let tls = |more: &str| least(&format!("{more}\n[tls]\ncert = \"c\"\nkey = \"k\""));
    assert_eq!(
        problem(&format!("{}\n[tls]\nlisten = []\ncert = \"c\"\nkey = \"k\"", least(""))),
        E::NoTlsListener
    );
    settings(&tls("listen = []")).unwrap();
    assert!(matches!(problem(&tls("listen = \"0.0.0.0:443\"")), E::AddressTwice { .. }));
    assert!(matches!(problem(&least("listen = \"127.0.0.1:9090\"")), E::AddressTwice { .. }));
    assert!(matches!(problem("base_domain = \"http://a\""), E::BaseDomain(_)));
    assert!(matches!(problem(&least("[log]\nlevel = \"a=b=c\"")), E::LogLevel(_)));
    assert!(matches!(
        problem(&least("[timeouts]\nheartbeat_period = \"10s\"")),
        E::Heartbeat { .. }
    ));
    for text in [
        "[limits]\nhead_bytes = \"257 KiB\"",
        "[limits]\nhead_bytes = 10",
        "[limits]\nfields = 257",
        "[limits]\nexchanges_per_session = 0",
        "[limits]\nlinks_per_address = 0",
        "[timeouts]\nkeepalive_idle = \"0s\"",
        "[timeouts]\nresponse_head = \"2days\"",
    ] {
        let problem = problem(&least(text));
        let key = problem.key().unwrap();
        assert!(matches!(problem, E::OutOfRange { .. }), "{problem:?}");
        assert!(problem.to_string().contains(key) && text.contains(key.split('.').nth(1).unwrap()));
    }
    let head = problem(&least("[limits]\nhead_bytes = \"257 KiB\""));
    let text = "`limits.head_bytes` is 257 KiB, but must be between 1 KiB and 256 KiB";
    assert_eq!(head.to_string(), text);
}

#[test]
fn tokens_are_told_apart() {
    use SettingsError as E;
    let token = |id: &str, hash: &str| format!("[[tokens]]\nid = \"{id}\"\nsha256 = \"{hash}\"\n");
    let other = Token::generate().unwrap().hash().to_string();
    let with = |tokens: &[String]| format!("base_domain = \"a.b\"\n{}", tokens.concat());
    let two = with(&[token("a", HASH), token("b", &other)]);
    assert!(
        matches!(settings(&two).unwrap().registry, Registry::Tokens(tokens) if tokens.len() == 2)
    );
    assert_eq!(
        problem(&with(&[token("a", HASH), token("a", &other)])),
        E::TokenIdTwice("a".into())
    );
    let same = problem(&with(&[token("a", HASH), token("b", HASH)]));
    assert_eq!(same, E::TokenTwice("a".into(), "b".into()));
    assert!(!same.to_string().contains(HASH));
    for id in ["", "a b", "a\\nb", "ä", &"a".repeat(65)] {
        assert!(matches!(problem(&with(&[token(id, HASH)])), E::TokenId(_)), "{id}");
    }
}

#[test]
fn limits_of_tokens() {
    let registry = |text: &str| match settings(text).unwrap().registry {
        Registry::Tokens(tokens) => tokens[0].1.max_sessions,
        Registry::Open(grant) => grant.max_sessions,
    };
    assert_eq!(registry(&least("")), 64);
    assert_eq!(registry(&least("[limits]\nsessions_per_token = 5")), 5);
    assert_eq!(registry(&format!("{}max_sessions = 2", least(""))), 2);
    assert_eq!(registry("dev = true\n[limits]\nsessions_per_token = 5"), 5);
}

#[test]
fn public_addresses() {
    let tls = "[tls]\ncert = \"c\"\nkey = \"k\"";
    for (text, url) in [
        ("", "http://share.example"),
        ("listen = \"0.0.0.0:8080\"", "http://share.example:8080"),
        ("listen = \"0.0.0.0:8080\"\npublic_port = 80", "http://share.example"),
        ("listen = \"0.0.0.0:8080\"\npublic_scheme = \"https\"", "https://share.example"),
        ("public_scheme = \"https\"\npublic_port = 8443", "https://share.example:8443"),
        (tls, "https://share.example"),
        (
            "[tls]\nlisten = \"0.0.0.0:8443\"\ncert = \"c\"\nkey = \"k\"",
            "https://share.example:8443",
        ),
    ] {
        assert_eq!(settings(&least(text)).unwrap().public.edge_url(), url, "{text}");
    }
}

#[test]
fn hashes_are_masked() {
    let loaded = toml(&least("")).unwrap();
    let shown = format!("{:?} {:?}", loaded.config, loaded.settings().unwrap());
    assert!(!shown.contains(&HASH[..8]), "{shown}");
}

#[test]
fn the_direct_path_can_be_forbidden_and_told_of_servers() {
    let from = |variables: &[(&str, &str)]| {
        let layers = env(variables).into_iter().chain([Layer::flag("--dev", "dev", true)]);
        Config::load(layers).and_then(|loaded| loaded.settings())
    };
    assert!(from(&[]).unwrap().direct.enabled);
    // With and without the prefix; other names without it are not ours.
    for name in ["P2P_ENABLED", "WINGMAN_EDGE_P2P_ENABLED"] {
        assert!(!from(&[(name, "false"), ("LISTEN", "garbage")]).unwrap().direct.enabled, "{name}");
    }
    for name in ["STUN_SERVERS", "WINGMAN_EDGE_STUN_SERVERS"] {
        let settings = from(&[(name, "stun.example:3478, stun:[::1]:1,stun:127.0.0.1:2")]).unwrap();
        let servers = ["stun:stun.example:3478", "stun:[::1]:1", "stun:127.0.0.1:2"];
        assert!(settings.direct.stun_servers.ends_with(&servers.map(str::to_owned)), "{name}");
    }
    for bad in ["stun.example", "turn:stun.example:1", "stun:a:0", "http://a:1"] {
        let error = from(&[("STUN_SERVERS", bad)]).unwrap_err().to_string();
        assert!(error.contains("stun_servers") && error.contains("STUN_SERVERS"), "{error}");
    }
}

#[test]
fn limits_of_signaling_are_checked() {
    for text in [
        "[limits]\nsignaling_per_session = 257",
        "[limits]\nsignaling_per_session = 0",
        "[limits]\nsignaling_per_visitor = 0",
        "[limits]\nsignaling_per_address = 0",
        "[timeouts]\nsignaling_heartbeat = \"0s\"",
        "[timeouts]\nsignaling_lifetime = \"25h\"",
    ] {
        assert!(matches!(problem(&least(text)), SettingsError::OutOfRange { .. }), "{text}");
    }
    settings(&least("[limits]\nsignaling_per_address = \"off\"")).unwrap();
}
