//! A part of a window or a gap: what spool, broker and sinks carry. Reads and writes their JSON.

use super::{ALERT_SCHEMA, Alert, Alerts, BATCH_SCHEMA, Batch, FLOW_SCHEMA, Flows, GAP_SCHEMA, Gap, TimeSource};
use crate::UnixNanos;
use serde::Deserialize;
use uuid::Uuid;

/// What travels through spool, broker and sinks.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// Part of a window.
    Batch(Box<Batch>),
    /// Part of a window: flows.
    Flows(Box<Flows>),
    /// Part of a window: alerts.
    Alerts(Box<Alerts>),
    /// A declared loss.
    Gap(Gap),
}

/// Why a payload is not a record.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or a field is missing or of the wrong type.
    #[error("not a batch: {0}")]
    Shape(#[from] serde_json::Error),
    /// Another schema, or a major version that this program does not read.
    #[error("schema '{0}' is not one this version reads ({BATCH_SCHEMA}, {FLOW_SCHEMA}, {ALERT_SCHEMA}, {GAP_SCHEMA})")]
    Schema(String),
    /// Well-formed, but impossible.
    #[error("not a batch: {0}")]
    Impossible(&'static str),
}

impl Record {
    /// Reads a payload, ignoring fields this version does not know.
    ///
    /// # Errors
    /// When it is not JSON of a known schema's shape, or contradicts itself.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
        }
        let Head { schema } = serde_json::from_slice(payload)?;
        match schema.as_str() {
            BATCH_SCHEMA => {
                let batch: Batch = serde_json::from_slice(payload)?;
                if batch.part >= batch.parts {
                    return Err(DecodeError::Impossible("its part number is not below its number of parts"));
                }
                if batch.end < batch.start {
                    return Err(DecodeError::Impossible("it ends before it starts"));
                }
                if (batch.part == 0) != batch.capture.is_some() {
                    return Err(DecodeError::Impossible("'capture' belongs to part 0 and to no other"));
                }
                if batch.distinct.as_ref().is_some_and(|distinct| distinct.sketch().is_none()) {
                    return Err(DecodeError::Impossible("'distinct' is no sketch"));
                }
                Ok(Self::Batch(Box::new(batch)))
            }
            FLOW_SCHEMA => {
                let flows: Flows = serde_json::from_slice(payload)?;
                if flows.part == 0 || flows.part >= flows.parts {
                    return Err(DecodeError::Impossible("its part number is not between 1 and its number of parts"));
                }
                if flows.end < flows.start {
                    return Err(DecodeError::Impossible("it ends before it starts"));
                }
                Ok(Self::Flows(Box::new(flows)))
            }
            ALERT_SCHEMA => {
                let alerts: Alerts = serde_json::from_slice(payload)?;
                if alerts.part == 0 || alerts.part >= alerts.parts {
                    return Err(DecodeError::Impossible("its part number is not between 1 and its number of parts"));
                }
                if alerts.end < alerts.start {
                    return Err(DecodeError::Impossible("it ends before it starts"));
                }
                let is_name = |text: &str, longest| (1..=longest).contains(&text.len());
                let is_right = |alert: &Alert| is_name(&alert.kind, 64) && is_name(&alert.subject, 256);
                if !alerts.alerts.iter().all(is_right) {
                    return Err(DecodeError::Impossible("an alert has a kind or a subject that is empty or too long"));
                }
                Ok(Self::Alerts(Box::new(alerts)))
            }
            GAP_SCHEMA => Ok(Self::Gap(serde_json::from_slice(payload)?)),
            _ => Err(DecodeError::Schema(schema.chars().take(64).collect())),
        }
    }

    /// The record as the JSON that travels: one line, no spaces, the same bytes for the same record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Batch(batch) => serde_json::to_vec(batch),
            Self::Flows(flows) => serde_json::to_vec(flows),
            Self::Alerts(alerts) => serde_json::to_vec(alerts),
            Self::Gap(gap) => serde_json::to_vec(gap),
        }
        .unwrap_or_default() // These types have string keys and finite numbers: nothing in them can fail.
    }

    /// The same record, all its times later by `shift` nanoseconds (which may be negative); a batch's clock is then the
    /// synchronised one. For records that have not left the sensor: no one else restamps.
    #[must_use]
    pub fn restamped(mut self, shift: i64) -> Self {
        let moved = |time: &mut UnixNanos| time.0 = time.0.saturating_add(shift);
        match &mut self {
            Self::Batch(batch) => {
                batch.clock = TimeSource::System;
                moved(&mut batch.start);
                moved(&mut batch.end);
                for station in &mut batch.stations {
                    moved(&mut station.first_seen);
                    moved(&mut station.last_seen);
                }
                for people in &mut batch.people {
                    moved(&mut people.start);
                    moved(&mut people.end);
                }
            }
            Self::Flows(flows) => {
                flows.clock = TimeSource::System;
                moved(&mut flows.start);
                moved(&mut flows.end);
                for flow in &mut flows.flows {
                    flow.first_time.as_mut().into_iter().chain(&mut flow.last_time).for_each(moved);
                }
            }
            Self::Alerts(alerts) => {
                alerts.clock = TimeSource::System;
                moved(&mut alerts.start);
                moved(&mut alerts.end);
                for alert in &mut alerts.alerts {
                    moved(&mut alert.start);
                    alert.end.as_mut().map(moved);
                }
            }
            Self::Gap(gap) => {
                moved(&mut gap.start);
                moved(&mut gap.end);
            }
        }
        self
    }

    /// The site it came from.
    #[must_use]
    pub fn site(&self) -> &str {
        match self {
            Self::Batch(batch) => &batch.identity.site,
            Self::Flows(flows) => &flows.identity.site,
            Self::Alerts(alerts) => &alerts.identity.site,
            Self::Gap(gap) => &gap.site,
        }
    }

    /// The sensor it came from.
    #[must_use]
    pub fn sensor(&self) -> &str {
        match self {
            Self::Batch(batch) => &batch.identity.sensor,
            Self::Flows(flows) => &flows.identity.sensor,
            Self::Alerts(alerts) => &alerts.identity.sensor,
            Self::Gap(gap) => &gap.sensor,
        }
    }

    /// The run it belongs to.
    #[must_use]
    pub fn run(&self) -> Uuid {
        match self {
            Self::Batch(batch) => batch.identity.run,
            Self::Flows(flows) => flows.identity.run,
            Self::Alerts(alerts) => alerts.identity.run,
            Self::Gap(gap) => gap.run,
        }
    }
}
