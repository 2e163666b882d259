//! The files of the repository.

use std::{fs, path::Path};

use crate::lexer::Lexed;

/// Folders that hold nothing a person wrote.
const SKIPPED: &[&str] = &[
    ".artifacts",
    ".cache",
    ".git",
    ".tools",
    "corpus",
    "dist",
    "fixtures",
    "node_modules",
    "target",
    "vectors",
];
/// Packages of others, as they are published but for our repairs: their words, tests and style are theirs. Only how
/// long a file is does not depend on who wrote it, for `scripts/vendor.mjs` splits the long ones.
const VENDORED: &str = "vendor/";

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It is in what users run.
    Shipped,
    /// It tests that; `#[cfg(test)]` items of shipped files do too.
    Test,
    /// Neither: benches, the demo's app, scripts.
    Other,
}

/// A text file.
#[derive(Debug)]
pub(crate) struct File {
    /// From the root, with `/`.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

impl File {
    /// Whether the name ends with `.` and one of these.
    pub(crate) fn is(&self, extensions: &[&str]) -> bool {
        extension(&self.path).is_some_and(|extension| extensions.contains(&extension))
    }

    /// What it is for.
    pub(crate) fn purpose(&self) -> Purpose {
        let folders: Vec<&str> = self.path.split('/').collect();
        let (name, folders) = folders.split_last().expect("a path is not empty");
        match folders {
            ["tests", "bench" | "sample-app", ..] => Purpose::Other,
            ["fuzz" | "tests", ..] => Purpose::Test,
            ["proxy" | "p2p-host" | "crates" | "static", inner @ ..] => {
                let of_tests =
                    inner.iter().any(|folder| ["tests", "test", "examples"].contains(folder))
                        || *name == "tests.rs";
                let of_script = name.contains(".test.");
                if of_tests || of_script { Purpose::Test } else { Purpose::Shipped }
            }
            _ => Purpose::Other,
        }
    }

    /// Taken apart, if it is Rust.
    pub(crate) fn rust(&self) -> Option<Lexed> {
        self.is(&["rs"]).then(|| Lexed::new(&self.text))
    }
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the root")
}

/// A file that must be there.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All of our files whose names end with one of `extensions`, by path.
pub(crate) fn files(extensions: &[&str]) -> Vec<File> {
    let mut files = files_with_vendored(extensions);
    files.retain(|file| !file.path.starts_with(VENDORED));
    files
}

/// Those, and those of `vendor/`.
pub(crate) fn files_with_vendored(extensions: &[&str]) -> Vec<File> {
    let (mut found, mut folders) = (Vec::new(), vec![root().to_owned()]);
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for entry in entries {
            let entry = entry.expect("a folder can be read to its end");
            let (path, kind) = (entry.path(), entry.file_type().expect("a file has a type"));
            let name = entry.file_name();
            if kind.is_dir() {
                if !SKIPPED.iter().any(|skipped| name == *skipped) {
                    folders.push(path);
                }
            } else if kind.is_file() {
                let path = relative(&path);
                if extension(&path).is_some_and(|extension| extensions.contains(&extension)) {
                    found.push(File { text: read(&path), path });
                }
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// All Rust files that users run, taken apart.
pub(crate) fn shipped_rust() -> Vec<(File, Lexed)> {
    let files = files(&["rs"]).into_iter().filter(|file| file.purpose() == Purpose::Shipped);
    let files: Vec<_> = files.map(|file| (Lexed::new(&file.text), file)).collect();
    assert!(files.len() > 50, "the sources are not where they were: {} found", files.len());
    files.into_iter().map(|(lexed, file)| (file, lexed)).collect()
}

fn relative(path: &Path) -> String {
    let path = path.strip_prefix(root()).expect("it was found below the root");
    path.to_str().expect("our names are ASCII").replace('\\', "/")
}

fn extension(path: &str) -> Option<&str> {
    Path::new(path).extension()?.to_str()
}

#[test]
fn files_have_a_purpose() {
    let purpose = |path: &str| File { path: path.to_owned(), text: String::new() }.purpose();
    for path in ["proxy/src/main.rs", "crates/mux/src/mux.rs", "static/src/page/a.ts"] {
        assert_eq!(purpose(path), Purpose::Shipped, "{path}");
    }
    for path in [
        "proxy/src/names/tests.rs",
        "proxy/src/config/tests/settings.rs",
        "p2p-host/tests/exchange/main.rs",
        "static/src/page/a.test.ts",
        "tests/src/lib.rs",
        "tests/browser/run.mjs",
        "fuzz/fuzz_targets/frames.rs",
    ] {
        assert_eq!(purpose(path), Purpose::Test, "{path}");
    }
    for path in ["tests/bench/src/main.rs", "tests/sample-app/src/app.rs", "scripts/demo.sh"] {
        assert_eq!(purpose(path), Purpose::Other, "{path}");
    }
}
