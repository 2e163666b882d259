//! What the process itself uses, read from `/proc` when Prometheus asks. Zero where there is none.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{Counter, Gauge};

use crate::family::Builder;

/// Metrics of the process.
#[derive(Debug)]
pub(crate) struct Process {
    resident: Gauge,
    peak: Gauge,
    threads: Gauge,
    files: Gauge,
    tasks: Gauge,
    cpu: Counter,
}

impl Process {
    pub(crate) fn new(build: &Builder) -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        build
            .gauge("start_time_seconds", "When the process was started, since 1970")
            .set(started.as_secs_f64());
        build.info("build_info", "What runs", "version", env!("CARGO_PKG_VERSION"));
        Self {
            resident: build.gauge("resident_memory_bytes", "Memory in RAM"),
            peak: build.gauge("resident_memory_peak_bytes", "Most memory in RAM so far"),
            threads: build.gauge("threads", "Threads"),
            files: build.gauge("open_fds", "Open file descriptors"),
            tasks: build.gauge("tasks", "Tasks of the runtime that says so"),
            cpu: build.float_count("cpu_seconds_total", "CPU time, user and system"),
        }
    }

    /// Reads again. `&mut`, because two at once would count the same CPU time twice.
    pub(crate) fn refresh(&mut self) {
        if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
            for line in status.lines() {
                let Some((key, value)) = line.split_once(':') else {
                    continue;
                };
                let number = value.split_whitespace().next().and_then(|word| word.parse().ok());
                let Some(number): Option<f64> = number else {
                    continue;
                };
                match key {
                    "VmRSS" => self.resident.set(number * 1024.0),
                    "VmHWM" => self.peak.set(number * 1024.0),
                    "Threads" => self.threads.set(number),
                    _ => {}
                }
            }
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            self.files.set(files.count() as f64);
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            self.tasks.set(runtime.metrics().num_alive_tasks() as f64);
        }
        let ticks = std::fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(cpu_ticks);
        if let Some(ticks) = ticks {
            let seconds = ticks as f64 / TICKS_PER_SECOND;
            self.cpu.inc_by((seconds - self.cpu.get()).max(0.0));
        }
    }
}

/// User and system time of `/proc/self/stat` (proc(5), fields 14 and 15). The second field is the
/// command in parentheses and may hold anything, so fields are counted behind the last of them.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

/// USER_HZ is 100 in the user-space interface of Linux on all machines Rust builds this for.
const TICKS_PER_SECOND: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::cpu_ticks;

    #[test]
    fn ticks_behind_any_command() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 25 17 0 0 20 0 1 0 99";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(cpu_ticks("7 (a) S 1"), None);
        assert_eq!(cpu_ticks(""), None);
    }
}
