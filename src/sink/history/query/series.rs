//! Series: the same sums, step by step. A step in which nobody listened is a row that says so.

use super::{Steps, losses};
use crate::{
    UnixNanos,
    sink::history::{
        History,
        counts::{Counts, Crowd},
        range::{HistoryError, Page, Range, Scope},
    },
};
use serde::Serialize;
use std::time::Duration;

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeriesRow {
    /// Its start.
    pub from: UnixNanos,
    /// Its end (exclusive).
    pub to: UnixNanos,
    /// What was counted in the windows that began in it; absent where there is none: nobody listened, or it is not stored
    /// (yet). That is not zero.
    pub counts: Option<Counts>,
    /// Stations at a time; absent as `counts` is.
    pub stations: Option<Crowd>,
    /// Milliseconds of it that sensors declared as lost, summed over sensors.
    pub gap_ms: u64,
    /// Frames declared as lost, of the losses that begin in it; absent where nobody counted them.
    pub lost_frames: Option<u64>,
}

impl History {
    /// The range in steps of `step`, from its start on; all of them, without holes, the last perhaps shorter. Windows count
    /// in the step that they begin in. Steps of whole minutes (hours), in a range that begins at a whole minute (hour), can be
    /// made of the minute (hour) tier, which is faster and reaches farther back.
    ///
    /// # Errors
    /// When the file cannot be read, or that makes more than [`super::MOST_STEPS`].
    pub fn series(&self, range: Range, step: Duration, scope: &Scope) -> Result<Page<SeriesRow>, HistoryError> {
        let steps = Steps::new(range, step)?;
        let transaction = self.moment()?;
        let moment = Self::at(&transaction, range, scope).in_steps(step);
        let mut items: Vec<SeriesRow> = steps
            .ranges()
            .zip(losses(&moment, steps)?)
            .map(|(step, (gap_ms, lost_frames))| SeriesRow {
                from: step.from,
                to: step.to,
                counts: None,
                stations: None,
                gap_ms,
                lost_frames,
            })
            .collect();
        moment.cells(|cell| {
            if let Some(row) = items.get_mut(steps.of(cell.start)) {
                row.counts.get_or_insert_default().add(&cell.counts);
                row.stations.get_or_insert_default().add(&cell.crowd);
            }
        })?;
        Ok(Page { tier: moment.tier(), items, next: None, truncated: false })
    }
}
