//! `[radio]` of `sensor.toml`: which card, which channels, for how long.

use crate::{
    bounds::{DAY, MILLISECOND, Mistakes, SECOND},
    dot11::channels::{Band, Selection},
    units,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The card, for source kind `radio`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Radio {
    /// Which card: an interface's name, a card's (`phy1`), its MAC address, or its place on the bus (`1-1.4`).
    /// Where absent the only one with monitor mode that does not carry the default route.
    pub interface: Option<String>,
    /// How the card is made to listen.
    pub mode: RadioMode,
    /// Which channels.
    pub channels: Selection,
    /// How long each is listened to in one cycle; with `adaptive` on average.
    #[serde(with = "units::duration")]
    pub dwell: Duration,
    /// In which order.
    pub order: Order,
    /// Whether busy channels get more of the time than quiet ones.
    pub adaptive: bool,
    /// The least that `adaptive` leaves a channel.
    #[serde(with = "units::duration")]
    pub min_dwell: Duration,
    /// How long a place must have been listened to before silence there means a deaf radio.
    #[serde(with = "units::duration")]
    pub baseline: Duration,
    /// Take a card even if the default route goes over it.
    pub allow_uplink: bool,
}

impl Default for Radio {
    fn default() -> Self {
        Self {
            interface: None,
            mode: RadioMode::Auto,
            channels: Selection::of_bands(&[Band::Two, Band::Five]),
            dwell: Duration::from_millis(250),
            order: Order::Spread,
            adaptive: true,
            min_dwell: Duration::from_millis(120),
            baseline: Duration::from_secs(3600),
            allow_uplink: false,
        }
    }
}

impl Radio {
    /// Refuses times that no card could keep.
    pub fn check(&self, found: &mut Mistakes) {
        if self.interface.as_ref().is_some_and(String::is_empty) {
            found.wrong(
                "radio.interface",
                "name an interface, a card, a MAC address or a place on the bus; leave the key out for \
                                      the only card that can listen",
            );
        }
        found.between("radio.dwell", self.dwell, MILLISECOND * 10, SECOND * 3600);
        found.between("radio.min_dwell", self.min_dwell, MILLISECOND * 10, SECOND * 3600);
        if self.adaptive && self.min_dwell > self.dwell {
            found.wrong("radio.min_dwell", "the least that a channel gets is more than radio.dwell, its average");
        }
        for (key, time) in [("radio.dwell", self.dwell), ("radio.min_dwell", self.min_dwell)] {
            if time.subsec_nanos() % 1_000_000 != 0 {
                found.wrong(key, "must be whole milliseconds");
            }
        }
        found.between("radio.baseline", self.baseline, SECOND * 10, DAY * 7);
    }
}

/// How a card is made to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RadioMode {
    /// A monitor interface of our own where the driver allows one, else the interface is converted.
    Auto,
    /// A monitor interface of our own, `airtally0`.
    Dedicated,
    /// The interface itself becomes a monitor.
    Convert,
}

/// In which order channels are visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Neighbours far apart in time.
    Spread,
    /// As the configuration lists them.
    Sequential,
}
