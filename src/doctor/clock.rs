//! Whether the clock can be trusted, and whether the sensor can know.

use super::{Finding, Host};
use crate::config::{Clock, Sync};

/// Programs that keep a clock right, by their command names.
const KEEPERS: [&str; 4] = ["systemd-timesyn", "chronyd", "ntpd", "ntpd-rs"];

/// Checks what the sensor goes by.
pub(super) fn check(host: &Host, config: &Clock) -> Finding {
    let marker = config.marker.display();
    if config.sync == Sync::Never {
        return Finding::warn(
            "clock",
            "clock.sync is \"never\": every window goes out marked unsynced",
            "set it to \"marker\" if this machine has a time daemon",
        );
    }
    if host.has(&config.marker) {
        return Finding::ok("clock", format!("synchronised, as {marker} says"));
    }
    let running = host.processes();
    match KEEPERS.into_iter().find(|keeper| running.iter().any(|name| name == keeper)) {
        Some("systemd-timesyn") => Finding::warn(
            "clock",
            format!("not synchronised yet ({marker} is not there): windows are held until it is"),
            "timedatectl timesync-status says why; is a time server reachable?",
        ),
        Some(keeper) => Finding::fail(
            "clock",
            format!("{keeper} keeps the clock, and does not make {marker}: windows would be held for ever"),
            "name a file that a hook of yours makes in clock.marker (docs/configuration.md), or set clock.sync = \"never\"",
        ),
        None => Finding::fail(
            "clock",
            format!("nothing keeps the clock, and {marker} is not there: windows would be held for ever"),
            "timedatectl set-ntp true; without any network set clock.sync = \"never\"",
        ),
    }
}
