//! How to count: the tables `[window]`, `[tracking]` and `[privacy]` of a configuration. `config` composes them;
//! `devices` has the list of one's own devices.

use crate::{
    Mac,
    bounds::{DAY, Mistakes, SECOND},
    units,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, path::PathBuf, time::Duration};

/// The tumbling window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Window {
    /// Its length; windows are aligned to multiples of it since 1970 (UTC).
    #[serde(with = "units::duration")]
    pub length: Duration,
    /// Transmitters with counts of their own in one window; frames of others are `overflow_frames`.
    pub max_stations: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { length: Duration::from_secs(10), max_stations: 20_000 }
    }
}

impl Window {
    /// Refuses a window that cannot be counted.
    pub fn check(&self, found: &mut Mistakes) {
        found.between("window.length", self.length, SECOND, DAY);
        if self.length.subsec_nanos() != 0 {
            found.wrong("window.length", "must be whole seconds");
        }
        if !(1..=1_000_000).contains(&self.max_stations) {
            found.wrong("window.max_stations", format!("{} is not between 1 and 1000000", self.max_stations));
        }
    }
}

/// Which stations may have a time series of their own. A database does not forget a series, so what is bounded
/// are admissions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tracking {
    /// These are always tracked, and first in the budget; beside the [`super::devices`] that are to be tracked.
    pub always: Vec<Mac>,
    /// Admissions per period, at most.
    pub budget: usize,
    /// The period: the retention time of your database.
    #[serde(with = "units::duration")]
    pub period: Duration,
    /// Windows in which a station must have been seen before it is admitted.
    pub track_after: u32,
}

impl Default for Tracking {
    fn default() -> Self {
        Self { always: Vec::new(), budget: 1_000, period: Duration::from_secs(30 * 86_400), track_after: 3 }
    }
}

impl Tracking {
    /// Refuses a budget that cannot be kept.
    pub fn check(&self, found: &mut Mistakes) {
        if self.budget > 100_000 {
            found.wrong("tracking.budget", "more than 100000 series would choke an InfluxDB 1.x database");
        }
        let always = self.always.iter().collect::<BTreeSet<_>>().len();
        if always > self.budget {
            found.wrong(
                "tracking.budget",
                format!(
                    "{} is less than the {always} addresses that are always tracked ([[devices]] with track = true, and tracking.always): raise it, or track fewer",
                    self.budget
                ),
            );
        }
        if self.track_after == 0 {
            found.wrong("tracking.track_after", "must be at least 1");
        }
        found.between("tracking.period", self.period, SECOND * 3600, DAY * 3650);
    }
}

/// What becomes of addresses before anything leaves memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrivacyMac {
    /// As they are.
    Plain,
    /// Keyed hashes, with a new key each rotation.
    Pseudonym,
    /// No stations at all: sums per vendor.
    Vendor,
}

/// What is withheld.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Privacy {
    /// What becomes of addresses.
    pub mac: PrivacyMac,
    /// Whether the network names in probe requests, which tell where a device's owner has been, are kept.
    /// Names that access points announce are kept in mode `plain` and `pseudonym`.
    pub ssids: bool,
    /// How long a pseudonym's key lives; windows end there.
    #[serde(with = "units::duration")]
    pub rotation: Duration,
    /// The directory of the key file (mode 0600), for mode `pseudonym`; `spool.state_dir` where absent.
    pub key_dir: Option<PathBuf>,
}

impl Default for Privacy {
    fn default() -> Self {
        Self { mac: PrivacyMac::Plain, ssids: false, rotation: Duration::from_secs(86_400), key_dir: None }
    }
}

impl Privacy {
    /// Refuses a rotation that nobody could keep.
    pub fn check(&self, found: &mut Mistakes) {
        if self.mac == PrivacyMac::Pseudonym {
            found.between("privacy.rotation", self.rotation, SECOND * 60, DAY * 31);
        }
    }
}
