//! What the repository promises about itself: crate arrows, sizes, bans, and docs that say what is.
//!
//! Every check lists all that is wrong at once, as `path:line: what`, and is a function of texts where
//! it can be, with a test that it finds what it is for.

#[path = "tidy/bans.rs"]
mod bans;
#[path = "tidy/crates.rs"]
mod crates;
#[path = "tidy/docs.rs"]
mod docs;
#[path = "tidy/lexer.rs"]
mod lexer;
#[path = "tidy/metrics.rs"]
mod metrics;
#[path = "tidy/reference.rs"]
mod reference;
#[path = "tidy/sizes.rs"]
mod sizes;
#[path = "tidy/source.rs"]
mod source;

/// Fails with everything that is wrong.
#[track_caller]
fn none(rule: &str, wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{rule}\n  {}\n", wrong.join("\n  "));
}
