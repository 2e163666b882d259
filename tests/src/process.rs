//! What the kernel says about a process.

use std::fs;

/// Resident memory, bytes.
pub fn memory(pid: u32) -> u64 {
    status(pid, "VmRSS")
}

/// Open file descriptors.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs").count()
}

/// Threads.
pub fn threads(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    number(&text, "Threads").expect("a status has threads")
}

/// Measures by how much the resident memory of a process has grown at its peak.
///
/// The kernel keeps the peak itself, so that nothing slips between two samples.
#[derive(Debug)]
pub struct Growth {
    pid: u32,
    before: u64,
}

impl Growth {
    /// From now on.
    pub fn of(pid: u32) -> Self {
        // proc(5): 5 resets the peak to what is resident now.
        fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("the process is ours");
        Self { pid, before: memory(pid) }
    }

    /// Bytes by which the peak is above the beginning.
    pub fn peak(&self) -> u64 {
        status(self.pid, "VmHWM").saturating_sub(self.before)
    }
}

fn status(pid: u32, key: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    number(&text, key).unwrap_or_else(|| panic!("no {key}: the process has ended")) * 1024
}

fn number(status: &str, key: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_the_peak_and_not_the_present() {
        let growth = Growth::of(std::process::id());
        let mut large = vec![0_u8; 32 << 20];
        large.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
        drop(std::hint::black_box(large));
        let peak = growth.peak();
        assert!((30 << 20..64 << 20).contains(&peak), "{peak}");
    }
}
