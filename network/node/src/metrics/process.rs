//! What the system counts of this process, under the names that Prometheus' clients share.

use std::fs;
use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

use super::{Description, Metrics, describe};

const CPU: Description<0> = describe(
    "process_cpu_seconds_total",
    [],
    "Processor time of this process, all threads, user and system.",
);
const MEMORY: Description<0> = describe(
    "process_resident_memory_bytes",
    [],
    "Memory of this process that is in use and not swapped out.",
);
const DESCRIPTORS: Description<0> =
    describe("process_open_fds", [], "Open files and sockets of this process.");
const START: Description<0> =
    describe("process_start_time_seconds", [], "When this node began, seconds since 1970.");

/// Registers the process's metrics; they are read at each answer.
pub(super) fn register(metrics: &Metrics) {
    let (cpu, memory) = (metrics.seconds(&CPU), metrics.gauge(&MEMORY));
    let (descriptors, start) = (metrics.gauge(&DESCRIPTORS), metrics.gauge(&START));
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    start.set([], since.as_secs());
    metrics.ask(move || {
        cpu.raise_to([], cpu_time());
        if let Some(bytes) = resident_bytes() {
            memory.set([], bytes);
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            descriptors.set([], open.count() as u64);
        }
    });
}

/// Processor time since this process began.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn resident_bytes() -> Option<u64> {
    resident_bytes_of(&fs::read_to_string("/proc/self/status").ok()?)
}

/// `VmRSS:      123 kB`, as proc(5) writes it.
fn resident_bytes_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_from_the_kernels_text() {
        let rows = [
            ("Name:\tpeer\nVmRSS:\t   90112 kB\nThreads:\t4\n", Some(92_274_688)),
            ("VmRSS: 18446744073709551615 kB", None),
            ("VmRSS: many kB", None),
            ("VmSize: 1 kB", None),
            ("", None),
        ];
        for (text, bytes) in rows {
            assert_eq!(resident_bytes_of(text), bytes, "{text:?}");
        }
        assert!(resident_bytes().is_some_and(|bytes| bytes > 100_000), "this process uses memory");
    }
}
