//! The alerts whose state changed in one window: a part of that window, as published.

use super::{ALERT_SCHEMA, Alert, Identity, STAMPING, TimeSource, split::encoded_len};
use crate::UnixNanos;
use serde::{Deserialize, Serialize};
use std::mem;

/// Alerts that opened, went on with more evidence, or ended in a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alerts {
    /// [`ALERT_SCHEMA`].
    pub schema: String,
    /// Whose window.
    #[serde(flatten)]
    pub identity: Identity,
    /// Which part of the window, after those that are batches or flows.
    pub part: u32,
    /// Of how many, batches and flows included.
    pub parts: u32,
    /// When the window began.
    pub start: UnixNanos,
    /// When it ended (exclusive).
    pub end: UnixNanos,
    /// Where the times come from.
    pub clock: TimeSource,
    /// As in the window's batches.
    #[serde(rename = "final", default)]
    pub last: bool,
    /// [`STAMPING`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamping: Option<u8>,
    /// Each as it was at the window's end, divided over the messages.
    pub alerts: Vec<Alert>,
}

impl Alerts {
    /// Divides a window's alerts into messages of at most `max_bytes` of JSON each; none where there are none. Their numbers are
    /// set later, by [`super::number_parts`].
    #[must_use]
    pub fn split(
        identity: &Identity,
        (start, end): (UnixNanos, UnixNanos),
        clock: TimeSource,
        last: bool,
        alerts: Vec<Alert>,
        max_bytes: usize,
    ) -> Vec<Self> {
        let empty = || Self {
            schema: ALERT_SCHEMA.into(),
            identity: identity.clone(),
            // The widest numbers while measuring.
            part: u32::MAX,
            parts: u32::MAX,
            start,
            end,
            clock,
            last,
            stamping: Some(STAMPING),
            alerts: Vec::new(),
        };
        let empty_len = encoded_len(&empty());
        let (mut part, mut len) = (empty(), empty_len);
        let mut parts = Vec::new();
        for alert in alerts {
            let alert_len = encoded_len(&alert) + 1; // and its comma
            if len + alert_len > max_bytes && !part.alerts.is_empty() {
                parts.push(mem::replace(&mut part, empty()));
                len = empty_len;
            }
            len += alert_len;
            part.alerts.push(alert);
        }
        if !part.alerts.is_empty() {
            parts.push(part);
        }
        parts
    }
}
