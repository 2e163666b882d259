use super::*;

fn name(text: &str) -> SessionName {
    text.parse().unwrap()
}

fn grant(id: &str, names: &[&str]) -> Grant {
    let names = names.iter().map(|text| text.parse().unwrap()).collect();
    Grant { id: id.into(), names, max_sessions: 3 }
}

#[test]
fn tokens_have_256_bits_and_differ() {
    let (one, two) = (Token::generate().unwrap(), Token::generate().unwrap());
    assert_ne!(one.expose(), two.expose());
    assert_eq!(one.expose().len(), 3 + 43);
    assert!(one.expose().starts_with("wm_"));
    assert_eq!(one.expose().parse::<Token>().unwrap().hash(), one.hash());
    assert!(!format!("{one:?}").contains(&one.expose()[3..]));
    assert!(!format!("{:?}", one.hash()).contains(&one.hash().to_string()[..4]));
}

#[test]
fn malformed_tokens() {
    for text in ["", "wm_", "wm_abc", "nope", &format!("xx_{}", "A".repeat(43))] {
        assert_eq!(text.parse::<Token>().unwrap_err(), TokenError::Malformed, "{text}");
    }
}

#[test]
fn hash_is_sha256_in_hex() {
    // `printf %s abc | sha256sum`
    let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(TokenHash::of("abc").to_string(), hex);
    assert_eq!(hex.to_uppercase().parse(), Ok(TokenHash::of("abc")));
    for text in ["", "ab", &"g".repeat(64), &"+1".repeat(32), &"é".repeat(32)] {
        assert_eq!(text.parse::<TokenHash>(), Err(TokenHashError::Form), "{text}");
    }
    let token = Token::generate().unwrap();
    assert_eq!(token.expose().parse::<TokenHash>(), Err(TokenHashError::Token));
}

#[test]
fn verify_finds_each_token_and_nothing_else() {
    let tokens: Vec<_> = (0..5).map(|_| Token::generate().unwrap()).collect();
    let entries = tokens.iter().enumerate();
    let registry = Registry::Tokens(
        entries.map(|(i, token)| (token.hash(), grant(&i.to_string(), &[]))).collect(),
    );
    for (index, token) in tokens.iter().enumerate() {
        let found = registry.verify(token.expose()).unwrap();
        assert_eq!(&*found.id, index.to_string());
    }
    let first = tokens[0].expose();
    for wrong in ["", "wm_", &first[..45], &format!("{first} "), &first.to_uppercase()] {
        assert_eq!(registry.verify(wrong), None, "{wrong}");
    }
    assert_eq!(registry.verify(&tokens[0].hash().to_string()), None);
    // Too long to be one of ours is not even hashed.
    let long = "x".repeat(MAX_PRESENTED + 1);
    let entry = (TokenHash::of(&long), grant("long", &[]));
    assert_eq!(Registry::Tokens(vec![entry]).verify(&long), None);
    assert_eq!(Registry::Tokens(Vec::new()).verify(first), None);
}

#[test]
fn open_registry_allows_all() {
    let registry = Registry::open(7);
    assert!(registry.is_open());
    let grant = registry.verify("").unwrap();
    assert!(grant.allows(&name("anything")) && grant.max_sessions == 7);
}

#[test]
fn patterns() {
    let grant = grant("team", &["demo", "Team-*"]);
    for allowed in ["demo", "team-a", "team-42"] {
        assert!(grant.allows(&name(allowed)), "{allowed}");
    }
    for refused in ["demo2", "dem", "team", "my-team-a"] {
        assert!(!grant.allows(&name(refused)), "{refused}");
    }
    assert!(!self::grant("none", &[]).allows(&name("demo")));
    assert_eq!(grant.names[1].to_string(), "team-*");
}

#[test]
fn malformed_patterns() {
    for text in ["*a", "a*b", "a**", "-*", "a.b*", "ä*", &format!("{}*", "a".repeat(63))] {
        assert!(text.parse::<NamePattern>().is_err(), "{text}");
    }
    let reserved = Err(PatternError::Name(NameError::Reserved));
    assert_eq!("www".parse::<NamePattern>(), reserved);
}
