//! The user's own networks: `evil_twin`, `open_twin`, `bss_changed`, `tsf_back`, `deauth_spoofed`, `new_device`.

use super::{
    Kind, Subject,
    bss::Bss,
    ledger::{FREQS, Ledger, Seen},
    settings::Rules,
    table::{Run, Table},
};
use crate::{
    Mac, UnixNanos,
    dot11::{Announced, Facts, Security},
    wire::ssid_octets,
};
use std::time::Duration;

/// Strangers that bear a name of mine, and devices, that are remembered.
const STRANGERS: usize = 256;
const DEVICES: usize = 4_096;

#[derive(Debug)]
struct Name {
    octets: Vec<u8>,
    open: bool,
}

#[derive(Debug, Default)]
struct Stranger {
    twin: Run,
    open: Run,
}

#[derive(Clone, Copy, Debug, Default)]
struct Device {
    known: bool,
    heard: Run,
}

#[derive(Debug)]
pub struct Mine {
    names: Vec<Name>,
    /// By address, ascending.
    bss: Vec<Bss>,
    listed: Vec<Mac>,
    strangers: Table<Mac, Stranger>,
    devices: Table<Mac, Device>,
    learn: Duration,
    /// When learning began.
    began: UnixNanos,
}

impl Mine {
    pub fn new(rules: &Rules) -> Self {
        let names = rules
            .networks
            .iter()
            .filter_map(|network| Some(Name { octets: ssid_octets(&network.ssid)?, open: network.open }));
        let mut addresses: Vec<Mac> =
            rules.networks.iter().flat_map(|network| network.bssids.iter().copied()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let mut listed = rules.devices.clone();
        listed.sort_unstable();
        let watched = !addresses.is_empty();
        Self {
            names: names.collect(),
            bss: addresses.into_iter().map(Bss::new).collect(),
            listed,
            strangers: Table::new(STRANGERS),
            devices: Table::new(if watched { DEVICES } else { 1 }),
            learn: rules.settings.learn,
            began: UnixNanos::NONE,
        }
    }

    pub const fn evicted(&self) -> u64 {
        self.strangers.evicted() + self.devices.evicted()
    }

    /// Whether there is anything to watch.
    pub fn is_empty(&self) -> bool {
        self.bss.is_empty()
    }

    /// The access point of mine with this address.
    fn bss(&mut self, bssid: Mac) -> Option<&mut Bss> {
        let at = self.bss.binary_search_by_key(&bssid, |bss| bss.bssid).ok()?;
        self.bss.get_mut(at)
    }

    /// Whether this is an access point of mine.
    pub fn has(&self, bssid: Mac) -> bool {
        self.bss.binary_search_by_key(&bssid, |bss| bss.bssid).is_ok()
    }

    /// A beacon or probe response.
    pub fn beacon(&mut self, time: UnixNanos, said: &Announced<'_>, facts: &Facts<'_>, ledger: &mut Ledger) {
        let Some(bssid) = facts.bssid else { return };
        let subject = Subject::Address(bssid);
        let name = said.ssid.and_then(|ssid| self.names.iter().find(|name| name.octets == ssid));
        let meant_open = name.is_some_and(|name| name.open);
        let known = self.has(bssid);
        if let (Some(ssid), Some(_)) = (said.ssid, name) {
            let open = !meant_open && facts.body().security() == Some(Security::OPEN);
            if (open || !known)
                && let Some((stranger, _)) = self.strangers.entry(bssid, time)
            {
                if !known && stranger.twin.add(time) {
                    twin(Kind::EvilTwin, &stranger.twin, time, ssid, said, facts, ledger);
                }
                if open && stranger.open.add(time) {
                    twin(Kind::OpenTwin, &stranger.open, time, ssid, said, facts, ledger);
                }
            }
        }
        if let Some(bss) = self.bss(bssid) {
            bss.beacon(time, said, facts, subject, ledger);
        }
    }

    /// A deauthentication or disassociation of `ta`.
    pub fn deauth(&mut self, time: UnixNanos, ta: Mac, facts: &Facts<'_>, ledger: &mut Ledger) {
        if let Some(bss) = self.bss(ta) {
            bss.deauth(time, facts, ledger);
        }
    }

    /// A data frame of `ta`.
    #[inline]
    pub fn data(&mut self, time: UnixNanos, ta: Mac, facts: &Facts<'_>, ledger: &mut Ledger) {
        if facts.to_ds && !facts.from_ds && !ta.is_local() && facts.bssid.is_some_and(|bssid| self.has(bssid)) {
            self.device(time, ta, facts, ledger);
        }
    }

    fn device(&mut self, time: UnixNanos, ta: Mac, facts: &Facts<'_>, ledger: &mut Ledger) {
        // EAPOL is what a stranger sends too, who does not come in.
        if facts.eapol().is_some() || self.listed.binary_search(&ta).is_ok() || self.has(ta) {
            return;
        }
        if self.began == UnixNanos::NONE {
            self.began = time;
        }
        let learning = time.saturating_since(self.began) < self.learn;
        let Some((device, _)) = self.devices.entry(ta, time) else { return };
        if device.known {
            // Its alert goes on as long as it is there.
            return;
        }
        if !device.heard.add(time) {
            return;
        }
        device.known = true;
        if learning {
            return;
        }
        let run = device.heard;
        if let Some(seen) = ledger.run(Kind::NewDevice, Subject::Address(ta), &run, time) {
            if let Some(bssid) = facts.bssid {
                seen.address("access_points", bssid);
            }
            freq(seen, facts);
        }
    }

    /// Devices are known, and learning began then: what an earlier watch had learnt.
    pub fn remember(&mut self, began: UnixNanos, devices: impl IntoIterator<Item = Mac>) {
        self.began = began;
        for mac in devices {
            if let Some((device, _)) = self.devices.entry(mac, began) {
                device.known = true;
            }
        }
    }

    /// When learning began, and the devices that are known.
    pub fn learnt(&self) -> (UnixNanos, impl Iterator<Item = Mac>) {
        (self.began, self.devices.iter().filter(|(_, device)| device.known).map(|(mac, _)| mac))
    }
}

fn twin(
    kind: Kind,
    run: &Run,
    time: UnixNanos,
    ssid: &[u8],
    said: &Announced<'_>,
    facts: &Facts<'_>,
    ledger: &mut Ledger,
) {
    let Some(bssid) = facts.bssid else { return };
    if let Some(seen) = ledger.run(kind, Subject::Address(bssid), run, time) {
        seen.ssid("ssid", ssid);
        if let Some(channel) = said.channel {
            seen.among("channels", channel);
        }
        if let Some(dbm) = facts.signal_dbm {
            seen.most("signal_dbm", i64::from(dbm));
        }
        freq(seen, facts);
    }
}

pub fn freq(seen: &mut Seen, facts: &Facts<'_>) {
    if let Some(freq) = facts.freq_mhz {
        seen.among(FREQS, freq);
    }
}
