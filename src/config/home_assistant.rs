//! `[home_assistant]` of ingest: what is published for a Home Assistant at the same broker.

use super::topic_level;
use crate::{
    bounds::{DAY, Mistakes, SECOND},
    units,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is published for Home Assistant (2024.11 or later).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HomeAssistant {
    /// Whether this ingest publishes it. Of several at one broker, one is enough.
    pub enabled: bool,
    /// The first level of the topics on which Home Assistant looks for devices.
    pub discovery_prefix: String,
    /// How long a device with `presence` is not heard before it counts as away.
    #[serde(with = "units::duration")]
    pub away_after: Duration,
}

impl Default for HomeAssistant {
    fn default() -> Self {
        Self { enabled: false, discovery_prefix: "homeassistant".into(), away_after: SECOND * 600 }
    }
}

impl HomeAssistant {
    /// Refuses what is no topic, and times in which nobody could be heard.
    pub fn check(&self, found: &mut Mistakes) {
        for level in self.discovery_prefix.split('/') {
            topic_level(found, "home_assistant.discovery_prefix", level);
        }
        found.between("home_assistant.away_after", self.away_after, SECOND * 60, DAY);
    }
}
