//! Which crate may know which, what the sans-IO crates live without, lints and licence.

use std::{collections::BTreeSet, process::Command};

use crate::{
    lexer::{Lexed, has_word},
    none,
    source::{File, Purpose, files, read, root, shipped_rust},
};

/// Every crate of the workspace and the ones of ours it may depend on. Edge and host never know each
/// other, and tests and benches know the protocol but run the programs.
const ARROWS: &[(&str, &[&str])] = &[
    ("wingman-wire", &[]),
    ("wingman-mux", &["wingman-wire"]),
    ("wingman-link", &["wingman-mux", "wingman-wire"]),
    ("wingman-telemetry", &["wingman-wire"]),
    ("wingman-edge", &["wingman-link", "wingman-mux", "wingman-telemetry", "wingman-wire"]),
    ("wingman-host", &["wingman-link", "wingman-mux", "wingman-telemetry", "wingman-wire"]),
    ("wingman-sample-app", &[]),
    ("wingman-tests", &["wingman-link", "wingman-mux", "wingman-wire"]),
    ("wingman-bench", &["wingman-link", "wingman-mux", "wingman-wire"]),
    ("wingman-fuzz", &["wingman-mux", "wingman-wire"]),
];

/// All that the crates without I/O, tasks and clocks may depend on.
const SANS_IO: &[(&str, &[&str])] = &[
    ("wingman-wire", &["bytes", "serde", "serde_json", "thiserror"]),
    ("wingman-mux", &["bytes", "rustc-hash", "thiserror", "wingman-wire"]),
];

/// Crates that are kept to one place: prefix of their names, who may depend on them, where they may be
/// named. The bench has the plain Pingora proxy that we compare with.
const KEPT: &[(&str, &[&str], &[&str])] = &[
    (
        "pingora",
        &["wingman-edge", "wingman-bench"],
        &["proxy/src/gateway.rs", "proxy/src/gateway/", "tests/bench/src/"],
    ),
    (
        "webrtc",
        &["wingman-host"],
        &["p2p-host/src/peer.rs", "p2p-host/src/peer/", "p2p-host/tests/peer/"],
    ),
];

/// Lints of the crates that have stricter ones than the workspace. `await_holding_lock` is not among
/// them: they have no async code.
const STRICT: &[(&str, &[&str])] = &[
    ("rust", &["unsafe_code", "missing_docs", "unreachable_pub"]),
    (
        "clippy",
        &[
            "unwrap_used",
            "dbg_macro",
            "todo",
            "indexing_slicing",
            "cast_possible_truncation",
            "arithmetic_side_effects",
        ],
    ),
];

#[test]
fn crates_depend_only_along_the_arrows() {
    let mut wrong = Vec::new();
    for package in packages() {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
            wrong.push(format!("{} is new: give it a line in ARROWS", package.name));
            continue;
        };
        let ours = package.dependencies.iter().filter(|(_, _, is_ours)| *is_ours);
        let new = ours.filter(|(name, _, _)| !allowed.contains(&name.as_str()));
        wrong.extend(new.map(|(name, _, _)| format!("{} → {name}", package.name)));
    }
    none("no new arrow between crates", wrong);
}

#[test]
fn sans_io_crates_have_no_tokio_no_clock_no_io() {
    let mut wrong = Vec::new();
    let packages = packages();
    for (name, allowed) in SANS_IO {
        let package = packages.iter().find(|package| package.name == *name).expect(name);
        let shipped = package.dependencies.iter().filter(|(_, is_dev, _)| !is_dev);
        let new = shipped.filter(|(dependency, _, _)| !allowed.contains(&dependency.as_str()));
        wrong.extend(new.map(|(dependency, _, _)| format!("{name} → {dependency}")));
    }
    for (file, lexed) in shipped_rust() {
        if file.path.starts_with("crates/wire/") || file.path.starts_with("crates/mux/") {
            let impure = lexed.shipped().filter(|(_, line)| is_impure(line));
            wrong.extend(impure.map(|(at, line)| format!("{}:{at}: {}", file.path, line.trim())));
        }
    }
    none("wire and mux take bytes and the time, and touch nothing", wrong);
}

fn is_impure(bare: &str) -> bool {
    [
        "Instant::now",
        "SystemTime",
        "std::env",
        "std::fs",
        "std::io",
        "std::net",
        "std::thread",
        "tokio",
    ]
    .iter()
    .any(|name| has_word(bare, name))
}

#[test]
fn engines_are_named_in_one_place() {
    let mut wrong = Vec::new();
    for package in packages() {
        for (prefix, users, _) in KEPT {
            if !users.contains(&package.name.as_str()) {
                let used =
                    package.dependencies.iter().filter(|(name, ..)| name.starts_with(prefix));
                wrong.extend(used.map(|(name, _, _)| format!("{} → {name}", package.name)));
            }
        }
    }
    for file in files(&["rs"]) {
        for (prefix, _, places) in KEPT {
            if !places.iter().any(|place| file.path.starts_with(place)) {
                let lexed = Lexed::new(&file.text);
                let lines = lexed.bare.lines().zip(lexed.comments.lines()).enumerate();
                let named = lines.filter(|(_, (bare, comment))| names(bare, comment, prefix));
                wrong.extend(
                    named.map(|(index, _)| format!("{}:{}: {prefix}", file.path, index + 1)),
                );
            }
        }
    }
    none("pingora is in proxy/src/gateway/ and webrtc in p2p-host/src/peer/", wrong);
}

/// Code that names the crate, or a path into it that was commented out. The word itself may be in docs.
fn names(bare: &str, comment: &str, prefix: &str) -> bool {
    let begins = |text: &str, after: &str| {
        text.match_indices(prefix).any(|(at, _)| {
            let whole_before = !text[..at].bytes().next_back().is_some_and(crate::lexer::is_word);
            let tail =
                text[at..].trim_start_matches(|c: char| c == '_' || c.is_ascii_alphanumeric());
            whole_before && tail.starts_with(after)
        })
    };
    begins(bare, "") || begins(comment, "::")
}

#[test]
fn every_crate_has_the_lints() {
    let mut wrong = Vec::new();
    let workspace: toml::Table = read("Cargo.toml").parse().expect("TOML");
    let ours = &workspace["workspace"]["lints"];
    for (group, lint, least) in [
        ("rust", "unsafe_code", "forbid"),
        ("rust", "missing_docs", "warn"),
        ("clippy", "unwrap_used", "warn"),
        ("clippy", "await_holding_lock", "deny"),
        ("clippy", "dbg_macro", "deny"),
        ("clippy", "todo", "deny"),
    ] {
        if ours[group].get(lint).and_then(toml::Value::as_str) != Some(least) {
            wrong.push(format!("Cargo.toml: {group}.{lint} is not {least}"));
        }
    }
    for file in manifests() {
        let manifest: toml::Table = file.text.parse().expect("TOML");
        // Its only code is libFuzzer's macro, which exports a C symbol: that is unsafe.
        if is_apart(&manifest) && file.path == "fuzz/libfuzzer/Cargo.toml" {
            continue;
        }
        let Some(lints) = manifest.get("lints") else {
            wrong.push(format!("{}: no lints", file.path));
            continue;
        };
        if lints.get("workspace").and_then(toml::Value::as_bool) == Some(true) {
            continue;
        }
        for (group, lint) in
            STRICT.iter().flat_map(|(group, lints)| lints.iter().map(move |l| (group, l)))
        {
            let level = lints.get(group).and_then(|group| group.get(lint));
            if !matches!(level.and_then(toml::Value::as_str), Some("warn" | "deny" | "forbid")) {
                wrong.push(format!("{}: {group}.{lint} is off", file.path));
            }
        }
    }
    none("every crate has the workspace's lints, or stricter ones", wrong);
}

#[test]
fn everything_is_apache_2() {
    let mut wrong = Vec::new();
    let license = read("LICENSE");
    if !(license.contains("Apache License") && license.contains("Version 2.0, January 2004")) {
        wrong.push("LICENSE: not the Apache License 2.0".to_owned());
    }
    let workspace: toml::Table = read("Cargo.toml").parse().expect("TOML");
    if workspace["workspace"]["package"]["license"].as_str() != Some("Apache-2.0") {
        wrong.push("Cargo.toml: the workspace's licence is another".to_owned());
    }
    for file in manifests() {
        let manifest: toml::Table = file.text.parse().expect("TOML");
        let license = manifest["package"].get("license");
        let is_ours = if is_apart(&manifest) {
            license.and_then(toml::Value::as_str) == Some("Apache-2.0")
        } else {
            let inherits = license.and_then(|license| license.get("workspace"));
            inherits.and_then(toml::Value::as_bool) == Some(true)
        };
        if !is_ours {
            wrong.push(format!("{}: the licence is not the workspace's", file.path));
        }
    }
    for file in files(&["json"]).iter().filter(|file| file.path.ends_with("/package.json")) {
        let package: serde_json::Value = serde_json::from_str(&file.text).expect("JSON");
        if package["license"] != "Apache-2.0" {
            wrong.push(format!("{}: \"license\" is not Apache-2.0", file.path));
        }
    }
    none("all of it is under the Apache License 2.0", wrong);
}

struct Package {
    name: String,
    /// Name, whether only for tests, and whether it is one of ours.
    dependencies: BTreeSet<(String, bool, bool)>,
}

/// The workspace as cargo sees it.
fn packages() -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let list = |value: &serde_json::Value| value.as_array().expect("a list").clone();
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let packages: Vec<Package> = list(&metadata["packages"])
        .iter()
        .map(|package| Package {
            name: text(&package["name"]),
            dependencies: list(&package["dependencies"])
                .iter()
                .map(|to| (text(&to["name"]), to["kind"] == "dev", to["path"].is_string()))
                .collect(),
        })
        .collect();
    assert!(packages.len() >= 8, "the workspace has lost its members");
    packages
}

/// Whether a crate is a workspace of its own and can inherit nothing.
fn is_apart(manifest: &toml::Table) -> bool {
    manifest.contains_key("workspace")
}

/// All crates, also those that are not in the workspace.
fn manifests() -> Vec<File> {
    let mut found = files(&["toml"]);
    found.retain(|file| file.path.ends_with("/Cargo.toml"));
    assert!(found.len() >= 8, "the crates are not where they were");
    found
}

#[test]
fn crate_checks_find_what_they_are_for() {
    assert!(
        names("use pingora::proxy;", "", "pingora") && names("pingora_core::a()", "", "pingora")
    );
    assert!(names("", "// use pingora::proxy;", "pingora"));
    assert!(!names("my_pingora()", "// Pingora, and pingora alone", "pingora"));
    assert!(is_impure("let a = std::net::IpAddr;") && is_impure("Instant::now()"));
    assert!(!is_impure("now: Instant"));
    assert!(files(&["rs"]).iter().any(|file| file.purpose() == Purpose::Test));
}
