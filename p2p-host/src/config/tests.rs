use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

const EXAMPLE: &str = include_str!("../../../conf/host.toml");

/// A home directory, with or without a configuration file.
struct Home {
    dir: TempDir,
    environment: Environment,
}

impl Home {
    fn new() -> Self {
        let dir = TempDir::new().expect("a directory");
        let mut environment = Environment::default();
        let home = dir.path().to_str().expect("Unicode").to_owned();
        environment.variables.insert("HOME".into(), home);
        Self { dir, environment }
    }

    fn file(self, text: &str) -> Self {
        self.write(".config/wingman/host.toml", text);
        self
    }

    fn var(mut self, name: &str, value: &str) -> Self {
        self.environment.variables.insert(name.into(), value.into());
        self
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        fs::write(&path, text).expect("a file");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
        }
        path
    }

    fn load(&self, args: &[&str]) -> Result<Loaded, ConfigError> {
        use clap::Parser as _;
        let cli = Cli::try_parse_from([&["wingman"], args].concat()).expect("valid arguments");
        Config::load(&cli, &self.environment)
    }

    fn error(&self, args: &[&str]) -> String {
        self.load(args).expect_err("a broken configuration").to_string()
    }
}

#[test]
fn without_anything_the_defaults_hold() {
    let loaded = Home::new().load(&["3000"]).expect("a configuration");
    let target = loaded.target.clone();
    assert_eq!(target.to_string(), "http://localhost:3000");
    assert_eq!(loaded.config, Config { target: Some(target), ..Config::default() });
    assert_eq!((loaded.token, loaded.file), (None, None));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert!(matches!(Home::new().load(&[]), Err(ConfigError::NoTarget)));
}

#[test]
fn later_layers_override_earlier_ones() {
    let home = Home::new().file(
        "target = 1111\nedge = 'https://file.example'\nname = 'file'\n\
         [heartbeat]\nperiod = '1s'\ndeadline = '9s'\n",
    );
    let loaded = home.load(&[]).expect("file");
    assert_eq!(loaded.target.port(), 1111, "a number is taken as text");
    assert_eq!(loaded.config.edge.to_string(), "https://file.example");
    assert_eq!(loaded.config.heartbeat.period, Duration::from_secs(1));

    let home = home.var("WINGMAN_NAME", "123").var("WINGMAN_HEARTBEAT__PERIOD", "2s");
    let home = home.var("WINGMAN_TARGET", "2222").var("WINGMAN_EDGE", "");
    let loaded = home.load(&[]).expect("environment");
    assert_eq!(loaded.config.name.as_deref(), Some("123"), "a name of digits stays text");
    assert_eq!(loaded.target.port(), 2222);
    assert_eq!(loaded.config.heartbeat.period, Duration::from_secs(2));
    assert_eq!(loaded.config.heartbeat.deadline, Duration::from_secs(9), "tables merge");
    assert_eq!(loaded.config.edge.host(), "file.example", "an empty variable is none");

    let loaded = home.load(&["3333", "--name", "flag"]).expect("flags");
    assert_eq!((loaded.target.port(), loaded.config.name.as_deref()), (3333, Some("flag")));
}

#[test]
fn every_key_can_come_from_the_environment() {
    let values = [
        ("WINGMAN_TARGET", "https://localhost:8443"),
        ("WINGMAN_EDGE", "localhost:8080"),
        ("WINGMAN_NAME", "shop"),
        ("WINGMAN_TOKEN", "12345"),
        ("WINGMAN_CA_FILE", "/ca"),
        ("WINGMAN_HOST_HEADER", "app.test"),
        ("WINGMAN_INSECURE", "1"),
        ("WINGMAN_ORIGIN_PROTOCOL", "h2c"),
        ("WINGMAN_JSON", "true"),
        ("WINGMAN_QR", "off"),
        ("WINGMAN_LOG_LEVEL", "trace"),
        ("WINGMAN_LOG_QUERY", "yes"),
        ("WINGMAN_EXIT_ON_DISCONNECT", "TRUE"),
        ("WINGMAN_METRICS", "[::1]:9091"),
        ("WINGMAN_HEARTBEAT__PERIOD", "1s"),
        ("WINGMAN_HEARTBEAT__DEADLINE", "2s"),
        ("WINGMAN_RECONNECT__INITIAL", "1ms"),
        ("WINGMAN_RECONNECT__CAP", "2ms"),
        ("WINGMAN_ORIGIN__CONNECT_TIMEOUT", "3s"),
        ("WINGMAN_ORIGIN__HEAD_TIMEOUT", "1h"),
        ("WINGMAN_P2P_ENABLED", "false"),
        ("WINGMAN_P2P_TIMEOUT_MS", "2000"),
        ("WINGMAN_STUN_SERVERS", "a.example:3478, stun:b.example:1"),
        ("WINGMAN_RELAY_ONLY_PATHS", "/api/,/upload"),
        ("WINGMAN_BADGE", "false"),
        ("WINGMAN_INJECT", "false"),
        ("WINGMAN_LIMITS__EXCHANGES", "9"),
        ("WINGMAN_LIMITS__PEERS", "8"),
        ("WINGMAN_LIMITS__PEERS_PER_VISITOR", "7"),
        ("WINGMAN_LIMITS__EXCHANGES_PER_PEER", "6"),
    ];
    let mut home = Home::new();
    for (name, value) in values {
        home = home.var(name, value);
    }
    let loaded = home.load(&[]).expect("a configuration");
    let second = Duration::from_secs(1);
    let expected = Config {
        target: Some("https://localhost:8443".parse().expect("a target")),
        edge: "http://localhost:8080".parse().expect("an edge"),
        name: Some("shop".into()),
        token: Some(Token::parse("12345").expect("a token")),
        token_file: None,
        ca_file: Some("/ca".into()),
        host_header: "app.test".parse().expect("a host"),
        insecure: true,
        origin_protocol: OriginProtocol::H2c,
        json: true,
        qr: false,
        log_level: LogLevel::Trace,
        log_query: true,
        exit_on_disconnect: true,
        metrics: Some("[::1]:9091".parse().expect("an address")),
        p2p_enabled: false,
        p2p_timeout_ms: 2_000,
        stun_servers: ["a.example:3478", "b.example:1"]
            .map(|text| text.parse().expect("a server"))
            .into(),
        relay_only_paths: ["/api/", "/upload"].map(|text| text.parse().expect("a path")).into(),
        badge: false,
        inject: false,
        heartbeat: Heartbeat { period: second, deadline: 2 * second },
        reconnect: Reconnect { initial: second / 1000, cap: second / 500 },
        origin: OriginTimeouts { connect_timeout: 3 * second, head_timeout: 3600 * second },
        limits: Limits { exchanges: 9, peers: 8, peers_per_visitor: 7, exchanges_per_peer: 6 },
    };
    assert_eq!(loaded.config, expected);
    assert_eq!(loaded.token.expect("a token").expose(), "12345");
    // All but `token_file`, which excludes `token`.
    assert_eq!(values.len() + 1, all_keys().len(), "a key is missing in this test");
}

#[test]
fn what_the_edge_has_too_needs_no_prefix() {
    let home =
        Home::new().var("P2P_ENABLED", "0").var("STUN_SERVERS", "a.example:3478,b.example:1");
    let home = home.var("P2P_TIMEOUT_MS", "500");
    let config = home.load(&["3000"]).expect("a configuration").config;
    assert_eq!((config.p2p_enabled, config.p2p_timeout_ms), (false, 500));
    assert_eq!(config.stun_servers.len(), 2);
    // The one that is meant for the host alone wins.
    let config = home.var("WINGMAN_P2P_ENABLED", "1").load(&["3000"]).expect("both").config;
    assert!(config.p2p_enabled);
}

#[test]
fn the_example_file_mentions_every_key_with_its_default() {
    let home = Home::new().file(EXAMPLE);
    let loaded = home.load(&["3000"]).expect("conf/host.toml loads");
    let expected = Config { target: Some(loaded.target.clone()), ..Config::default() };
    assert_eq!(loaded.config, expected);

    // Uncommented, the examples are valid and cover the keys without a default.
    let all: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if is_assignment(rest) && !rest.starts_with("token =") => rest,
            _ => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let home = Home::new().file(&all);
    home.write(".config/wingman/token", "secret");
    let loaded = home.load(&[]).expect("the examples are valid");
    assert_eq!(loaded.config.name.as_deref(), Some("shop"));
    assert_eq!(loaded.config.ca_file, Some(home.dir.path().join(".config/wingman/edge-ca.pem")));
    assert_eq!(loaded.token.expect("a token").expose(), "secret");

    let mut table = String::new();
    let mut mentioned = Vec::new();
    for line in EXAMPLE.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            table = format!("{name}.");
        } else if let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ")
            && is_assignment(line.trim_start_matches("# "))
        {
            mentioned.push(format!("{table}{key}"));
        }
    }
    mentioned.sort_unstable();
    assert_eq!(mentioned, all_keys());
}

#[test]
fn an_unknown_key_names_its_place_and_what_exists() {
    let home = Home::new().file("edgee = 'x'\n");
    let error = home.load(&["3000"]).expect_err("unknown");
    let path = home.dir.path().join(".config/wingman/host.toml");
    assert_eq!(error.to_string(), format!("Unknown key `edgee` in {}", path.display()));
    let hint = error.hint();
    assert!(hint.starts_with("Did you mean edge? Keys there: badge, ca_file, edge, "), "{hint}");

    let home = Home::new().file("[heartbeat]\nperoid = '1s'\n");
    let error = home.load(&["3000"]).expect_err("unknown");
    assert!(error.to_string().starts_with("Unknown key `heartbeat.peroid` in "), "{error}");
    assert_eq!(
        error.hint(),
        "Did you mean heartbeat.period? Keys there: heartbeat.deadline, heartbeat.period."
    );

    for wrong in
        ["WINGMAN_TOKN", "WINGMAN_HEARTBEAT__PEROID", "WINGMAN_HEARTBEAT", "WINGMAN_A__B__C"]
    {
        let error = Home::new().var(wrong, "x").load(&["3000"]).expect_err(wrong);
        assert_eq!(error.to_string(), format!("Unknown environment variable {wrong}"));
        assert!(error.hint().contains("WINGMAN_HEARTBEAT__PERIOD"), "{}", error.hint());
    }
    let tokn = Home::new().var("WINGMAN_TOKN", "x").load(&["3000"]).expect_err("unknown");
    assert!(tokn.hint().starts_with("Did you mean WINGMAN_TOKEN?"), "{}", tokn.hint());

    // The edge may run on the same machine, with variables of its own.
    Home::new().var("WINGMAN_EDGE_LISTEN", "x").load(&["3000"]).expect("not ours");
}

#[test]
fn a_wrong_value_names_where_it_was_set() {
    let home = Home::new().file("qr = 'maybe'\n");
    let path = home.dir.path().join(".config/wingman/host.toml");
    let file = path.display();
    assert_eq!(
        home.error(&["3000"]),
        format!("`qr` in {file} is not valid: it is a boolean, not string \"maybe\"")
    );
    let cases: [(Home, &[&str], String); 13] = [
        (
            Home::new().var("WINGMAN_HEARTBEAT__PERIOD", "soon"),
            &["1"],
            "WINGMAN_HEARTBEAT__PERIOD is not valid: ".into(),
        ),
        (
            Home::new().var("WINGMAN_JSON", "maybe"),
            &["1"],
            "WINGMAN_JSON is not valid: it is true or false".into(),
        ),
        (
            Home::new().var("WINGMAN_LIMITS__EXCHANGES", "-1"),
            &["1"],
            "WINGMAN_LIMITS__EXCHANGES is not valid: it is a whole number".into(),
        ),
        (
            Home::new().var("WINGMAN_LIMITS__EXCHANGES", "0"),
            &["1"],
            "WINGMAN_LIMITS__EXCHANGES is not valid: it is at least 1".into(),
        ),
        (
            Home::new().var("WINGMAN_HEARTBEAT__PERIOD", "30s"),
            &["1"],
            "`heartbeat.deadline` is not valid: it is longer than heartbeat.period".into(),
        ),
        (
            Home::new().var("WINGMAN_RECONNECT__CAP", "1ms"),
            &["1"],
            "WINGMAN_RECONNECT__CAP is not valid: it is not shorter".into(),
        ),
        (
            Home::new().var("WINGMAN_ORIGIN__CONNECT_TIMEOUT", "0s"),
            &["1"],
            "WINGMAN_ORIGIN__CONNECT_TIMEOUT is not valid: it is from 1ms to 1day".into(),
        ),
        (Home::new(), &["0"], "What to share (PORT|URL) is not valid: 0 is not a port".into()),
        (
            Home::new(),
            &["1", "--edge", "ftp://x"],
            "--edge is not valid: the scheme is http or https, not ftp".into(),
        ),
        (
            Home::new(),
            &["1", "--host-header", "a b"],
            "--host-header is not valid: it is origin, preserve, or a host name".into(),
        ),
        (
            Home::new(),
            &["1", "--metrics", "0.0.0.0:9091"],
            "--metrics is not valid: it is an address of this machine alone".into(),
        ),
        (Home::new(), &["1", "--metrics", "9091"], "--metrics is not valid: ".into()),
        (
            Home::new().var("WINGMAN_LOG_LEVEL", "loud"),
            &["1"],
            "WINGMAN_LOG_LEVEL is not valid: ".into(),
        ),
    ];
    for (home, args, start) in cases {
        let error = home.error(args);
        assert!(error.starts_with(&start), "{error}\nshould start with\n{start}");
    }
    let home = Home::new().file("heartbeat = '5s'\n");
    assert!(home.error(&["1"]).ends_with("is not valid: it is a table: [heartbeat]"));
}

#[test]
fn broken_files_are_told_without_their_secrets() {
    let home = Home::new().file("edge = 'https://e'\ntoken = \"wm_secret\nname = 'x'\n");
    let error = home.error(&["3000"]);
    assert!(error.contains("is not valid TOML: ") && error.contains("line 2"), "{error}");
    assert!(!error.contains("wm_secret"), "{error}");
    let error = Home::new().load(&["3000", "--config", "/nowhere/host.toml"]).expect_err("missing");
    assert!(matches!(error, ConfigError::Unreadable { .. }), "{error}");
    let home = Home::new().file("token = ['wm_secret']\n");
    let error = home.error(&["3000"]);
    assert!(error.starts_with("`token` in ") && !error.contains("wm_secret"), "{error}");
}

#[test]
fn the_file_is_found_where_it_is_said_to_be() {
    let home = Home::new().file("name = 'home'\n");
    let xdg = home.write("xdg/wingman/host.toml", "name = 'xdg'\n");
    let named = home.write("named.toml", "name = 'named'\n");
    let name = |home: &Home, args: &[&str]| {
        home.load(args).expect("a configuration").config.name.expect("a name")
    };
    assert_eq!(name(&home, &["1"]), "home");
    let home = home.var("XDG_CONFIG_HOME", "relative/is/ignored");
    assert_eq!(name(&home, &["1"]), "home");
    let base = xdg.parent().and_then(Path::parent).and_then(Path::to_str).expect("Unicode");
    let home = home.var("XDG_CONFIG_HOME", base);
    assert_eq!(name(&home, &["1"]), "xdg");
    let named = named.to_str().expect("Unicode");
    let home = home.var("WINGMAN_CONFIG", named);
    assert_eq!(name(&home, &["1"]), "named");
    assert_eq!(name(&home, &["1", "--config", xdg.to_str().expect("Unicode")]), "xdg");
}

#[test]
fn the_highest_layer_with_a_secret_wins() {
    let home = Home::new().file("token = 'from-file'\n");
    let path = home.write("token", " \n from-token-file \n");
    let path = path.to_str().expect("Unicode");
    let token = |home: &Home, args: &[&str]| {
        home.load(args).expect("a configuration").token.expect("a token").expose().to_owned()
    };
    assert_eq!(token(&home, &["1"]), "from-file");
    assert_eq!(token(&home, &["1", "--token-file", path]), "from-token-file");
    let home = home.var("WINGMAN_TOKEN_FILE", path);
    assert_eq!(token(&home, &["1"]), "from-token-file");
    let both = home.var("WINGMAN_TOKEN", "from-variable");
    assert!(both.error(&["1"]).contains("token is set too"), "{}", both.error(&["1"]));
    let home = Home::new().file("token_file = 'absent'\n").var("WINGMAN_TOKEN", "from-variable");
    assert_eq!(token(&home, &["1"]), "from-variable", "the lower one is not even read");
}

#[test]
fn a_token_file_that_is_none_says_so() {
    let home = Home::new();
    let refuse = |path: &str| home.load(&["1", "--token-file", path]).expect_err("no token");
    let at = |name: &str, text: &str| home.write(name, text).to_str().expect("Unicode").to_owned();
    assert!(matches!(refuse("/nowhere/token"), ConfigError::TokenUnreadable { .. }));
    assert!(matches!(refuse(&at("empty", " \n")), ConfigError::TokenEmpty { .. }));
    assert!(matches!(refuse(&at("two", "a\nb")), ConfigError::TokenInvalid { .. }));
    let large = refuse(&at("large", &"x".repeat(5_000)));
    assert!(matches!(large, ConfigError::TokenUnreadable { .. }), "{large:?}");
}

#[cfg(unix)]
#[test]
fn secrets_that_all_can_read_are_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new().file("token = 'secret'\n");
    let file = home.dir.path().join(".config/wingman/host.toml");
    let token = home.write("token", "secret");
    let args = ["1", "--token-file", token.to_str().expect("Unicode")];
    for (path, args) in [(&token, &args[..]), (&file, &["1"])] {
        assert!(home.load(args).expect("loads").warnings.is_empty());
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("permissions");
        let warnings = home.load(args).expect("loads").warnings;
        assert!(warnings.len() == 1 && warnings[0].contains("chmod 600"), "{warnings:?}");
    }
}

#[test]
fn a_token_in_clear_over_a_network_is_warned_of() {
    let home = Home::new().var("WINGMAN_TOKEN", "secret");
    let warnings = |edge| home.load(&["1", "--edge", edge]).expect("loads").warnings;
    assert_eq!(
        warnings("http://10.0.0.1"),
        ["The token goes to http://10.0.0.1 without encryption"]
    );
    assert!(warnings("http://localhost:8080").is_empty());
    assert!(warnings("https://10.0.0.1").is_empty());
}

#[test]
fn a_loaded_configuration_never_shows_its_secret() {
    let home = Home::new().var("WINGMAN_TOKEN", "wm_secret");
    let loaded = home.load(&["1"]).expect("a configuration");
    assert!(!format!("{loaded:?}").contains("wm_secret"), "{loaded:?}");
    let json = serde_json::to_string(&loaded.config).expect("serializes");
    assert!(json.contains("\"token\":\"…\""), "{json}");
}

/// `table.key` of every key, sorted.
fn all_keys() -> Vec<String> {
    let mut keys = Vec::new();
    for (key, value) in shape() {
        match value.as_dict() {
            Some(table) => keys.extend(table.keys().map(|inner| format!("{key}.{inner}"))),
            None => keys.push(key),
        }
    }
    keys.sort_unstable();
    keys
}

fn is_assignment(line: &str) -> bool {
    line.split_once(" = ").is_some_and(|(key, _)| {
        !key.is_empty() && key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    })
}
