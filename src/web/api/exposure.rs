//! How well was listened: what stands beside every count.

use crate::sink::history::{Counts, History, HistoryError, Range, Scope, query::SensorRow};
use serde::Serialize;
use std::time::Duration;

/// How well sensors listened, all together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(super) struct Exposure {
    /// Windows that there are.
    pub windows: u64,
    /// Windows that there would be if each sensor heard in the range had sent all of its.
    pub expected_windows: u64,
    /// Milliseconds that the windows cover, summed over sensors.
    pub covered_ms: u64,
    /// Milliseconds that radios listened, summed over sensors; null where no sensor can know, as with captures.
    pub listened_ms: Option<u64>,
}

/// What is expected of the sensors of a range.
pub(super) struct Expected(Vec<SensorRow>);

impl Expected {
    /// Of the sensors that have windows or gaps in `range`.
    pub(super) fn new(history: &History, range: Range, scope: &Scope) -> Result<Self, HistoryError> {
        Ok(Self(history.sensors(range, scope)?.items))
    }

    /// Of these sensors.
    pub(super) fn of(sensors: &[SensorRow]) -> Self {
        Self(sensors.to_vec())
    }

    /// The same of those alone that `is_meant`.
    pub(super) fn only(mut self, is_meant: impl Fn(&SensorRow) -> bool) -> Self {
        self.0.retain(is_meant);
        self
    }

    /// Beside what was counted in a step of this `length`.
    pub(super) fn beside(&self, length: Duration, counts: Option<&Counts>) -> Exposure {
        let length = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let expected = self.0.iter().map(|sensor| length.checked_div(sensor.window_ms).unwrap_or(0));
        Exposure {
            windows: counts.map_or(0, |counts| counts.windows),
            expected_windows: expected.fold(0, u64::saturating_add),
            covered_ms: counts.map_or(0, |counts| counts.covered_ms),
            listened_ms: counts.and_then(|counts| counts.listened_ms),
        }
    }

    /// Over the whole range.
    pub(super) fn in_all(&self) -> Exposure {
        let mut all = Exposure { windows: 0, expected_windows: 0, covered_ms: 0, listened_ms: None };
        for SensorRow { counts, expected_windows, .. } in &self.0 {
            all.windows = all.windows.saturating_add(counts.windows);
            all.expected_windows = all.expected_windows.saturating_add(*expected_windows);
            all.covered_ms = all.covered_ms.saturating_add(counts.covered_ms);
            all.listened_ms = match (all.listened_ms, counts.listened_ms) {
                (Some(one), Some(other)) => Some(one.saturating_add(other)),
                (one, other) => one.or(other),
            };
        }
        all
    }
}
