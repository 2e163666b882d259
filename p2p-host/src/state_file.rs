//! Files that only their owner may read, in the user's state directory.

use std::{io::Write, path::Path};

/// Replaces the file at once, so that a crash leaves the old or the new one, and never lets others read.
///
/// # Errors
/// The file system's.
pub(crate) fn write(file: &Path, contents: &[u8]) -> std::io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let draft = file.with_extension(format!("{}.tmp", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.open(&draft)?;
    out.write_all(contents)?;
    out.sync_all()?;
    std::fs::rename(&draft, file)
}
