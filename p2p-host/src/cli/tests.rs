use clap::{CommandFactory, error::ErrorKind};

use super::*;
use crate::status::Exit;

fn parse(args: &[&str]) -> Cli {
    Cli::try_parse_from([&["wingman"], args].concat()).expect("valid arguments")
}

fn refuse(args: &[&str]) -> clap::Error {
    Cli::try_parse_from([&["wingman"], args].concat()).expect_err("invalid arguments")
}

#[test]
fn the_command_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn every_flag_becomes_its_key() {
    let cli = parse(&[
        "3000",
        "--edge=https://e.example",
        "--name=shop",
        "--token-file=/t",
        "--json",
        "--host-header=preserve",
        "--relay-only",
        "--relay-only-path=/api/",
        "--relay-only-path=/upload",
        "--no-badge",
        "--no-inject",
        "--insecure",
        "--origin-protocol=h2c",
        "--ca-file=/c",
        "--config=/f",
        "--no-qr",
        "--log-level=debug",
        "--log-query",
        "--exit-on-disconnect",
        "--metrics=127.0.0.1:9091",
    ]);
    let keys = serde_json::to_value(cli.overrides()).expect("plain data");
    let expected = serde_json::json!({
        "target": "3000",
        "edge": "https://e.example",
        "name": "shop",
        "token_file": "/t",
        "json": true,
        "host_header": "preserve",
        "p2p_enabled": false,
        "relay_only_paths": ["/api/", "/upload"],
        "badge": false,
        "inject": false,
        "insecure": true,
        "origin_protocol": "h2c",
        "ca_file": "/c",
        "qr": false,
        "log_level": "debug",
        "log_query": true,
        "exit_on_disconnect": true,
        "metrics": "127.0.0.1:9091"
    });
    assert_eq!(keys, expected);
    assert_eq!(cli.config.as_deref(), Some("/f".as_ref()));
}

#[test]
fn absent_flags_say_nothing() {
    assert!(parse(&[]).overrides().is_empty());
}

#[test]
fn wrong_usage_exits_with_the_documented_code() {
    let cases: [(&[&str], ErrorKind); 5] = [
        (&["3000", "4000"], ErrorKind::UnknownArgument),
        (&["3000", "--tokn"], ErrorKind::UnknownArgument),
        (&["3000", "--token", "secret"], ErrorKind::UnknownArgument),
        (&["3000", "--origin-protocol", "spdy"], ErrorKind::InvalidValue),
        (&["3000", "--log-level"], ErrorKind::InvalidValue),
    ];
    for (args, kind) in cases {
        let error = refuse(args);
        assert_eq!(error.kind(), kind, "{args:?}");
        assert_eq!(error.exit_code(), i32::from(Exit::Usage.code()), "{args:?}");
    }
}

#[test]
fn help_teaches_examples_and_every_exit_code() {
    let help = Cli::command().render_long_help().to_string();
    assert!(help.contains("wingman 5173 --name shop"), "{help}");
    assert!(help.contains("WINGMAN_TOKEN"), "{help}");
    for exit in Exit::ALL {
        let line = format!("  {}  {}\n", exit.code(), exit.meaning());
        assert!(help.contains(&line), "{line}");
    }
    let short = Cli::command().render_help().to_string();
    assert!(short.lines().count() < 80, "{short}");
}

#[test]
fn the_examples_are_valid() {
    let help = super::help::AFTER.as_str();
    let examples: Vec<Vec<&str>> = help
        .lines()
        .filter_map(|line| line.split_once("wingman ").filter(|_| line.starts_with("  ")))
        .filter(|(before, _)| before.trim().is_empty() || before.contains("TOKEN=…"))
        .map(|(_, args)| args.split_whitespace().take_while(|arg| *arg != "|").collect())
        .collect();
    assert_eq!(examples.len(), 6, "{help}");
    for args in examples {
        assert!(parse(&args).target.is_some(), "{args:?}");
    }
}

#[test]
fn the_version_names_the_protocol() {
    let version = refuse(&["--version"]).to_string();
    let expected =
        format!("wingman {} (protocol {})\n", env!("CARGO_PKG_VERSION"), wingman_wire::VERSION);
    assert_eq!(version, expected);
}
