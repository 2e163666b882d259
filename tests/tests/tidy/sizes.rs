//! Files stay small, and what we ship is tested.

use crate::{
    none,
    source::{File, Purpose, files, files_with_vendored},
};

/// Past this a file has more than one reason to change.
const MOST_LINES: usize = 600;
/// Lines of test code for each line of shipped code.
const LEAST_RATIO: f64 = 0.8;
/// What people write by hand.
const WRITTEN: &[&str] = &["css", "html", "js", "jsx", "mjs", "patch", "rs", "sh", "ts", "tsx"];

#[test]
fn no_file_is_too_long() {
    let long = files_with_vendored(WRITTEN).into_iter().filter_map(|file| {
        let lines = file.text.lines().count();
        (lines > MOST_LINES).then(|| format!("{}: {lines} lines", file.path))
    });
    none("files have at most 600 lines", long.collect());
}

#[test]
fn there_is_enough_test_code() {
    let mut lines = Lines::default();
    for file in files(WRITTEN) {
        lines.add(&file);
    }
    let Lines { shipped, test } = lines;
    let ratio = test as f64 / shipped as f64;
    println!("{shipped} lines of code, {test} of tests: {ratio:.2}");
    assert!(ratio >= LEAST_RATIO, "{shipped} lines of code, only {test} of tests: {ratio:.2}");
}

/// Lines that are neither blank nor only comment.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lines {
    shipped: usize,
    test: usize,
}

impl Lines {
    fn add(&mut self, file: &File) {
        let is_test = match file.purpose() {
            Purpose::Shipped => false,
            Purpose::Test => true,
            Purpose::Other => return,
        };
        let Some(lexed) = file.rust() else {
            let lines = script_lines(&file.text);
            *if is_test { &mut self.test } else { &mut self.shipped } += lines;
            return;
        };
        for (line, under_cfg_test) in lexed.code.lines().zip(&lexed.is_test) {
            if !line.trim().is_empty() {
                *if is_test || *under_cfg_test { &mut self.test } else { &mut self.shipped } += 1;
            }
        }
    }
}

/// Lines of code of TypeScript, JavaScript, CSS, HTML and shell; comments in them begin a line.
fn script_lines(text: &str) -> usize {
    let mut comment: Option<&str> = None;
    let code = text.lines().filter(|line| {
        let line = line.trim();
        if let Some(end) = comment {
            if line.contains(end) {
                comment = None;
            }
            return false;
        }
        for (start, end) in [("/*", "*/"), ("<!--", "-->")] {
            if line.starts_with(start) {
                comment = (!line.contains(end)).then_some(end);
                return false;
            }
        }
        !line.is_empty() && !line.starts_with("//") && !line.starts_with('#')
    });
    code.count()
}

#[test]
fn lines_of_code_are_counted() {
    let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
    let mut lines = Lines::default();
    let text = "//! Doc.\n\nfn a() {} // why\n/* long\n */\n#[cfg(test)]\nmod tests {\n}\n";
    lines.add(&file("proxy/src/a.rs", text));
    assert_eq!(lines, Lines { shipped: 1, test: 3 });
    lines.add(&file("proxy/src/a/tests.rs", "fn a() {}\n"));
    lines.add(&file("tests/browser/a.mjs", "// why\na();\n/*\nb();\n*/\n/* c */\nd();\n"));
    lines.add(&file("tests/bench/src/a.rs", "fn a() {}\n"));
    assert_eq!(lines, Lines { shipped: 1, test: 6 });
}
