use std::collections::BTreeSet;
use std::error::Error as _;
use std::path::Path;

use super::*;
use crate::tokens::Registry;

mod settings;

const HASH: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";
const EXAMPLE: &str = include_str!("../../../conf/edge.toml");

fn env(variables: &[(&str, &str)]) -> Vec<Layer> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Layer::environment(variables.collect::<Vec<_>>()).collect()
}

struct TomlFile {
    file: tempfile::NamedTempFile,
}

impl TomlFile {
    fn new(text: &str) -> Self {
        let file = tempfile::Builder::new().prefix("edge").suffix(".toml").tempfile().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Self { file }
    }

    fn layer(&self) -> Layer {
        Layer::file(self.file.path()).unwrap()
    }
}

fn toml(text: &str) -> Result<Loaded, ConfigError> {
    Config::load([TomlFile::new(text).layer()])
}

fn settings(text: &str) -> Result<Settings, ConfigError> {
    toml(text)?.settings()
}

/// What a working configuration has at least.
fn least(more: &str) -> String {
    format!(
        "base_domain = \"share.example\"\n{more}\n[[tokens]]\nid = \"a\"\nsha256 = \"{HASH}\"\n"
    )
}

fn problem(text: &str) -> SettingsError {
    match settings(text).unwrap_err() {
        ConfigError::Setting { problem, .. } => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_example_works_as_it_is() {
    let loaded = toml(EXAMPLE).unwrap();
    let settings = loaded.settings().unwrap();
    assert_eq!(settings.public.edge_url(), "https://share.example");
    let tls = settings.tls.unwrap();
    assert_eq!(tls.listen, ["0.0.0.0:443".parse().unwrap()]);
    let Registry::Tokens(tokens) = settings.registry else { panic!("open") };
    assert!(tokens[0].1.allows(&"alice-7".parse().unwrap()));
}

/// What is commented out is the default, word for word, and nothing is left out.
#[test]
fn the_example_shows_every_key_with_its_default() {
    let mut shown = String::new();
    for line in EXAMPLE.lines() {
        let line = line.strip_prefix("# ").filter(|line| is_assignment(line)).unwrap_or(line);
        // These two have no default to show: they are derived.
        if !line.starts_with("public_") {
            shown.push_str(line);
            shown.push('\n');
        }
    }
    let with_all = settings(&shown).unwrap_or_else(|error| panic!("{error:?}\n{shown}"));
    let with_none = settings(EXAMPLE).unwrap();
    assert_eq!(format!("{with_all:?}"), format!("{with_none:?}"));

    let keys = |table: &str| -> BTreeSet<String> {
        let error = toml(&format!("{table}\nno_such_key = 1")).unwrap_err();
        let ConfigError::UnknownKey { exist, .. } = error else { panic!("{error:?}") };
        exist.into_iter().map(|key| key.rsplit('.').next().unwrap().to_owned()).collect()
    };
    for (table, header) in [
        ("", ""),
        ("[tls]\ncert = \"a\"\nkey = \"b\"", "[tls]"),
        ("[[tokens]]\nid = \"a\"", "[[tokens]]"),
        ("[stun]", "[stun]"),
        ("[inject]", "[inject]"),
        ("[metrics]", "[metrics]"),
        ("[log]", "[log]"),
        ("[limits]", "[limits]"),
        ("[timeouts]", "[timeouts]"),
    ] {
        let section = match header {
            "" => EXAMPLE.split("\n[").next().unwrap(),
            header => {
                EXAMPLE.split(&format!("\n{header}\n")).nth(1).unwrap().split("\n[").next().unwrap()
            }
        };
        for key in keys(table) {
            let written = [
                format!("{key} ="),
                format!("# {key} ="),
                format!("[{key}]"),
                format!("[[{key}]]"),
            ];
            let whole = header.is_empty();
            let found = section.lines().chain(EXAMPLE.lines().filter(|_| whole));
            let mut found =
                found.filter(|line| written.iter().any(|start| line.starts_with(start)));
            assert!(found.next().is_some(), "conf/edge.toml lacks {header} {key}");
        }
    }
}

fn is_assignment(line: &str) -> bool {
    let Some((key, _)) = line.split_once(" = ") else {
        return false;
    };
    key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[test]
fn later_layers_win() {
    let file = TomlFile::new(&least("threads = 1\n[limits]\nfields = 10\nhead_bytes = 2048"));
    let environment = env(&[
        ("WINGMAN_EDGE_THREADS", "2"),
        ("WINGMAN_EDGE_LIMITS__FIELDS", "20"),
        ("PATH", "/bin"),
        ("WINGMAN_EDGE_CONFIG", "/etc/edge.toml"),
    ]);
    let flag = Layer::flag("--threads", "threads", 3);
    let layers = [file.layer()].into_iter().chain(environment).chain([flag]);
    let config = Config::load(layers).unwrap().config;
    assert_eq!(config.threads, 3);
    assert_eq!(config.limits.fields, 20);
    assert_eq!(config.limits.head_bytes, ByteSize(2048));
    assert_eq!(config.limits.exchanges_per_session, 256);
}

#[test]
fn every_kind_of_value_comes_from_the_environment() {
    let tokens = format!("[{{ id = \"a\", sha256 = \"{HASH}\", names = [\"x-*\"] }}]");
    let loaded = Config::load(env(&[
        ("WINGMAN_EDGE_DEV", "false"),
        ("WINGMAN_EDGE_LISTEN", "127.0.0.1:80, [::1]:80"),
        ("WINGMAN_EDGE_BASE_DOMAIN", "share.example"),
        ("WINGMAN_EDGE_TLS__CERT", "/c.pem"),
        ("WINGMAN_EDGE_TLS__KEY", "/k.pem"),
        ("WINGMAN_EDGE_TLS__LISTEN", "[\"[::]:443\"]"),
        ("WINGMAN_EDGE_PUBLIC_SCHEME", "https"),
        ("WINGMAN_EDGE_PUBLIC_PORT", "8443"),
        ("WINGMAN_EDGE_TRUSTED_PROXIES", "10.0.0.0/8"),
        ("WINGMAN_EDGE_TOKENS", &tokens),
        ("WINGMAN_EDGE_STUN__LISTEN", "192.0.2.1:3478, [2001:db8::1]:3478"),
        ("WINGMAN_EDGE_INJECT__ENABLED", "false"),
        ("WINGMAN_EDGE_METRICS__LISTEN", "off"),
        ("WINGMAN_EDGE_LOG__FORMAT", "json"),
        ("WINGMAN_EDGE_LIMITS__HEAD_BYTES", "32 KiB"),
        ("WINGMAN_EDGE_LIMITS__CONTENT_BYTES", "1048576"),
        ("WINGMAN_EDGE_LIMITS__LINKS_PER_ADDRESS", "off"),
        ("WINGMAN_EDGE_TIMEOUTS__RESPONSE_HEAD", "2m"),
        ("WINGMAN_EDGE_TIMEOUTS__DRAIN", "500ms"),
    ]));
    let settings = loaded.unwrap().settings().unwrap();
    let listen: Vec<String> = settings.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:80", "[::1]:80"]);
    assert_eq!(settings.tls.unwrap().listen[0].to_string(), "[::]:443");
    assert_eq!(settings.public.edge_url(), "https://share.example:8443");
    assert!(settings.trusted_proxies.contains("10.1.2.3".parse().unwrap()));
    assert!(!settings.registry.is_open());
    assert_eq!(settings.stun.listen.len(), 2);
    assert!(!settings.inject);
    assert_eq!(settings.metrics, None);
    assert_eq!(settings.log_format, LogFormat::Json);
    assert_eq!(settings.limits.head_bytes, ByteSize(32 * 1024));
    assert_eq!(settings.limits.content_bytes, Switch::On(ByteSize(1 << 20)));
    assert_eq!(settings.limits.links_per_address, Switch::Off);
    let response_head = settings.timeouts.response_head;
    assert_eq!(response_head, Switch::On(Span(Duration::from_secs(120))));
    assert_eq!(settings.timeouts.drain, Span(Duration::from_millis(500)));
}

#[test]
fn odd_environment_values_are_texts() {
    for value in ["[::1]:80", "1 = 2", "a\nb = 3", "\"unclosed", ""] {
        let layers = env(&[("WINGMAN_EDGE_BASE_DOMAIN", value)]);
        let config = Config::load(layers).unwrap().config;
        assert_eq!(config.base_domain.as_deref(), Some(value));
    }
}

#[test]
fn wrong_keys_and_values_name_key_and_place() {
    let file = TomlFile::new("[limits]\nhead_byte = 1");
    let error = Config::load([file.layer()]).unwrap_err().to_string();
    let path = file.file.path().display().to_string();
    for part in ["`limits.head_byte`", &path, "did you mean `limits.head_bytes`", "limits.fields"] {
        assert!(error.contains(part), "{part} not in: {error}");
    }
    for (text, parts) in [
        ("listne = 1", &["`listne`", "did you mean `listen`", "base_domain"][..]),
        ("stn = \"x\"", &["no key `stn`", "keys here: base_domain"]),
        ("[stun]\nlisten = \"x\"", &["`stun.listen`", "or \"off\""]),
        ("[stun]\nadvertise = \"turn:a\"", &["`stun.advertise`", "not host:port"]),
        ("threads = \"many\"", &["`threads`", "string \"many\""]),
        ("listen = [\"nonsense\"]", &["`listen`", "`nonsense`", "socket address"]),
        ("listen = 80", &["`listen`", "a list of texts"]),
        ("[timeouts]\ndrain = 5", &["`timeouts.drain`", "with its unit"]),
        ("[timeouts]\ndrain = \"5 parsecs\"", &["`timeouts.drain`", "5 parsecs"]),
        ("[timeouts]\nresponse_head = \"none\"", &["`timeouts.response_head`", "or \"off\""]),
        ("[limits]\ncontent_bytes = \"1 ZiB\"", &["`limits.content_bytes`", "1 ZiB", "or \"off\""]),
        ("[limits]\nhead_bytes = -1", &["`limits.head_bytes`", "-1"]),
        ("[metrics]\nlisten = true", &["`metrics.listen`", "or \"off\""]),
        ("[tls]\ncert = \"c\"", &["`tls.key` is missing"]),
        ("[[tokens]]\nid = \"a\"", &["sha256` is missing"]),
        ("[[tokens]]\nid = \"a\"\nsha256 = \"abc\"", &["sha256`", "64 hexadecimal"]),
        ("trusted_proxies = [\"10.0.0.0/99\"]", &["`trusted_proxies`", "10.0.0.0/99"]),
        ("public_scheme = \"ftp\"", &["`public_scheme`", "ftp"]),
    ] {
        let error = toml(text).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{part} not in: {error}");
        }
        assert!(error.contains("(from file "), "{error}");
    }
    let error = Config::load(env(&[("WINGMAN_EDGE_LIMITS__FIELD", "1")])).unwrap_err().to_string();
    assert!(error.contains("environment variable WINGMAN_EDGE_LIMITS__FIELD"), "{error}");
    let layers = [Layer::flag("--metrics", "metrics.listen", "9090")];
    let error = Config::load(layers).unwrap_err().to_string();
    assert!(error.contains("flag --metrics"), "{error}");
}

#[test]
fn the_last_place_that_says_it_is_named() {
    let file = TomlFile::new(&least("threads = 1"));
    let layers = [file.layer()].into_iter().chain(env(&[("WINGMAN_EDGE_THREADS", "x")]));
    let error = Config::load(layers).unwrap_err().to_string();
    assert!(error.contains("WINGMAN_EDGE_THREADS") && !error.contains("file"), "{error}");
}

#[test]
fn files_that_are_no_configuration() {
    let error = Layer::file(Path::new("/no/such/edge.toml")).unwrap_err();
    assert!(error.to_string().contains("/no/such/edge.toml") && error.source().is_some());
    let file = TomlFile::new("base_domain = share.example");
    let error = Layer::file(file.file.path()).unwrap_err();
    assert!(error.to_string().contains("not valid TOML"));
    assert!(error.source().unwrap().to_string().contains("line 1"));
    let file = TomlFile::new("threads = 1979-05-27");
    assert!(Layer::file(file.file.path()).and_then(|layer| Config::load([layer])).is_err());
}

#[test]
fn sizes() {
    for (text, bytes) in [
        ("0", 0),
        ("65536", 65_536),
        ("64 KiB", 65_536),
        ("64k", 65_536),
        ("1MB", 1_000_000),
        ("2 GiB", 2 << 30),
    ] {
        assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
    }
    for text in ["", "KiB", "-1", "1.5 MiB", "1 XiB", "99999999999999999999", "99999999999 GiB"] {
        assert!(text.parse::<ByteSize>().is_err(), "{text}");
    }
    for (bytes, text) in [(1000, "1000 bytes"), (65_536, "64 KiB"), (1 << 20, "1 MiB")] {
        assert_eq!(ByteSize(bytes).to_string(), text);
    }
}
