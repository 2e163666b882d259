//! What no source file has: things left for later, tests that do not run, tasks and queues without an
//! owner or a bound.

use std::collections::BTreeMap;

use crate::{
    lexer::{Lexed, has_word},
    none,
    source::{File, files, shipped_rust},
};

/// `unwrap()` in what users run. `expect("why it cannot fail")` says more.
const MOST_UNWRAPS: usize = 5;

/// Bare `tokio::spawn`: by file how many, and who ends the task. Elsewhere a `JoinSet` owns them.
const SPAWNS: &[(&str, usize, &str)] = &[
    ("p2p-host/src/link/serve.rs", 1, "the handle is in an AbortOnDrop beside the link"),
    ("p2p-host/src/origin/connection.rs", 2, "hyper's connections; end when senders are dropped"),
    ("p2p-host/src/origin/pool.rs", 1, "the reaper holds a Weak and ends with its pool"),
    ("proxy/src/link.rs", 1, "the handle is in an AbortOnDrop of the link's own task"),
];

/// Tests that may stay out: the file, what its line says, and when.
const SKIPS: &[(&str, &str, &str)] = &[(
    "tests/browser/errors.test.mjs",
    "{ skip: direct && ",
    "DIRECT=1, which people use to look at origins alone, has no edge whose pages could be tested",
)];

/// Written in two parts, or this file would have them.
const LATER: &[&str] = &[concat!("FIX", "ME"), concat!("XX", "X"), concat!("TO", "DO")];

#[test]
fn nothing_is_left_for_later() {
    let wrong = files(&["css", "html", "js", "jsx", "mjs", "rs", "sh", "toml", "ts", "tsx", "yml"])
        .iter()
        .flat_map(|file| {
            hits(file, file.text.lines(), |line| LATER.iter().any(|word| has_word(line, word)))
        })
        .collect();
    none("do it now, or open an issue", wrong);
}

#[test]
fn every_test_runs_and_nothing_is_half_done() {
    let mut wrong = Vec::new();
    for file in files(&["rs"]) {
        let lexed = Lexed::new(&file.text);
        wrong.extend(hits(&file, lexed.bare.lines(), is_unfinished));
    }
    for file in files(&["js", "jsx", "mjs", "ts", "tsx"]) {
        let may = |line: &str| {
            SKIPS.iter().any(|(path, text, _)| *path == file.path && line.contains(text))
        };
        wrong.extend(hits(&file, file.text.lines(), |line| is_skipped(line) && !may(line)));
    }
    none("tests run, and code is whole", wrong);
}

fn is_unfinished(bare: &str) -> bool {
    let squeezed: String = bare.split_whitespace().collect();
    let ignored = squeezed.contains("#[ignore") || squeezed.contains(",ignore");
    ignored
        || ["todo!", "unimplemented!", "dbg!"]
            .iter()
            .any(|name| squeezed.contains(name) && has_word(bare, name.trim_end_matches('!')))
}

fn is_skipped(line: &str) -> bool {
    [".skip(", ".only(", ".todo(", "skip:", "todo:", "only:"].iter().any(|call| line.contains(call))
}

#[test]
fn unwraps_are_few_and_known() {
    let mut found = Vec::new();
    for (file, lexed) in shipped_rust() {
        let lines = lexed.shipped().filter(|(_, line)| line.contains(".unwrap()"));
        found.extend(lines.map(|(number, _)| format!("{}:{number}", file.path)));
    }
    println!("unwrap() in shipped code: {found:?}");
    if found.len() > MOST_UNWRAPS {
        none("at most 5 unwrap() in shipped code", found);
    }
}

#[test]
fn tasks_have_an_owner() {
    let mut wrong = Vec::new();
    let mut allowed: BTreeMap<&str, usize> =
        SPAWNS.iter().map(|(path, count, _)| (*path, *count)).collect();
    for (file, lexed) in shipped_rust() {
        let lines: Vec<usize> = spawns(&lexed).collect();
        let expected = allowed.remove(file.path.as_str()).unwrap_or_default();
        if lines.len() != expected {
            wrong.push(format!("{}: bare spawns at {lines:?}, {expected} listed", file.path));
        }
    }
    wrong.extend(allowed.keys().map(|path| format!("{path}: listed, but it is not there")));
    none("a task has an owner, or a line with its reason in SPAWNS", wrong);
}

fn spawns(lexed: &Lexed) -> impl Iterator<Item = usize> {
    let is_spawn = |line: &str| {
        ["tokio::spawn", "task::spawn", "tokio::{spawn", "thread::spawn"]
            .iter()
            .any(|path| has_word(line, path))
    };
    lexed.shipped().filter(move |(_, line)| is_spawn(line)).map(|(number, _)| number)
}

#[test]
fn every_queue_has_a_bound() {
    let mut wrong = Vec::new();
    for (file, lexed) in shipped_rust() {
        let lines = lexed.shipped().filter(|(_, line)| is_unbounded(line));
        wrong
            .extend(lines.map(|(number, line)| format!("{}:{number}: {}", file.path, line.trim())));
    }
    none("every queue has a bound", wrong);
}

fn is_unbounded(bare: &str) -> bool {
    let std_channel = bare.contains("mpsc::channel()")
        || bare.contains("mpsc::channel::<") && bare.contains(">()");
    std_channel
        || bare.contains("unbounded")
        || bare.replace("Bound::Unbounded", "").contains("Unbounded")
}

fn hits<'a>(
    file: &File,
    lines: impl Iterator<Item = &'a str>,
    is_hit: impl Fn(&str) -> bool,
) -> Vec<String> {
    let lines = lines.enumerate().filter(|(_, line)| is_hit(line));
    lines.map(|(index, line)| format!("{}:{}: {}", file.path, index + 1, line.trim())).collect()
}

#[test]
fn bans_find_what_they_are_for() {
    for bare in ["#[ignore]", "#[ignore = x]", "#[cfg_attr(x, ignore)]", "todo!()", "a(dbg! (b))"] {
        assert!(is_unfinished(bare), "{bare}");
    }
    for bare in ["fn ignore(a: u8)", "let todo = 1;", "my_todo!()", "a, b"] {
        assert!(!is_unfinished(bare), "{bare}");
    }
    for line in ["test.skip('a')", "it.only(", "test('a', { skip: true }, f)"] {
        assert!(is_skipped(line), "{line}");
    }
    for bare in
        ["mpsc::channel()", "mpsc::channel::<u8>()", "unbounded_channel()", "UnboundedSender<u8>"]
    {
        assert!(is_unbounded(bare), "{bare}");
    }
    assert!(!is_unbounded("mpsc::channel(8)") && !is_unbounded("mpsc::channel::<u8>(8)"));
    let code =
        "fn a() {\n tokio::spawn(b);\n set.spawn(b);\n}\n#[cfg(test)]\nfn t() { tokio::spawn(b) }";
    assert_eq!(spawns(&Lexed::new(code)).collect::<Vec<_>>(), [2]);
}
