//! An alert as it travels: one attack, or what looks like one, from its first sign to a minute after its last.

use crate::UnixNanos;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The schema of alerts' messages.
pub const ALERT_SCHEMA: &str = "airtally.alert/1";

/// Whom an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertClass {
    /// Whoever is in the air: floods, which need no knowledge of the networks around.
    Air,
    /// The networks and devices that the configuration names.
    Mine,
    /// A word that this version does not know, of a newer one. Never sent.
    #[serde(other)]
    Other,
}

/// How much it matters, for an order in lists and for whoever wants the loud ones alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Mostly harmless; look when there is time.
    Low,
    /// Somebody does harm, or is about to.
    High,
    /// A word that this version does not know, of a newer one. Never sent.
    #[serde(other)]
    Other,
}

/// One piece of evidence: a whole number, or text, or several of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Evidence {
    /// How many, how far, how long.
    Number(i64),
    /// Reasons, channels, each once, ascending.
    Numbers(Vec<i64>),
    /// A network's name, or an address as privacy lets it out.
    Text(String),
    /// Several of these.
    Texts(Vec<String>),
}

/// The state of one alert. `kind`, `subject` and `start` together tell it from all others of a sensor; of a kind and a
/// subject at most one is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Which rule: `deauth_flood` and so on (docs/alerts.md).
    pub kind: String,
    /// Whom it is about.
    pub class: AlertClass,
    /// How much it matters.
    pub severity: Severity,
    /// Who or what is attacked or attacks: an address, a network's name, or `air`; as privacy lets it out.
    pub subject: String,
    /// The time of the first frame of its evidence.
    pub start: UnixNanos,
    /// The time of the latest frame of its evidence, once nothing more came for a minute; null while it is open.
    #[serde(default)]
    pub end: Option<UnixNanos>,
    /// Frames of its evidence so far.
    pub frames: u64,
    /// What was seen, by name: docs/alerts.md says which names each kind has.
    #[serde(default)]
    pub evidence: BTreeMap<String, Evidence>,
    /// How long its channel was listened to since it began; null where nobody knows, as in a capture file.
    #[serde(default)]
    pub listened_ms: Option<u64>,
    /// How long since it began nobody watched its channel: silence then says nothing.
    #[serde(default)]
    pub not_watched_ms: u64,
}
