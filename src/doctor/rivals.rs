//! Who else wants the card: NetworkManager, wpa_supplicant and the like take it back, change its channel, or scan.

use super::{Finding, Host};

/// Checks who else uses the interface `name`.
pub(super) fn check(host: &Host, name: &str) -> Vec<Finding> {
    let running = host.processes();
    let runs = |program: &str| running.iter().any(|running| running == program);
    let mut findings = Vec::new();
    if runs("NetworkManager") {
        findings.push(network_manager(host, name));
    }
    let supplicants: Vec<&str> =
        ["wpa_supplicant", "iwd", "hostapd", "dhcpcd"].into_iter().filter(|name| runs(name)).collect();
    let uses = |program: &str| {
        host.names("/proc").iter().any(|pid| {
            host.text(format!("/proc/{pid}/comm")).as_deref() == Some(program)
                && host.text(format!("/proc/{pid}/cmdline")).is_some_and(|line| {
                    line.split('\0').any(|word| word == name || word.strip_prefix("-i") == Some(name))
                })
        })
    };
    for program in supplicants {
        if uses(program) {
            findings.push(Finding::fail(
                "rivals",
                format!("{program} runs on {name} and will take it back"),
                format!("stop it for this card: systemctl disable --now {program}@{name}, or whatever started it"),
            ));
        } else if program == "iwd" {
            findings.push(Finding::warn(
                "rivals",
                "iwd runs, and takes every card that it may",
                format!("stop it, or start it with --nointerfaces {name}"),
            ));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok("rivals", format!("no other program is seen to want {name}")));
    }
    findings
}

/// What NetworkManager itself says of the device in its runtime directory.
fn network_manager(host: &Host, name: &str) -> Finding {
    let index = host.text(format!("/sys/class/net/{name}/ifindex")).unwrap_or_default();
    let state = host.text(format!("/run/NetworkManager/devices/{index}")).unwrap_or_default();
    let managed = state.lines().find_map(|line| line.strip_prefix("managed="));
    match managed {
        Some("unmanaged" | "false") => Finding::ok("rivals", format!("NetworkManager leaves {name} alone")),
        Some(_) => Finding::fail(
            "rivals",
            format!("NetworkManager manages {name} and will take it back"),
            format!(
                "nmcli device set {name} managed no; for good: unmanaged-devices=interface-name:{name} in /etc/NetworkManager/conf.d/"
            ),
        ),
        None => Finding::warn(
            "rivals",
            format!("NetworkManager runs, and does not say whether it manages {name}"),
            format!("nmcli device show {name}"),
        ),
    }
}
