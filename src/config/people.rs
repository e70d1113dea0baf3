//! `[people]` of `sensor.toml`: whether the sensor estimates how many people are near, and how.

use crate::{bounds::Mistakes, people::Settings, tally::devices::Devices};
use serde::{Deserialize, Serialize};

/// An estimate of people: see `docs/people.md`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct People {
    /// Whether the sensor publishes it.
    pub enabled: bool,
    /// Probe requests weaker than this (dBm) are of devices elsewhere.
    pub min_signal: i8,
    /// People for each device that is told apart.
    pub people_per_device: f64,
}

impl Default for People {
    fn default() -> Self {
        let Settings { min_signal, people_per_device, .. } = Settings::default();
        Self { enabled: false, min_signal, people_per_device }
    }
}

impl People {
    /// How the meter is set; devices with `ignore` are nobody.
    #[must_use]
    pub fn settings(&self, devices: &Devices) -> Settings {
        let ignored = devices.0.iter().filter(|device| device.ignore).map(|device| device.address).collect();
        Settings { min_signal: self.min_signal, people_per_device: self.people_per_device, ignored }
    }

    /// Refuses values that no room has.
    pub(super) fn check(&self, found: &mut Mistakes) {
        if !(-110..=-20).contains(&self.min_signal) {
            found.wrong("people.min_signal", format!("{} dBm is not between -110 and -20", self.min_signal));
        }
        if !(0.1..=10.0).contains(&self.people_per_device) {
            found.wrong("people.people_per_device", format!("{} is not between 0.1 and 10", self.people_per_device));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sensor;

    #[test]
    fn it_is_off_and_bounded() {
        let wrong = |people: People| {
            let mut found = Mistakes::default();
            Sensor { people, ..Sensor::default() }.check(&mut found);
            found.found().into_iter().map(|wrong| wrong.key).collect::<Vec<_>>()
        };
        let usual = People::default();
        assert!(!usual.enabled && wrong(usual.clone()).is_empty());
        assert_eq!(wrong(People { min_signal: 0, ..usual.clone() }), ["people.min_signal"]);
        for people_per_device in [0.0, -1.0, 11.0, f64::NAN] {
            assert_eq!(wrong(People { people_per_device, ..usual.clone() }), ["people.people_per_device"]);
        }
    }
}
