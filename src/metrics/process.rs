//! What every process says of itself, by the names that Prometheus' own libraries use (Linux: proc(5)).

use super::{Kind, Page, number};
use std::fs;

/// Clock ticks a second in `/proc/PID/stat` (`USER_HZ`), which Linux fixes at 100 for programs.
const TICKS: f64 = 100.0;
const RESIDENT: &str = "VmRSS:";

pub(super) fn add(page: &mut Page) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the program's name, which may hold anything, from field 3 on.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).and_then(|field| field.parse::<f64>().ok());
    if let (Some(user), Some(system)) = (field(14), field(15)) {
        let help = "Processor time, user and system.";
        page.one("process_cpu_seconds_total", Kind::Counter, help, &[], (user + system) / TICKS);
    }
    let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok());
    if let (Some(boot), Some(start)) = (boot, field(22)) {
        let help = "When the process began, since 1970.";
        page.one("process_start_time_seconds", Kind::Gauge, help, &[], boot + start / TICKS);
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix(RESIDENT)?.trim().split(' ').next()?.parse().ok());
    if let Some(kib) = resident.map(|kib: u64| kib * 1024) {
        page.one("process_resident_memory_bytes", Kind::Gauge, "Memory in use.", &[], number(kib));
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        page.one("process_open_fds", Kind::Gauge, "Open file descriptors.", &[], number(open.count() as u64));
    }
}
