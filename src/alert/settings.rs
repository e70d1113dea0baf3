//! What the configuration says of alerts: `[alerts]`, what is expected, and `[[networks]]`, the user's own.

use super::Kind;
use crate::{
    Mac,
    bounds::{DAY, Mistakes},
    units,
    wire::ssid_octets,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, time::Duration};

/// The subject of alerts that are about nobody in particular.
pub const AIR: &str = "air";
/// Octets of a network's name, at most (IEEE 802.11-2020, 9.4.2.2).
const MAX_SSID: usize = 32;
/// Networks, and access points of one, at most: looked through for each beacon.
const MAX_NETWORKS: usize = 32;
const MAX_BSSIDS: usize = 256;
const MAX_EXPECTED: usize = 256;

/// `[alerts]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether the sensor watches for attacks, and tells of them.
    pub enabled: bool,
    /// For so long after the first start of a watch, devices in one's own networks are learnt, and none is new.
    #[serde(with = "units::duration")]
    pub learn: Duration,
    /// What is no news: one line of configuration each.
    pub expected: Vec<Expected>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: false, learn: 7 * DAY, expected: Vec::new() }
    }
}

/// An alert that is not to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Its kind.
    pub kind: Kind,
    /// Its subject, as the alert has it in privacy mode `plain`: an address, or [`AIR`].
    pub subject: String,
}

impl Settings {
    /// Refuses what could never silence anything.
    pub fn check(&self, found: &mut Mistakes) {
        found.between("alerts.learn", self.learn, Duration::ZERO, 90 * DAY);
        if self.expected.len() > MAX_EXPECTED {
            found.wrong(
                "alerts.expected",
                format!("there are more than {MAX_EXPECTED}: a rule that is silenced so often is better left out"),
            );
        }
        for (index, Expected { kind, subject }) in self.expected.iter().enumerate() {
            found.at(index);
            let (air, address) = match kind {
                Kind::BeaconFlood => (true, false),
                Kind::NavAbuse => (true, true),
                _ => (false, true),
            };
            let fits = air && subject == AIR || address && subject.parse::<Mac>().is_ok_and(|mac| !mac.is_group());
            if !fits {
                let wanted = if address { "an address like \"aa:bb:cc:dd:ee:ff\"" } else { "\"air\"" };
                found.wrong(
                    "alerts.expected.subject",
                    format!("{subject:?} is no subject of {}: write {wanted}", kind.name()),
                );
            }
        }
        found.at(None);
    }
}

/// A network of the user's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Its name, written as airtally shows it: see [`ssid_octets`].
    pub ssid: String,
    /// The addresses (BSSIDs) of its access points: each band and each name has one of its own.
    pub bssids: Vec<Mac>,
    /// Whether it is meant to be open, without a key.
    #[serde(default)]
    pub open: bool,
}

/// `[[networks]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Networks(pub Vec<Network>);

impl Networks {
    /// Refuses networks that nobody could recognise.
    pub fn check(&self, found: &mut Mistakes) {
        let mut names = BTreeSet::new();
        if self.0.len() > MAX_NETWORKS {
            found.wrong("networks", format!("there are more than {MAX_NETWORKS}"));
        }
        for (index, Network { ssid, bssids, .. }) in self.0.iter().enumerate() {
            found.at(index);
            match ssid_octets(ssid) {
                Some(octets) if (1..=MAX_SSID).contains(&octets.len()) => {}
                _ => found.wrong(
                    "networks.ssid",
                    format!("{ssid:?} is not the name of a network: 1 to {MAX_SSID} octets, a backslash written twice"),
                ),
            }
            if !names.insert(ssid) {
                found.wrong("networks.ssid", format!("{ssid:?} is there twice: give all access points in one bssids"));
            }
            if bssids.is_empty() || bssids.len() > MAX_BSSIDS {
                found.wrong(
                    "networks.bssids",
                    format!("{ssid:?} needs the addresses of its access points, 1 to {MAX_BSSIDS}"),
                );
            }
            if let Some(group) = bssids.iter().find(|bssid| bssid.is_group()) {
                found.wrong("networks.bssids", format!("{group} is a group address, and no access point has one"));
            }
        }
        found.at(None);
    }
}

/// All that a [`super::Watch`] goes by.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// `[alerts]`.
    pub settings: Settings,
    /// The user's own networks.
    pub networks: Vec<Network>,
    /// The addresses of the user's own devices: none of them is new.
    pub devices: Vec<Mac>,
}
