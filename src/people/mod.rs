//! An estimate of how many people are near, from the probe requests of their devices: pure, in bounded memory.
//!
//! Every five minutes of the wall clock it takes the global addresses and the distinct [`fingerprint`]s of randomised ones
//! that were heard strongly enough; `estimate` makes an interval of that number. Fingerprints are keyed, with a key that
//! lives as long as its five minutes: nothing links two intervals, and only numbers leave. `docs/people.md` says for which
//! rooms this was tried, and how well it did.

mod estimate;
mod fingerprint;
mod meter;
#[cfg(test)]
mod meter_tests;

pub use estimate::{Guess, guess};
pub use fingerprint::fingerprint;
pub use meter::{Heard, INTERVAL, Key, Meter};

use crate::Mac;

/// How to estimate.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Probe requests weaker than this (dBm) are of devices elsewhere.
    pub min_signal: i8,
    /// People for each device that is told apart.
    pub people_per_device: f64,
    /// Addresses that are nobody's presence: the room's own computers.
    pub ignored: Vec<Mac>,
}

impl Default for Settings {
    /// What was tried on recorded days: see `docs/people.md`.
    fn default() -> Self {
        Self { min_signal: -72, people_per_device: 1.0, ignored: Vec::new() }
    }
}
