//! The gap: a declared loss of windows.

use crate::UnixNanos;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The schema of [`Gap`] messages.
pub const GAP_SCHEMA: &str = "airtally.gap/1";
/// The [`Gap::detail`] of what was erased because privacy became stricter.
pub const ERASED: &str = "privacy";
/// The [`Gap::detail`] of what an ingest knows to be missing, and nobody sent it or declared it lost in time.
pub const MISSING: &str = "missing";

/// Why windows are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The spool was full and the oldest undelivered windows gave way.
    Evicted,
    /// The sensor ended without closing its last window: killed, crashed, or without power.
    Crash,
    /// No longer in the sensor's spool: asked for again, or erased because a stricter privacy mode forbids to keep it.
    Unavailable,
    /// A word that this version does not know, of a newer one: the loss is declared all the same. Never sent.
    #[serde(other)]
    Other,
}

/// A declared loss: windows that were counted, or should have been, and cannot be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// [`GAP_SCHEMA`].
    pub schema: String,
    /// The place.
    pub site: String,
    /// The sensor's name.
    pub sensor: String,
    /// The run that lost them.
    pub run: Uuid,
    /// Why.
    pub reason: GapReason,
    /// First missing window.
    pub first_seq: u64,
    /// Last missing window; absent where nobody knows.
    #[serde(default)]
    pub last_seq: Option<u64>,
    /// Start of what is missing.
    pub start: UnixNanos,
    /// End of what is missing.
    pub end: UnixNanos,
    /// Frames known to be lost; absent where nobody counted them.
    #[serde(default)]
    pub frames: Option<u64>,
    /// One word more on why, where there is one: [`ERASED`], [`MISSING`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// [`super::STAMPING`]; absent from sensors that are older than it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamping: Option<u8>,
    /// The ingest that declares it for itself, because nobody else did. Such a gap never travels: it goes to that ingest's own
    /// databases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingest: Option<String>,
    /// Of a gap that an ingest declared: its windows came after all, and nothing is missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_reason_of_a_newer_version_is_no_reason_to_refuse_a_gap() {
        let gap = |reason: &str| {
            format!(
                r#"{{"schema": "{GAP_SCHEMA}", "site": "home", "sensor": "attic", "run": "{}", "reason": "{reason}",
                    "first_seq": 4, "start": "2026-11-21T04:37:31Z", "end": "2026-11-21T04:37:31Z", "novel": 1}}"#,
                Uuid::nil()
            )
        };
        for (word, reason) in
            [("crash", GapReason::Crash), ("unavailable", GapReason::Unavailable), ("swallowed", GapReason::Other)]
        {
            assert_eq!(serde_json::from_str::<Gap>(&gap(word)).unwrap().reason, reason, "{word}");
        }
    }
}
