//! What is to know of a sensor now, in one small message: for those who show it and count nothing themselves.

use super::State;
use crate::UnixNanos;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The schema of [`Summary`].
pub const SUMMARY_SCHEMA: &str = "airtally.summary/1";

/// Where a device of the user's own is, as far as one sensor hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whereabouts {
    /// It was heard lately.
    Home,
    /// It was not, though the sensor listened.
    NotHome,
}

/// A device of the user's own whose presence is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// What its owner calls it. Its address is never said.
    pub name: String,
    /// Where it is; absent while nobody can tell, because the sensor does not listen.
    pub state: Option<Whereabouts>,
}

/// What an ingest says of a sensor, retained, on `summary`. Every field is always there, and null where it is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`SUMMARY_SCHEMA`].
    pub schema: String,
    /// The place.
    pub site: String,
    /// The sensor.
    pub sensor: String,
    /// Whether the sensor does its work.
    pub state: Option<State>,
    /// Why, in one word, where its status has one.
    pub reason: Option<String>,
    /// Whether it needs a person.
    pub problem: bool,
    /// Whether it is there and its card listens: only then does silence mean that nobody was there.
    pub listens: bool,
    /// When its newest window ended.
    pub last_window: Option<UnixNanos>,
    /// Transmitters in that window, access points among them.
    pub stations: Option<u64>,
    /// Access points among them; null where the privacy mode leaves nothing to tell them by.
    pub access_points: Option<u64>,
    /// Of 100 transmitters, how many had a randomised address.
    pub randomised_percent: Option<f64>,
    /// Frames captured per second listened; null where the radio is not the sensor's own.
    pub frames_per_second: Option<f64>,
    /// Of 100 seconds of the window, how many the radio listened; null as above.
    pub coverage_percent: Option<f64>,
    /// Messages that wait in the sensor's spool for the broker.
    pub waiting: Option<u64>,
    /// Alerts that are open; null where the sensor watches for none.
    pub alerts: Option<u64>,
    /// Their kinds, each once.
    pub alert_kinds: Vec<String>,
    /// The estimate of people of the newest interval; null where there is none, or where it is over for ten minutes.
    pub people: Option<u32>,
    /// At least so many, and at most.
    pub people_low: Option<u32>,
    /// See `people_low`.
    pub people_high: Option<u32>,
    /// Devices whose presence is asked for, by an identifier made of their names.
    pub presence: BTreeMap<String, Presence>,
}
