//! What the kernel says about a process.

use std::{fs, io, time::Duration};

/// Of `/proc/PID/stat`: `USER_HZ` is 100 on every architecture this runs on.
const TICK: Duration = Duration::from_millis(10);

/// User and system time of all its threads so far, to 10 ms.
///
/// # Errors
/// The process is gone.
pub fn cpu(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_cpu(&stat).ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat is not as expected")))
}

/// Resident memory in kB.
///
/// # Errors
/// The process is gone.
pub fn resident(pid: u32) -> io::Result<u64> {
    status(pid, "VmRSS:")
}

/// The most resident memory it ever had, in kB.
///
/// # Errors
/// The process is gone.
pub fn peak(pid: u32) -> io::Result<u64> {
    status(pid, "VmHWM:")
}

/// The least `open files` limit this process may have to hold `needed` sockets.
///
/// # Errors
/// The limit is lower; says which.
pub fn has_files(needed: u64) -> io::Result<()> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let soft = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|rest| rest.split_whitespace().next());
    match soft.and_then(|soft| soft.parse::<u64>().ok()) {
        Some(soft) if soft < needed => Err(io::Error::other(format!(
            "only {soft} open files are allowed, {needed} are needed: ulimit -n {needed}"
        ))),
        // "unlimited" is no number.
        _ => Ok(()),
    }
}

fn status(pid: u32, key: &str) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    parse_status(&status, key)
        .ok_or_else(|| io::Error::other(format!("/proc/{pid}/status has no {key} (a zombie?)")))
}

fn parse_status(status: &str, key: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Fields 14 and 15. The name in field 2 may hold blanks and parentheses, so count from its end.
fn parse_cpu(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u32>);
    let user = ticks.next()?.ok()?;
    let system = ticks.next()?.ok()?;
    Some(TICK * user.checked_add(system)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_an_odd_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 9 8 7 6 150 25 3 4 20 0 2 0 99 0 0";
        assert_eq!(parse_cpu(stat), Some(Duration::from_millis(1_750)));
        assert_eq!(parse_cpu("7 (a) S 1 7"), None);
    }

    #[test]
    fn memory_of_this_process_is_plausible() {
        let pid = std::process::id();
        let now = resident(pid).unwrap();
        assert!(now > 500, "{now} kB");
        assert!(peak(pid).unwrap() >= now);
        assert_eq!(parse_status("VmHWM:\t  12 kB\nVmRSS:\t 9 kB\n", "VmRSS:"), Some(9));
        assert_eq!(parse_status("State:\tZ (zombie)\n", "VmRSS:"), None);
    }
}
