//! A program that runs as long as its value lives.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{ChildStdout, Command},
    time::timeout,
};

/// A running program. Dropping it kills it; what it wrote to stderr is in a file of the run's directory.
#[derive(Debug)]
pub struct Child {
    role: &'static str,
    pid: u32,
    child: tokio::process::Child,
    log: PathBuf,
}

impl Child {
    /// Starts `command`, called `role` in tables and messages.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn spawn(role: &'static str, command: &mut Command, directory: &Path) -> Result<Self> {
        let log = directory.join(format!("{role}.log"));
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {role}"))?;
        let pid = child.id().with_context(|| format!("{role} ended at once"))?;
        Ok(Self { role, pid, child, log })
    }

    /// What it is in its peer.
    pub fn role(&self) -> &'static str {
        self.role
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// It has ended; with the end of its log.
    pub fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let from = log.len().saturating_sub(LOG_TAIL);
            bail!("{} ended ({status}): {}", self.role, log.get(from..).unwrap_or_default().trim());
        }
        Ok(())
    }

    /// The first line on its stdout that `wanted` takes; later ones are read and forgotten, because a
    /// full pipe would change what is measured. `stdout` must be piped.
    ///
    /// # Errors
    /// No such line in time.
    pub async fn line<T>(
        &mut self,
        deadline: Duration,
        wanted: impl Fn(&str) -> Option<T>,
    ) -> Result<T> {
        let stdout = self.child.stdout.take().context("stdout is not piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let found = timeout(deadline, find(&mut lines, wanted)).await;
        match found {
            Ok(Ok(Some(found))) => {
                tokio::spawn(forget(lines.into_inner()));
                Ok(found)
            }
            Ok(Err(error)) => Err(error).with_context(|| format!("cannot read from {}", self.role)),
            Ok(Ok(None)) | Err(_) => {
                self.check()?;
                bail!("{} does not say that it is ready", self.role)
            }
        }
    }

    /// Kills it and waits until it is gone.
    pub async fn stop(mut self) {
        // It may be gone already.
        let _ = self.child.start_kill();
        let _ = timeout(STOP_DEADLINE, self.child.wait()).await;
    }
}

async fn find<T>(
    lines: &mut Lines<BufReader<ChildStdout>>,
    wanted: impl Fn(&str) -> Option<T>,
) -> std::io::Result<Option<T>> {
    while let Some(line) = lines.next_line().await? {
        if let Some(found) = wanted(&line) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

async fn forget(mut stdout: BufReader<ChildStdout>) {
    let mut buffer = vec![0; 64 * 1024];
    while stdout.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

const LOG_TAIL: usize = 400;
const STOP_DEADLINE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_is_found_and_a_child_that_is_dropped_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two; exec sleep 600"]).stdout(Stdio::piped());
        let mut child = Child::spawn("sleeper", &mut command, directory.path()).unwrap();
        let line = |line: &str| (line == "two").then(|| line.to_owned());
        assert_eq!(child.line(STOP_DEADLINE, line).await.unwrap(), "two");
        child.check().unwrap();
        let pid = child.pid();
        child.stop().await;
        assert!(crate::proc::resident(pid).is_err());
    }

    #[tokio::test]
    async fn a_child_that_fails_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such luck >&2; exit 3"]).stdout(Stdio::piped());
        let mut child = Child::spawn("loser", &mut command, directory.path()).unwrap();
        let error = child.line(STOP_DEADLINE, |_| Some(())).await.unwrap_err();
        // Its end may be seen a moment after the end of its output.
        let error = match child.child.wait().await {
            Ok(_) => child.check().unwrap_err(),
            Err(_) => error,
        };
        assert!(error.to_string().contains("no such luck"), "{error}");
    }
}
