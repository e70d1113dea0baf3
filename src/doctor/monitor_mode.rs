//! The card that the sensor would take, with `source.kind = "radio"`. Asks the kernel itself: a card is more than files.

use super::{Finding, Host, card, trouble};
use crate::{
    config::Radio,
    dot11::channels::Tuning,
    radio::{
        control::{CardControl as _, ControlError, Phy},
        nl80211::Kernel,
        select::{Wanted, choose, title},
    },
};

/// Checks the card that `radio` means.
pub(super) async fn check(host: &Host, radio: &Radio) -> Vec<Finding> {
    let list = "`airtally radio list` shows the cards there are";
    let phys = match cards().await {
        Ok(phys) => phys,
        Err(error) => return vec![Finding::fail("card", error.to_string(), list)],
    };
    let wanted = Wanted { interface: radio.interface.as_deref(), allow_uplink: radio.allow_uplink, remembered: None };
    match choose(&phys, wanted) {
        Ok(phy) => of(host, radio, phy),
        Err(error) => vec![Finding::fail("card", error.to_string(), list)],
    }
}

async fn cards() -> Result<Vec<Phy>, ControlError> {
    Kernel::open()?.phys().await
}

fn of(host: &Host, radio: &Radio, phy: &Phy) -> Vec<Finding> {
    let name = title(phy);
    let may = |freq_mhz| phy.may_listen(freq_mhz);
    let tunings = radio.channels.tunings(may);
    let (open, shut): (Vec<Tuning>, Vec<Tuning>) = tunings.into_iter().partition(|tuning| may(tuning.freq_mhz));
    let advice = "`airtally radio list` shows what it may; `iw reg set XX` sets the country";
    let shut: Vec<String> = shut.iter().map(ToString::to_string).collect();
    let mut findings = vec![match (open.len(), shut.is_empty()) {
        (0, _) => {
            Finding::fail("card", format!("{name} may listen to none of the channels {}", radio.channels), advice)
        }
        (_, false) => Finding::warn("card", format!("{name} may not listen to {}", shut.join(", ")), advice),
        (open, true) => Finding::ok("card", format!("{name} can listen, to {open} channels")),
    }];
    if let Some(driver) = &phy.driver {
        let release = host.text("/proc/sys/kernel/osrelease").unwrap_or_default();
        let known = trouble::of(driver, &release);
        if known.is_empty() {
            findings.push(Finding::ok("driver", format!("{driver}, kernel {release}: no trouble is known here")));
        }
        findings.extend(known);
    }
    findings.push(if phy.rfkill.hard {
        Finding::fail("rfkill", format!("{name} is switched off on the device"), "use its switch")
    } else if phy.rfkill.soft {
        Finding::fail("rfkill", format!("{name} is blocked by rfkill"), "rfkill unblock wifi")
    } else {
        Finding::ok("rfkill", format!("{name} is not blocked"))
    });
    findings.push(card::regulatory(host));
    let managed = phy.interfaces.iter().find(|interface| interface.managed == Some(true));
    if let Some(interface) = managed {
        let name = &interface.name;
        findings.push(Finding::warn(
            "rivals",
            format!("NetworkManager manages {name} and brings it up again and again"),
            format!("unmanaged-devices=interface-name:{name};interface-name:airtally* in /etc/NetworkManager/conf.d/"),
        ));
    }
    findings
}
