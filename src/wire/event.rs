//! What happened on a sensor, for people: best effort, never a loss.

use crate::UnixNanos;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The schema of [`EventMessage`].
pub const EVENT_SCHEMA: &str = "airtally.event/1";

/// Something worth knowing that happened: sent once, best effort. Declared losses are not events but gaps, and
/// travel with the batches' care.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What, in one word: `clock_step`.
    pub kind: String,
    /// When.
    pub time: UnixNanos,
    /// In which run.
    #[serde(default)]
    pub run: Option<Uuid>,
    /// One sentence for a person.
    pub message: String,
    /// Numbers that belong to it. No address that the privacy settings withhold.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub data: serde_json::Map<String, serde_json::Value>,
}

/// An [`Event`] as it travels, on `event`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventMessage {
    /// [`EVENT_SCHEMA`].
    pub schema: String,
    /// The place.
    pub site: String,
    /// The sensor.
    pub sensor: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}
