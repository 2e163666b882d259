//! Starts that fail: both programs say what is wrong and what to do, to a person and to a script, and
//! end with the exit code that `--help` documents.

#[path = "startup/origin.rs"]
mod origin;
#[path = "bad_input/token_edge.rs"]
mod token_edge;

use std::{future::Future, time::Duration};

use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use wingman_tests::{Edge, EdgeOptions, HostOptions, Origin, Program, Wire, free_port, until};

use token_edge::{TokenEdge, new_token};

/// How a program ended.
struct Ended {
    code: Option<i32>,
    stdout: Vec<String>,
    all: String,
}

async fn run(
    binary: &str,
    directory: &TempDir,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Ended {
    let mut program = Program::start(binary, |command| {
        command.current_dir(directory.path());
        command.env("HOME", directory.path()).env("XDG_STATE_HOME", directory.path());
        command.env("XDG_CONFIG_HOME", directory.path());
        command.args(arguments).envs(variables.iter().copied());
    });
    let status = program.ended(Duration::from_secs(20)).await;
    // Its output is read by tasks of its own, which may be a moment behind.
    let json = arguments.contains(&"--json");
    let mut length = usize::MAX;
    until("all is read", Duration::from_secs(5), async || {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let said = match status.success() {
            true => !program.stdout().is_empty(),
            false if json => program.stdout().iter().any(|line| line.contains("\"error\"")),
            false => program.log().contains("error:"),
        };
        let now = program.log().len();
        said && std::mem::replace(&mut length, now) == now
    })
    .await;
    Ended { code: status.code(), stdout: program.stdout(), all: program.log() }
}

/// What a failed start of `wingman` must say, in both forms.
struct Expected<'a> {
    exit: i32,
    code: &'a str,
    /// In the message.
    says: &'a [&'a str],
    /// In the way out.
    hints: &'a str,
}

async fn fails(arguments: &[&str], variables: &[(&str, &str)], expected: &Expected<'_>) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let person = run("wingman", &directory, arguments, variables).await;
    assert_eq!(person.code, Some(expected.exit), "{}", person.all);
    let error = person.all.lines().find(|line| line.contains("error:")).unwrap_or_default();
    for word in expected.says {
        assert!(error.contains(word), "{word:?} is not in {:?}", person.all);
    }
    let hint = person.all.lines().find(|line| line.contains("hint:")).unwrap_or_default();
    assert!(hint.contains(expected.hints), "{:?} is not in {:?}", expected.hints, person.all);
    assert!(!person.all.contains("panicked"), "{}", person.all);

    let script = run("wingman", &directory, &[arguments, &["--json"]].concat(), variables).await;
    assert_eq!(script.code, Some(expected.exit), "{}", script.all);
    let last = script.stdout.last().unwrap_or_else(|| panic!("no line: {}", script.all));
    let line: Value = serde_json::from_str(last).expect("a JSON object");
    assert_eq!(line["event"], "error", "{line}");
    assert_eq!((&line["code"], &line["exit_code"]), (&expected.code.into(), &expected.exit.into()));
    let text = |key: &str| line[key].as_str().expect("a text").to_owned();
    for word in expected.says {
        assert!(text("message").contains(word), "{word:?} is not in {line}");
    }
    assert!(text("hint").contains(expected.hints), "{line}");
    // Nothing is said to be ready that is not.
    assert!(script.stdout.iter().all(|line| !line.contains("\"ready\"")));
}

/// Something that listens and answers every connection with these bytes.
async fn answering(bytes: &'static str) -> (u16, impl Future) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("is bound").port();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut wire = Wire::new(stream);
            if matches!(wire.head().await, Ok(Some(_))) {
                let _ = wire.try_send(bytes).await;
            }
        }
    });
    (port, task)
}

#[tokio::test]
async fn whoever_reads_nothing_does_not_keep_it() {
    // A pipe of Linux holds 64 KiB.
    let (_reader, mut full) = std::io::pipe().expect("a pipe");
    std::io::Write::write_all(&mut full, &[b' '; 65_536]).expect("an empty pipe takes all");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut program = Program::start("wingman", |command| {
        command.env("HOME", directory.path()).args([&free_port().to_string(), "--json"]);
        command.stdout(full);
    });
    assert_eq!(program.ended(Duration::from_secs(10)).await.code(), Some(3));
}

#[tokio::test]
async fn a_configuration_that_wants_json_has_failures_as_json_too() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("wingman.toml");
    std::fs::write(&path, "json = true\n").expect("is writable");
    let mut program = Program::start("wingman", |command| {
        command.env("HOME", directory.path());
        command.args([&free_port().to_string(), "--config", path.to_str().expect("text")]);
    });
    assert_eq!(program.ended(Duration::from_secs(10)).await.code(), Some(3));
    until("a line of JSON", Duration::from_secs(5), async || {
        tokio::time::sleep(Duration::from_millis(20)).await;
        program.stdout().last().is_some_and(|line| line.starts_with("{\"event\":\"error\""))
    })
    .await;
}

#[tokio::test]
async fn nothing_listens_where_the_app_should_be() {
    let edge = Edge::start().await;
    let port = free_port().to_string();
    let expected = Expected {
        exit: 3,
        code: "no-origin",
        says: &["Nothing listens on", &port],
        hints: "Start your app first",
    };
    fails(&[&port, "--edge", &edge.url()], &[], &expected).await;
}

#[tokio::test]
async fn the_edge_is_away() {
    let origin = Origin::saying("x").await;
    let away = format!("http://localhost:{}", free_port());
    let expected = Expected {
        exit: 4,
        code: "edge-unreachable",
        says: &["cannot be reached"],
        hints: "--edge",
    };
    fails(&[&origin.target(), "--edge", &away], &[], &expected).await;
    let unknown = "https://edge.invalid";
    fails(&[&origin.target(), "--edge", unknown], &[], &expected).await;
}

#[tokio::test]
async fn what_answers_is_no_edge() {
    let origin = Origin::saying("x").await;
    let expected = Expected {
        exit: 4,
        code: "not-an-edge",
        says: &["is not a wingman edge"],
        hints: "base domain",
    };
    let web = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let login = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    let other = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
    let mail = "220 mail.example ESMTP\r\n\r\n";
    for bytes in [web, login, other, mail] {
        let (port, _task) = answering(bytes).await;
        let url = format!("http://localhost:{port}");
        fails(&[&origin.target(), "--edge", &url], &[], &expected).await;
    }
}

#[tokio::test]
async fn the_edge_and_the_host_do_not_agree_on_tls() {
    let origin = Origin::saying("x").await;
    let secure = EdgeOptions::default().tls().start().await;
    let plain = format!("https://localhost:{}", secure.port());
    let edge_tls = |says, hints| Expected { exit: 4, code: "edge-tls", says, hints };
    let strange = edge_tls(&["No secure connection", "UnknownIssuer"], "--ca-file");
    fails(&[&origin.target(), "--edge", &secure.url()], &[], &strange).await;
    let no_tls = edge_tls(&["No secure connection"], "with http://");
    fails(&[&origin.target(), "--edge", &plain], &[], &no_tls).await;
    // As a container without ca-certificates.
    let bare = [("SSL_CERT_FILE", "/nonexistent/roots.pem")];
    let no_roots = edge_tls(&["this machine has no root certificates"], "root certificates");
    fails(&[&origin.target(), "--edge", &secure.url()], &bare, &no_roots).await;
}

/// Proxies in front of an edge that do not know WebSockets drop the handshake's fields, all or some. A real
/// edge answers what is left of it.
#[tokio::test]
async fn a_proxy_on_the_way_drops_the_handshake() {
    let origin = Origin::saying("x").await;
    let edge = Edge::start().await;
    let expected = Expected {
        exit: 4,
        code: "no-websocket",
        says: &["WebSockets do not reach the edge"],
        hints: "must pass Upgrade",
    };
    for dropped in [&["upgrade", "connection"][..], &["sec-websocket-protocol"]] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://localhost:{}", listener.local_addr().expect("is bound").port());
        let proxy = async {
            while let Ok((stream, _)) = listener.accept().await {
                let mut host = Wire::new(stream);
                let Ok(Some(head)) = host.head().await else { continue };
                let mut passed = format!("{}\r\n", head.start);
                for (name, value) in &head.fields {
                    if !dropped.contains(&&*name.to_lowercase()) {
                        passed.push_str(&format!("{name}: {value}\r\n"));
                    }
                }
                let mut visitor = edge.visit().await;
                visitor.send(passed + "\r\n").await;
                let answer = visitor.head().await.expect("whole").expect("an answer");
                let mut passed = format!("{}\r\n", answer.start);
                for (name, value) in &answer.fields {
                    passed.push_str(&format!("{name}: {value}\r\n"));
                }
                let _ = host.try_send(passed + "\r\n").await;
            }
        };
        let target = origin.target();
        let arguments = [&*target, "--edge", &url];
        tokio::select! {
            () = proxy => panic!("the proxy ended"),
            () = fails(&arguments, &[], &expected) => {}
        }
    }
}

#[tokio::test]
async fn an_edge_that_hangs_up() {
    let origin = Origin::saying("x").await;
    let (port, _task) = answering("").await;
    let expected = Expected {
        exit: 4,
        code: "edge-unreachable",
        says: &["cannot be reached", "closes the connection without an answer"],
        hints: "--edge",
    };
    let url = format!("http://localhost:{port}");
    fails(&[&origin.target(), "--edge", &url], &[], &expected).await;
}

#[tokio::test]
async fn versions_do_not_match() {
    let origin = Origin::saying("x").await;
    let newer = "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Protocol: wingman.999\r\n\
                 Wingman-Error: version-mismatch\r\nContent-Length: 0\r\n\r\n";
    let older = "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Protocol: wingman.0\r\n\
                 Wingman-Error: version-mismatch\r\nContent-Length: 0\r\n\r\n";
    let silent = "HTTP/1.1 426 Upgrade Required\r\nWingman-Error: version-mismatch\r\n\
                  Content-Length: 0\r\n\r\n";
    let cases: [(&str, &[&str], &str); 3] = [
        (newer, &["protocol version 1", "version 999"], "Upgrade wingman on this machine"),
        (older, &["protocol version 1", "version 0"], "The edge is older"),
        (silent, &["protocol version 1"], "or ask the edge"),
    ];
    for (bytes, says, hints) in cases {
        let (port, _task) = answering(bytes).await;
        let expected = Expected { exit: 6, code: "version-mismatch", says, hints };
        fails(&[&origin.target(), "--edge", &format!("http://localhost:{port}")], &[], &expected)
            .await;
    }
}

#[tokio::test]
async fn the_token_is_missing_or_refused() {
    let origin = Origin::saying("x").await;
    let edge = TokenEdge::start().await;
    let url = format!("http://localhost:{}", edge.port);
    let arguments = [&*origin.target(), "--edge", &url];
    let missing = Expected {
        exit: 5,
        code: "token-missing",
        says: &["wants a token"],
        hints: "--token-file",
    };
    fails(&arguments, &[], &missing).await;
    let refused = Expected {
        exit: 5,
        code: "token-refused",
        says: &["does not accept the token"],
        hints: "operator",
    };
    let (stranger, _) = new_token(&[]).await;
    fails(&arguments, &[("WINGMAN_TOKEN", &stranger)], &refused).await;

    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("token");
    std::fs::write(&file, "").expect("is writable");
    let file = file.to_string_lossy().into_owned();
    let arguments = [&arguments[..], &["--token-file", &file]].concat();
    let empty = Expected { exit: 2, code: "bad-config", says: &["is empty"], hints: "token new" };
    fails(&arguments, &[], &empty).await;
    let absent = [&arguments[..4], &["/nonexistent/token"]].concat();
    let unreadable =
        Expected { exit: 2, code: "bad-config", says: &["cannot be read"], hints: "path" };
    fails(&absent, &[], &unreadable).await;
    // It is not told to anybody, however much the log is to say.
    for level in ["warn", "trace"] {
        let arguments = [&arguments[..3], &["--log-level", level]].concat();
        let told = run("wingman", &directory, &arguments, &[("WINGMAN_TOKEN", &stranger)]).await;
        assert!(!told.all.contains(&stranger), "{}", told.all);
    }
}

#[tokio::test]
async fn the_name_is_not_to_be_had() {
    let origin = Origin::saying("x").await;
    let edge = TokenEdge::start().await;
    let url = format!("http://localhost:{}", edge.port);
    let named = |name: &'static str| {
        [origin.target(), "--edge".into(), url.clone(), "--name".into(), name.into()]
    };
    let token = [("WINGMAN_TOKEN", &*edge.token)];
    let cases = [
        ("other", "name-not-allowed", "does not allow it", "Leave --name out"),
        ("www", "name-invalid", "not allowed as a session name", "63 letters"),
    ];
    for (name, code, says, hints) in cases {
        let says = &[name, says];
        let arguments = named(name);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        fails(&arguments, &token, &Expected { exit: 5, code, says, hints }).await;
    }
}

#[tokio::test]
async fn a_name_that_another_host_has() {
    let origin = Origin::saying("x").await;
    let edge = Edge::start().await;
    let _owner = HostOptions::default().name("shop").start(&edge, &origin.target()).await;
    let expected = Expected {
        exit: 5,
        code: "name-taken",
        says: &["shop", "another host uses it"],
        hints: "Choose another --name",
    };
    fails(&[&origin.target(), "--edge", &edge.url(), "--name", "shop"], &[], &expected).await;
}

#[tokio::test]
async fn the_configuration_or_the_target_makes_no_sense() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("is writable");
        path.to_string_lossy().into_owned()
    };
    let config = |code, says, hints| Expected { exit: 2, code, says, hints };
    let unknown = write("unknown.toml", "edgge = \"https://wingman.dev\"\n");
    fails(
        &["3000", "--config", &unknown],
        &[],
        &config("bad-config", &["edgge", "unknown.toml"], "edge"),
    )
    .await;
    let nested = write("nested.toml", "[origin]\nhead_timout = \"1s\"\n");
    let expected = config("bad-config", &["origin.head_timout"], "head_timeout");
    fails(&["3000", "--config", &nested], &[], &expected).await;
    let syntax = write("syntax.toml", "edge = \n");
    fails(&["3000", "--config", &syntax], &[], &config("bad-config", &["not valid TOML"], ""))
        .await;
    let value = write("value.toml", "[origin]\nhead_timeout = \"soon\"\n");
    fails(&["3000", "--config", &value], &[], &config("bad-config", &["head_timeout"], "")).await;
    let expected = config("bad-config", &["cannot be read"], "path");
    fails(&["3000", "--config", "/nonexistent/host.toml"], &[], &expected).await;
    let variable = [("WINGMAN_EGDE", "https://wingman.dev")];
    fails(&["3000"], &variable, &config("bad-config", &["WINGMAN_EGDE"], "WINGMAN_EDGE")).await;
    for target in ["99999", "0", "not a url", "ftp://localhost/", "http://"] {
        fails(&[target], &[], &config("bad-target", &[], "wingman 3000")).await;
    }
    fails(&[], &[], &config("bad-target", &["Nothing says what to share"], "wingman 3000")).await;
}

#[tokio::test]
async fn unknown_flags_are_told() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for binary in ["wingman", "wingman-edge"] {
        let ended = run(binary, &directory, &["--nonsense"], &[]).await;
        assert_eq!(ended.code, Some(2));
        assert!(ended.all.contains("--nonsense") && ended.all.contains("--help"), "{}", ended.all);
    }
}

#[tokio::test]
async fn help_names_every_flag_and_every_exit_code() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let host = run("wingman", &directory, &["--help"], &[]).await;
    assert_eq!(host.code, Some(0));
    for flag in [
        "--edge",
        "--name",
        "--token-file",
        "--json",
        "--host-header",
        "--insecure",
        "--origin-protocol",
        "--ca-file",
        "--config",
        "--no-qr",
        "--log-level",
        "--log-query",
        "--exit-on-disconnect",
        "--version",
        "WINGMAN_TOKEN",
        "Exit codes",
    ] {
        assert!(host.stdout.iter().any(|line| line.contains(flag)), "{flag}");
    }
    for exit in 0..8 {
        let line = format!("  {exit}  ");
        assert!(host.stdout.iter().any(|known| known.starts_with(&line)), "exit code {exit}");
    }
    let edge = run("wingman-edge", &directory, &["--help"], &[]).await;
    for flag in [
        "--config",
        "--dev",
        "--listen",
        "--base-domain",
        "--metrics",
        "--log-level",
        "--check-config",
        "token",
    ] {
        assert!(edge.stdout.iter().any(|line| line.contains(flag)), "{flag}");
    }
    let version = run("wingman", &directory, &["--version"], &[]).await;
    assert!(version.all.contains("protocol 1"), "{}", version.all);
}

#[tokio::test]
async fn tokens_are_made_and_only_their_hash_is_kept() {
    let (token, table) = new_token(&["--id", "alice", "--name", "demo", "--name", "alice-*"]).await;
    let (other, _) = new_token(&[]).await;
    assert_ne!(token, other);
    assert!(!table.contains(&token), "{table}");
    for part in ["id = \"alice\"", "sha256 = \"", "\"demo\"", "\"alice-*\""] {
        assert!(table.contains(part), "{part} is not in {table}");
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let config = format!("base_domain = \"share.example\"\n{table}");
    std::fs::write(directory.path().join("edge.toml"), config).expect("is writable");
    let arguments = ["--config", "edge.toml", "--check-config"];
    let checked = run("wingman-edge", &directory, &arguments, &[]).await;
    assert_eq!(checked.code, Some(0), "{}", checked.all);
    assert!(checked.all.contains("http://share.example"), "{}", checked.all);
    let bad = run("wingman-edge", &directory, &["token", "new", "--name", "a b"], &[]).await;
    assert_eq!(bad.code, Some(2), "{}", bad.all);
}

#[tokio::test]
async fn an_edge_whose_port_is_taken_says_which() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let held = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let taken = held.local_addr().expect("is bound");
    let free = format!("127.0.0.1:{}", free_port());
    for (listen, metrics) in [(taken.to_string(), free.clone()), (free.clone(), taken.to_string())]
    {
        let arguments = ["--dev", "--listen", &listen, "--metrics", &metrics];
        let ended = run("wingman-edge", &directory, &arguments, &[]).await;
        assert_eq!(ended.code, Some(1), "{}", ended.all);
        assert!(ended.all.contains(&format!("cannot listen on {taken}")), "{}", ended.all);
        assert!(ended.all.contains("in use"), "{}", ended.all);
    }
    let variable = [("WINGMAN_EDGE_LISTTEN", "x")];
    let ended = run("wingman-edge", &directory, &["--dev"], &variable).await;
    assert_eq!(ended.code, Some(2), "{}", ended.all);
    assert!(ended.all.contains("WINGMAN_EDGE_LISTTEN"), "{}", ended.all);
}
