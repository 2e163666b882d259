//! The README's reference says what the programs say: flags, keys with defaults, exit codes, events,
//! errors. Each in both directions: nothing is missing, and nothing is there that is not.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::Command,
};

use crate::{lexer::Lexed, none, source::read};

#[test]
fn every_flag_is_in_the_readme() {
    let readme = read("README.md");
    let mut wrong = Vec::new();
    for (heading, binary, pages) in [
        ("### `wingman`", "wingman", &[&["--help"][..]][..]),
        ("### `wingman-edge`", "wingman-edge", &[&["--help"], &["token", "new", "--help"]]),
    ] {
        let said: BTreeSet<String> =
            pages.iter().flat_map(|page| flags(&run(binary, page))).collect();
        assert!(said.len() > 5, "{binary} --help is not what it was: {said:?}");
        let rows = rows(section(&readme, heading));
        let told = rows
            .iter()
            .filter_map(|row| row[0].split_whitespace().find(|word| word.starts_with("--")));
        let told = told.map(str::to_owned).collect();
        wrong.extend(differences(binary, &said, &told));
    }
    none("README's flags are those of --help", wrong);
}

/// The flags that a help text describes; those that every program has need no words.
fn flags(help: &str) -> Vec<String> {
    let found = help.lines().filter_map(|line| {
        let line = line.trim_start();
        let line = line
            .split_once(", ")
            .filter(|(short, _)| short.len() == 2)
            .map_or(line, |(_, long)| long);
        let flag = line.starts_with("--").then(|| line.split([' ', '=']).next()).flatten()?;
        (!["--help", "--version"].contains(&flag)).then(|| flag.to_owned())
    });
    found.collect()
}

#[test]
fn every_key_is_in_the_readme_with_its_default() {
    let readme = read("README.md");
    let mut wrong = Vec::new();
    for (path, shows_defaults) in
        [("conf/edge.toml", Shows::CommentedOut), ("conf/host.toml", Shows::InForce)]
    {
        let keys = keys(&read(path), shows_defaults);
        assert!(keys.len() > 15, "{path} is not what it was: {keys:?}");
        let mut told = BTreeSet::new();
        for row in rows(section(&readme, &format!("### `{path}`"))) {
            wrong.extend(wrong_default(path, &keys, &row[0], &row[1]));
            told.insert(row[0].clone());
        }
        wrong.extend(differences(path, &keys.into_keys().collect(), &told));
    }
    none("README's keys and defaults are those of conf/", wrong);
}

/// Which lines of a commented example hold defaults.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shows {
    /// Those with a `#`; the others are examples of what must be set.
    CommentedOut,
    /// Those without; the others are examples of what has no default.
    InForce,
}

/// Keys with their values, if those are defaults.
fn keys(text: &str, shows: Shows) -> BTreeMap<String, Option<toml::Value>> {
    let (mut found, mut table) = (BTreeMap::new(), String::new());
    for line in text.lines() {
        if line.starts_with('[') {
            table = line.trim_matches(['[', ']']).to_owned() + ".";
        }
        let assignment = line.trim_start_matches("# ");
        let Some((key, _)) = assignment.split_once(" = ") else { continue };
        if !key
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        {
            continue;
        }
        let value: toml::Table = assignment.parse().unwrap_or_else(|e| panic!("{assignment}: {e}"));
        let is_default = line.starts_with('#') == (shows == Shows::CommentedOut);
        found.insert(format!("{table}{key}"), is_default.then(|| value[key].clone()));
    }
    found
}

/// A default that is a value stands as TOML between backticks; one that must be described, in words.
fn wrong_default(
    path: &str,
    keys: &BTreeMap<String, Option<toml::Value>>,
    key: &str,
    told: &str,
) -> Option<String> {
    let literal = told.strip_prefix('`').and_then(|told| told.strip_suffix('`'));
    let told_value = literal.map(|literal| {
        let table: Result<toml::Table, _> = format!("value = {literal}").parse();
        table.map(|table| table["value"].clone())
    });
    let fine = match (keys.get(key)?, told_value) {
        (Some(real), Some(Ok(told))) => *real == told,
        (None, Some(_)) | (_, Some(Err(_))) => false,
        (_, None) => !told.is_empty(),
    };
    (!fine).then(|| format!("{path}: README has {told} as the default of {key}"))
}

#[test]
fn every_exit_code_is_in_the_readme() {
    let readme = read("README.md");
    let help = run("wingman", &["--help"]);
    let (_, codes) = help.split_once("Exit codes:\n").expect("--help lists exit codes");
    let said: BTreeSet<String> = codes
        .lines()
        .filter_map(|line| line.trim().split_once("  "))
        .map(|(code, meaning)| format!("{code}: {meaning}"))
        .collect();
    assert!(said.len() >= 8, "{codes}");
    let rows = rows(section(&readme, "### Exit codes"));
    let told = rows.iter().map(|row| format!("{}: {}", row[0], row[1])).collect();
    let mut wrong = differences("wingman --help", &said, &told);

    let source = read("p2p-host/src/status/failure.rs");
    let (_, names) = source.split_once("pub fn code(").expect("Failure has a code");
    let (names, _) = names.split_once("\n    }\n").expect("the function ends");
    let told = rows.iter().flat_map(|row| quoted(&row[2])).collect();
    let said = texts(names).collect();
    wrong.extend(differences("Failure::code", &said, &told));
    none("README's exit codes are those of wingman", wrong);
}

#[test]
fn every_event_is_in_the_readme() {
    let source = Lexed::new(&read("p2p-host/src/status/event.rs")).bare;
    let (_, variants) = source.split_once("pub enum Event {\n").expect("there are events");
    let (variants, _) = variants.split_once("\n}").expect("the enum ends");
    // Four blanks: a variant, not a field of one.
    let names = variants.lines().filter_map(|line| line.strip_prefix("    "));
    let names = names.filter(|name| name.starts_with(|first: char| first.is_ascii_uppercase()));
    let mut said: BTreeSet<String> = names
        .map(|name| kebab(name.split(|c: char| !c.is_alphanumeric()).next().unwrap_or(name)))
        .collect();
    assert!(said.contains("link-lost"), "{said:?}");
    said.insert("error".to_owned());
    let readme = read("README.md");
    let told =
        rows(section(&readme, "### `--json`")).iter().flat_map(|row| quoted(&row[0])).collect();
    none("README's events are those of wingman --json", differences("Event", &said, &told));
}

#[test]
fn every_error_of_the_edge_is_in_the_readme() {
    let source = read("proxy/src/pages/problem.rs");
    let (_, problems) = source.split_once("pub enum Problem {").expect("there are problems");
    let (problems, _) = problems.split_once("\n    }").expect("the enum ends");
    let names =
        problems.lines().filter_map(|line| line.trim().split_once(" = \"")?.1.strip_suffix("\","));
    let said: BTreeSet<String> = names.map(str::to_owned).collect();
    assert!(said.contains("host-away"), "{said:?}");
    let readme = read("README.md");
    let told = rows(section(&readme, "## What visitors see"))
        .iter()
        .flat_map(|row| quoted(&row[2]))
        .collect();
    none("README's errors are those of the edge", differences("Problem", &said, &told));
}

/// What a program prints.
fn run(binary: &str, arguments: &[&str]) -> String {
    let directory = std::env::var_os("WINGMAN_BIN_DIR").map(PathBuf::from).unwrap_or_else(|| {
        let test = std::env::current_exe().expect("the test has a path");
        test.ancestors().nth(2).expect("tests are below target/").to_owned()
    });
    let path = directory.join(binary);
    let output = Command::new(&path).args(arguments).output();
    let output =
        output.unwrap_or_else(|error| panic!("{}: {error}: build it first", path.display()));
    assert!(output.status.success(), "{binary} {arguments:?}: {}", output.status);
    String::from_utf8(output.stdout).expect("it prints UTF-8")
}

/// What is below a heading, to the next one of its level or above.
#[track_caller]
pub(crate) fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let level = heading.split(' ').next().map_or(0, str::len);
    let (_, rest) = text
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("README has no heading {heading:?}"));
    let end = rest.match_indices("\n#").find(|(at, _)| {
        let hashes = rest[at + 1..].bytes().take_while(|byte| *byte == b'#').count();
        hashes <= level && rest[at + 1 + hashes..].starts_with(' ')
    });
    end.map_or(rest, |(at, _)| &rest[..at])
}

/// The cells of the tables in a section, at least three a row; names without the backticks around them.
pub(crate) fn rows(section: &str) -> Vec<Vec<String>> {
    let lines: Vec<&str> = section.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let is_head = lines.get(index + 1).is_some_and(|next| next.starts_with("|---"));
        let Some(inner) = line.trim().strip_prefix('|').and_then(|line| line.strip_suffix('|'))
        else {
            continue;
        };
        if is_head || line.starts_with("|---") {
            continue;
        }
        // `\|` is a bar within a cell.
        let inner = inner.replace("\\|", "\u{1}");
        let mut row: Vec<String> =
            inner.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect();
        if row[0].matches('`').count() == 2 {
            row[0] = row[0].trim_matches('`').to_owned();
        }
        row.resize(row.len().max(3), String::new());
        found.push(row);
    }
    assert!(!found.is_empty(), "no table in {section}");
    found
}

/// Words between backticks, or the cell itself if it has none.
pub(crate) fn quoted(cell: &str) -> Vec<String> {
    if !cell.contains('`') {
        return (!cell.is_empty()).then(|| cell.to_owned()).into_iter().collect();
    }
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// String literals of a piece of Rust.
fn texts(source: &str) -> impl Iterator<Item = String> {
    source.split('"').skip(1).step_by(2).map(str::to_owned)
}

fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.push(letter.to_ascii_lowercase());
    }
    kebab
}

pub(crate) fn differences(
    of: &str,
    said: &BTreeSet<String>,
    told: &BTreeSet<String>,
) -> Vec<String> {
    let missing = said.difference(told).map(|name| format!("{of} has {name}, README does not"));
    let extra = told.difference(said).map(|name| format!("README has {name}, {of} does not"));
    missing.chain(extra).collect()
}

#[test]
fn the_readme_is_read_as_it_is_meant() {
    let text = "# A\n\n### `x`\nsome | thing\n| flag | default | |\n|---|---|---|\n| `--a <B>` | 1 | c |\n\
        | `--c <x\\|y>` | `[\"|\"]` |\n\n#### deeper\n# in code\n## B\n| no | no | no |\n";
    let rows = rows(section(text, "### `x`"));
    assert_eq!(rows, [vec!["--a <B>", "1", "c"], vec!["--c <x|y>", "`[\"", "\"]`"]]);
    assert_eq!(quoted("`a`, `b`"), ["a", "b"]);
    assert_eq!(kebab("LinkLost"), "link-lost");
    let help = "Options:\n      --config <FILE>\n  -h, --help\n  -q, --quiet  less\n      --json\n  word --no\n";
    assert_eq!(flags(help), ["--config", "--quiet", "--json"]);

    let conf = "# words = are not keys because of Words\n# a = 1\nb = 2\n[t]\n# c = \"x\"\n";
    let keys =
        keys(&conf.replace("# words = are not keys because of Words\n", ""), Shows::CommentedOut);
    assert_eq!(keys.keys().collect::<Vec<_>>(), ["a", "b", "t.c"]);
    assert_eq!(wrong_default("f", &keys, "a", "`1`"), None);
    assert_eq!(wrong_default("f", &keys, "t.c", "`\"x\"`"), None);
    assert_eq!(wrong_default("f", &keys, "b", "required"), None);
    for (key, told) in [("a", "`2`"), ("b", "`2`"), ("a", "`oops`"), ("a", "")] {
        assert!(wrong_default("f", &keys, key, told).is_some(), "{key} {told}");
    }
}
