//! The interface: whether it is there, what it does, its driver, its switch, its regulatory domain, whether it is the
//! uplink.

use super::{Finding, Host, trouble};

/// `ARPHRD_IEEE80211_RADIOTAP` (linux/if_arp.h): an interface in monitor mode.
const RADIOTAP: &str = "803";
/// `IFF_UP` (linux/if.h).
const UP: u32 = 1;

/// Checks the interface `name`.
pub(super) fn check(host: &Host, name: &str) -> Vec<Finding> {
    let card = format!("/sys/class/net/{name}");
    if !host.has(&card) {
        let there: Vec<String> = host
            .names("/sys/class/net")
            .into_iter()
            .filter(|name| host.has(format!("/sys/class/net/{name}/phy80211")))
            .collect();
        let there = if there.is_empty() { "no wireless one".to_owned() } else { there.join(", ") };
        let advice = "plug the card in, or name another in source.interface";
        return vec![Finding::fail("card", format!("there is no interface '{name}'; there is {there}"), advice)];
    }
    let mut findings = Vec::new();
    if host.uplinks().iter().any(|uplink| uplink == name) {
        findings.push(Finding::fail(
            "uplink",
            format!("the default route goes over {name}: in monitor mode it carries nothing"),
            "name another interface in source.interface, or route over another",
        ));
    }
    if !host.has(format!("{card}/phy80211")) {
        findings.push(Finding::warn(
            "card",
            format!("{name} is not wireless: what it carries is counted as Ethernet"),
            "name a card in monitor mode in source.interface, if 802.11 is to be counted",
        ));
        return findings;
    }
    let monitor = host.text(format!("{card}/type")).as_deref() == Some(RADIOTAP);
    let flags = host.text(format!("{card}/flags")).unwrap_or_default();
    let up = u32::from_str_radix(flags.trim_start_matches("0x"), 16).is_ok_and(|flags| flags & UP != 0);
    findings.push(match (monitor, up) {
        (true, true) => Finding::ok("card", format!("{name} is in monitor mode and up")),
        (true, false) => Finding::warn("card", format!("{name} is down"), format!("ip link set {name} up")),
        (false, _) => Finding::warn(
            "card",
            format!("{name} is not in monitor mode"),
            format!("ip link set {name} down; iw dev {name} set type monitor; ip link set {name} up"),
        ),
    });
    let release = host.text("/proc/sys/kernel/osrelease").unwrap_or_default();
    match host
        .link_name(format!("{card}/phy80211/device/driver"))
        .or_else(|| host.link_name(format!("{card}/device/driver")))
    {
        Some(driver) => {
            let known = trouble::of(&driver, &release);
            if known.is_empty() {
                findings.push(Finding::ok("driver", format!("{driver}, kernel {release}: no trouble is known here")));
            }
            findings.extend(known);
        }
        None => findings.push(Finding::ok("driver", format!("{name} has no device behind it"))),
    }
    findings.push(rfkill(host, name, &card));
    findings.push(regulatory(host));
    findings
}

fn rfkill(host: &Host, name: &str, card: &str) -> Finding {
    let phy = format!("{card}/phy80211");
    let switches: Vec<String> = host.names(&phy).into_iter().filter(|name| name.starts_with("rfkill")).collect();
    let blocked =
        |kind: &str| switches.iter().any(|switch| host.text(format!("{phy}/{switch}/{kind}")).as_deref() == Some("1"));
    if blocked("hard") {
        Finding::fail("rfkill", format!("{name} is switched off on the device"), "use its switch")
    } else if blocked("soft") {
        Finding::fail("rfkill", format!("{name} is blocked by rfkill"), "rfkill unblock wifi")
    } else {
        Finding::ok("rfkill", format!("{name} is not blocked"))
    }
}

pub(super) fn regulatory(host: &Host) -> Finding {
    let asked =
        host.text("/sys/module/cfg80211/parameters/ieee80211_regdom").filter(|code| code != "00" && !code.is_empty());
    match asked {
        Some(code) => Finding::ok("regulatory", format!("the regulatory domain is set to {code}")),
        None => Finding::warn(
            "regulatory",
            "no regulatory domain is set for the kernel: channels 12 and up and most of 5 GHz may be closed",
            "set your country: raspi-config (Localisation), or cfg80211.ieee80211_regdom=XX on the kernel's command \
             line; `iw reg get` shows what a running program has set",
        ),
    }
}
