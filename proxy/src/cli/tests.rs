use clap::CommandFactory as _;

use super::*;
use crate::config::{Settings, SettingsError};

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

fn settings(line: &str, environment: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let environment = environment.iter().map(|(name, value)| (name.into(), value.into()));
    parse(line).unwrap().serve.load(environment)?.settings()
}

fn run(line: &str, input: &str) -> Result<String, TokenCommandError> {
    let Some(Command::Token(command)) = parse(line).unwrap().command else { panic!("{line}") };
    let mut output = Vec::new();
    command.run(input.as_bytes(), &mut output)?;
    Ok(String::from_utf8(output).unwrap())
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn help_teaches() {
    let help = Cli::command().render_long_help().to_string();
    for part in [
        "--config",
        "WINGMAN_EDGE_LIMITS__HEAD_BYTES",
        "--dev",
        "--listen",
        "--base-domain",
        "--metrics",
        "--stun",
        "--log-level",
        "--check-config",
        "token new --id alice",
    ] {
        assert!(help.contains(part), "{part} not in:\n{help}");
    }
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = "dev = true\nbase_domain = \"file.test\"\nthreads = 1\n[log]\nlevel = \"warn\"";
    std::fs::write(file.path(), text).unwrap();
    let line = format!("wingman-edge --config {} --base-domain flag.test", file.path().display());
    let environment =
        [("WINGMAN_EDGE_BASE_DOMAIN", "env.test"), ("WINGMAN_EDGE_LOG__LEVEL", "debug")];
    let settings = settings(&line, &environment).unwrap();
    assert_eq!(settings.public.base_domain.as_str(), "flag.test");
    assert_eq!(settings.log_level, "debug");
    assert_eq!(settings.threads.get(), 1);
}

#[test]
fn every_flag_reaches_its_setting() {
    let line = "wingman-edge --dev --listen 127.0.0.1:1 --listen [::1]:2 --base-domain a.test \
                --metrics 127.0.0.1:3 --stun 127.0.0.1:4 --stun [::1]:5 --log-level trace";
    let settings = settings(line, &[]).unwrap();
    let listen: Vec<_> = settings.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:1", "[::1]:2"]);
    assert_eq!(settings.metrics.unwrap().port(), 3);
    let stun: Vec<u16> = settings.stun.listen.iter().map(|address| address.port()).collect();
    assert_eq!(stun, [4, 5]);
    assert_eq!(settings.log_level, "trace");
    assert_eq!(settings.public.edge_url(), "http://a.test:1");
    assert!(settings.dev);
}

#[test]
fn dev_beyond_loopback_names_the_flag() {
    let error = settings("wingman-edge --dev --listen 0.0.0.0:80", &[]).unwrap_err();
    assert!(error.to_string().contains("(from flag --listen)"), "{error}");
    let ConfigError::Setting { problem, .. } = error else { panic!("{error:?}") };
    assert!(matches!(problem, SettingsError::DevBeyondLoopback { .. }));
    settings("wingman-edge --dev --metrics off", &[]).unwrap();
    assert!(settings("wingman-edge --dev --stun off", &[]).unwrap().stun.listen.is_empty());
}

#[test]
fn a_missing_file_is_an_error() {
    let error = settings("wingman-edge --dev --config /no/such/file", &[]).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }));
}

#[test]
fn a_new_token_opens_the_edge_it_is_pasted_into() {
    let text = run("wingman-edge token new --id alice --name demo --name team-*", "").unwrap();
    let token = text.split_whitespace().find(|word| word.starts_with("wm_")).unwrap();
    let (_, lines) = text.split_once("[[tokens]]").unwrap();
    assert!(!lines.contains(token), "the secret does not go into the file");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("base_domain = \"a.test\"\n[[tokens]]{lines}")).unwrap();
    let line = format!("wingman-edge --config {}", file.path().display());
    let grant = settings(&line, &[]).unwrap().registry.verify(token).unwrap();
    assert_eq!(&*grant.id, "alice");
    assert!(grant.allows(&"demo".parse().unwrap()) && grant.allows(&"team-x".parse().unwrap()));
    assert!(!grant.allows(&"other".parse().unwrap()));
    // And its hash can be had again from the token alone.
    let hash = run("wingman-edge token hash", &format!("{token}\n")).unwrap();
    assert!(lines.contains(hash.trim()));
}

#[test]
fn an_odd_id_stays_one_toml_string() {
    let Some(Command::Token(TokenCommand::New { names, .. })) =
        parse("wingman-edge token new").unwrap().command
    else {
        panic!()
    };
    let command = TokenCommand::New { id: "a\"\nb = 1".to_owned(), names };
    let mut output = Vec::new();
    command.run(&b""[..], &mut output).unwrap();
    let text = String::from_utf8(output).unwrap();
    let (_, lines) = text.split_once("[[tokens]]").unwrap();
    let table: toml::Table = toml::from_str(lines).unwrap();
    assert_eq!(table["id"].as_str(), Some("a\"\nb = 1"));
}

#[test]
fn only_tokens_are_hashed() {
    for input in ["", "\n", "password\n", &"x".repeat(100_000)] {
        let error = run("wingman-edge token hash", input).unwrap_err();
        assert!(matches!(error, TokenCommandError::Token(TokenError::Malformed)), "{error:?}");
    }
    let error = parse("wingman-edge token new --name WWW").unwrap_err().to_string();
    assert!(error.contains("reserved"), "{error}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    for line in [
        "wingman-edge --listen nowhere",
        "wingman-edge --dev token new",
        "wingman-edge token",
        "wingman-edge --stun",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}
