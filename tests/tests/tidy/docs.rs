//! Pages that lead somewhere: links, make targets and scripts that are named exist.

use std::collections::BTreeSet;

use crate::{
    lexer::is_word,
    none,
    source::{files, read, root},
};

#[test]
fn links_between_pages_lead_somewhere() {
    let mut wrong = Vec::new();
    let pages = files(&["md"]);
    assert!(pages.len() > 5, "the pages are not where they were");
    for page in &pages {
        let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for target in links(&page.text) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let to = if path.is_empty() { page.path.clone() } else { format!("{folder}/{path}") };
            let to = to.trim_start_matches('/');
            if !root().join(to).exists() {
                wrong.push(format!("{}: {target}", page.path));
            } else if !anchor.is_empty()
                && to.ends_with(".md")
                && !anchors(&read(to)).contains(anchor)
            {
                wrong.push(format!("{}: {target} (no such heading)", page.path));
            }
        }
    }
    none("links lead somewhere", wrong);
}

/// Targets of links to files of ours.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.match_indices("](").filter_map(|(at, _)| text[at + 2..].split(')').next());
    targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
}

/// Headings as GitHub makes anchors of them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let kept = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ');
    let anchor = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        title.chars().filter(|c| kept(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn make_targets_that_pages_name_exist() {
    let makefile = read("Makefile");
    let known: BTreeSet<&str> = makefile.lines().filter_map(target).collect();
    assert!(known.contains("test"), "{known:?}");
    let mut wrong = Vec::new();
    for page in ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        let text = read(page);
        let named: BTreeSet<&str> = made(&text).into_iter().collect();
        wrong.extend(named.difference(&known).map(|name| format!("{page}: make {name}")));
    }
    let ci = read(".ci/run");
    let run = ci.lines().filter_map(word_after_make).filter(|name| !known.contains(name));
    wrong.extend(run.map(|name| format!(".ci/run: make {name}")));
    none("make knows the targets that pages name", wrong);
}

fn target(line: &str) -> Option<&str> {
    let (name, rest) = line.split_once(':')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| is_word(byte) || byte == b'-');
    (is_name && !rest.starts_with('=')).then_some(name)
}

/// Words after `make` in code: spans, and lines of blocks. In prose it is a verb.
fn made(text: &str) -> Vec<&str> {
    let (mut found, mut in_fence) = (Vec::new(), false);
    for line in text.lines() {
        in_fence ^= line.trim_start().starts_with("```");
        let in_block = in_fence || line.starts_with("    ");
        let command = |piece| word_after_make(piece).into_iter();
        if in_block {
            found.extend(command(line));
        } else {
            found.extend(line.split('`').skip(1).step_by(2).flat_map(command));
        }
    }
    found
}

/// `test` of `make test`, `PORT=1 make test` and `exec make test`.
fn word_after_make(command: &str) -> Option<&str> {
    let mut words =
        command.split_whitespace().skip_while(|word| word.contains('=') || *word == "exec");
    let target = (words.next() == Some("make")).then(|| words.next()).flatten()?;
    Some(target.trim_end_matches([',', ';', '.']))
}

#[test]
fn the_changelog_has_a_place_for_changes() {
    let text = read("CHANGELOG.md");
    assert!(text.contains("\n## [Unreleased]\n"), "CHANGELOG.md has no Unreleased section");
}

#[test]
fn pages_are_read_as_they_are_meant() {
    assert_eq!(links("[a](b.md#c) [d](https://e) ![f](g)").collect::<Vec<_>>(), ["b.md#c", "g"]);
    assert!(anchors("# A `b`: c, d\n").contains("a-b-c-d"));
    assert_eq!(target("demo: build-deps"), Some("demo"));
    assert_eq!(target("SHELL := /bin/bash"), None);
    let text = "Run `make demo`, or\n\n    make test  # all\n\nmake sure of it.\n```\nA=1 make bench\n```\nmake no\n";
    assert_eq!(made(text), ["demo", "test", "bench"]);
    assert_eq!(word_after_make("exec make test"), Some("test"));
}
