use super::*;

const DIRECT: &str = "203.0.113.9";
const PROXY: &str = "10.0.0.1";

fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        })
        .fold(HeaderMap::new(), |mut map, (name, value)| {
            map.append(name, value);
            map
        })
}

fn visitor(sender: &str, lines: &[(&'static str, &'static str)]) -> Visitor {
    let trusted = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().unwrap());
    let trusted = TrustedProxies::new(trusted);
    Visitor::of(sender.parse().unwrap(), Scheme::Http, &fields(lines), &trusted)
}

fn written(visitor: &Visitor, host: &str) -> [String; 4] {
    let mut values = Vec::new();
    visitor.write(host.as_bytes(), |name, value| {
        values.push((name, String::from_utf8(value.to_vec()).unwrap()));
    });
    let names: Vec<_> = values.iter().map(|(name, _)| *name).collect();
    let expected: [&[u8]; 4] =
        [b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded"];
    assert_eq!(names, expected);
    values.into_iter().map(|(_, value)| value).collect::<Vec<_>>().try_into().unwrap()
}

#[test]
fn strangers_are_not_believed() {
    let said = visitor(
        DIRECT,
        &[
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "bank.example"),
            ("forwarded", "for=1.1.1.1;proto=https;host=bank.example"),
        ],
    );
    assert_eq!(said, visitor(DIRECT, &[]));
    assert_eq!(
        written(&said, "demo.localhost:8080"),
        [
            DIRECT,
            "http",
            "demo.localhost:8080",
            "for=203.0.113.9;host=\"demo.localhost:8080\";proto=http"
        ]
    );
    for name in [
        "forwarded",
        "Forwarded",
        "x-forwarded-for",
        "X-Forwarded-Proto",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-",
        "x-real-ip",
    ] {
        assert!(said.drops(name.as_bytes()), "{name}");
    }
    for name in ["host", "x-forwarded", "forwarded-by", "x-real-ip-2", "x-request-id", ""] {
        assert!(!said.drops(name.as_bytes()), "{name}");
    }
}

#[test]
fn trusted_proxies_are_believed() {
    let said = visitor(
        PROXY,
        &[
            ("x-forwarded-for", "198.51.100.7"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "demo.share.example"),
        ],
    );
    assert_eq!(said.address.to_string(), "198.51.100.7");
    assert_eq!(said.scheme, Scheme::Https);
    assert_eq!(
        written(&said, "inner:8080"),
        [
            "198.51.100.7, 10.0.0.1",
            "https",
            "demo.share.example",
            "for=198.51.100.7;host=demo.share.example;proto=https, for=10.0.0.1"
        ]
    );
    assert!(said.drops(b"x-forwarded-for") && said.drops(b"forwarded"));
    assert!(!said.drops(b"x-forwarded-port") && !said.drops(b"x-real-ip"));
}

#[test]
fn the_rightmost_untrusted_hop_is_the_visitor() {
    for (value, address, way) in [
        // What the visitor wrote itself stands left of what the proxy saw.
        ("6.6.6.6, 198.51.100.7", "198.51.100.7", "198.51.100.7, 10.0.0.1"),
        (
            "6.6.6.6, 198.51.100.7, 10.0.0.3, 10.0.0.2",
            "198.51.100.7",
            "198.51.100.7, 10.0.0.3, 10.0.0.2, 10.0.0.1",
        ),
        // All inside: the first one known.
        ("10.0.0.3,10.0.0.2", "10.0.0.3", "10.0.0.3, 10.0.0.2, 10.0.0.1"),
        // Garbage ends what is known.
        ("198.51.100.7, unknown, 10.0.0.2", "10.0.0.2", "10.0.0.2, 10.0.0.1"),
        ("unknown", PROXY, PROXY),
        ("", PROXY, PROXY),
        ("198.51.100.7,", PROXY, PROXY),
        // Spellings.
        (" 198.51.100.7:4711 ", "198.51.100.7", "198.51.100.7, 10.0.0.1"),
        ("2001:db8::1", "2001:db8::1", "2001:db8::1, 10.0.0.1"),
        ("[2001:db8::1]:80", "2001:db8::1", "2001:db8::1, 10.0.0.1"),
        ("[2001:db8::1]", "2001:db8::1", "2001:db8::1, 10.0.0.1"),
        ("::ffff:198.51.100.7", "198.51.100.7", "198.51.100.7, 10.0.0.1"),
    ] {
        let said = visitor(PROXY, &[("x-forwarded-for", value)]);
        assert_eq!(said.address.to_string(), address, "{value}");
        assert_eq!(written(&said, "a")[0], way, "{value}");
    }
    let lines = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "198.51.100.7")];
    assert_eq!(visitor(PROXY, &lines).address.to_string(), "198.51.100.7");
}

#[test]
fn mapped_and_v6_senders() {
    let said = visitor("::ffff:10.0.0.1", &[("x-forwarded-for", "198.51.100.7")]);
    assert_eq!(said.proxies, [PROXY.parse::<IpAddr>().unwrap()]);
    let said = visitor("fd00::5", &[]);
    assert_eq!(written(&said, "[::1]:80")[3], "for=\"[fd00::5]\";host=\"[::1]:80\";proto=http");
}

#[test]
fn proto_and_host_of_the_first_proxy() {
    let chain = ("x-forwarded-for", "6.6.6.6, 198.51.100.7, 10.0.0.2");
    for (proto, scheme) in [
        ("https", Scheme::Https),
        ("WSS", Scheme::Https),
        // One entry by each of the two proxies; the visitor's own before them does not count.
        ("https, http", Scheme::Https),
        ("https, http, http", Scheme::Http),
        ("gopher", Scheme::Http),
        ("", Scheme::Http),
    ] {
        let said = visitor(PROXY, &[chain, ("x-forwarded-proto", proto)]);
        assert_eq!(said.scheme, scheme, "{proto}");
    }
    for host in ["", "a b", "a\"b", "a/b", "a;b"] {
        assert_eq!(visitor(PROXY, &[("x-forwarded-host", host)]).host, None, "{host}");
    }
    let lines = [("x-forwarded-proto", "https"), ("x-forwarded-host", "a.example")];
    let said = visitor(PROXY, &lines);
    assert_eq!(said.scheme, Scheme::Https);
    assert_eq!(said.host.unwrap(), "a.example");
}

#[test]
fn forwarded_of_trusted_proxies() {
    let said = visitor(
        PROXY,
        &[(
            "forwarded",
            "for=6.6.6.6, For=\"[2001:db8::1]:99\";PROTO=https;host=\"a.b:443\", for=10.0.0.2;by=x",
        )],
    );
    assert_eq!(said.address.to_string(), "2001:db8::1");
    assert_eq!(said.scheme, Scheme::Https);
    assert_eq!(
        written(&said, "inner")[3],
        "for=\"[2001:db8::1]\";host=\"a.b:443\";proto=https, for=10.0.0.2, for=10.0.0.1"
    );
    // X-Forwarded-For wins.
    let both = [("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "198.51.100.7")];
    assert_eq!(visitor(PROXY, &both).address.to_string(), "198.51.100.7");
}

#[test]
fn hostile_forwarded() {
    for value in [
        // The visitor's open quote or backslash must not hide what the proxy appended.
        "for=\"6.6.6.6, for=198.51.100.7",
        "for=\"\\\", for=198.51.100.7",
        "for=\"x\\, for=198.51.100.7;host=\"a:1\"",
        "\", for=198.51.100.7;host=\"a:1\"",
        "for=\"6.6.6.6, for=1.1.1.1\", for=198.51.100.7",
        ";;==,,, for=198.51.100.7;;=;for",
    ] {
        let said = visitor(PROXY, &[("forwarded", value)]);
        assert_eq!(said.address.to_string(), "198.51.100.7", "{value}");
    }
    for value in ["for=_hidden", "for=unknown", "", "proto=https", "for", ",", "for=\"\""] {
        let said = visitor(PROXY, &[("forwarded", value)]);
        assert_eq!(said.address.to_string(), PROXY, "{value}");
    }
}

#[test]
fn endless_chains_end() {
    let chain: &'static str = Box::leak("10.0.0.2,".repeat(5000).into_boxed_str());
    let chain = chain.trim_end_matches(',');
    assert_eq!(visitor(PROXY, &[("x-forwarded-for", chain)]).proxies.len(), MAX_PROXIES);
}

#[test]
fn a_host_that_is_none_is_left_out_of_forwarded() {
    let said = visitor(DIRECT, &[]);
    assert_eq!(written(&said, "a\"b")[3], "for=203.0.113.9;proto=http");
    assert_eq!(written(&said, "")[3], "for=203.0.113.9;proto=http");
}
