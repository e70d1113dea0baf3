//! Where windows wait: whether the spool's directories can be used, and have room.

use super::{Finding, Host};
use crate::config::Spool;
use rustix::fs::{Access, access, statvfs};
use std::path::Path;

/// Checks both directories.
pub(super) fn check(host: &Host, config: &Spool) -> Vec<Finding> {
    let mut findings = vec![directory(host, "spool.runtime_dir", &config.runtime_dir, config.max_bytes.0)];
    if config.state_dir != config.runtime_dir {
        findings.push(directory(host, "spool.state_dir", &config.state_dir, config.max_bytes.0));
    }
    if !config.durable
        && findings.iter().all(|finding| finding.level == super::Level::Ok)
        && !in_memory(host, &config.runtime_dir)
    {
        findings.push(Finding::warn(
            "spool",
            format!(
                "{} (spool.runtime_dir) is not in memory: every window is written to the disk",
                config.runtime_dir.display()
            ),
            "put it below /run, so that an SD card does not wear",
        ));
    }
    findings
}

fn directory(host: &Host, key: &str, path: &Path, need: u64) -> Finding {
    let (here, shown) = (host.path(path), path.display());
    if !here.is_dir() {
        let advice =
            format!("mkdir {shown}, for the user that runs the sensor; the service unit makes it at its start");
        return Finding::warn("spool", format!("{shown} ({key}) is not there"), advice);
    }
    if access(&here, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let advice = "run the doctor as the sensor's user; if it is, give it the directory";
        return Finding::warn("spool", format!("this user may not write to {shown} ({key})"), advice);
    }
    match statvfs(&here) {
        Ok(disk) => {
            let (free, mib) = (disk.f_bavail.saturating_mul(disk.f_frsize), 1 << 20);
            if free < need {
                let message = format!("{shown} ({key}) has {} MiB free, less than spool.max_bytes", free / mib);
                return Finding::warn("spool", message, "free some, or set a smaller spool.max_bytes");
            }
            Finding::ok("spool", format!("{shown} ({key}): {} MiB free", free / mib))
        }
        Err(error) => Finding::fail("spool", format!("cannot look at {shown} ({key}): {error}"), "check the disk"),
    }
}

/// Whether the longest mount point above `path` is a file system in memory.
fn in_memory(host: &Host, path: &Path) -> bool {
    let mounts = host.text("/proc/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        Some((*words.get(1)?, *words.get(2)?))
    });
    let above = mounts.filter(|(point, _)| path.starts_with(point));
    above.max_by_key(|(point, _)| point.len()).is_some_and(|(_, kind)| kind == "tmpfs" || kind == "ramfs")
}
