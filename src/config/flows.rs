//! `[flows]` of `sensor.toml`: whether the sensor tells who spoke with whom.

use super::{Sensor, SourceKind};
use crate::{
    bounds::{DAY, Mistakes, SECOND},
    flow::Settings,
    tally::settings::PrivacyMac,
    units,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Flows that a sensor publishes: who spoke with whom, by addresses and ports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Flows {
    /// Whether it does.
    pub enabled: bool,
    /// Also of what a card hears in the air: there, nearly all of it is other people's.
    pub radio: bool,
    /// With the names that are asked for: of hosts, in DNS, TLS and HTTP.
    pub names: bool,
    /// A flow without a packet for longer than this has ended.
    #[serde(with = "units::duration")]
    pub idle: Duration,
    /// A flow that goes on is told this often.
    #[serde(with = "units::duration")]
    pub update_every: Duration,
    /// Flows that go on at the same time, at most; the one quiet for longest gives way, with a record.
    pub max_flows: usize,
    /// Records of one window, at most; of those beyond it the sums alone are told.
    pub max_records: usize,
}

impl Default for Flows {
    fn default() -> Self {
        let live = Settings::LIVE;
        Self {
            enabled: false,
            radio: false,
            names: false,
            idle: live.idle.unwrap_or(Duration::from_secs(60)),
            update_every: live.active.unwrap_or(Duration::from_secs(300)),
            max_flows: live.max_flows,
            max_records: 20_000,
        }
    }
}

impl Flows {
    /// How the meter is set.
    #[must_use]
    pub const fn settings(&self) -> Settings {
        Settings {
            max_flows: self.max_flows,
            idle: Some(self.idle),
            active: Some(self.update_every),
            names: self.names,
        }
    }

    /// Refuses values out of bounds, and flows where addresses are withheld or the air was not meant.
    pub(super) fn check(&self, sensor: &Sensor, found: &mut Mistakes) {
        found.between("flows.idle", self.idle, SECOND, DAY);
        found.between("flows.update_every", self.update_every, SECOND, DAY);
        for (key, value) in [("flows.max_flows", self.max_flows), ("flows.max_records", self.max_records)] {
            if !(1..=1_000_000).contains(&value) {
                found.wrong(key, format!("{value} is not between 1 and 1000000"));
            }
        }
        if self.enabled && sensor.privacy.mac != PrivacyMac::Plain {
            found.wrong(
                "flows.enabled",
                "flows tell addresses, which this privacy.mac withholds: set flows.enabled = false, or privacy.mac = \"plain\"",
            );
        }
        if self.enabled && sensor.source.kind == SourceKind::Radio && !self.radio {
            found.wrong(
                "flows.radio",
                "what a card hears is mostly other people's traffic: if you may record it, set flows.radio = true; or set \
                 flows.enabled = false",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(sensor: &Sensor) -> Vec<String> {
        let mut found = Mistakes::default();
        sensor.check(&mut found);
        found.found().into_iter().map(|wrong| wrong.key).collect()
    }

    #[test]
    fn flows_are_off_and_refused_where_addresses_are_withheld_or_the_air_was_not_meant() {
        let mut sensor = Sensor::default();
        assert!(!sensor.flows.enabled && wrong(&sensor).is_empty());
        sensor.flows.enabled = true;
        assert_eq!(wrong(&sensor), ["flows.radio"]);
        sensor.flows.radio = true;
        assert!(wrong(&sensor).is_empty());
        for mac in [PrivacyMac::Pseudonym, PrivacyMac::Vendor] {
            sensor.privacy.mac = mac;
            assert_eq!(wrong(&sensor), ["flows.enabled"]);
        }
    }
}
