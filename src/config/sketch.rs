//! `[sketch]` of `sensor.toml`: whether the sensor says about how many distinct stations there were.

use super::Sensor;
use crate::{bounds::Mistakes, tally::settings::PrivacyMac};
use serde::{Deserialize, Serialize};

/// Sketches of distinct stations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sketch {
    /// Whether a batch has one.
    pub enabled: bool,
}

impl Sketch {
    /// Refuses what the privacy mode would keep from being sent.
    pub fn check(&self, sensor: &Sensor, found: &mut Mistakes) {
        if self.enabled && sensor.privacy.mac == PrivacyMac::Vendor {
            found.wrong(
                "sketch.enabled",
                "does not go with privacy.mac = \"vendor\", which sends nothing of single stations",
            );
        }
    }
}
