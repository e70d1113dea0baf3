//! What this user may do (capabilities(7)).

use super::{Finding, Host};

const NET_ADMIN: u64 = 1 << 12;
const NET_RAW: u64 = 1 << 13;

/// Checks the capabilities of the user who asks: the service may have others.
pub(super) fn check(host: &Host) -> Finding {
    let status = host.text("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    let missing: Vec<&str> = [("CAP_NET_RAW", NET_RAW), ("CAP_NET_ADMIN", NET_ADMIN)]
        .into_iter()
        .filter(|(_, bit)| effective & bit == 0)
        .map(|(name, _)| name)
        .collect();
    if missing.is_empty() {
        return Finding::ok("rights", "this user may capture and set up interfaces");
    }
    Finding::warn(
        "rights",
        format!("this user lacks {}", missing.join(" and ")),
        "run the sensor by its service unit, which grants them, or as root",
    )
}
