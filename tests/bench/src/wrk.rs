//! wrk, and what it prints.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::{process::Command, time::timeout};

use crate::{load::Sample, origin::File, peer::Peer, tool::Tools};

/// A wrk whose results are read by a program.
#[derive(Debug)]
pub struct Wrk {
    program: PathBuf,
    script: PathBuf,
}

impl Wrk {
    /// Writes its script to `directory`.
    ///
    /// # Errors
    /// The directory is not writable.
    pub fn new(tools: &Tools, directory: &Path) -> Result<Self> {
        let script = directory.join("done.lua");
        fs::write(&script, SCRIPT).context("cannot write wrk's script")?;
        Ok(Self { program: tools.wrk.clone(), script })
    }

    /// Loads `peer` for `seconds`, from one thread.
    ///
    /// # Errors
    /// wrk fails, or not one request was answered.
    pub async fn run(
        &self,
        peer: &Peer,
        file: File,
        connections: u32,
        close: bool,
        seconds: u64,
    ) -> Result<Sample> {
        let mut command = Command::new(&self.program);
        command
            .args(["-t1", "--timeout", "10s", "-c"])
            .arg(connections.to_string())
            .arg("-d")
            .arg(format!("{seconds}s"))
            .arg("-s")
            .arg(&self.script)
            .args(["-H", &format!("Host: {}", peer.host())]);
        if close {
            command.args(["-H", "Connection: close"]);
        }
        command
            .arg(format!("http://{}{}", peer.address(), file.target()))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let deadline = Duration::from_secs(seconds) + GRACE;
        let output = timeout(deadline, command.output())
            .await
            .with_context(|| format!("wrk did not end within {deadline:?}"))??;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("wrk failed: {text}{}", String::from_utf8_lossy(&output.stderr));
        }
        let sample = text
            .lines()
            .find_map(|line| parse(line.strip_prefix("RESULT ")?))
            .with_context(|| format!("wrk printed no result: {text}"))?;
        if sample.requests == 0 {
            bail!("not one request was answered, {} errors", sample.errors);
        }
        Ok(sample)
    }
}

fn parse(line: &str) -> Option<Sample> {
    let mut numbers = line.split_whitespace().map(|number| number.parse::<f64>().ok());
    let mut next = || numbers.next().flatten();
    Some(Sample {
        requests: next()? as u64,
        elapsed: Duration::from_secs_f64(next()? / 1e6),
        bytes: next()? as u64,
        p50: Duration::from_secs_f64(next()? / 1e6),
        p99: Duration::from_secs_f64(next()? / 1e6),
        errors: next()? as u64,
    })
}

/// Only `done` is defined, so requests stay as fast as without a script. Times are in µs.
const SCRIPT: &str = "\
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('RESULT %d %d %d %.0f %.0f %d\\n',
    summary.requests, summary.duration, summary.bytes,
    latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.timeout + e.status))
end
";
const GRACE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_line_is_read() {
        let sample = parse("20000 2000000 30000000 66 1500 3").unwrap();
        assert_eq!((sample.requests, sample.errors), (20_000, 3));
        assert_eq!(sample.elapsed, Duration::from_secs(2));
        assert_eq!(sample.p99, Duration::from_micros(1_500));
        assert!(parse("20000 2000000 30000000 66 1500").is_none());
    }
}
